//! Users, reached by uid.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::component::service;
use crate::error::{Error, Result, code, text};
use crate::serialize::{Message, Push};
use crate::session::{CloseReason, Pool, Session, SessionPool};

/// Reaches users by uid: a service of the app, as a component's field or as an argument.
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
    /// Whoever reaches users of other servers; `None` in a server that stands alone.
    remote: Option<Arc<dyn RemoteUsers>>,
    /// The type of the frontends that have the users, if it is not this server's own.
    frontend_type: Option<Arc<str>>,
}

/// Reaches users of other servers: the cluster.
pub(crate) trait RemoteUsers: Send + Sync {
    /// The type of this server, if it is a frontend.
    fn frontend_type(&self) -> Option<Arc<str>>;

    /// Sends a push to users of a type of frontends; gives those for whom it is not on its way.
    fn push<'a>(
        &'a self,
        frontend_type: &'a str,
        uids: Vec<&'a str>,
        route: &'a str,
        body: Bytes,
    ) -> BoxFuture<'a, Vec<&'a str>>;

    /// The same for a kick.
    fn kick<'a>(&'a self, frontend_type: &'a str, uids: Vec<&'a str>) -> BoxFuture<'a, Vec<&'a str>>;
}

service!(Users);

/// Whom a push or a kick reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// How many sessions took it.
    pub sent: usize,
    /// The uids that have no session here, or whose session did not take it, in the order given.
    pub failed: Vec<String>,
    /// What it is called when some failed.
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

    /// Counts those who are not here.
    fn count_remote(&mut self, all: &[&str], failed: &[&str]) {
        self.sent += all.len() - failed.len();
        self.failed.extend(failed.iter().map(|uid| (*uid).to_owned()));
    }

    /// Puts those that failed into the order in which they were given.
    fn sort_failed<'a>(&mut self, given: impl Iterator<Item = &'a str>) {
        if self.failed.len() > 1 {
            let place: HashMap<&str, usize> = given.enumerate().map(|(n, uid)| (uid, n)).collect();
            self.failed.sort_by_key(|uid| place.get(&**uid).copied());
        }
    }

    /// For callers that need everybody to be reached.
    ///
    /// # Errors
    /// `PIT-000`, `failed to push message to users` or `failed to kick users`, if anybody was not; the uids
    /// are in the metadata under `uids`, separated by commas.
    pub fn complete(self) -> Result<()> {
        if self.failed.is_empty() {
            return Ok(());
        }
        Err(Error::new(code::UNKNOWN, self.failure).with_metadata("uids", self.failed.join(",")))
    }
}

impl Users {
    /// Over the sessions of a pool.
    pub fn new(pool: &SessionPool) -> Self {
        Self { pool: Arc::clone(&pool.0), remote: None, frontend_type: None }
    }

    pub(crate) fn with_remote(pool: &SessionPool, remote: Arc<dyn RemoteUsers>) -> Self {
        Self { remote: Some(remote), ..Self::new(pool) }
    }

    /// The users of another type of frontends. In a cluster a user may be on a frontend of each type at once. A frontend
    /// reaches those of its own type unless told otherwise; a backend must say which.
    ///
    /// ```
    /// # use pitaya::group::Users;
    /// # use pitaya::prelude::*;
    /// # #[message(push = "onGift")] struct Gift { coins: u32 }
    /// # async fn give(users: &Users) -> Result<()> {
    /// users.at("connector").push(&["ann"], &Gift { coins: 3 }).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn at(&self, frontend_type: &str) -> Self {
        Self { frontend_type: Some(frontend_type.into()), ..self.clone() }
    }

    /// Sends a message to users, on the route of its type. It is encoded once. Never waits for a client: a full
    /// outbox meets `pitaya.session.outbox.policy`.
    ///
    /// In a cluster, users of other servers count as sent to once the message is on its way: nobody confirms that it
    /// arrives, or that they are connected at all.
    ///
    /// # Errors
    /// `PIT-000` if the message cannot be serialized, or on a backend without [`at`](Self::at). Users that were not
    /// reached are no error but part of the [`Delivery`].
    pub async fn push<P: Push>(&self, uids: &[impl AsRef<str> + Sync], message: &P) -> Result<Delivery> {
        self.push_to(uids, P::ROUTE, message).await
    }

    /// Sends a message to users, on a route. [`Bytes`] are sent as they are.
    ///
    /// # Errors
    /// As [`push`](Self::push); also `PIT-500` if the route is longer than 255 bytes.
    pub async fn push_to<M: Message>(
        &self,
        uids: &[impl AsRef<str> + Sync],
        route: &str,
        message: &M,
    ) -> Result<Delivery> {
        let body = self.pool.encode_body(message)?;
        self.deliver(uids.iter().map(AsRef::as_ref).collect(), route, body).await
    }

    /// Kicks users: each client is told, then disconnected. Of users that are here, whatever the type of this server;
    /// others as [`push`](Self::push) reaches them.
    ///
    /// # Errors
    /// `PIT-000` on a backend without [`at`](Self::at). Users that were not reached are part of the [`Delivery`].
    pub async fn kick(&self, uids: &[impl AsRef<str> + Sync]) -> Result<Delivery> {
        let mut delivery = Delivery::new(text::KICKING_USERS);
        let frontends = self.remote_frontends()?;
        let mut others = Vec::new();
        for uid in uids.iter().map(AsRef::as_ref) {
            match (self.pool.by_uid(uid), &frontends) {
                (Some(core), _) => delivery.count(uid, core.kick(CloseReason::Kicked)),
                (None, Some(_)) => others.push(uid),
                (None, None) => delivery.count(uid, false),
            }
        }
        if let Some((remote, frontend_type)) = frontends
            && !others.is_empty()
        {
            let failed = remote.kick(&frontend_type, others.clone()).await;
            delivery.count_remote(&others, &failed);
        }
        delivery.sort_failed(uids.iter().map(AsRef::as_ref));
        Ok(delivery)
    }

    /// Whoever reaches users of other servers, and on which type of them; `None` in a server that stands alone.
    fn remote_frontends(&self) -> Result<Option<(&dyn RemoteUsers, Arc<str>)>> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let frontend_type = self.frontend_type.clone().or_else(|| remote.frontend_type());
        let frontend_type = frontend_type.ok_or_else(|| {
            Error::new(code::UNKNOWN, text::FRONTEND_TYPE_NOT_SPECIFIED).with_source(
                "name the type of the frontends, as in users.at(\"connector\") or groups.at(\"connector\")",
            )
        })?;
        Ok(Some((&**remote, frontend_type)))
    }

    /// The session here of a user.
    pub(super) fn session(&self, uid: &str) -> Option<Session> {
        self.pool.by_uid(uid).map(|core| Session::new(core, 0))
    }

    /// Encodes a message for any number of users.
    pub(super) fn encode<M: Message>(&self, message: &M) -> Result<Bytes> {
        self.pool.encode_body(message)
    }

    /// Gives everybody the same message.
    pub(super) async fn deliver(&self, uids: Vec<&str>, route: &str, body: Bytes) -> Result<Delivery> {
        let mut delivery = Delivery::new(text::PUSHING_TO_USERS);
        self.pool.check_push(route)?;
        let frontends = self.remote_frontends()?;
        // Of another type of frontends nobody is here.
        let local = match (&frontends, &self.remote) {
            (Some((_, frontend_type)), Some(remote)) => {
                remote.frontend_type().as_ref() == Some(frontend_type)
            }
            _ => true,
        };
        // Made for the first user that is here: a backend has none.
        let mut packet = None;
        let mut others = Vec::new();
        for uid in &uids {
            match self.pool.by_uid(uid).filter(|_| local) {
                Some(core) => {
                    let packet = match &packet {
                        Some(packet) => packet,
                        None => packet.insert(self.pool.frame_push(route, &body)?),
                    };
                    delivery.count(uid, core.push(route, packet).is_ok());
                }
                None if frontends.is_some() => others.push(*uid),
                None => delivery.count(uid, false),
            }
        }
        if let Some((remote, frontend_type)) = frontends
            && !others.is_empty()
        {
            let failed = remote.push(&frontend_type, others.clone(), route, body).await;
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
