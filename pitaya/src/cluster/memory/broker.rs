//! The broker in memory: routes messages between the transports of one process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
#[cfg(feature = "testing")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::MemoryTransport;
#[cfg(feature = "testing")]
use super::interceptor::{InTransit, Interceptor};
use crate::cluster::TransportError;
use crate::cluster::receive::MessageKind;
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
    /// Ids of unreachable servers. No other lock is taken while this one is held.
    cut_off: Mutex<BTreeSet<Arc<str>>>,
    dropped: AtomicU64,
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

/// The queue of one subscription of a transport.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) server: Arc<str>,
    pub(super) items: mpsc::Sender<QueueItem>,
}

/// An item of a queue.
pub(super) enum QueueItem {
    Envelope(Envelope),
    /// Answered when all earlier items have been handled.
    Mark(oneshot::Sender<()>),
    /// The broker is reachable again.
    Reconnected,
}

/// One message from one server to another.
#[derive(Clone)]
pub(super) struct Envelope {
    pub(super) from: Arc<str>,
    pub(super) to: Arc<str>,
    pub(super) kind: EnvelopeKind,
    pub(super) body: Bytes,
}

#[derive(Clone)]
pub(super) enum EnvelopeKind {
    Request(ReplySender),
    Answer,
    Message(MessageKind),
}

/// The sender of the reply to a request. Only the first reply counts.
#[derive(Clone)]
pub(super) struct ReplySender(Arc<Mutex<Option<oneshot::Sender<Bytes>>>>);

impl ReplySender {
    pub(super) fn new() -> (Self, oneshot::Receiver<Bytes>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    fn answer(&self, body: Bytes) {
        let sender = self.0.lock().take();
        if let Some(sender) = sender {
            // The caller may have stopped waiting.
            let _ = sender.send(body);
        }
    }
}

/// The destination of an envelope.
#[derive(Clone)]
pub(super) enum Destination {
    Queue(Queue),
    ReplySender(ReplySender),
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

    /// Returns a transport over this broker, for one app.
    #[must_use]
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport::new(self.clone())
    }

    /// Returns how many messages were dropped because a queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.network.dropped.load(Ordering::Relaxed)
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
        match reachable {
            false => drop(self.cut_off().insert(server_id.into())),
            true if self.cut_off().remove(server_id) => self.send_reconnected(server_id),
            true => {}
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
        !self.cut_off().contains(server_id)
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
                broker: self.clone(),
                subject: subject.into(),
                envelope,
                destination,
            });
            return true;
        }
        self.deliver(envelope, &destination)
    }

    pub(super) fn deliver(&self, envelope: Envelope, destination: &Destination) -> bool {
        match destination {
            Destination::ReplySender(caller) => {
                caller.answer(envelope.body);
                true
            }
            Destination::Queue(queue) => {
                let taken = queue.items.try_send(QueueItem::Envelope(envelope)).is_ok();
                if !taken {
                    self.network.dropped.fetch_add(1, Ordering::Relaxed);
                }
                taken
            }
        }
    }

    /// Sends every message through an interceptor from now on.
    #[cfg(feature = "testing")]
    pub(crate) fn set_interceptor(&self, interceptor: Arc<dyn Interceptor>) {
        let _ = self.network.interceptor.set(interceptor);
    }

    fn cut_off(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.network.cut_off.lock()
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
