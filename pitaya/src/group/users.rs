//! Pushes and kicks to users by uid.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::component::service;
use crate::error::{Error, Result, code, text};
use crate::peers::{PushBody, Role};
use crate::serialize::{Message, Push, Serializer};
use crate::session::{CloseReason, FormattedPush, Pool, Session, SessionPool, encode_body};

/// Pushes to users and kicks them by uid.
///
/// A service of the app: take it as a component's field or as an argument. Cheap to clone.
///
/// ```
/// use pitaya::group::Users;
/// use pitaya::prelude::*;
///
/// #[message(push = "onGift")]
/// struct Gift { coins: u32 }
///
/// async fn give(users: &Users) -> Result<()> {
///     users.push(&["ann", "bob"], &Gift { coins: 3 }).await?.complete()
/// }
/// ```
#[derive(Clone)]
pub struct Users {
    pool: Arc<Pool>,
    /// The type of the users' frontends, if it is not this server's type.
    frontend_type: Option<Arc<str>>,
}

service!(Users);

/// The frontends of one type.
struct RemoteFrontends {
    server_type: Arc<str>,
    /// Whether this server is one of them.
    is_own: bool,
}

/// The result of a push or a kick to users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The number of users that it was sent to.
    pub sent: usize,
    /// The uids without a session, or whose session refused it or cannot express it, in the order given.
    pub failed: Vec<String>,
    /// The text of the error if some failed.
    failure: &'static str,
}

impl Delivery {
    fn new(failure: &'static str) -> Self {
        Self { sent: 0, failed: Vec::new(), failure }
    }

    fn count(&mut self, uid: &str, sent: bool) {
        if sent {
            self.sent += 1;
        } else {
            self.failed.push(uid.to_owned());
        }
    }

    /// Counts users of other servers.
    fn count_remote(&mut self, all: &[&str], failed: &[&str]) {
        self.sent += all.len() - failed.len();
        self.failed.extend(failed.iter().map(|uid| (*uid).to_owned()));
    }

    /// Sorts the failed uids into the order given.
    fn sort_failed<'a>(&mut self, given: impl Iterator<Item = &'a str>) {
        if self.failed.len() > 1 {
            let place: HashMap<&str, usize> = given.enumerate().map(|(n, uid)| (uid, n)).collect();
            self.failed.sort_by_key(|uid| place.get(&**uid).copied());
        }
    }

    /// Turns failed uids into an error.
    ///
    /// # Errors
    /// `PIT-000` with `failed to push message to users` or `failed to kick users`. The metadata has the uids under
    /// `uids`, separated by commas.
    pub fn complete(self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Error::new(code::UNKNOWN, self.failure).with_metadata("uids", self.failed.join(",")))
    }
}

impl Users {
    /// Reaches the users of a pool's sessions.
    pub fn new(pool: &SessionPool) -> Self {
        Self { pool: Arc::clone(&pool.0), frontend_type: None }
    }

    /// Returns the users on frontends of another type.
    ///
    /// A user may be connected to one frontend of each type. A frontend reaches the users of its own type by default; a
    /// backend must name the type.
    ///
    /// ```
    /// # use pitaya::group::Users;
    /// # use pitaya::prelude::*;
    /// # #[message(push = "onGift")] struct Gift { coins: u32 }
    /// # async fn give(users: &Users) -> Result<()> {
    /// users.on_frontends("connector").push(&["ann"], &Gift { coins: 3 }).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn on_frontends(&self, frontend_type: &str) -> Self {
        Self { frontend_type: Some(frontend_type.into()), ..self.clone() }
    }

    /// Sends a message to users, on the route of its type. It is encoded once in the server's serializer, and once in each
    /// other one of the sessions of this server.
    ///
    /// Never waits for a client: `pitaya.session.outbox.policy` decides about a full outbox. For users of other
    /// servers, success means that the message was sent, not that it arrives or that the user is connected. Not
    /// cancel safe: a dropped call may have sent to some users.
    ///
    /// # Errors
    /// `PIT-000` if the message cannot be serialized, or on a backend without [`on_frontends`](Self::on_frontends).
    /// Users that were not reached are in the [`Delivery`], not an error.
    pub async fn push<P: Push>(&self, uids: &[impl AsRef<str> + Sync], message: &P) -> Result<Delivery> {
        self.push_route(uids, P::ROUTE, message).await
    }

    /// Sends a message to users, on a route, as [`push`](Self::push) does. [`Bytes`] are sent as they are.
    ///
    /// # Errors
    /// As [`push`](Self::push); also `PIT-500` if the route is longer than 255 bytes.
    pub async fn push_route<M: Message>(
        &self,
        uids: &[impl AsRef<str> + Sync],
        route: &str,
        message: &M,
    ) -> Result<Delivery> {
        let body = self.encode(message)?;
        self.deliver(uids.iter().map(AsRef::as_ref).collect(), route, body, message).await
    }

    /// Kicks users: sends each client a kick, then disconnects it.
    ///
    /// Sessions of this server are kicked whatever its type. Other users are reached as by [`push`](Self::push). Not
    /// cancel safe: a dropped call may have kicked some users.
    ///
    /// # Errors
    /// `PIT-000` on a backend without [`on_frontends`](Self::on_frontends). Users that were not reached are in the
    /// [`Delivery`].
    pub async fn kick(&self, uids: &[impl AsRef<str> + Sync]) -> Result<Delivery> {
        let mut delivery = Delivery::new(text::KICKING_USERS);
        let frontends = self.remote_frontends()?;
        let mut others = Vec::new();
        for uid in uids.iter().map(AsRef::as_ref) {
            match (self.pool.by_uid(uid), &frontends) {
                (Some(session), _) => delivery.count(uid, session.kick(CloseReason::Kicked)),
                (None, Some(_)) => others.push(uid),
                (None, None) => delivery.count(uid, false),
            }
        }
        if let Some(frontends) = frontends
            && !others.is_empty()
        {
            let failed = self.pool.peers().kick_users(&frontends.server_type, others.clone()).await;
            delivery.count_remote(&others, &failed);
        }
        delivery.sort_failed(uids.iter().map(AsRef::as_ref));
        Ok(delivery)
    }

    /// Returns the frontends that the users are on; `None` in a standalone server.
    fn remote_frontends(&self) -> Result<Option<RemoteFrontends>> {
        let (own, named) = match (self.pool.peers().role(), self.frontend_type.clone()) {
            (Role::Standalone, _) => return Ok(None),
            (Role::Frontend(own), named) => (Some(own), named),
            (Role::Backend, named) => (None, named),
        };
        let server_type = named.or_else(|| own.clone()).ok_or_else(|| {
            Error::new(code::UNKNOWN, text::FRONTEND_TYPE_NOT_SPECIFIED).with_source(
                "name the type of the frontends, as in users.on_frontends(\"connector\") or groups.on_frontends(\"connector\")",
            )
        })?;
        Ok(Some(RemoteFrontends { is_own: own.as_ref() == Some(&server_type), server_type }))
    }

    /// Returns the session of a user on this server.
    pub(super) fn session(&self, uid: &str) -> Option<Session> {
        self.pool.by_uid(uid).map(|session| Session::new(session, 0))
    }

    /// Encodes a message in the server's serializer, for any number of users.
    pub(super) fn encode<M: Message>(&self, message: &M) -> Result<Bytes> {
        self.pool.encode_body(message)
    }

    /// Sends the same message to all users. `body` has it in the server's serializer.
    pub(super) async fn deliver<M: Message>(
        &self,
        uids: Vec<&str>,
        route: &str,
        body: Bytes,
        message: &M,
    ) -> Result<Delivery> {
        let mut delivery = Delivery::new(text::PUSHING_TO_USERS);
        self.pool.check_push(route)?;
        let frontends = self.remote_frontends()?;
        // Users of another frontend type are not on this server.
        let local = frontends.as_ref().is_none_or(|frontends| frontends.is_own);
        let mut others = Vec::new();
        {
            let encode = |serializer: &Serializer| encode_body(serializer, message);
            let mut push = FormattedPush::new(&self.pool, route, &body, &encode);
            for uid in &uids {
                match self.pool.by_uid(uid).filter(|_| local) {
                    Some(session) => delivery.count(uid, push.send(&session)?),
                    None if frontends.is_some() => others.push(*uid),
                    None => delivery.count(uid, false),
                }
            }
        }
        if let Some(frontends) = frontends
            && !others.is_empty()
        {
            let peers = self.pool.peers();
            let body = PushBody { data: body, raw: M::CODECS.is_raw() };
            let failed = peers.push_users(&frontends.server_type, others.clone(), route, body).await;
            delivery.count_remote(&others, &failed);
            delivery.sort_failed(uids.into_iter());
        }
        Ok(delivery)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").field("frontend_type", &self.frontend_type).finish_non_exhaustive()
    }
}
