//! The broker in memory: routes messages between the transports of one process.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "testing")]
use std::sync::OnceLock;
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;

use super::delivery::{Delivery, Destination, Envelope, EnvelopeKind, Queue, QueueItem, ReplySender};
#[cfg(feature = "testing")]
use super::interceptor::{InTransit, Interceptor};
use crate::cluster::TransportError;
use crate::util::sync::Mutex;

/// How many messages one queue holds: as many as a subscription of the NATS client.
pub(super) const MAX_QUEUED: usize = 65_536;

/// The largest message in bytes: the default limit of NATS.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// Carries messages between apps of one process. A clone is a handle to the same broker.
///
/// It never loses messages, except for servers made unreachable with [`set_reachable`](Self::set_reachable).
///
/// It keeps no order that NATS does not keep: messages of one sender to one subject arrive in order. Each subject has
/// its own queue and task, which yields to other tasks at random. The random numbers have a fixed seed: with one
/// thread, paused time and the same calls, each run is the same.
///
/// A message may have 1 MiB, and a queue holds 65 536 messages. Beyond that a message is dropped and counted
/// ([`dropped`](Self::dropped)), and a request fails immediately.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use futures_util::future::BoxFuture;
/// use pitaya::Bytes;
/// use pitaya::cluster::{MemoryBroker, Receiver, Server, Transport};
///
/// /// Answers with what was asked.
/// struct Echo;
///
/// impl Receiver for Echo {
///     fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
///         Box::pin(async move { body })
///     }
///     fn push(&self, _: Bytes) -> Bytes {
///         Bytes::new()
///     }
///     fn kick(&self, _: Bytes) -> Bytes {
///         Bytes::new()
///     }
///     fn bound(&self, _: Bytes) {}
///     fn broadcast(&self, _: Bytes) {}
///     fn reconnected(&self) {}
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = |id: &str| Server::from_entry(
///     &format!("servers/room/{id}"),
///     format!(r#"{{"id":"{id}","type":"room"}}"#).as_bytes(),
/// );
/// let (a, b) = (server("a")?, server("b")?);
///
/// let broker = MemoryBroker::new();
/// let (first, second) = (broker.transport(), broker.transport());
/// first.start(Arc::new(a), Arc::new(Echo)).await?;
/// second.start(Arc::new(b.clone()), Arc::new(Echo)).await?;
/// let answer = first.request(&b, Bytes::from("hello"), Duration::from_secs(1)).await?;
/// assert_eq!(answer, "hello");
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct MemoryBroker {
    network: Arc<Network>,
}

#[derive(Default)]
struct Network {
    subscriptions: Mutex<Subscriptions>,
    delivery: Arc<Delivery>,
    /// How often the task of a queue yields.
    turn_rng: Mutex<TurnRng>,
    #[cfg(feature = "testing")]
    interceptor: OnceLock<Arc<dyn Interceptor>>,
}

/// A seeded random number generator.
struct TurnRng(fastrand::Rng);

impl Default for TurnRng {
    fn default() -> Self {
        Self(fastrand::Rng::with_seed(0))
    }
}

/// The queues of each subject, in the order in which their transports started, so that nothing depends on the order of
/// a hash.
#[derive(Default)]
struct Subscriptions {
    last: u64,
    subjects: BTreeMap<String, BTreeMap<u64, Queue>>,
}

impl MemoryBroker {
    /// Creates a broker without servers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a broker whose queues are served in the order of a seed.
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        let broker = Self::new();
        broker.turn_rng().0 = fastrand::Rng::with_seed(seed);
        broker
    }

    /// Draws how often a queue's task yields before its next message.
    pub(super) fn turns(&self) -> u32 {
        self.turn_rng().0.u32(0..4)
    }

    fn turn_rng(&self) -> MutexGuard<'_, TurnRng> {
        self.network.turn_rng.lock()
    }

    /// Returns how many messages were dropped because a queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.network.delivery.dropped()
    }

    /// Sets whether a server can reach the broker.
    ///
    /// While it cannot, its calls and messages fail immediately, and messages of other servers to it are lost. When it
    /// can again, its transport reports it
    /// ([`Receiver::reconnected`](crate::cluster::Receiver::reconnected)), and the users it serves are served again.
    ///
    /// ```
    /// use pitaya::cluster::MemoryBroker;
    ///
    /// let broker = MemoryBroker::new();
    /// broker.set_reachable("room-1", false); // also before it starts
    /// broker.set_reachable("room-1", true);
    /// ```
    pub fn set_reachable(&self, server_id: &str, reachable: bool) {
        if self.network.delivery.set_reachable(server_id, reachable) && reachable {
            self.send_reconnected(server_id);
        }
    }

    /// Reports to a server that it is connected again.
    pub(crate) fn send_reconnected(&self, server_id: &str) {
        let queue = {
            let subscriptions = self.subscriptions();
            subscriptions
                .subjects
                .values()
                .flat_map(BTreeMap::values)
                .find(|queue| &*queue.server == server_id)
                .cloned()
        };
        if queue.is_some_and(|queue| queue.items.try_send(QueueItem::Reconnected).is_err()) {
            tracing::warn!(server_id, "failed to report a reconnect: the queue of the server is full");
        }
    }

    pub(super) fn reaches(&self, server_id: &str) -> bool {
        self.network.delivery.reaches(server_id)
    }

    /// Registers the queue of a transport's requests, whose subject is unique. Returns the number of the transport.
    pub(super) fn enter(&self, requests: String, queue: Queue) -> Result<u64, TransportError> {
        let mut subscriptions = self.subscriptions();
        if subscriptions.subjects.contains_key(&requests) {
            let text = format!("a server with the id `{}` is on this broker already", queue.server);
            return Err(TransportError::Other(text));
        }
        subscriptions.last += 1;
        let number = subscriptions.last;
        subscriptions.subjects.insert(requests, BTreeMap::from([(number, queue)]));
        Ok(number)
    }

    pub(super) fn subscribe(&self, subject: String, number: u64, queue: Queue) {
        self.subscriptions().subjects.entry(subject).or_default().insert(number, queue);
    }

    pub(super) fn unsubscribe(&self, subject: &str, number: u64) {
        let mut subscriptions = self.subscriptions();
        if let Some(queues) = subscriptions.subjects.get_mut(subject) {
            queues.remove(&number);
            if queues.is_empty() {
                subscriptions.subjects.remove(subject);
            }
        }
    }

    pub(super) fn leave(&self, number: u64) {
        self.subscriptions().subjects.retain(|_, queues| {
            queues.remove(&number);
            !queues.is_empty()
        });
    }

    /// Sends to all queues of a subject.
    ///
    /// # Errors
    /// No server subscribes, or every queue is full.
    pub(super) fn send(
        &self,
        subject: &str,
        from: &Arc<str>,
        kind: &EnvelopeKind,
        body: &Bytes,
    ) -> Result<(), TransportError> {
        // Sent under the lock, so that two messages cannot overtake each other.
        let subscriptions = self.subscriptions();
        let queues = subscriptions.subjects.get(subject).ok_or(TransportError::NoResponders)?;
        let queues: Vec<_> = queues.values().filter(|queue| self.reaches(&queue.server)).collect();
        if queues.is_empty() {
            return Err(TransportError::NoResponders);
        }
        let mut taken = false;
        for queue in queues {
            let to = Arc::clone(&queue.server);
            let envelope = Envelope { from: Arc::clone(from), to, kind: kind.clone(), body: body.clone() };
            taken |= self.route(subject, envelope, Destination::Queue(queue.clone()));
        }
        if taken { Ok(()) } else { Err(TransportError::Unavailable) }
    }

    /// Sends the answer to a request.
    pub(super) fn answer(&self, from: &Arc<str>, to: &Arc<str>, caller: &ReplySender, body: Bytes) {
        let envelope =
            Envelope { from: Arc::clone(from), to: Arc::clone(to), kind: EnvelopeKind::Answer, body };
        if self.reaches(from) && self.reaches(to) {
            self.route("", envelope, Destination::ReplySender(caller.clone()));
        }
    }

    /// Routes one message. Every message passes here, so an interceptor can delay, drop or duplicate it.
    fn route(&self, subject: &str, envelope: Envelope, destination: Destination) -> bool {
        tracing::trace!(
            subject,
            from = &*envelope.from,
            to = &*envelope.to,
            bytes = envelope.body.len(),
            "carried"
        );
        #[cfg(feature = "testing")]
        if let Some(interceptor) = self.network.interceptor.get() {
            interceptor.intercept(InTransit {
                delivery: Arc::clone(&self.network.delivery),
                subject: subject.into(),
                envelope,
                destination,
            });
            return true;
        }
        self.network.delivery.deliver(envelope, &destination)
    }

    /// Sends every message through an interceptor from now on.
    #[cfg(feature = "testing")]
    pub(crate) fn set_interceptor(&self, interceptor: Arc<dyn Interceptor>) {
        let _ = self.network.interceptor.set(interceptor);
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.network.subscriptions.lock()
    }
}

impl fmt::Debug for MemoryBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = self.subscriptions().subjects.len();
        f.debug_struct("MemoryBroker").field("subjects", &subjects).finish_non_exhaustive()
    }
}
