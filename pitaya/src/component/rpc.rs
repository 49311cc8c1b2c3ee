//! Typed calls of remotes: what generated clients are made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

#[cfg(feature = "worker")]
use super::ReliableRpc;
use super::{Context, Fake, FromServices};
use crate::context::Current;
use crate::error::{Error, Result, code};
use crate::peers::{RemoteRequest, Remotes};
use crate::route::Route;
use crate::serialize::{Body, Message, rpc};
use crate::services::Services;
#[cfg(feature = "worker")]
use crate::worker::Reliable;

/// Calls remotes: on one server, by a key, with a timeout. Generated clients wrap one.
///
/// A call waits for the reply, and at most for its timeout. `Ok` means that the remote succeeded. A dropped call stops
/// waiting, but not the remote, which may run or may have run.
#[derive(Clone)]
pub struct Rpc {
    remotes: Arc<dyn Remotes>,
    server_id: Option<Arc<str>>,
    key: Option<Arc<str>>,
    timeout: Option<Duration>,
    current: Option<Current>,
    /// The handle that enqueues jobs. A stand-in has none.
    #[cfg(feature = "worker")]
    reliable: Option<Arc<Reliable>>,
}

impl Rpc {
    pub(crate) fn new(remotes: Arc<dyn Remotes>) -> Self {
        Self {
            remotes,
            server_id: None,
            key: None,
            timeout: None,
            current: None,
            #[cfg(feature = "worker")]
            reliable: None,
        }
    }

    /// Makes the clients enqueue jobs by this handle.
    #[cfg(feature = "worker")]
    pub(crate) fn with_reliable(self, reliable: Reliable) -> Self {
        Self { reliable: Some(Arc::new(reliable)), ..self }
    }

    /// Whether calls go to one server, or to the server of a key.
    #[cfg(feature = "worker")]
    pub(super) fn chooses_server(&self) -> bool {
        self.server_id.is_some() || self.key.is_some()
    }

    /// Returns what this client calls.
    #[cfg(feature = "worker")]
    pub(crate) fn remotes(&self) -> &Arc<dyn Remotes> {
        &self.remotes
    }

    /// Makes a client whose calls a stand-in answers.
    pub fn fake(fake: Fake) -> Self {
        Self::new(Arc::new(fake))
    }

    /// Returns a copy whose calls go to one server.
    #[must_use]
    pub fn to_server(&self, server_id: &str) -> Self {
        Self { server_id: Some(server_id.into()), ..self.clone() }
    }

    /// Returns a copy whose calls go to the server that owns `key`, as long as the servers stay the same. A server that drains keeps
    /// the keys that it was called with until it leaves, and gets no others: see
    /// [`Router::by_key`](crate::cluster::Router::by_key), which says what moves a key.
    #[must_use]
    pub fn by_key(&self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self.clone() }
    }

    /// Returns a copy whose calls fail with `PIT-408` after `timeout`.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    /// Returns a copy that uses this context instead of the context of the current call. Tasks that a method spawned
    /// need it.
    #[must_use]
    pub fn with_context(&self, context: &Context) -> Self {
        Self { current: Some(context.current().clone()), ..self.clone() }
    }

    /// Calls a remote.
    ///
    /// # Errors
    /// The remote's own; `PIT-404` if there is no such remote, `PIT-408` if it took too long, `PIT-000` if the
    /// request or the reply could not be encoded or decoded. In a cluster also `PIT-500` if there is no server of this
    /// type, `PIT-503` if the server or the connection has gone, and `PIT-000` for a call of a server's own type that
    /// neither [`to_server`](Self::to_server) nor [`by_key`](Self::by_key) sends to another.
    pub async fn call<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<Rep> {
        let mut body = BytesMut::new();
        rpc::encode(request, &mut body).map_err(|error| {
            Error::new(code::UNKNOWN, format!("cannot encode the request of `{route}`"))
                .with_source(error.into_inner())
        })?;
        let reply = self.call_raw(route.path(), body.freeze()).await?;
        rpc::decode(&Body::shared(&reply)).map_err(|error| {
            Error::new(code::UNKNOWN, format!("cannot decode the reply of `{route}`"))
                .with_source(error.into_inner())
        })
    }

    /// Calls a remote by the text of its route, with a body that is encoded already: for gateways.
    ///
    /// # Errors
    /// As [`call`](Self::call), but for encoding.
    pub async fn call_raw(&self, route: &str, body: Bytes) -> Result<Bytes> {
        let current = self.current.clone().unwrap_or_else(Current::get);
        let request = RemoteRequest {
            route: route.to_owned(),
            body,
            server_id: self.server_id.clone(),
            key: self.key.clone(),
            timeout: self.timeout,
            current,
        };
        self.remotes.call(request).await
    }
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rpc")
            .field("server_id", &self.server_id)
            .field("key", &self.key)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl FromServices for Rpc {
    fn from_services(services: &Services) -> Result<Self> {
        Ok((*services.get::<Self>()?).clone())
    }
}

/// For generated code: makes the caller that the typed client of a server type uses. `None` is every type.
///
/// # Errors
/// `PIT-500` if no server of that type can be called, because the app is in no cluster and of another type.
#[doc(hidden)]
pub fn rpc_client(services: &Services, client: &str, server_type: Option<&str>) -> Result<Rpc> {
    let rpc = Rpc::from_services(services)?;
    if let (Some(own), Some(server_type)) = (rpc.remotes.only_type(), server_type)
        && server_type != own
    {
        let reason = format!(
            "`{client}` calls servers of type `{server_type}`, and this app, a `{own}`, is in no cluster: add \
             `.cluster()`, or `.discovery(…)` and `.transport(…)`, on the builder"
        );
        return Err(Error::hidden(code::INTERNAL, reason));
    }
    Ok(rpc)
}

/// For generated code: makes the caller that enqueues jobs. The timeout of the client limits each run.
#[cfg(feature = "worker")]
#[doc(hidden)]
#[must_use]
pub fn reliable_rpc(rpc: &Rpc) -> ReliableRpc {
    let limited = rpc.reliable.as_deref().map(|reliable| match rpc.timeout {
        Some(timeout) => reliable.with_timeout(timeout),
        None => reliable.clone(),
    });
    ReliableRpc::new(rpc, limited)
}
