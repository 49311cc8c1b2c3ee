//! The service [`Groups`], and one [`Group`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::membership::{self, Memberships};
use super::{Delivery, GroupError, GroupStore, MemoryStore, Users};
use crate::component::service;
use crate::error::{Error, ErrorKind, Result, code, text};
use crate::serialize::{Message, Push};
use crate::session::{Session, SessionPool, check_uid, shortened};

/// The most bytes of a name.
const MAX_NAME: usize = 128;
const NAME_FORM: &str = "1 to 128 bytes without control characters and /";

/// The groups of an app.
///
/// A service: take it as a component's field or as an argument. Cheap to clone.
///
/// ```
/// use pitaya::group::Groups;
/// use pitaya::prelude::*;
/// use pitaya::SessionPool;
///
/// #[message(push = "onMessage")]
/// struct ChatMessage { text: String }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let pool = SessionPool::test();
/// let groups = Groups::in_memory(&pool); // an app makes its own
/// let (session, pushes) = Session::<()>::test_in(&pool);
/// session.bind("ann").await?;
///
/// let lobby = groups.group("lobby");
/// lobby.ensure().await?;
/// lobby.add("ann").await?;
/// lobby.push(&ChatMessage { text: "hello".into() }).await?;
/// assert_eq!(pushes.take_as::<ChatMessage>()?[0].text, "hello");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Groups(Arc<Inner>);

struct Inner {
    store: Box<dyn GroupStore>,
    users: Users,
    memberships: Memberships,
}

service!(Groups);

impl Groups {
    /// Makes groups that `store` keeps, of the users that `users` reaches.
    pub fn new(store: impl GroupStore, users: Users) -> Self {
        Self::boxed(Box::new(store), users)
    }

    pub(crate) fn boxed(store: Box<dyn GroupStore>, users: Users) -> Self {
        Self(Arc::new(Inner { store, users, memberships: Memberships::default() }))
    }

    /// Makes groups in memory over the sessions of a pool, for tests of components.
    pub fn in_memory(pool: &SessionPool) -> Self {
        Self::new(MemoryStore::new(), Users::new(pool))
    }

    /// Returns the group of a name. The group need not exist.
    pub fn group(&self, name: &str) -> Group {
        Group { groups: self.clone(), name: name.into(), users: self.0.users.clone() }
    }

    #[cfg(test)]
    pub(super) fn memberships(&self) -> &Memberships {
        &self.0.memberships
    }

    /// Returns the users that groups push to.
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// Runs the store's housekeeping until `cancel`.
    pub(crate) fn start(&self, tracker: &TaskTracker, cancel: CancellationToken) {
        let groups = self.clone();
        tracker.spawn(async move {
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = groups.0.store.run() => {}
            }
        });
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").finish_non_exhaustive()
    }
}

/// One group, by name.
///
/// Every operation fails with `illegal group name` if the name is empty, longer than 128 bytes, or has a `/` or a
/// control character. Unless documented otherwise it fails with `group not found` if the group does not exist or has
/// expired. A failing store is an error too. All these errors are `PIT-000`, and
/// [`Error::kind`] tells them apart. An operation that is dropped may have reached the store.
#[derive(Clone)]
pub struct Group {
    groups: Groups,
    name: Arc<str>,
    users: Users,
}

impl Group {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same group, whose pushes go to frontends of another type: see [`Users::on_frontends`].
    #[must_use]
    pub fn on_frontends(&self, frontend_type: &str) -> Self {
        Self { users: self.users.on_frontends(frontend_type), ..self.clone() }
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn memberships(&self) -> &Memberships {
        &self.groups.0.memberships
    }

    /// Returns the session of a user on this server.
    pub(super) fn session(&self, uid: &str) -> Option<Session> {
        self.users.session(uid)
    }

    /// Adds the names of the group and of the user to an error of the store.
    #[cold]
    pub(super) fn about(&self, error: GroupError, uid: Option<&str>) -> Error {
        let error = Error::from(error).with_metadata("group", &*self.name);
        match uid {
            Some(uid) => error.with_metadata("uid", uid),
            None => error,
        }
    }

    pub(super) fn store(&self) -> Result<&dyn GroupStore> {
        let bad = |c: char| c.is_control() || c == '/';
        if self.name.is_empty() || self.name.len() > MAX_NAME || self.name.contains(bad) {
            return Err(Error::new(code::UNKNOWN, text::ILLEGAL_GROUP)
                .with_kind(ErrorKind::BadRequest)
                .with_metadata("group", shortened(&self.name))
                .with_metadata("form", NAME_FORM));
        }
        Ok(&*self.groups.0.store)
    }

    /// Creates the group, without members.
    ///
    /// # Errors
    /// `group already exists`.
    pub async fn create(&self) -> Result<()> {
        self.store()?.create(&self.name, None).await.map_err(|error| self.about(error, None))
    }

    /// Creates the group. It expires with its members after `ttl`, unless [renewed](Self::renew_ttl).
    ///
    /// # Errors
    /// `group already exists`.
    pub async fn create_with_ttl(&self, ttl: Duration) -> Result<()> {
        self.store()?.create(&self.name, Some(ttl)).await.map_err(|error| self.about(error, None))
    }

    /// Creates the group unless it exists.
    ///
    /// # Errors
    /// An illegal name or a failing store.
    pub async fn ensure(&self) -> Result<()> {
        match self.store()?.create(&self.name, None).await {
            Ok(()) | Err(GroupError::Exists) => Ok(()),
            Err(error) => Err(self.about(error, None)),
        }
    }

    /// Adds a user. The user need not be online.
    ///
    /// # Errors
    /// `member already exists in group`, `empty uid`, or `illegal uid` if [`check_uid`] fails.
    pub async fn add(&self, uid: &str) -> Result<()> {
        let store = self.store()?;
        not_empty(uid)?;
        check_uid(uid)?;
        store.add(&self.name, uid).await.map_err(|error| self.about(error, Some(uid)))
    }

    /// Adds the user of a session until the session ends.
    ///
    /// The membership belongs to the session. It ends with the session, unless a newer session of the user has joined
    /// by then, on this server or another one that shares the groups. A newer session does not inherit memberships. A
    /// user that is a member already stays one, and leaves with the session. Joining twice has no further effect.
    ///
    /// ```
    /// # use pitaya::group::Groups;
    /// # use pitaya::prelude::*;
    /// async fn join(session: Session, groups: &Groups) -> Result<()> {
    ///     session.bind("ann").await?;
    ///     let lobby = groups.group("lobby");
    ///     lobby.ensure().await?;
    ///     lobby.join(&session).await
    /// }
    /// ```
    ///
    /// # Errors
    /// `PIT-401` if the session is not bound, `PIT-499` if it is closed; then no membership changes. On a backend
    /// `onclose callbacks are not allowed on backend servers`: [`add`](Self::add) the user there, and remove it on the
    /// frontend when its session closes.
    pub async fn join<D>(&self, session: &Session<D>) -> Result<()> {
        let uid = session.require_uid()?;
        let Some(session) = session.frontend() else {
            return Err(Error::new(code::UNKNOWN, text::ON_CLOSE_ON_BACKEND));
        };
        membership::join(self, session, &uid).await
    }

    /// Removes the user of a session, if this session [joined](Self::join).
    ///
    /// # Errors
    /// `PIT-401` if the session is not bound, `member not found in the group` if it has not joined, or if the
    /// membership belongs to a newer session now.
    pub async fn leave<D>(&self, session: &Session<D>) -> Result<()> {
        membership::leave(self, session.id(), &session.require_uid()?).await
    }

    /// Removes a user, whichever session or server added it.
    ///
    /// # Errors
    /// `member not found in the group`.
    pub async fn remove(&self, uid: &str) -> Result<()> {
        membership::remove(self, uid).await
    }

    /// Removes all users. The group remains.
    ///
    /// # Errors
    /// Those of [every operation](Self).
    pub async fn remove_all(&self) -> Result<()> {
        membership::remove_members(self, self.store()?.remove_all(&self.name)).await
    }

    /// Returns the uids of the members; in memory, in the order in which they were added.
    ///
    /// # Errors
    /// Those of [every operation](Self).
    pub async fn members(&self) -> Result<Vec<String>> {
        let members = self.store()?.members(&self.name).await.map_err(|error| self.about(error, None))?;
        Ok(members.iter().map(|uid| uid.to_string()).collect())
    }

    /// Returns whether a user is a member.
    ///
    /// # Errors
    /// `empty uid`.
    pub async fn contains(&self, uid: &str) -> Result<bool> {
        let store = self.store()?;
        not_empty(uid)?;
        store.contains(&self.name, uid).await.map_err(|error| self.about(error, Some(uid)))
    }

    /// Returns the number of members.
    ///
    /// # Errors
    /// Those of [every operation](Self).
    pub async fn count(&self) -> Result<usize> {
        self.store()?.count(&self.name).await.map_err(|error| self.about(error, None))
    }

    /// Restarts the group's time to live, with its original length.
    ///
    /// # Errors
    /// `memory group TTL not found` if the group was created without one.
    pub async fn renew_ttl(&self) -> Result<()> {
        self.store()?.renew_ttl(&self.name).await.map_err(|error| self.about(error, None))
    }

    /// Removes the group and its members.
    ///
    /// # Errors
    /// Those of [every operation](Self).
    pub async fn delete(&self) -> Result<()> {
        membership::remove_members(self, self.store()?.delete(&self.name)).await
    }

    /// Sends a message to all members, on the route of its type. It is encoded once in the server's serializer, and once in
    /// each other one of the sessions of this server; the members share the bytes.
    ///
    /// Never waits for a client: `pitaya.session.outbox.policy` decides about a full outbox. Not cancel safe: a dropped
    /// call may have sent to some members.
    ///
    /// # Errors
    /// `PIT-000` if the message cannot be serialized. Members that were not reached, such as offline ones, are in the
    /// [`Delivery`], not an error.
    #[doc(alias = "broadcast")]
    pub async fn push<P: Push>(&self, message: &P) -> Result<Delivery> {
        self.push_route(P::ROUTE, message).await
    }

    /// Sends a message to all members, on a route, as [`push`](Self::push) does. [`Bytes`](crate::Bytes) are sent as they
    /// are.
    ///
    /// # Errors
    /// As [`push`](Self::push); also `PIT-500` if the route is longer than 255 bytes.
    pub async fn push_route<M: Message>(&self, route: &str, message: &M) -> Result<Delivery> {
        self.multicast_route(route, message, |_| true).await
    }

    /// Sends a message to the members whose uid matches `filter`, as [`push`](Self::push) does.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn multicast<P: Push>(
        &self,
        message: &P,
        filter: impl Fn(&str) -> bool + Send,
    ) -> Result<Delivery> {
        self.multicast_route(P::ROUTE, message, filter).await
    }

    /// Sends a message to the members whose uid matches `filter`, on a route.
    ///
    /// # Errors
    /// As [`push_route`](Self::push_route).
    pub async fn multicast_route<M: Message>(
        &self,
        route: &str,
        message: &M,
        filter: impl Fn(&str) -> bool + Send,
    ) -> Result<Delivery> {
        let members = self.store()?.members(&self.name).await.map_err(|error| self.about(error, None))?;
        let body = self.users.encode(message)?;
        let uids = members.iter().map(|uid| &**uid).filter(|uid| filter(uid)).collect();
        self.users.deliver(uids, route, body, message).await
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Group").field(&self.name).finish()
    }
}

fn not_empty(uid: &str) -> Result<()> {
    if uid.is_empty() {
        return Err(Error::new(code::UNKNOWN, text::EMPTY_UID));
    }
    Ok(())
}
