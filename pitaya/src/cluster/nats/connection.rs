//! One connection to a broker. After a loss it is replaced, never repaired.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_nats::connection::State;
use async_nats::{Client, PublishError, PublishErrorKind, ServerAddr, StatusCode, Subject, Subscriber};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Login;
use super::connect::connect;
use super::dedup::DedupSlot;
use super::error::{ConnectFailure, ConnectionLost};
use super::flush_barrier::FlushBarrier;
use super::options::NatsOptions;
use super::reply_mux::ReplyMux;
use super::signals::Signals;
use crate::cluster::TransportError;

/// The current connection of a transport; `None` while it is lost.
pub(super) type Current = Arc<ArcSwapOption<Connection>>;

/// A connection, with the signals that start and stop its receiving tasks.
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) signals: Arc<Signals>,
    /// Set while another connection receives the same messages.
    pub(super) dedup: DedupSlot,
    /// The broker.
    pub(super) at: Option<ServerAddr>,
    /// Cancelled when the messages of the previous connection have been delivered, so that this one may deliver.
    pub(super) start: CancellationToken,
    /// Stop receiving, because another connection takes over.
    pub(super) drain: CancellationToken,
    /// Stop receiving requests.
    pub(super) stop_requests: CancellationToken,
    /// The receiving tasks.
    pub(super) tasks: TaskTracker,
    flush_requests: mpsc::UnboundedSender<oneshot::Sender<()>>,
    replies: ReplyMux,
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

    /// Ends the connection. Waiting calls fail.
    pub(super) async fn end(&self) {
        self.signals.lost.cancel();
        // The client's task ends on a drain, although waiting calls still hold the client. If it does not react it has
        // lost the connection, and is about to end.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.client.drain()).await;
    }

    /// Waits for `future` until the connection is lost. The client's own functions wait for room in its command queue,
    /// which does not move while it is disconnected.
    async fn unless_lost<T>(&self, future: impl Future<Output = T>) -> Result<T, ConnectionLost> {
        let mut future = pin!(future);
        // Usually there is room, and no signal has to be watched.
        if let Poll::Ready(value) = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            return Ok(value);
        }
        tokio::select! {
            biased;
            value = future => Ok(value),
            () = self.signals.lost.cancelled() => Err(ConnectionLost),
        }
    }

    /// Returns when the broker has processed everything sent before, and everything that it sent before has been
    /// received.
    /// (The client's own `flush` only writes.)
    pub(super) async fn flush(&self) -> Result<(), ConnectionLost> {
        let (answer, answered) = oneshot::channel();
        self.flush_requests.send(answer).map_err(|_| ConnectionLost)?;
        answered.await.map_err(|_| ConnectionLost)
    }

    /// Subscribes. The broker may process it later.
    pub(super) async fn subscribe(&self, subject: String) -> Result<Subscriber, TransportError> {
        let subscribed = self.unless_lost(self.client.subscribe(subject)).await?;
        subscribed.map_err(|error| TransportError::Other(error.to_string()))
    }

    /// Ends subscriptions at the broker, and keeps receiving what the broker has already sent.
    ///
    /// The client's `unsubscribe` and `drain` forget a subscription before the broker has ended it, and drop messages
    /// in flight. So the subscription ends after a number of messages that is never reached: the broker does not parse
    /// so many digits, and ends the subscription immediately.
    pub(super) async fn drain_subscribers(
        &self,
        subscribers: &mut [Subscriber],
    ) -> Result<(), ConnectionLost> {
        for subscriber in &mut *subscribers {
            let _ = self.unless_lost(subscriber.unsubscribe_after(u64::MAX)).await?;
        }
        self.flush().await?;
        for subscriber in subscribers {
            // In case a broker parses such numbers.
            let _ = self.unless_lost(subscriber.unsubscribe()).await?;
        }
        Ok(())
    }

    /// Publishes a message.
    pub(super) async fn publish(&self, to: Subject, body: Bytes) -> Result<(), TransportError> {
        self.may_send(&body)?;
        let size = body.len();
        let published = self.unless_lost(self.client.publish(to, body)).await?;
        published.map_err(|error| self.not_sent(&error, size))
    }

    /// Sends a request and waits for its answer.
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
            // The future that waits for room in the command queue is large, so it is made only when needed.
            let sent = match sending().now_or_never() {
                Some(sent) => sent,
                None => Box::pin(self.unless_lost(sending())).await?,
            };
            sent.map_err(|error| self.not_sent(&error, body.len()))?;
            // A request that the client accepted may have been handled.
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
