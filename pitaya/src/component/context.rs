//! What a call knows of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::context::{Current, Metadata};
use crate::error::Result;

/// The context of a call: an argument of handlers and remotes.
///
/// In a cluster it goes along with the calls that a method makes. What a method puts in goes along with those that it
/// makes with this context, by `.with(&cx)` on a client:
///
/// ```
/// use pitaya::prelude::*;
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
///     rooms.with(&cx).enter(&Enter { uid }).await
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

    /// The full route that was called, `server.service.method`.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// Everything that came along.
    pub fn metadata(&self) -> &Metadata {
        &self.current.metadata
    }

    /// A value that came along, or was put in; `None` if there is none.
    ///
    /// # Errors
    /// `PIT-500`, with the key: the value is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.current.metadata.get(key)
    }

    /// Puts a value in, for the calls that are made with this context from now on, and for those that they lead to.
    ///
    /// # Errors
    /// `PIT-500`: the key is one of the framework's own ([`reserved`](crate::context::reserved)), or the value has no
    /// JSON form.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Serialize) -> Result<()> {
        self.current.metadata.insert(key, value)
    }

    /// The id of the client's message that all this began with, if it came over the cluster.
    pub fn request_id(&self) -> Option<&str> {
        self.current.metadata.request_id()
    }

    /// The id of the server that called, if another one did.
    pub fn peer_id(&self) -> Option<&str> {
        self.current.metadata.peer_id()
    }

    /// The type of the server that called, if another one did.
    pub fn peer_service(&self) -> Option<&str> {
        self.current.metadata.peer_service()
    }

    /// How long the caller still waits; `None` if it does not say.
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
