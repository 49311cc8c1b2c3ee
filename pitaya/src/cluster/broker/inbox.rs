//! The task that takes in what comes to one subject for one server.

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::hub::{Caller, Inbox, Item, LARGEST, Letter, MemoryBroker, WAITING, What};
use crate::cluster::Receiver;
use crate::cluster::answering::{Answering, Pace, deliver, fitting, overloaded, reconnected};
use crate::util::tasks::run_until_cancelled;

/// What a letter needs to be handled. Each subject has a clone.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) broker: MemoryBroker,
    pub(super) receiver: Arc<dyn Receiver>,
    /// The requests that are being answered.
    pub(super) running: TaskTracker,
    pub(super) closed: CancellationToken,
    /// Ends what is being answered.
    pub(super) cut: CancellationToken,
}

impl Desk {
    /// A queue for one subject, with its task: it ends when nobody can send to it any more.
    pub(super) fn open(&self, server: &Arc<str>) -> Inbox {
        let (items, taken) = mpsc::channel(WAITING);
        tokio::spawn(self.clone().serve(taken));
        Inbox { server: Arc::clone(server), items }
    }

    /// Takes in until it is closed.
    pub(super) async fn serve(self, mut items: mpsc::Receiver<Item>) {
        let mut pace = Pace::default();
        loop {
            let item = tokio::select! {
                biased;
                () = self.closed.cancelled() => return,
                item = items.recv() => item,
            };
            match item {
                None => return,
                Some(Item::Mark(reached)) => {
                    let _ = reached.send(());
                }
                Some(Item::Reconnected) => reconnected(&*self.receiver),
                Some(Item::Letter(letter)) => {
                    // Between two subjects there is no order: another one may go first.
                    for _ in 0..self.broker.turns() {
                        tokio::task::yield_now().await;
                    }
                    if self.closed.is_cancelled() {
                        return;
                    }
                    self.handle(letter, &mut pace).await;
                }
            }
        }
    }

    async fn handle(&self, letter: Letter, pace: &mut Pace) {
        let Letter { from, to, what, body } = letter;
        match what {
            What::Message(kind) => drop(deliver(&*self.receiver, kind, body)),
            What::Request(caller) => {
                let closed = self.closed.clone();
                let back = Back { broker: self.broker.clone(), closed, from: to, to: from, caller };
                if self.running.len() >= WAITING {
                    return back.send(overloaded());
                }
                let mut answering = Answering::begin(&*self.receiver, body);
                if pace.in_place() {
                    let began = Instant::now();
                    let first = answering.once().await;
                    pace.took(began.elapsed());
                    if let Poll::Ready(answer) = first {
                        return back.send(answer);
                    }
                }
                self.running
                    .spawn(run_until_cancelled(self.cut.clone(), async move { back.send(answering.await) }));
            }
            What::Answer => {}
        }
    }
}

/// The way back to a caller.
struct Back {
    broker: MemoryBroker,
    closed: CancellationToken,
    from: Arc<str>,
    to: Arc<str>,
    caller: Caller,
}

impl Back {
    fn send(self, answer: Bytes) {
        if self.closed.is_cancelled() {
            return; // who has gone says nothing more
        }
        let (answer, _) = fitting(answer, LARGEST);
        self.broker.answer(&self.from, &self.to, &self.caller, answer);
    }
}
