//! A transport over a [`MemoryBroker`].

use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::sync::{Arc, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::broker::{MAX_MESSAGE, MemoryBroker};
use super::delivery::{EnvelopeKind, Queue, QueueItem, ReplySender};
use super::queue::Consumer;
use crate::cluster::receive::MessageKind;
use crate::cluster::{Address, Receiver, Server, Transport, TransportError, subject};
use crate::util::sync::Mutex;

#[cfg(test)]
mod tests;

/// The transport of one app, made by [`MemoryBroker::transport`].
///
/// Dropping it removes its server from the broker.
pub struct MemoryTransport {
    broker: MemoryBroker,
    endpoint: OnceLock<Endpoint>,
    running: TaskTracker,
    closed: CancellationToken,
    /// Aborts running requests. Closing does not: it answers the received ones.
    cut: CancellationToken,
}

/// The state of a started transport.
struct Endpoint {
    own: Arc<Server>,
    number: u64,
    /// `None` after the end, because it refers to the owner of the transport.
    consumer: Mutex<Option<Consumer>>,
    /// Its queues, by subject.
    queues: Mutex<BTreeMap<String, Queue>>,
    users: Mutex<BTreeMap<String, usize>>,
}

impl MemoryBroker {
    /// Returns a transport over this broker, for one app.
    #[must_use]
    pub fn transport(&self) -> MemoryTransport {
        MemoryTransport {
            broker: self.clone(),
            endpoint: OnceLock::new(),
            running: TaskTracker::new(),
            closed: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }
}

impl MemoryTransport {
    fn enter(&self, own: Arc<Server>, receiver: Arc<dyn Receiver>) -> Result<(), TransportError> {
        own.check()?;
        let requests = subject::rpc(&own.server_type, &own.id)?;
        let mut others = vec![subject::bindings(&own.server_type)?];
        if own.frontend {
            others.push(subject::broadcast(&own.server_type, &own.id)?);
        }
        let consumer = Consumer {
            broker: self.broker.clone(),
            receiver,
            running: self.running.clone(),
            closed: self.closed.clone(),
            cut: self.cut.clone(),
        };
        let queue = consumer.open(&own.id);
        let number = self.broker.enter(requests.clone(), queue.clone())?;
        let queues = Mutex::new(BTreeMap::from([(requests, queue)]));
        let endpoint =
            Endpoint { own, number, consumer: Mutex::new(Some(consumer)), queues, users: Mutex::default() };
        if self.endpoint.set(endpoint).is_err() {
            self.broker.leave(number);
            return Err(TransportError::Other("this transport was started before".to_owned()));
        }
        if let Some(endpoint) = self.endpoint.get() {
            others.into_iter().for_each(|subject| endpoint.subscribe(subject));
        }
        Ok(())
    }

    /// Returns the state while the transport is open.
    fn endpoint(&self) -> Result<&Endpoint, TransportError> {
        if self.closed.is_cancelled() {
            return Err(TransportError::Unavailable);
        }
        self.endpoint.get().ok_or(TransportError::Unavailable)
    }

    /// Returns the state while the transport is open and its broker reachable.
    fn connected(&self) -> Result<&Endpoint, TransportError> {
        self.endpoint().and_then(|endpoint| match self.broker.reaches(&endpoint.own.id) {
            true => Ok(endpoint),
            false => Err(TransportError::Unavailable),
        })
    }

    /// Stops immediately, as a crash does: running requests are aborted, and their callers get no answer.
    pub(crate) fn cut(&self) {
        if let Some(endpoint) = self.endpoint.get() {
            self.broker.leave(endpoint.number);
            endpoint.end();
        }
        self.closed.cancel();
        self.cut.cancel();
    }

    fn send(&self, to: Address<'_>, body: &Bytes) -> Result<(), TransportError> {
        let endpoint = self.connected()?;
        let (kind, subject) = match to {
            Address::Push { frontend_type, uid } => (MessageKind::Push, subject::push(frontend_type, uid)?),
            Address::Kick { frontend_type, uid } => (MessageKind::Kick, subject::kick(frontend_type, uid)?),
            Address::Bindings { server_type } => (MessageKind::Bound, subject::bindings(server_type)?),
            Address::Broadcast(to) => (MessageKind::Broadcast, subject::broadcast(&to.server_type, &to.id)?),
        };
        check_size(body)?;
        match self.broker.send(&subject, &endpoint.own.id, &EnvelopeKind::Message(kind), body) {
            // A publisher never learns whether a message arrived.
            Ok(()) | Err(TransportError::NoResponders | TransportError::Unavailable) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, to: &Server, body: Bytes, timeout: Duration) -> Result<Bytes, TransportError> {
        let endpoint = self.connected()?;
        let subject = subject::rpc(&to.server_type, &to.id)?;
        check_size(&body)?;
        let (caller, answer) = ReplySender::new();
        self.broker.send(&subject, &endpoint.own.id, &EnvelopeKind::Request(caller), &body)?;
        let answer = async {
            match answer.await {
                Ok(answer) => answer,
                // The server is gone. As with NATS, the caller runs into its timeout.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = tokio::time::timeout(timeout, answer) => answer.map_err(|_| TransportError::Timeout),
            () = self.closed.cancelled() => Err(TransportError::Lost),
        }
    }

    fn serve(&self, uid: &str) -> Result<(), TransportError> {
        let Some(endpoint) = self.endpoint.get() else { return Err(TransportError::Unavailable) };
        let (push, kick) = endpoint.subjects(uid)?;
        let mut users = endpoint.users();
        let times = users.entry(uid.to_owned()).or_default();
        *times += 1;
        if *times == 1 && !self.closed.is_cancelled() {
            endpoint.subscribe(push);
            endpoint.subscribe(kick);
        }
        Ok(())
    }

    fn forget(&self, uid: &str) -> Option<()> {
        let endpoint = self.endpoint.get()?;
        let (push, kick) = endpoint.subjects(uid).ok()?;
        let mut users = endpoint.users();
        let times = users.get_mut(uid)?;
        *times -= 1;
        if *times == 0 {
            users.remove(uid);
            endpoint.unsubscribe(&push);
            endpoint.unsubscribe(&kick);
        }
        Some(())
    }

    /// Waits until all messages sent before now have been handled.
    async fn taken_in(&self, endpoint: &Endpoint) {
        let queues: Vec<_> = endpoint.queues().values().cloned().collect();
        for queue in queues {
            let (mark, reached) = oneshot::channel();
            if queue.items.send(QueueItem::Mark(mark)).await.is_ok() {
                let _ = reached.await;
            }
        }
    }
}

impl Transport for MemoryTransport {
    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(async move { self.enter(own, receiver) })
    }

    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>> {
        Box::pin(self.ask(to, body, timeout))
    }

    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move { self.send(to, &body) })
    }

    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move { self.serve(uid) })
    }

    fn forget_user(&self, uid: &str) {
        self.forget(uid);
    }

    fn is_connected(&self) -> bool {
        self.connected().is_ok()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(endpoint) = self.endpoint.get() else { return };
            if let Ok(requests) = subject::rpc(&endpoint.own.server_type, &endpoint.own.id) {
                self.broker.unsubscribe(&requests, endpoint.number);
            }
            self.taken_in(endpoint).await;
            self.running.close();
            self.running.wait().await;
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Ok(endpoint) = self.endpoint() {
                self.broker.leave(endpoint.number);
                self.taken_in(endpoint).await;
                endpoint.end();
            }
            self.closed.cancel();
        })
    }
}

impl Endpoint {
    fn subscribe(&self, subject: String) {
        let Some(consumer) = self.consumer().clone() else { return };
        let queue = consumer.open(&self.own.id);
        self.queues().insert(subject.clone(), queue.clone());
        consumer.broker.subscribe(subject, self.number, queue);
    }

    /// Messages in the queue are still handled.
    fn unsubscribe(&self, subject: &str) {
        if let Some(consumer) = &*self.consumer() {
            consumer.broker.unsubscribe(subject, self.number);
        }
        self.queues().remove(subject);
    }

    /// Stops receiving.
    fn end(&self) {
        let consumer = self.consumer().take();
        let queues = std::mem::take(&mut *self.queues());
        drop((consumer, queues)); // with no lock held, because it may own anything
    }

    fn consumer(&self) -> MutexGuard<'_, Option<Consumer>> {
        self.consumer.lock()
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.queues.lock()
    }

    fn subjects(&self, uid: &str) -> Result<(String, String), TransportError> {
        Ok((subject::push(&self.own.server_type, uid)?, subject::kick(&self.own.server_type, uid)?))
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.users.lock()
    }
}

fn check_size(body: &Bytes) -> Result<(), TransportError> {
    if body.len() > MAX_MESSAGE {
        return Err(TransportError::TooLarge { size: body.len(), limit: MAX_MESSAGE });
    }
    Ok(())
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.cut();
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.endpoint.get().map(|endpoint| &endpoint.own.id);
        f.debug_struct("MemoryTransport")
            .field("server", &server)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
