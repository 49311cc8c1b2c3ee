//! Takes in what comes to some subjects over one connection, from the first message to the last.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_nats::{Message, Subscriber};
use futures_util::{FutureExt as _, Stream as _};
use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// The messages of some subscriptions. Those of one come in their order; of two that have some, the first is asked
/// first.
pub(super) struct Subscriptions {
    connection: Arc<Connection>,
    subscribers: Vec<Subscriber>,
    end: CancellationToken,
    ended: bool,
}

impl Subscriptions {
    /// Takes in until `end`.
    pub(super) fn new(
        connection: Arc<Connection>,
        subscribers: Vec<Subscriber>,
        end: CancellationToken,
    ) -> Self {
        Self { connection, subscribers, end, ended: false }
    }

    /// The next message, with the place of its subscription; nothing more after the end. What was sent to us before
    /// the end is still given; if the connection is lost, what had arrived.
    pub(super) async fn next(&mut self) -> Option<(usize, Message)> {
        loop {
            let next = self.take().await?;
            if !self.connection.dedup.is_duplicate(&next.1) {
                return Some(next);
            }
        }
    }

    async fn take(&mut self) -> Option<(usize, Message)> {
        if !self.ended {
            let Self { subscribers, end, .. } = &mut *self;
            // Mostly there is one, and then nothing else is to be listened to.
            let first = poll_fn(|context| Poll::Ready(poll(subscribers, context))).await;
            if let Poll::Ready(Some(next)) = first {
                return Some(next);
            }
            let next = tokio::select! {
                biased;
                next = poll_fn(|context| poll(subscribers, context)) => Some(next),
                () = end.cancelled() => None,
            };
            match next {
                Some(Some(next)) => return Some(next),
                Some(None) => {}
                // If it fails the connection is gone, and nothing more comes in any case. Boxed, since it is needed
                // once, and each user has a task of this.
                None => drop(Box::pin(self.connection.drain_subscribers(&mut self.subscribers)).await),
            }
            self.ended = true;
        }
        // All is there now. Without the budget of the task's poll: an empty budget looks like an empty queue.
        let subscribers = &mut self.subscribers;
        unconstrained(poll_fn(|context| poll(subscribers, context))).now_or_never().flatten()
    }
}

fn poll(subscribers: &mut [Subscriber], context: &mut Context<'_>) -> Poll<Option<(usize, Message)>> {
    let mut open = false;
    for (place, subscriber) in subscribers.iter_mut().enumerate() {
        match Pin::new(subscriber).poll_next(context) {
            Poll::Ready(Some(message)) => return Poll::Ready(Some((place, message))),
            Poll::Ready(None) => {}
            Poll::Pending => open = true,
        }
    }
    if open { Poll::Pending } else { Poll::Ready(None) }
}
