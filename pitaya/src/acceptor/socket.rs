//! Listening and accepted sockets, and the set-up that TCP and WebSocket share: the PROXY header, then TLS.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};

#[cfg(feature = "tls")]
use super::Tls;
use super::{ListenOptions, Listening, OpenError, Peer, proxy};

/// Connections that the system holds for us until they are accepted.
const BACKLOG: i32 = 1024;
/// How long a connection is silent before the system asks whether the peer is still there, and how often it asks.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// What TCP and WebSocket have in common: where to listen and what precedes their own protocol.
#[derive(Debug)]
pub(super) struct Door {
    source: Source,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
    /// What the builder said; the app's configuration holds where it said nothing.
    pub(super) proxy_protocol: Option<bool>,
    expect_proxy: bool,
}

#[derive(Debug)]
enum Source {
    Address(String),
    Ready(Option<StdListener>),
    Listening(TcpListener),
}

impl Door {
    pub(super) fn bind(address: String) -> Self {
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
            expect_proxy: false,
        }
    }

    fn is_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Listens; the label is `secure` if connections are encrypted.
    pub(super) async fn listen(
        &mut self,
        options: &ListenOptions,
        plain: &'static str,
        secure: &'static str,
    ) -> io::Result<Listening> {
        self.expect_proxy = self.proxy_protocol.unwrap_or(options.proxy_protocol);
        let listener = match &mut self.source {
            Source::Address(address) => bind(address).await?,
            Source::Ready(listener) => {
                let listener = listener.take().ok_or_else(already)?;
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)?
            }
            Source::Listening(_) => return Err(already()),
        };
        let socket = listener.local_addr()?;
        self.source = Source::Listening(listener);
        let label = if self.is_tls() { secure } else { plain };
        Ok(Listening::at(label, socket))
    }

    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, SetUp)> {
        let Source::Listening(listener) = &self.source else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "accept was called before listen"));
        };
        let (stream, socket) = listener.accept().await?;
        let set_up = SetUp {
            expect_proxy: self.expect_proxy,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        };
        Ok((stream, socket, set_up))
    }
}

fn already() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "listen was called twice")
}

/// What a connection goes through before its own protocol begins.
pub(super) struct SetUp {
    expect_proxy: bool,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

/// A stream after set-up.
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
        if self.expect_proxy
            && let Some(client) = proxy::read_header(&mut stream).await?
        {
            peer = Peer::from(client);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls {
            let stream = tls.accept(stream).await.map_err(OpenError::Tls)?;
            return Ok((Established::Secure(Box::new(stream)), peer));
        }
        Ok((Established::Plain(stream), peer))
    }
}

/// Small packets leave at once, and a peer that vanished is noticed some day.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Listens at the first address of the name that can be bound.
async fn bind(address: &str) -> io::Result<TcpListener> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen at {address:?}: {error}"));
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for socket in lookup_host(address).await.map_err(explain)? {
        match bind_socket(socket) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(explain(last))
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // on Windows this would let another process take the port over
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
