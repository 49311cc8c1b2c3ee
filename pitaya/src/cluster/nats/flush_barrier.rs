//! Asks the broker to send something back, and notices when it does not.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, SubscribeError, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::signals::Signals;

/// How often the state of the connection is looked at, should the client's event be lost.
const LOOK: Duration = Duration::from_secs(1);
/// How many may wait for one message to come back.
const TOGETHER: usize = 4096;

/// A subject of one connection to itself. The broker handles what one connection sends in its order: when a message
/// has come back, all that was sent before it has been seen.
///
/// A request to a subject without listeners would do as well, if nobody ever listened to all subjects.
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

    /// Sends one message for all who asked since the last, for as long as there is a connection and who could ask.
    pub(super) async fn run(mut self, mut requests: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        let mut waiting = Vec::new();
        let mut since = Instant::now();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                biased;
                // closed, or lost
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
                    // who asked may have gone
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

    /// Whether it is still the connection that it was: the client may have made another by itself.
    fn connected(&self) -> bool {
        let connects = self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed);
        self.client.connection_state() == State::Connected && connects <= 1
    }
}
