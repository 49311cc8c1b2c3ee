//! A transport within one process: for tests, and for several apps in one program.

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

mod hub;
mod inbox;
#[cfg(feature = "testing")]
mod parcel;
#[cfg(test)]
mod tests;

pub use hub::MemoryBroker;
#[cfg(feature = "testing")]
pub(crate) use parcel::{Courier, Parcel};

use self::hub::{Caller, Inbox, Item, LARGEST, What};
use self::inbox::Desk;
use super::answering::Kind;
use super::{Address, Receiver, Server, Transport, TransportError, subject};
use crate::util::sync::Mutex;

/// The transport of one app over a [`MemoryBroker`]. It is made by [`MemoryBroker::transport`].
///
/// When it is dropped its server is gone from the broker.
pub struct MemoryTransport {
    broker: MemoryBroker,
    post: OnceLock<Post>,
    running: TaskTracker,
    closed: CancellationToken,
    /// Ends what is being answered, which being closed does not: that is to answer what has come.
    cut: CancellationToken,
}

/// What a started transport has.
struct Post {
    own: Arc<Server>,
    number: u64,
    /// None once it is over: what is in there leads to whoever has this.
    desk: Mutex<Option<Desk>>,
    /// Where it takes in, by subject.
    inboxes: Mutex<BTreeMap<String, Inbox>>,
    users: Mutex<BTreeMap<String, usize>>,
}

impl MemoryTransport {
    pub(super) fn new(broker: MemoryBroker) -> Self {
        let (closed, cut) = (CancellationToken::new(), CancellationToken::new());
        Self { broker, post: OnceLock::new(), running: TaskTracker::new(), closed, cut }
    }

    fn enter(&self, own: Arc<Server>, receiver: Arc<dyn Receiver>) -> Result<(), TransportError> {
        own.check()?;
        let requests = subject::rpc(&own.server_type, &own.id)?;
        let mut others = vec![subject::bindings(&own.server_type)?];
        if own.frontend {
            others.push(subject::broadcast(&own.server_type, &own.id)?);
        }
        let desk = Desk {
            broker: self.broker.clone(),
            receiver,
            running: self.running.clone(),
            closed: self.closed.clone(),
            cut: self.cut.clone(),
        };
        let inbox = desk.open(&own.id);
        let number = self.broker.enter(requests.clone(), inbox.clone())?;
        let inboxes = Mutex::new(BTreeMap::from([(requests, inbox)]));
        let post = Post { own, number, desk: Mutex::new(Some(desk)), inboxes, users: Mutex::default() };
        if self.post.set(post).is_err() {
            self.broker.leave(number);
            return Err(TransportError::Other("this transport was started before".to_owned()));
        }
        if let Some(post) = self.post.get() {
            others.into_iter().for_each(|subject| post.subscribe(subject));
        }
        Ok(())
    }

    /// What it has, if it takes part.
    fn post(&self) -> Result<&Post, TransportError> {
        if self.closed.is_cancelled() {
            return Err(TransportError::Unavailable);
        }
        self.post.get().ok_or(TransportError::Unavailable)
    }

    /// What it has, if it takes part and its broker can be reached.
    fn connected(&self) -> Result<&Post, TransportError> {
        self.post().and_then(|post| match self.broker.reaches(&post.own.id) {
            true => Ok(post),
            false => Err(TransportError::Unavailable),
        })
    }

    /// Ends at once: nothing more comes in, nothing goes out, what was being answered is dropped where it waits, and who
    /// waits for an answer from here waits in vain.
    pub(crate) fn cut(&self) {
        if let Some(post) = self.post.get() {
            self.broker.leave(post.number);
            post.end();
        }
        self.closed.cancel();
        self.cut.cancel();
    }

    fn send(&self, to: Address<'_>, body: &Bytes) -> Result<(), TransportError> {
        let post = self.connected()?;
        let (kind, subject) = match to {
            Address::Push { frontend_type, uid } => (Kind::Push, subject::push(frontend_type, uid)?),
            Address::Kick { frontend_type, uid } => (Kind::Kick, subject::kick(frontend_type, uid)?),
            Address::Bindings { server_type } => (Kind::Bound, subject::bindings(server_type)?),
            Address::Broadcast(to) => (Kind::Broadcast, subject::broadcast(&to.server_type, &to.id)?),
        };
        check_size(body)?;
        match self.broker.send(&subject, &post.own.id, &What::Message(kind), body) {
            // nobody is told whether a message arrived, here no more than elsewhere
            Ok(()) | Err(TransportError::NoResponders | TransportError::Unavailable) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, to: &Server, body: Bytes, timeout: Duration) -> Result<Bytes, TransportError> {
        let post = self.connected()?;
        let subject = subject::rpc(&to.server_type, &to.id)?;
        check_size(&body)?;
        let (caller, answer) = Caller::new();
        self.broker.send(&subject, &post.own.id, &What::Request(caller), &body)?;
        let answer = async {
            match answer.await {
                Ok(answer) => answer,
                // it has gone without an answer: as elsewhere, only the silence tells
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
        let Some(post) = self.post.get() else { return Err(TransportError::Unavailable) };
        let (push, kick) = post.subjects(uid)?;
        let mut users = post.users();
        let times = users.entry(uid.to_owned()).or_default();
        *times += 1;
        if *times == 1 && !self.closed.is_cancelled() {
            post.subscribe(push);
            post.subscribe(kick);
        }
        Ok(())
    }

    fn forget(&self, uid: &str) -> Option<()> {
        let post = self.post.get()?;
        let (push, kick) = post.subjects(uid).ok()?;
        let mut users = post.users();
        let times = users.get_mut(uid)?;
        *times -= 1;
        if *times == 0 {
            users.remove(uid);
            post.unsubscribe(&push);
            post.unsubscribe(&kick);
        }
        Some(())
    }

    /// Waits until all that was sent before now has been taken in.
    async fn taken_in(&self, post: &Post) {
        let inboxes: Vec<_> = post.inboxes().values().cloned().collect();
        for inbox in inboxes {
            let (mark, reached) = oneshot::channel();
            if inbox.items.send(Item::Mark(mark)).await.is_ok() {
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
            let Some(post) = self.post.get() else { return };
            if let Ok(requests) = subject::rpc(&post.own.server_type, &post.own.id) {
                self.broker.unsubscribe(&requests, post.number);
            }
            self.taken_in(post).await;
            self.running.close();
            self.running.wait().await;
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Ok(post) = self.post() {
                self.broker.leave(post.number);
                self.taken_in(post).await;
                post.end();
            }
            self.closed.cancel();
        })
    }
}

impl Post {
    fn subscribe(&self, subject: String) {
        let Some(desk) = self.desk().clone() else { return };
        let inbox = desk.open(&self.own.id);
        self.inboxes().insert(subject.clone(), inbox.clone());
        desk.broker.subscribe(subject, self.number, inbox);
    }

    /// What has come to the subject is still taken in.
    fn unsubscribe(&self, subject: &str) {
        if let Some(desk) = &*self.desk() {
            desk.broker.unsubscribe(subject, self.number);
        }
        self.inboxes().remove(subject);
    }

    /// Takes in nothing more.
    fn end(&self) {
        let desk = self.desk().take();
        let inboxes = std::mem::take(&mut *self.inboxes());
        drop((desk, inboxes)); // with no lock held: what is in there may lead anywhere
    }

    fn desk(&self) -> MutexGuard<'_, Option<Desk>> {
        self.desk.lock()
    }

    fn inboxes(&self) -> MutexGuard<'_, BTreeMap<String, Inbox>> {
        self.inboxes.lock()
    }

    fn subjects(&self, uid: &str) -> Result<(String, String), TransportError> {
        Ok((subject::push(&self.own.server_type, uid)?, subject::kick(&self.own.server_type, uid)?))
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.users.lock()
    }
}

fn check_size(body: &Bytes) -> Result<(), TransportError> {
    if body.len() > LARGEST {
        return Err(TransportError::TooLarge { size: body.len(), limit: LARGEST });
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
        let server = self.post.get().map(|post| &post.own.id);
        f.debug_struct("MemoryTransport")
            .field("server", &server)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}
