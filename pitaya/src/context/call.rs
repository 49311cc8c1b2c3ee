//! The context of a call, as its method reads it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Current, Metadata};
use crate::error::Result;

/// The context of a call: an argument of handlers and remotes.
///
/// It travels with the calls that a method makes to other servers. A value that a method inserts travels only with calls
/// that use this context, by `.with_context(&cx)` on a client:
///
/// ```
/// use pitaya::prelude::*;
/// use pitaya::Context;
///
/// #[message]
/// pub struct Enter { pub uid: String }
///
/// #[remote(server = "room")]
/// pub trait RoomApi {
///     async fn enter(&self, req: Enter) -> Result<()>;
/// }
///
/// async fn enter(rooms: &RoomApiClient, mut cx: Context, uid: String) -> Result<()> {
///     cx.insert("tenant", 7)?;
///     rooms.with_context(&cx).enter(&Enter { uid }).await
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    route: Arc<str>,
    current: Current,
}

impl Context {
    pub(crate) fn new(route: Arc<str>, current: Current) -> Self {
        Self { route, current }
    }

    pub(crate) fn current(&self) -> &Current {
        &self.current
    }

    /// Returns the full route of the call, `server.service.method`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Returns all values of the context.
    pub fn metadata(&self) -> &Metadata {
        &self.current.metadata
    }

    /// Returns a value; `None` if the context has no such key.
    ///
    /// # Errors
    /// [`PIT-500`](crate::error::code::INTERNAL), with the key: the value is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.current.metadata.get(key)
    }

    /// Inserts a value for later calls with this context, and for the calls that they cause.
    ///
    /// # Errors
    /// [`PIT-500`](crate::error::code::INTERNAL): the framework [reserves](crate::context::reserved) the key, or the value
    /// has no JSON form.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Serialize) -> Result<()> {
        self.current.metadata.insert(key, value)
    }

    /// Returns the id of the client's message that caused the call, if it came from another server.
    pub fn request_id(&self) -> Option<&str> {
        self.current.metadata.request_id()
    }

    /// Returns the id of the calling server, if another server called.
    pub fn peer_id(&self) -> Option<&str> {
        self.current.metadata.peer_id()
    }

    /// Returns the type of the calling server, if another server called.
    pub fn peer_service(&self) -> Option<&str> {
        self.current.metadata.peer_service()
    }

    /// Returns how long the caller still waits, if that is known.
    pub fn remaining(&self) -> Option<Duration> {
        self.current.deadline.remaining(Instant::now())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("route", &self.route)
            .field("request_id", &self.request_id())
            .field("peer_id", &self.peer_id())
            .field("remaining", &self.remaining())
            .finish()
    }
}
