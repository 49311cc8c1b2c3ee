//! Acceptors of client connections: TCP, WebSocket, TLS, the PROXY protocol, and wrappers that see each packet.
//!
//! An [`Acceptor`] listens and yields [`IncomingConnection`]s. Accepting waits for nothing from the peer: the
//! PROXY header, the TLS handshake and the HTTP upgrade are the future inside [`IncomingConnection`], which the
//! connection's own task runs under one deadline. A stalled client therefore delays no other. The result is a [`Link`]:
//! a stream of bytes, which the connection frames, or a stream of whole packets, such as WebSocket.
//!
//! An app may have any number of acceptors. A custom one implements [`Acceptor`]. [`Acceptor::wrap`] adds a
//! [`Wrapper`], such as [`RateLimit`], to any of them.
//!
//! | file | holds |
//! |---|---|
//! | `incoming`, `peer` | a connection from accept to [`Opened`]; its other end |
//! | `fixed_serializer` | an acceptor whose sessions have one serializer |
//! | `filter`, `wrapped` | [`Wrapper`], [`Filter`], [`FilterPacket`]; an acceptor with a wrapper |
//! | `rate_limit` | the sliding log and its wrapper |
//! | `listener` | the listener of TCP and WebSocket, and their set-up |
//! | `proxy` | PROXY protocol v1 and v2 |
//! | `forwarded` | the client address in the headers of trusted proxies |
//! | `tls` | certificates, chosen by server name, reloadable |
//! | `tcp`, `websocket` | the acceptors |

mod filter;
mod fixed_serializer;
#[cfg(feature = "websocket")]
mod forwarded;
mod incoming;
mod listener;
mod peer;
mod proxy;
mod rate_limit;
mod tcp;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;
mod wrapped;

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use crate::serialize::Serializer;

pub use crate::net::{AcceptBackoff, Pause, UpgradeRequest};
pub use filter::{DropReason, Filter, FilterPacket, Verdict, Wrapper, wrapper_fn};
pub use fixed_serializer::FixedSerializer;
pub use futures_util::future::BoxFuture;
pub use incoming::{ByteStream, IncomingConnection, Link, MessageTooLong, OpenError, Opened, PacketStream};
pub use peer::Peer;
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub use proxy::hidden_proxy_header;
pub use rate_limit::{RateLimit, RateLimitError, SlidingLog};
#[cfg(feature = "tls")]
pub use rustls_pki_types::{CertificateDer, PrivateKeyDer};
pub use tcp::Tcp;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsError};
#[cfg(feature = "websocket")]
pub use websocket::WebSocket;
#[cfg(all(feature = "websocket", feature = "__fuzz"))]
#[doc(hidden)]
pub use websocket::hidden_websocket;
pub use wrapped::Wrapped;

/// A source of client connections.
///
/// The app calls [`listen`](Self::listen) once and then [`accept`](Self::accept) in a loop. To stop accepting it calls
/// [`drain`](Self::drain) and drops the acceptor, which must close the listening socket.
///
/// # Example
/// An acceptor over Unix sockets:
/// ```no_run
/// # #[cfg(unix)] mod example {
/// use pitaya::acceptor::{Acceptor, BoxFuture, IncomingConnection, Link, ListenOptions, Listening, Peer};
/// use std::{io, path::PathBuf};
/// use tokio::net::UnixListener;
///
/// pub struct UnixSocket {
///     path: PathBuf,
///     listener: Option<UnixListener>,
/// }
///
/// impl Acceptor for UnixSocket {
///     fn listen(&mut self, _options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
///         Box::pin(async move {
///             self.listener = Some(UnixListener::bind(&self.path)?);
///             Ok(Listening::new("unix", self.path.display().to_string()))
///         })
///     }
///
///     fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
///         Box::pin(async move {
///             let listener = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
///             let (stream, _) = listener.accept().await?;
///             Ok(IncomingConnection::ready(Peer::new("unix"), Link::bytes(stream)))
///         })
///     }
/// }
/// # }
/// ```
pub trait Acceptor: Send + 'static {
    /// Starts to listen, and returns the addresses.
    ///
    /// Fails if the address cannot be bound. The text of the error names the address. The start of the app then fails.
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>>;

    /// Waits for the next connection. Cancel safe: a dropped future loses no connection.
    ///
    /// It must not wait for data of the peer; set-up belongs into [`IncomingConnection::new`]'s future. An error
    /// concerns this call only: the app logs it, waits as [`AcceptBackoff`] says and calls again.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>>;

    /// Starts to reject clients, because the server drains. Returns whether the acceptor answers them.
    ///
    /// With `true` the app continues to call [`accept`](Self::accept) until the server closes its sessions. The set-up
    /// of each connection must then answer with the transport's error: [`WebSocket`] answers with 503. With `false`,
    /// the default, the app drops the acceptor, so that the system refuses connections.
    fn drain(&mut self) -> bool {
        false
    }

    /// Adds a wrapper, which sees each packet before the connection does.
    ///
    /// In `.wrap(a).wrap(b)`, `a` sees a packet first, and `b` sees the changes of `a`.
    ///
    /// ```
    /// use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let acceptor = Tcp::new("0.0.0.0:3250").wrap(RateLimit::new(20, Duration::from_secs(1))?);
    /// # Ok(()) }
    /// ```
    fn wrap<W: Wrapper>(self, wrapper: W) -> Wrapped<Self>
    where
        Self: Sized,
    {
        Wrapped::new(self, Arc::new(wrapper))
    }

    /// Fixes the serializer of the acceptor's sessions. The handshake names it, whatever the client asked for.
    ///
    /// Without it a session has the server's, or the one of
    /// [`client_serializers`](crate::app::Builder::client_serializers) that its client names in the handshake.
    ///
    /// ```
    /// use pitaya::acceptor::{Acceptor, Tcp};
    /// use pitaya::serialize::Serializer;
    ///
    /// let native = Tcp::new("0.0.0.0:3250").serializer(Serializer::Protobuf);
    /// ```
    fn serializer(self, serializer: impl Into<Serializer>) -> FixedSerializer<Self>
    where
        Self: Sized,
    {
        FixedSerializer::new(self, serializer.into())
    }
}

impl Acceptor for Box<dyn Acceptor> {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        (**self).listen(options)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        (**self).accept()
    }

    fn drain(&mut self) -> bool {
        (**self).drain()
    }
}

/// The options of [`Acceptor::listen`], from the configuration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ListenOptions {
    /// The time limit from accept to [`Opened`] (`pitaya.limit.header.deadline`). The app enforces it with
    /// [`IncomingConnection::open`]; an acceptor may pass it to a transport that has a handshake timeout.
    pub header_deadline: Duration,
    /// The longest packet body, in bytes, before the client's acknowledgement (`pitaya.limit.packet.before_ack`).
    pub max_packet_before_ack: usize,
    /// The longest packet body, in bytes, afterwards (`pitaya.limit.packet.after_ack`).
    pub max_packet_after_ack: usize,
    /// Whether every connection must begin with a PROXY header (`pitaya.acceptor.proxyprotocol`).
    pub proxy_protocol: bool,
    /// The networks of the trusted proxies (`pitaya.acceptor.trustedproxies`).
    pub trusted_proxies: Arc<[String]>,
    /// The origins that may connect over WebSocket (`pitaya.acceptor.ws.origins`), such as `https://game.example` and
    /// `https://*.game.example`; an empty list allows any.
    pub origins: Arc<[String]>,
    /// The WebSocket subprotocols of the server (`pitaya.acceptor.ws.subprotocols`), the preferred one first.
    pub subprotocols: Arc<[String]>,
    /// The path at which probes ask whether the server is ready (`pitaya.acceptor.ws.probe`); empty for none.
    pub probe: Arc<str>,
    /// The answer to probes.
    pub ready: Readiness,
    /// The longest head of an HTTP request, in bytes (`pitaya.limit.upgrade.head`).
    pub max_head: usize,
}

/// Tells whether the server is ready for clients.
#[derive(Clone)]
pub struct Readiness(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

impl Readiness {
    /// Returns a readiness that calls this function each time.
    ///
    /// ```
    /// use pitaya::acceptor::Readiness;
    ///
    /// # async fn example() {
    /// assert!(Readiness::default().get().await);
    /// assert!(!Readiness::new(async || false).get().await);
    /// # }
    /// ```
    pub fn new<F, Fut>(ready: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ready())))
    }

    /// Returns whether the server is ready now.
    pub async fn get(&self) -> bool {
        (self.0)().await
    }
}

impl Default for Readiness {
    /// Always ready.
    fn default() -> Self {
        Self::new(|| std::future::ready(true))
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

impl Default for ListenOptions {
    /// 5 s, 64 KiB, 1 MiB, no PROXY protocol, no trusted proxy, any origin, no subprotocol, probes at `/`, heads of 64
    /// KiB.
    fn default() -> Self {
        Self {
            header_deadline: Duration::from_secs(5),
            max_packet_before_ack: 64 << 10,
            max_packet_after_ack: 1 << 20,
            proxy_protocol: false,
            trusted_proxies: Arc::new([]),
            origins: Arc::new([]),
            subprotocols: Arc::new([]),
            probe: "/".into(),
            ready: Readiness::default(),
            max_head: 64 << 10,
        }
    }
}

/// The addresses of an acceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listening {
    /// The kind of transport, for logs and metrics: `tcp`, `tls`, `ws`, `wss`.
    pub label: &'static str,
    /// The bound address as text: `127.0.0.1:3250`. It has the real port, also if port 0 was configured.
    pub address: String,
    /// The bound address, if it is an internet address.
    pub socket: Option<SocketAddr>,
    /// Further bound addresses, if the configured name has several, such as `localhost`.
    pub others: Vec<SocketAddr>,
}

impl Listening {
    /// Returns an address that is not an internet address, such as a path.
    pub fn new(label: &'static str, address: impl Into<String>) -> Self {
        Self { label, address: address.into(), socket: None, others: Vec::new() }
    }

    /// Returns an internet address.
    pub fn at(label: &'static str, socket: SocketAddr) -> Self {
        Self { label, address: socket.to_string(), socket: Some(socket), others: Vec::new() }
    }
}
