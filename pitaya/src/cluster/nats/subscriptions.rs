//! Receives the messages of some subjects over one connection, from the first to the last.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_nats::{Message, Subscriber};
use futures_util::{FutureExt as _, Stream as _};
use tokio::task::coop::unconstrained;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;

/// A group of subscriptions. Messages of one arrive in order. If several have messages, the first subscription is
/// polled first.
pub(super) struct Subscriptions {
    connection: Arc<Connection>,
    subscribers: Vec<Subscriber>,
    end: CancellationToken,
    ended: bool,
}

impl Subscriptions {
    /// Creates a group that receives until `end`.
    pub(super) fn new(
        connection: Arc<Connection>,
        subscribers: Vec<Subscriber>,
        end: CancellationToken,
    ) -> Self {
        Self { connection, subscribers, end, ended: false }
    }

    /// Returns the next message with the index of its subscription, `None` after the end. Messages sent before the end
    /// are still returned or, if the connection is lost, those that had arrived.
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
            // Usually there is a message, and no signal has to be watched.
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
                // If it fails the connection is lost, and no message arrives in any case. Boxed, because it is needed
                // once and each user has such a task.
                None => drop(Box::pin(self.connection.drain_subscribers(&mut self.subscribers)).await),
            }
            self.ended = true;
        }
        // All messages have arrived. Polled without the task's budget, because an exhausted budget looks like an empty
        // queue.
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
