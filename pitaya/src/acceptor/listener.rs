//! The listener of the TCP and WebSocket acceptors, with the set-up they share: the PROXY header, then TLS.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{ListenOptions, Listening, OpenError, Peer, proxy};
use crate::net::{Networks, TcpListeners};

/// The time without traffic before the system probes the peer, and between two probes.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// An address with its options, and its sockets once it listens.
#[derive(Debug)]
pub(super) struct Listener {
    source: Source,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// The option of the builder. Without it the app's configuration decides.
    pub(super) proxy_protocol: Option<bool>,
    /// The option of the builder, likewise.
    pub(super) trusted_proxies: Option<Arc<[String]>>,
    expect_proxy: bool,
    trusted: Networks,
}

#[derive(Debug)]
enum Source {
    Address(String),
    Ready(Option<StdListener>),
    Listening(TcpListeners),
}

impl Listener {
    pub(super) fn at(address: String) -> Self {
        Self::new(Source::Address(address))
    }

    pub(super) fn from_listener(listener: StdListener) -> Self {
        Self::new(Source::Ready(Some(listener)))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            #[cfg(feature = "tls")]
            tls: None,
            proxy_protocol: None,
            trusted_proxies: None,
            expect_proxy: false,
            trusted: Networks::default(),
        }
    }

    fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Starts to listen. The label is `secure` if connections are encrypted.
    pub(super) async fn listen(
        &mut self,
        options: &ListenOptions,
        plain: &'static str,
        secure: &'static str,
    ) -> io::Result<Listening> {
        self.expect_proxy = self.proxy_protocol.unwrap_or(options.proxy_protocol);
        let trusted = self.trusted_proxies.as_ref().unwrap_or(&options.trusted_proxies);
        self.trusted = Networks::parse(trusted).map_err(|why| {
            invalid(format!("`pitaya.acceptor.trustedproxies` has an invalid network: {why}"))
        })?;
        if self.expect_proxy && self.trusted.is_empty() {
            return Err(invalid(NO_TRUSTED_PROXIES));
        }
        let listeners = match &mut self.source {
            Source::Address(address) => TcpListeners::bind(address).await?,
            Source::Ready(listener) => {
                let listener = listener.take().ok_or_else(already)?;
                listener.set_nonblocking(true)?;
                TcpListeners::one(TcpListener::from_std(listener)?)
            }
            Source::Listening(_) => return Err(already()),
        };
        let mut sockets = listeners.addresses()?.into_iter();
        let socket = sockets.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.source = Source::Listening(listeners);
        let label = if self.is_tls() { secure } else { plain };
        Ok(Listening { others: sockets.collect(), ..Listening::at(label, socket) })
    }

    /// Returns the networks of the trusted proxies.
    #[cfg(feature = "websocket")]
    pub(super) fn trusted(&self) -> &Networks {
        &self.trusted
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, SetUp)> {
        let Source::Listening(listeners) = &self.source else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "accept was called before listen"));
        };
        let (stream, socket) = listeners.accept().await?;
        let set_up = SetUp {
            expect_proxy: self.expect_proxy,
            trusted: self.trusted.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls.clone().map(TlsAcceptor::from),
        };
        Ok((stream, socket, set_up))
    }
}

const NO_TRUSTED_PROXIES: &str = "the PROXY protocol is on, and no proxy is trusted to tell addresses: list the networks of \
    your balancers in `pitaya.acceptor.trustedproxies` or with `.trusted_proxies(..)`, such as `[\"10.0.0.0/8\"]`; \
    `[\"0.0.0.0/0\", \"::/0\"]` believes every peer";

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why.into())
}

fn already() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "listen was called twice")
}

/// The set-up of a connection before its own protocol begins.
pub(super) struct SetUp {
    expect_proxy: bool,
    trusted: Networks,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
}

/// A stream after its set-up.
pub(super) enum Established {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Secure(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl SetUp {
    pub(super) async fn run(
        self,
        mut stream: TcpStream,
        socket: SocketAddr,
    ) -> Result<(Established, Peer), OpenError> {
        prepare(&stream)?;
        let mut peer = Peer::from(socket);
        if self.expect_proxy {
            if !self.trusted.contain(socket.ip()) {
                return Err(OpenError::Untrusted(peer));
            }
            if let Some(client) = proxy::read_header(&mut stream).await? {
                peer = Peer::from(client);
            }
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            let stream = tls.accept(stream).await.map_err(OpenError::Tls)?;
            return Ok((Established::Secure(Box::new(stream)), peer));
        }
        Ok((Established::Plain(stream), peer))
    }
}

/// Sends small packets without delay, and detects a peer that vanished.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
