//! Waits until the broker has processed everything sent before, and detects a silent broker.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::signals::Signals;

/// How often the connection state is polled, in case the client's event is lost.
const LOOK: Duration = Duration::from_secs(1);
/// How many flushes one message may answer.
const TOGETHER: usize = 4096;

/// Publishes to its own subscription. A broker processes the commands of one connection in order: when the message
/// comes back, everything sent before has been processed.
///
/// A request to a subject without listeners would work too, unless a client subscribes to all subjects.
pub(super) struct FlushBarrier {
    client: Client,
    subject: String,
    back: Subscriber,
    signals: Arc<Signals>,
    patience: Duration,
}

impl FlushBarrier {
    pub(super) async fn new(
        client: Client,
        signals: Arc<Signals>,
        patience: Duration,
    ) -> Result<Self, SubscribeError> {
        let subject = client.new_inbox();
        let back = client.subscribe(subject.clone()).await?;
        Ok(Self { client, subject, back, signals, patience })
    }

    /// Answers flush requests, one message for all that arrived since the last, until the connection or its last handle
    /// is gone.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        let mut waiting = Vec::new();
        let mut since = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                // The connection is closed or lost.
                () = self.signals.lost.cancelled() => return,
                asked = requests.recv_many(&mut waiting, TOGETHER), if waiting.is_empty() => {
                    if asked == 0 {
                        return;
                    }
                    since = Instant::now();
                    if !self.send().await {
                        break;
                    }
                }
                message = self.back.next() => match message {
                    // The caller may have stopped waiting.
                    Some(_) => waiting.drain(..).for_each(|answer| {
                        let _ = answer.send(());
                    }),
                    None => break,
                },
                _ = look.tick() => {
                    let silent = !waiting.is_empty() && since.elapsed() > self.patience;
                    if silent || !self.connected() {
                        break;
                    }
                }
            }
        }
        self.signals.lost.cancel();
    }

    async fn send(&self) -> bool {
        tokio::select! {
            biased;
            sent = self.client.publish(self.subject.clone(), Bytes::new()) => sent.is_ok(),
            () = self.signals.lost.cancelled() => false,
        }
    }

    /// Whether it is still the same connection. The client may have reconnected by itself.
    fn connected(&self) -> bool {
        let connects = self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed);
        self.client.connection_state() == State::Connected && connects <= 1
    }
}
