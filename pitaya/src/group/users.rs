//! Users, reached by uid.

use std::sync::Arc;

use bytes::Bytes;

use crate::component::service;
use crate::error::{Error, Result, code, text};
use crate::serialize::{Message, Push};
use crate::session::{CloseReason, Pool, SessionPool};

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
#[derive(Debug, Clone)]
pub struct Users {
    pool: Arc<Pool>,
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
        Self { pool: Arc::clone(&pool.0) }
    }

    /// Sends a message to users, on the route of its type. It is encoded once. Never waits for a client: a full
    /// outbox meets `pitaya.session.outbox.policy`.
    ///
    /// # Errors
    /// `PIT-000` if the message cannot be serialized. Users that were not reached are no error but part of the
    /// [`Delivery`].
    pub async fn push<P: Push>(&self, uids: &[impl AsRef<str> + Sync], message: &P) -> Result<Delivery> {
        self.push_to(uids, P::ROUTE, message).await
    }

    /// Sends a message to users, on a route. [`Bytes`] are sent as they are.
    ///
    /// # Errors
    /// As [`push`](Self::push); also `PIT-500` if the route is longer than 255 bytes.
    #[allow(clippy::unused_async)] // users of other servers are reached through the cluster
    pub async fn push_to<M: Message>(
        &self,
        uids: &[impl AsRef<str> + Sync],
        route: &str,
        message: &M,
    ) -> Result<Delivery> {
        let packet = self.pool.encode_push(route, message)?;
        Ok(self.deliver(uids.iter().map(AsRef::as_ref), route, &packet))
    }

    /// Kicks users: each client is told, then disconnected.
    ///
    /// # Errors
    /// None by itself today; users that were not reached are part of the [`Delivery`].
    #[allow(clippy::unused_async)] // users of other servers are reached through the cluster
    pub async fn kick(&self, uids: &[impl AsRef<str> + Sync]) -> Result<Delivery> {
        let mut delivery = Delivery::new(text::KICKING_USERS);
        for uid in uids {
            let uid = uid.as_ref();
            let kicked = self.pool.by_uid(uid).is_some_and(|core| core.kick(CloseReason::Kicked));
            delivery.count(uid, kicked);
        }
        Ok(delivery)
    }

    /// Encodes a message for any number of users.
    pub(super) fn encode<M: Message>(&self, route: &str, message: &M) -> Result<Bytes> {
        self.pool.encode_push(route, message)
    }

    /// Gives everybody the same packet.
    pub(super) fn deliver<'a>(
        &self,
        uids: impl Iterator<Item = &'a str>,
        route: &str,
        packet: &Bytes,
    ) -> Delivery {
        let mut delivery = Delivery::new(text::PUSHING_TO_USERS);
        for uid in uids {
            let sent = self.pool.by_uid(uid).is_some_and(|core| core.push(route, packet).is_ok());
            delivery.count(uid, sent);
        }
        delivery
    }
}
