//! A transport over NATS (`docs/cluster.md`, "Subjects").
//!
//! | part | does |
//! |---|---|
//! | `options` `address` | the configuration, and its credentials |
//! | `connect` | opens one connection |
//! | `brokers` `broker_discovery` | the known brokers, and the task that learns more |
//! | `connection` `flush_barrier` | one connection, and the check that it is alive |
//! | `signals` | the client's events, and the counters |
//! | `subscriptions` | receives messages, without losing any at the end |
//! | `dedup` | removes duplicates while one connection replaces another |
//! | `requests` `message_handler` `users` | handle the messages |
//! | `reply_mux` | matches replies with the requests of this server |
//! | `state` `supervisor` | outlive a connection, and open the next |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

mod address;
mod broker_discovery;
mod brokers;
mod connect;
mod connection;
mod dedup;
mod error;
mod flush_barrier;
mod message_handler;
mod options;
mod reply_mux;
mod requests;
mod signals;
mod state;
mod subscriptions;
mod supervisor;
mod users;

pub use options::{BadNatsOption, NatsOptions, NatsTls};
pub use signals::NatsCounts;

use self::connection::Connection;
use self::message_handler::MessageHandler;
use self::state::State;
use super::{Address, Receiver, Server, Transport, TransportError, subject};
use crate::metrics::Metric;

/// The transport over NATS, by the crate `async-nats`. Needs the feature `nats`.
///
/// It uses one connection. Messages of one server to one address arrive in order. Two addresses have no common order,
/// nor do the last messages over one connection and the first over the next.
///
/// - **A lost broker** is noticed immediately if it closes the connection, otherwise after some seconds of silence
///   ([`NatsOptions::ping_interval`]). Waiting calls then fail with [`TransportError::Lost`], unless a broker is
///   reachable immediately: whether they were handled is unknown. The transport reconnects without a limit of retries,
///   to any of the brokers. Messages that were not sent by then are dropped.
/// - **A broker that joins the cluster later** is learned: the transport asks its broker for the others
///   ([`NatsOptions::discovery_interval`]).
/// - **A broker in lame duck mode** is replaced before it stops: the transport connects and subscribes elsewhere first.
///   Messages that arrive over both connections are delivered once.
/// - **Requests** are handled concurrently, up to [`NatsOptions::messages`] at a time.
/// - **An answer that is too large** for the broker becomes an error, `PIT-500`.
///
/// Each served user takes a task, and two subscriptions of the client.
///
/// ```no_run
/// use pitaya::cluster::{NatsOptions, NatsTransport};
///
/// let options = NatsOptions { addresses: "nats://one:4222,nats://two:4222".into(), ..NatsOptions::default() };
/// let transport = NatsTransport::new(options)?;
/// # Ok::<(), pitaya::cluster::BadNatsOption>(())
/// ```
pub struct NatsTransport {
    state: Arc<State>,
}

impl NatsTransport {
    /// Creates a transport that is not connected yet.
    ///
    /// # Errors
    /// Fails if an option is invalid, for example a malformed address. Files are read when it connects.
    pub fn new(options: NatsOptions) -> Result<Self, BadNatsOption> {
        let addresses = options.check()?;
        Ok(Self { state: Arc::new(State::new(options, addresses)) })
    }

    /// Returns the counters.
    #[must_use]
    pub fn counts(&self) -> NatsCounts {
        self.state.counts.now()
    }

    async fn begin(&self, own: Arc<Server>, receiver: Arc<dyn Receiver>) -> Result<(), TransportError> {
        own.check()?;
        let handler = MessageHandler { own, receiver };
        if self.state.handler.set(handler.clone()).is_err() {
            return Err(TransportError::Other("this transport was started before".to_owned()));
        }
        let connection = tokio::select! {
            biased;
            () = self.state.closing.cancelled() => return Err(TransportError::Unavailable),
            connection = self.state.connect_first(&handler) => connection?,
        };
        connection.start.cancel();
        self.state.activate(&connection);
        tokio::spawn(Arc::clone(&self.state).keep(handler, connection));
        Ok(())
    }

    fn connection(&self) -> Result<Arc<Connection>, TransportError> {
        self.state.connection.load_full().ok_or(TransportError::Unavailable)
    }
}

impl Transport for NatsTransport {
    fn start(
        &self,
        own: Arc<Server>,
        receiver: Arc<dyn Receiver>,
    ) -> BoxFuture<'_, Result<(), TransportError>> {
        Box::pin(self.begin(own, receiver))
    }

    fn request<'a>(
        &'a self,
        to: &'a Server,
        body: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Bytes, TransportError>> {
        Box::pin(async move {
            let subject = subject::rpc(&to.server_type, &to.id)?;
            self.connection()?.request(subject.into(), body, timeout).await
        })
    }

    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let subject = match to {
                Address::Push { frontend_type, uid } => subject::push(frontend_type, uid)?,
                Address::Kick { frontend_type, uid } => subject::kick(frontend_type, uid)?,
                Address::Bindings { server_type } => subject::bindings(server_type)?,
                Address::Broadcast(to) => subject::broadcast(&to.server_type, &to.id)?,
            };
            self.connection()?.publish(subject.into(), body).await
        })
    }

    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let handler = self.state.handler.get().ok_or(TransportError::Unavailable)?;
            self.state.users.serve(&handler.own, uid).await
        })
    }

    fn forget_user(&self, uid: &str) {
        self.state.users.forget(uid);
    }

    fn is_connected(&self) -> bool {
        self.state.connection.load().as_ref().is_some_and(|connection| connection.is_up())
    }

    fn dropped(&self) -> u64 {
        let NatsCounts { slow_consumers, refused_requests, .. } = self.counts();
        slow_consumers + refused_requests
    }

    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        self.counts().counters()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.state.drain())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.state.close())
    }
}

impl Drop for NatsTransport {
    /// Ends the connection immediately. Messages in flight may be lost; see [`close`](Transport::close).
    fn drop(&mut self) {
        self.state.closing.cancel();
        self.state.connection.store(None);
        self.state.users.detach();
    }
}

impl fmt::Debug for NatsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsTransport")
            .field("options", &self.state.options)
            .field("connected", &self.is_connected())
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
