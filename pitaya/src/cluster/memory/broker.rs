//! What lies between the transports of one process.

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

/// How many messages may wait at one subject for one server: as many as the NATS client lets wait for a subscription.
pub(super) const MAX_QUEUED: usize = 65_536;

/// The largest message in bytes: what NATS takes unless it is told otherwise, so that what works here works there.
pub(super) const MAX_MESSAGE: usize = 1024 * 1024;

/// Carries messages between apps of one process. A clone is a handle to the same broker.
///
/// It is lost only for those who are [cut off](Self::set_reachable) from it, and nothing is lost on it for the others.
///
/// It keeps no order that NATS does not keep: the messages of one sender to one subject arrive in their order, and each
/// subject has a queue and a task of its own, which lets others go first by chance. The chance comes from a generator
/// with a fixed seed: with one thread, paused time and the same calls a run is the same each time.
///
/// A message may have 1 MiB, and 65 536 messages may wait at one subject for one server; what comes then is dropped and
/// counted ([`dropped`](Self::dropped)), a request fails at once.
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
    /// Ids of servers that cannot reach it. Locked with nothing else locked after it.
    cut_off: Mutex<BTreeSet<Arc<str>>>,
    dropped: AtomicU64,
    /// How long the task of a subject lets others go first.
    turn_rng: Mutex<TurnRng>,
    #[cfg(feature = "testing")]
    interceptor: OnceLock<Arc<dyn Interceptor>>,
}

/// A generator that begins with a seed.
struct TurnRng(fastrand::Rng);

impl Default for TurnRng {
    fn default() -> Self {
        Self(fastrand::Rng::with_seed(0))
    }
}

/// Who takes in what. Ordered, by subject and then by the order in which transports were started, so that nothing
/// depends on the order of a hash.
#[derive(Default)]
struct Subscriptions {
    last: u64,
    subjects: BTreeMap<String, BTreeMap<u64, Queue>>,
}

/// Where a started transport takes in what comes to one subject.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) server: Arc<str>,
    pub(super) items: mpsc::Sender<QueueItem>,
}

/// What a transport takes in.
pub(super) enum QueueItem {
    Envelope(Envelope),
    /// All that was sent before has been taken in.
    Mark(oneshot::Sender<()>),
    /// The broker can be reached again.
    Reconnected,
}

/// One message on its way from a server to another.
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

/// Who waits for an answer. Only the first counts.
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
            // a caller that has gone needs no answer
            let _ = sender.send(body);
        }
    }
}

/// Where an envelope goes.
#[derive(Clone)]
pub(super) enum Destination {
    Queue(Queue),
    ReplySender(ReplySender),
}

impl MemoryBroker {
    /// A broker that nobody uses yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose queues are served in the order of another seed.
    #[cfg(feature = "testing")]
    pub(crate) fn seeded(seed: u64) -> Self {
        let broker = Self::new();
        broker.turn_rng().0 = fastrand::Rng::with_seed(seed);
        broker
    }

    /// How often the task of a subject lets the other tasks go first before it hands over its next message.
    pub(super) fn turns(&self) -> u32 {
        self.turn_rng().0.u32(0..4)
    }

    fn turn_rng(&self) -> MutexGuard<'_, TurnRng> {
        self.network.turn_rng.lock()
    }

    /// A transport over this broker, for one app.
    #[must_use]
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport::new(self.clone())
    }

    /// How many messages were dropped because too many waited at one subject for one server.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.network.dropped.load(Ordering::Relaxed)
    }

    /// Whether a server can reach the broker from now on. For one that cannot, every call and message fails at once, and
    /// what others send it is lost, as if it were not there. When it can again, it is told so
    /// ([`Receiver::reconnected`](crate::cluster::Receiver::reconnected)), and the users it serves are served again.
    ///
    /// ```
    /// use pitaya::cluster::MemoryBroker;
    ///
    /// let broker = MemoryBroker::new();
    /// broker.set_reachable("room-1", false); // may be said before it starts
    /// broker.set_reachable("room-1", true);
    /// ```
    pub fn set_reachable(&self, server_id: &str, reachable: bool) {
        match reachable {
            false => drop(self.cut_off().insert(server_id.into())),
            true if self.cut_off().remove(server_id) => self.send_reconnected(server_id),
            true => {}
        }
    }

    /// Tells a server that its connection is back.
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
            tracing::warn!(
                server_id,
                "too much waits there: a server could not be told that its connection is back"
            );
        }
    }

    pub(super) fn reaches(&self, server_id: &str) -> bool {
        !self.cut_off().contains(server_id)
    }

    /// A number for a transport that starts, and the subject of its requests, which only one server may have.
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

    /// Sends to all who take in what comes to this subject.
    ///
    /// # Errors
    /// Nobody does; or too many messages wait there for a request to be taken in.
    pub(super) fn send(
        &self,
        subject: &str,
        from: &Arc<str>,
        kind: &EnvelopeKind,
        body: &Bytes,
    ) -> Result<(), TransportError> {
        // Under the lock: two messages that are sent one after the other cannot overtake each other.
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

    /// Sends an answer to a request.
    pub(super) fn answer(&self, from: &Arc<str>, to: &Arc<str>, caller: &ReplySender, body: Bytes) {
        let envelope =
            Envelope { from: Arc::clone(from), to: Arc::clone(to), kind: EnvelopeKind::Answer, body };
        if self.reaches(from) && self.reaches(to) {
            self.route("", envelope, Destination::ReplySender(caller.clone()));
        }
    }

    /// Every message passes here, and nowhere else. What delays, drops, doubles or keeps back messages between two
    /// servers stands here: an interceptor, which a simulation has; time is tokio's, so that it can be paused.
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

    /// Gives every message to an interceptor from now on.
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
