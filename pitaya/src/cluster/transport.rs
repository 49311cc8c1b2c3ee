//! Transports: how servers reach each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Server, TransportError};
use crate::metrics::Metric;

/// Carries requests to servers, and messages to whoever is concerned.
///
/// Users may have their own: [`Builder::transport`](crate::app::Builder::transport). What is carried is opaque to it.
///
/// What the framework relies on, besides what each method says:
/// - everything happens at most once: nothing is carried twice, and nothing is tried again;
/// - what one server publishes to one [`Address`] arrives in the order in which it was published;
/// - a connection that is lost ends nothing: it is made again, for as long as it takes, and whatever was served
///   before ([`serve_user`](Self::serve_user)) is served again;
/// - while it is known to be lost, [`request`](Self::request) and [`publish`](Self::publish) fail at once.
pub trait Transport: Send + Sync + 'static {
    /// Connects, and hands to `receiver` what comes for `own`: its requests, what concerns its type and, if it is a
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

    /// Sends a message that nobody answers. Returns when it is on its way, which does not mean that anybody gets it.
    ///
    /// # Errors
    /// It is not on its way.
    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Takes in what is for a user of this frontend from now on. Returns when a message that is sent from now on
    /// would arrive; while there is no connection it returns at once, and the user is served once there is one.
    ///
    /// Serving a user twice is serving it once; each call is to be undone by one [`forget_user`](Self::forget_user).
    ///
    /// # Errors
    /// The uid cannot be part of an address, or the broker refuses it.
    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Undoes one [`serve_user`](Self::serve_user). Returns at once.
    fn forget_user(&self, uid: &str);

    /// Whether there is a connection now, as far as is known.
    fn is_connected(&self) -> bool;

    /// How many messages were not taken in fast enough and dropped, since the start.
    fn dropped(&self) -> u64 {
        0
    }

    /// Returns what the transport has counted since it was made, each with the counter that reports it, such as
    /// [`TRANSPORT_RECONNECTS`](crate::metrics::TRANSPORT_RECONNECTS). The app asks every `pitaya.metrics.period`.
    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        Vec::new()
    }

    /// Takes in no more requests. Those that have arrived are handed over, and it returns when all are answered.
    fn drain(&self) -> BoxFuture<'_, ()>;

    /// Sends what is still on its way, then ends everything.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// One that somebody else holds too: a test, for one.
impl<T: Transport + ?Sized> Transport for Arc<T> {
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

/// To whom a message goes.
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
    /// All servers of a type, the own one included, which learn that a user was bound.
    Bindings {
        /// The type.
        server_type: &'a str,
    },
    /// One frontend of ours, for a message to many of its users (`docs/cluster.md`, "Broadcasts").
    Broadcast(&'a Server),
}

/// Takes in what a transport brings. No method waits, but for the answer to a request.
pub trait Receiver: Send + Sync + 'static {
    /// A request has come: gives its answer. Whatever the bytes are, there is one.
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes>;

    /// A push for a user has come; gives what to answer if its sender waits for that.
    fn push(&self, body: Bytes) -> Bytes;

    /// A kick for a user has come; gives what to answer if its sender waits for that.
    fn kick(&self, body: Bytes) -> Bytes;

    /// A user was bound on a server of the own type, perhaps this one.
    fn bound(&self, body: Bytes);

    /// A message to many users of this frontend has come.
    fn broadcast(&self, body: Bytes);

    /// The connection is back after it was lost. What was said meanwhile was not heard.
    fn reconnected(&self);
}
