//! Transports: how servers reach each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Server, Servers, TransportError};
use crate::binding::Lookup;
use crate::metrics::Metric;

/// Sends requests to servers, and publishes messages.
///
/// An app may bring its own: [`Builder::transport`](crate::app::Builder::transport). Bodies are opaque to it.
///
/// The framework relies on this, besides the contract of each method:
/// - delivery is at most once: nothing is delivered twice, and nothing is retried;
/// - messages of one server to one [`Address`] arrive in the order in which they were published;
/// - the transport reconnects after a loss, without a limit of retries, and serves the same users again
///   ([`serve_user`](Self::serve_user));
/// - while the connection is known to be lost, [`request`](Self::request) and [`publish`](Self::publish) fail
///   immediately.
pub trait Transport: Send + Sync + 'static {
    /// Returns the metadata of the own server by which other servers reach it. Metadata of the app wins over it.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Hands over the list of servers and the binding storage, before [`start`](Self::start).
    ///
    /// A transport without a broker finds servers in the list, and the frontends of users in the storage.
    fn follow(&self, servers: &Arc<Servers>, users: Option<&Lookup>) {
        let _ = (servers, users);
    }

    /// Connects, and delivers to `receiver` the messages for `own`: its requests, those for its type and, if it is a
    /// frontend, its broadcasts. Returns when a message that is sent from now on would arrive.
    ///
    /// # Errors
    /// It cannot connect within its time, or may not subscribe. The app does not start then.
    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>>;

    /// Sends a request to a server and waits for its answer, for at most `timeout`.
    ///
    /// # Errors
    /// See [`TransportError`]. Whether the request was handled is known only after [`TransportError::NoResponders`],
    /// [`TransportError::Unavailable`] and [`TransportError::TooLarge`]: it was not.
    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>>;

    /// Publishes a message. `Ok` means that it was sent, not that a server receives it.
    ///
    /// # Errors
    /// The message was not sent.
    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Receives the messages of a user of this frontend from now on. Returns when a message that is sent from now on
    /// would arrive. Without a connection it returns immediately, and the user is served after the reconnect.
    ///
    /// Serving a user twice has no further effect. Each call needs its own [`forget_user`](Self::forget_user).
    ///
    /// # Errors
    /// The uid cannot be part of an address, or the broker refuses it.
    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Undoes one [`serve_user`](Self::serve_user). Returns immediately.
    fn forget_user(&self, uid: &str);

    /// Whether the transport finds a server by its entry in the list of servers. If so, a call to a server that has just
    /// started waits a moment until discovery lists it. A transport that needs only the id returns `false`.
    fn needs_listed_servers(&self) -> bool {
        false
    }

    /// Whether the transport is connected, as far as is known.
    fn is_connected(&self) -> bool;

    /// Returns how many received messages were dropped since the start, because they were not handled fast enough.
    fn dropped(&self) -> u64 {
        0
    }

    /// Returns what the transport has counted since it was made, each with the counter that reports it, such as
    /// [`TRANSPORT_RECONNECTS`](crate::metrics::TRANSPORT_RECONNECTS). The app asks every `pitaya.metrics.period`.
    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        Vec::new()
    }

    /// Stops receiving requests, and returns when all received ones are answered.
    fn drain(&self) -> BoxFuture<'_, ()>;

    /// Sends queued messages, then closes.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// A transport that a test, for instance, holds too.
impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn metadata(&self) -> Vec<(&'static str, String)> {
        (**self).metadata()
    }

    fn follow(&self, servers: &Arc<Servers>, users: Option<&Lookup>) {
        (**self).follow(servers, users);
    }

    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>> {
        (**self).start(own, receiver)
    }

    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>> {
        (**self).request(to, body, timeout)
    }

    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        (**self).publish(to, body)
    }

    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        (**self).serve_user(uid)
    }

    fn forget_user(&self, uid: &str) {
        (**self).forget_user(uid);
    }

    fn needs_listed_servers(&self) -> bool {
        (**self).needs_listed_servers()
    }

    fn is_connected(&self) -> bool {
        (**self).is_connected()
    }

    fn dropped(&self) -> u64 {
        (**self).dropped()
    }

    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        (**self).counters()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        (**self).drain()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        (**self).close()
    }
}

/// The destination of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address<'a> {
    /// The frontend of a type that has a user, for a push.
    Push {
        /// The type of the frontend.
        frontend_type: &'a str,
        /// The user.
        uid: &'a str,
    },
    /// The frontend of a type that has a user, for a kick.
    Kick {
        /// The type of the frontend.
        frontend_type: &'a str,
        /// The user.
        uid: &'a str,
    },
    /// All servers of a type, the own one included, for an announcement of a bind.
    Bindings {
        /// The type.
        server_type: &'a str,
    },
    /// One frontend, for a message to many of its users (`docs/cluster.md`, "Broadcasts").
    Broadcast(&'a Server),
}

/// Receives the messages of a transport. Only the answer to a request may wait.
pub trait Receiver: Send + Sync + 'static {
    /// Handles a request, and returns its answer. There is an answer to any bytes.
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes>;

    /// Handles a push to a user. Returns the reply to a sender that waits.
    fn push(&self, body: Bytes) -> Bytes;

    /// Handles a kick of a user. Returns the reply to a sender that waits.
    fn kick(&self, body: Bytes) -> Bytes;

    /// Handles the announcement of a bind on a server of the own type, perhaps this one.
    fn bound(&self, body: Bytes);

    /// Handles a message to many users of this frontend.
    fn broadcast(&self, body: Bytes);

    /// Handles a reconnect. Messages during the outage were lost.
    fn reconnected(&self);

    /// Returns the announcements of all binds of this server. A transport without a broker sends them to a server whose
    /// connection was lost, in place of [`reconnected`](Self::reconnected).
    fn binds(&self) -> Vec<Bytes> {
        Vec::new()
    }
}
