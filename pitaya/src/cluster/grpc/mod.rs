//! A transport over gRPC (`docs/cluster.md`, "gRPC").
//!
//! | part | does |
//! |---|---|
//! | `options` `tls` | the configuration |
//! | `address` | finds the address of a server in its metadata |
//! | `method` `codec` `status` | the methods, their messages and their errors |
//! | `listen` `service` `body` `framing` | serve the connections of other servers |
//! | `observed_read` | a stream that reports its reads |
//! | `links` `link` `dial` `backoff` | the connections to other servers |

use std::fmt;
use std::net::TcpListener as StdListener;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use prost::Message as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod address;
mod backoff;
mod body;
mod codec;
mod dial;
mod framing;
mod link;
mod links;
mod listen;
mod method;
mod observed_read;
mod options;
mod service;
mod status;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;

#[doc(hidden)]
pub use address::grpc_address_keys;
pub use options::{BadGrpcOption, GrpcOptions, GrpcTls};

use self::framing::Limits;
use self::link::LinkLimits;
use self::links::Links;
use self::listen::Listen;
use self::method::{Delivery, Method};
use self::service::{Served, ServedCounts};
use super::protos::PeerMessage;
use super::{Address, Receiver, Server, Servers, Transport, TransportError, subject};
use crate::binding::Lookup;
use crate::error::text;
use crate::metrics::{
    Metric, TRANSPORT_OVERSIZED_ANSWERS, TRANSPORT_OVERSIZED_MESSAGES, TRANSPORT_RECONNECTS,
    TRANSPORT_REFUSED_CALLS, TRANSPORT_REFUSED_REQUESTS,
};
use crate::net::TcpListeners;
use crate::util::sync::Mutex;

/// How long the transport waits for its last messages when it closes.
const CLOSE: Duration = Duration::from_secs(5);

/// The transport over gRPC. Needs the feature `grpc`.
///
/// Each server listens, and has one connection to each other server, which it finds in the list of servers. It
/// interoperates with Go Pitaya's gRPC transport. Nothing is sent over a broker.
///
/// - **A lost connection** is made again, after pauses of up to 2 s. Calls that wait then fail with
///   [`TransportError::Lost`]. While a server is unreachable, calls to it fail immediately with
///   [`TransportError::NoResponders`].
/// - **Requests** are handled concurrently, up to [`GrpcOptions::messages`] at a time. They run on when their caller has
///   gone or its deadline has passed.
/// - **Messages to frontends of this framework** share one stream for each server, in order. A frontend of Go Pitaya gets
///   one call for each user.
/// - **A push or a kick by user** is sent to the frontend that the [binding storage](crate::binding) names. Without a
///   storage it is sent to all frontends of the type. It fails if the user is on none of them.
///
/// ```no_run
/// use pitaya::cluster::{GrpcOptions, GrpcTransport};
///
/// let transport = GrpcTransport::new(GrpcOptions { port: 3435, ..GrpcOptions::default() })?;
/// # Ok::<(), pitaya::cluster::BadGrpcOption>(())
/// ```
pub struct GrpcTransport {
    options: GrpcOptions,
    /// A listener that the transport was given.
    listener: Mutex<Option<StdListener>>,
    port: u16,
    #[cfg(feature = "tls")]
    server_tls: Option<tls::ServerTls>,
    links: Arc<Links>,
    /// The binding storage, if the app has one.
    users: OnceLock<Lookup>,
    served: OnceLock<Arc<Served>>,
    /// The task that accepts connections, and the connections.
    connections: TaskTracker,
}

impl GrpcTransport {
    /// Creates a transport that does not listen yet.
    ///
    /// # Errors
    /// An option is invalid, or a certificate file cannot be read.
    pub fn new(options: GrpcOptions) -> Result<Self, BadGrpcOption> {
        let port = options.port;
        if port == 0 {
            let why =
                "must not be 0, because the others could not reach it; `with_listener` takes a free port";
            return Err(BadGrpcOption { option: "port", why: why.to_owned() });
        }
        Self::make(options, None, port)
    }

    /// Creates a transport that accepts the connections of `listener`. Its port replaces [`GrpcOptions::port`].
    ///
    /// # Errors
    /// As [`new`](Self::new), or the listener has no port.
    pub fn with_listener(options: GrpcOptions, listener: StdListener) -> Result<Self, BadGrpcOption> {
        let port = listener.local_addr().map(|address| address.port());
        let port = port.map_err(|error| BadGrpcOption { option: "listener", why: error.to_string() })?;
        Self::make(options, Some(listener), port)
    }

    fn make(options: GrpcOptions, listener: Option<StdListener>, port: u16) -> Result<Self, BadGrpcOption> {
        options.check()?;
        #[cfg(feature = "tls")]
        let (client_tls, server_tls) = match &options.tls {
            Some(tls) => tls::read(tls)
                .map(|(client, server)| (Some(client), Some(server)))
                .map_err(|why| BadGrpcOption { option: "tls", why: format!("is invalid: {why}") })?,
            None => (None, None),
        };
        let limits = LinkLimits {
            dial_timeout: options.dial_timeout,
            request_timeout: options.request_timeout,
            max_message: options.max_message,
            answers: Arc::new(Limits::new(options.max_message)),
            calls: options.messages,
            reconnects: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        let links = Links {
            limits: Arc::new(limits),
            region: options.region.clone(),
            lazy: options.lazy_connection,
            #[cfg(feature = "tls")]
            tls: client_tls,
            all: dashmap::DashMap::default(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            is_closed: AtomicBool::new(false),
            own: OnceLock::new(),
            servers: OnceLock::new(),
        };
        Ok(Self {
            options,
            listener: Mutex::new(listener),
            port,
            #[cfg(feature = "tls")]
            server_tls,
            links: Arc::new(links),
            users: OnceLock::new(),
            served: OnceLock::new(),
            connections: TaskTracker::new(),
        })
    }

    async fn begin(&self, own: Arc<Server>, receiver: Arc<dyn Receiver>) -> Result<(), TransportError> {
        own.check()?;
        let cannot = |error: std::io::Error| TransportError::Other(error.to_string());
        if self.links.own.set((own, Arc::clone(&receiver))).is_err() {
            return Err(TransportError::Other("this transport was started before".to_owned()));
        }
        let given = self.listener.lock().take();
        let listeners = match given {
            Some(listener) => TcpListeners::from_std(listener).map_err(cannot)?,
            None => {
                let address = format!("{}:{}", self.options.host, self.port);
                TcpListeners::bind(&address).await.map_err(cannot)?
            }
        };
        let served = Arc::new(Served {
            receiver,
            limits: Arc::new(Limits::new(self.options.max_message)),
            requests: self.options.messages,
            running: TaskTracker::new(),
            draining: AtomicBool::new(false),
            closing: self.links.closed.clone(),
            counts: ServedCounts::default(),
        });
        let _ = self.served.set(Arc::clone(&served));
        let listen = Listen {
            served,
            max_connections: self.options.max_connections,
            max_streams: self.options.max_streams,
            #[cfg(feature = "tls")]
            tls: self.server_tls.clone(),
        };
        self.connections.spawn(listen.accept(listeners, self.connections.clone()));
        Ok(())
    }

    /// Fails before the start and after the end.
    fn check_open(&self) -> Result<(), TransportError> {
        let is_open = self.served.get().is_some() && !self.links.is_closed.load(Relaxed);
        if is_open { Ok(()) } else { Err(TransportError::Unavailable) }
    }

    async fn call(
        &self,
        to: &Server,
        method: Method,
        body: Bytes,
        limit: Duration,
    ) -> Result<Bytes, TransportError> {
        self.check_open()?;
        let link = self.links.link(to)?;
        let answer = timeout(limit, link.call(method, body, limit)).await;
        answer.unwrap_or(Err(TransportError::Timeout))
    }

    /// Sends a push or a kick to the frontends of a type that may have a user. One of them must have the user.
    async fn to_user(
        &self,
        (frontend_type, uid): (&str, &str),
        kind: Delivery,
        body: Bytes,
    ) -> Result<(), TransportError> {
        subject::check(uid)?;
        self.check_open()?;
        let (size, limit) = (body.len(), self.options.max_message);
        if size > limit {
            return Err(TransportError::TooLarge { size, limit });
        }
        let frontends = self.candidates(frontend_type, uid).await?;
        let sent = frontends.iter().map(|to| self.deliver_at(to, kind, body.clone()));
        let mut result = Err(TransportError::NoResponders);
        for sent in join_all(sent).await {
            match (sent, &result) {
                (Ok(()), _) => result = Ok(()),
                (Err(error), Err(_)) => result = Err(error),
                (Err(_), Ok(())) => {}
            }
        }
        result
    }

    /// Returns the frontends that may have a user: the one in the binding storage, or all of the type without a storage.
    async fn candidates(&self, frontend_type: &str, uid: &str) -> Result<Vec<Arc<Server>>, TransportError> {
        if let Some(users) = self.users.get() {
            match users.find(frontend_type, uid).await {
                Ok(Some(id)) => {
                    let found = self.links.wait_for(&id).await;
                    let is_candidate = |it: &Arc<Server>| it.frontend && *it.server_type == *frontend_type;
                    return Ok(found.filter(is_candidate).into_iter().collect());
                }
                Ok(None) => return Err(TransportError::Other(text::BINDING_NOT_FOUND.to_owned())),
                Err(error) => tracing::debug!(uid, %error, "asking all frontends for a user"),
            }
        }
        let mut frontends = self.links.of_type(frontend_type);
        frontends.retain(|server| server.frontend);
        Ok(frontends)
    }

    /// Calls a method of a server, perhaps of this one.
    async fn deliver_at(&self, to: &Server, kind: Delivery, body: Bytes) -> Result<(), TransportError> {
        match (self.links.own.get(), self.served.get()) {
            (Some((own, _)), Some(served)) if own.id == to.id => {
                let taken = served.take(kind, body);
                taken.map(drop).map_err(|status| TransportError::Other(status.message().to_owned()))
            }
            _ => {
                let (method, limit) = (Method::Deliver(kind), self.options.request_timeout);
                self.call(to, method, body, limit).await.map(drop)
            }
        }
    }

    /// Announces a bind to the servers of a type.
    async fn announce(&self, server_type: &str, news: Bytes) -> Result<(), TransportError> {
        subject::check_name(server_type)?;
        self.check_open()?;
        let own = self.links.own.get().map(|(own, _)| Arc::clone(&own.id)).unwrap_or_default();
        let servers = self.links.of_type(server_type);
        let message = link::peer_message(news.clone());
        let told = servers.iter().map(async |to| {
            if to.id != own {
                return self.links.announce(to, &news, &message).await;
            }
            self.deliver_at(to, Delivery::Bound, news.clone()).await
        });
        join_all(told).await.into_iter().collect()
    }
}

impl Transport for GrpcTransport {
    fn metadata(&self) -> Vec<(&'static str, String)> {
        self.options.metadata(self.port)
    }

    fn follow(&self, servers: &Arc<Servers>, users: Option<&Lookup>) {
        if let Some(users) = users {
            let _ = self.users.set(users.clone());
        }
        self.links.follow(servers);
    }

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
        Box::pin(self.call(to, Method::Call, body, timeout))
    }

    fn publish<'a>(&'a self, to: Address<'a>, body: Bytes) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            match to {
                Address::Push { frontend_type, uid } => {
                    self.to_user((frontend_type, uid), Delivery::Push, body).await
                }
                Address::Kick { frontend_type, uid } => {
                    self.to_user((frontend_type, uid), Delivery::Kick, body).await
                }
                Address::Bindings { server_type } => self.announce(server_type, body).await,
                Address::Broadcast(to) => {
                    self.check_open()?;
                    let message = PeerMessage { broadcast: body, ..PeerMessage::default() };
                    self.links.send(to, message.encode_to_vec().into()).await
                }
            }
        })
    }

    fn serve_user<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        // Nothing is subscribed: other servers ask all frontends of the type.
        Box::pin(std::future::ready(subject::check(uid).map_err(TransportError::from)))
    }

    fn forget_user(&self, _: &str) {}

    fn needs_listed_servers(&self) -> bool {
        true
    }

    fn is_connected(&self) -> bool {
        self.check_open().is_ok()
    }

    fn dropped(&self) -> u64 {
        self.served.get().map_or(0, |served| served.counts.refused.load(Relaxed))
    }

    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        let served = self.served.get().map(|served| &served.counts);
        let count = |count: Option<&AtomicU64>| count.map_or(0, |count| count.load(Relaxed));
        vec![
            (&TRANSPORT_RECONNECTS, self.links.reconnects()),
            (&TRANSPORT_REFUSED_CALLS, self.links.limits.refused.load(Relaxed)),
            (&TRANSPORT_REFUSED_REQUESTS, count(served.map(|counts| &counts.refused))),
            (&TRANSPORT_OVERSIZED_ANSWERS, count(served.map(|counts| &counts.oversized))),
            (&TRANSPORT_OVERSIZED_MESSAGES, count(self.served.get().map(|served| &served.limits.oversized))),
        ]
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(served) = self.served.get() else { return };
            served.draining.store(true, Relaxed);
            served.running.close();
            served.running.wait().await;
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.links.end();
            self.connections.close();
            let ended = async { tokio::join!(self.links.tasks.wait(), self.connections.wait()) };
            if timeout(CLOSE, ended).await.is_err() {
                tracing::debug!("gRPC connections were still open at the end");
            }
        })
    }
}

impl Drop for GrpcTransport {
    /// Ends the connections. Messages in flight may be lost; see [`close`](Transport::close).
    fn drop(&mut self) {
        self.links.end();
    }
}

impl fmt::Debug for GrpcTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcTransport")
            .field("options", &self.options)
            .field("connected", &self.is_connected())
            .field("links", &self.links.count())
            .finish_non_exhaustive()
    }
}
