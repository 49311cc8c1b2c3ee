//! A transport over NATS (`docs/cluster.md`, "Subjects").
//!
//! | part | does |
//! |---|---|
//! | `options` `address` | what can be told, and what is secret of it |
//! | `connect` | makes one connection |
//! | `brokers` | which brokers may be tried |
//! | `connection` `barrier` | one connection, and the proof that it lives |
//! | `signals` | what the client says of it, and the counters |
//! | `subscriptions` | takes in messages, without losing any at the end |
//! | `dedup` | and none twice while one connection takes the place of another |
//! | `requests` `messages` `users` | what is done with them |
//! | `answers` | who waits for what is answered to us |
//! | `state` `keeper` | what outlives a connection, and makes the next |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

mod address;
mod brokers;
mod connect;
mod connection;
mod dedup;
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
/// All goes over one connection. What one server publishes to one address arrives in its order; between two addresses
/// there is none, nor between the last messages that a server sends over one connection and the first over the next.
///
/// - **A broker that is lost** is noticed at once if it says so, else after some seconds of silence
///   ([`NatsOptions::ping_interval`]). Calls that wait for their answers then get
///   [`TransportError::Lost`], unless a broker can be reached again at once: whether they were handled is not known.
///   Another connection is made for as long as it takes, to any of the brokers, in any order. What had not been sent by
///   then is not sent any more.
/// - **A broker that joins the cluster later** is one of those from then on: the broker that we are connected to is
///   asked for the others ([`NatsOptions::discovery_interval`]).
/// - **A broker that is about to go** (lame duck mode) is left before it goes: another connection is made and
///   subscribed first. What comes over both is handed over once.
/// - **Requests** are handled beside each other, up to [`NatsOptions::messages`] at a time.
/// - **An answer that is too large** for the broker becomes an error, `PIT-500`.
///
/// It takes a task for each user that is served, and what the client needs for two subscriptions.
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
    /// A transport that is not connected yet.
    ///
    /// # Errors
    /// An option cannot be, such as an address that is none. Files are read when it connects.
    pub fn new(options: NatsOptions) -> Result<Self, BadNatsOption> {
        let addresses = options.check()?;
        Ok(Self { state: Arc::new(State::new(options, addresses)) })
    }

    /// What was counted so far.
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
    /// Ends the connection, at once. What is on its way may be lost; see [`close`](Transport::close).
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
