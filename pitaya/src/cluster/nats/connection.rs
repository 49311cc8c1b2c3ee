//! One connection to a broker, from its making to its end. It never comes back: another takes its place.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, PublishError, PublishErrorKind, ServerAddr, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Login;
use super::connect::{ConnectFailure, connect};
use super::dedup::DedupSlot;
use super::flush_barrier::FlushBarrier;
use super::options::NatsOptions;
use super::reply_mux::ReplyMux;
use super::signals::Signals;
use crate::cluster::TransportError;

/// A connection, and how what takes things in over it is told to begin and to end.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) signals: Arc<Signals>,
    /// Whether another takes in the same.
    pub(super) dedup: DedupSlot,
    /// The broker.
    pub(super) at: Option<ServerAddr>,
    /// What came over the connection before has been handed over: what comes over this one may be.
    pub(super) start: CancellationToken,
    /// Take in no more: another connection takes over.
    pub(super) drain: CancellationToken,
    /// Take in no more requests.
    pub(super) stop_requests: CancellationToken,
    /// All that takes in.
    pub(super) tasks: TaskTracker,
    flush_requests: mpsc::UnboundedSender<oneshot::Sender<()>>,
    replies: ReplyMux,
}

/// The connection was lost, or closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost at once")]
pub(super) struct ConnectionLost;

impl From<ConnectionLost> for TransportError {
    fn from(_: ConnectionLost) -> Self {
        Self::Unavailable
    }
}

impl Connection {
    pub(super) async fn open(
        options: &NatsOptions,
        login: Option<&Login>,
        servers: &[ServerAddr],
        name: &str,
        signals: Arc<Signals>,
        dedup: DedupSlot,
    ) -> Result<Self, ConnectFailure> {
        let client = connect(options, login, servers, name, &signals).await?;
        let lost = |error: &dyn std::fmt::Display| ConnectFailure::Transient(error.to_string());
        let pool = client.server_pool().await.map_err(|error| lost(&error))?;
        let (flush_requests, requests) = mpsc::unbounded_channel();
        let barrier = FlushBarrier::new(client.clone(), Arc::clone(&signals), options.silence_limit()).await;
        tokio::spawn(barrier.map_err(|error| lost(&error))?.run(requests));
        let limit = options.messages.max(options.pushes);
        let replies = ReplyMux::new(&client, limit).await.map_err(|error| lost(&error))?;
        let drain = signals.lost.child_token();
        Ok(Self {
            client,
            signals,
            dedup,
            at: pool.into_iter().find(|server| server.did_connect).map(|server| server.addr),
            start: CancellationToken::new(),
            stop_requests: drain.child_token(),
            drain,
            tasks: TaskTracker::new(),
            flush_requests,
            replies,
        })
    }

    /// Whether the connection is up, as far as the client knows at this moment.
    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Ends the connection, with all that waits for it.
    pub(super) async fn end(&self) {
        self.signals.lost.cancel();
        // The client's task ends when it is told so, though calls that wait for their answers still hold the client.
        // If it does not listen it has lost the connection, and is about to end.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.client.drain()).await;
    }

    /// Waits for something, unless the connection goes. The client's own functions wait for room among its commands,
    /// which it does not make while it is not connected.
    async fn unless_lost<T>(&self, future: impl Future<Output = T>) -> Result<T, ConnectionLost> {
        let mut future = pin!(future);
        // Mostly there is room, and then nothing is to be listened to.
        if let Poll::Ready(value) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(value);
        }
        tokio::select! {
            biased;
            value = future => Ok(value),
            () = self.signals.lost.cancelled() => Err(ConnectionLost),
        }
    }

    /// Returns when the broker has seen all that was sent before, and when all that it sent before that was taken off
    /// the connection. (The client's own `flush` only writes.)
    pub(super) async fn flush(&self) -> Result<(), ConnectionLost> {
        let (answer, answered) = oneshot::channel();
        self.flush_requests.send(answer).map_err(|_| ConnectionLost)?;
        answered.await.map_err(|_| ConnectionLost)
    }

    /// Subscribes; the broker may not have seen it yet.
    pub(super) async fn subscribe(&self, subject: String) -> Result<Subscriber, TransportError> {
        let subscribed = self.unless_lost(self.client.subscribe(subject)).await?;
        subscribed.map_err(|error| TransportError::Other(error.to_string()))
    }

    /// Takes the whole subscription out of the broker, but goes on to take in what it has sent already.
    ///
    /// The client's `unsubscribe` and `drain` forget a subscription before the broker has seen that it ends, and drop
    /// what was on its way. So it is told to end after a number of messages that it never reaches: the broker reads no
    /// number with so many digits, and ends the subscription at once.
    pub(super) async fn drain_subscribers(
        &self,
        subscribers: &mut [Subscriber],
    ) -> Result<(), ConnectionLost> {
        for subscriber in &mut *subscribers {
            let _ = self.unless_lost(subscriber.unsubscribe_after(u64::MAX)).await?;
        }
        self.flush().await?;
        for subscriber in subscribers {
            // should a broker read such numbers it ends here
            let _ = self.unless_lost(subscriber.unsubscribe()).await?;
        }
        Ok(())
    }

    /// Sends what nobody answers.
    pub(super) async fn publish(&self, to: Subject, body: Bytes) -> Result<(), TransportError> {
        self.may_send(&body)?;
        let size = body.len();
        let published = self.unless_lost(self.client.publish(to, body)).await?;
        published.map_err(|error| self.not_sent(&error, size))
    }

    /// Sends what is answered, and waits for the answer.
    pub(super) async fn request(
        &self,
        to: Subject,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        self.may_send(&body)?;
        let mut wait = self.replies.wait().inspect_err(|error| {
            if *error == TransportError::Busy {
                self.signals.counts.refused_calls.fetch_add(1, Relaxed);
            }
        })?;
        let reply = wait.subject();
        let answered = async {
            let sending = || self.client.publish_with_reply(to.clone(), reply.clone(), body.clone());
            // What waits for room among the client's commands is large: it is made when it is needed.
            let sent = match sending().now_or_never() {
                Some(sent) => sent,
                None => Box::pin(self.unless_lost(sending())).await?,
            };
            sent.map_err(|error| self.not_sent(&error, body.len()))?;
            // What the client took may have been handled.
            wait.answer().await.map_err(|_| TransportError::Lost)
        };
        match tokio::time::timeout(timeout, answered).await {
            Ok(Ok(answer)) if answer.status == Some(StatusCode::NO_RESPONDERS) => {
                Err(TransportError::NoResponders)
            }
            Ok(answer) => Ok(answer?.payload),
            Err(_) => Err(TransportError::Timeout),
        }
    }

    fn may_send(&self, body: &Bytes) -> Result<(), TransportError> {
        let (size, limit) = (body.len(), self.client.max_payload());
        if size > limit {
            return Err(TransportError::TooLarge { size, limit });
        }
        if self.is_up() { Ok(()) } else { Err(TransportError::Unavailable) }
    }

    fn not_sent(&self, error: &PublishError, size: usize) -> TransportError {
        match error.kind() {
            PublishErrorKind::Send => TransportError::Unavailable,
            PublishErrorKind::MaxPayloadExceeded => {
                TransportError::TooLarge { size, limit: self.client.max_payload() }
            }
            PublishErrorKind::InvalidSubject => TransportError::Other(error.to_string()),
        }
    }
}
