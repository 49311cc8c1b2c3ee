//! The task that handles the messages of one subscription.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::broker::{MAX_MESSAGE, MAX_QUEUED, MemoryBroker};
use super::delivery::{Envelope, EnvelopeKind, Queue, QueueItem, ReplySender};
use crate::cluster::Receiver;
use crate::cluster::receive::{
    InlineBudget, RunningRequest, deliver, fit_to_limit, overloaded_reply, reconnected,
};
use crate::util::tasks::run_until_cancelled;

/// The state to handle envelopes. Each subscription has a clone.
#[derive(Clone)]
pub(super) struct Consumer {
    pub(super) broker: MemoryBroker,
    pub(super) receiver: Arc<dyn Receiver>,
    /// The requests that are being answered.
    pub(super) running: TaskTracker,
    pub(super) closed: CancellationToken,
    /// Aborts the running requests.
    pub(super) cut: CancellationToken,
}

impl Consumer {
    /// Creates a queue with its task, which ends when all senders are dropped.
    pub(super) fn open(&self, server: &Arc<str>) -> Queue {
        let (items, taken) = mpsc::channel(MAX_QUEUED);
        tokio::spawn(self.clone().serve(taken));
        Queue { server: Arc::clone(server), items }
    }

    /// Handles items until it is closed.
    pub(super) async fn serve(self, mut items: mpsc::Receiver<QueueItem>) {
        let mut budget = InlineBudget::default();
        loop {
            let item = tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                item = items.recv() => item,
            };
            match item {
                None => return,
                Some(QueueItem::Mark(reached)) => {
                    let _ = reached.send(());
                }
                Some(QueueItem::Reconnected) => reconnected(&*self.receiver),
                Some(QueueItem::Envelope(envelope)) => {
                    // Two subjects have no common order, so another one may go first.
                    for _ in 0..self.broker.turns() {
                        tokio::task::yield_now().await;
                    }
                    if self.closed.is_cancelled() {
                        return;
                    }
                    self.handle(envelope, &mut budget).await;
                }
            }
        }
    }

    async fn handle(&self, envelope: Envelope, budget: &mut InlineBudget) {
        let Envelope { from, to, kind, body } = envelope;
        match kind {
            EnvelopeKind::Message(kind) => drop(deliver(&*self.receiver, kind, body)),
            EnvelopeKind::Request(caller) => {
                let closed = self.closed.clone();
                let back = ReplyHandle { broker: self.broker.clone(), closed, from: to, to: from, caller };
                if self.running.len() >= MAX_QUEUED {
                    return back.send(overloaded_reply());
                }
                let mut request = RunningRequest::begin(&*self.receiver, body);
                if budget.runs_inline() {
                    let began = Instant::now();
                    let first = request.poll_once().await;
                    budget.record(began.elapsed());
                    if let Poll::Ready(answer) = first {
                        return back.send(answer);
                    }
                }
                self.running
                    .spawn(run_until_cancelled(self.cut.clone(), async move { back.send(request.await) }));
            }
            EnvelopeKind::Answer => {}
        }
    }
}

/// Sends the reply to one request.
struct ReplyHandle {
    broker: MemoryBroker,
    closed: CancellationToken,
    from: Arc<str>,
    to: Arc<str>,
    caller: ReplySender,
}

impl ReplyHandle {
    fn send(self, answer: Bytes) {
        if self.closed.is_cancelled() {
            return; // a stopped server sends no reply
        }
        let (answer, _) = fit_to_limit(answer, MAX_MESSAGE);
        self.broker.answer(&self.from, &self.to, &self.caller, answer);
    }
}
