//! Packets over WebSocket, `ws` or `wss`: one message, one packet (protocol.md, "Transports").

mod frames;
mod head;
mod stream;
mod upgrade;

use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, net::TcpListener as StdListener, sync::Arc};

use self::{
    stream::Messages,
    upgrade::{Rules, upgrade},
};
#[cfg(feature = "tls")]
use super::Tls;
use super::{
    Acceptor, BoxFuture, ByteStream, IncomingConnection, Link, ListenOptions, Listening, OpenError, Peer,
    forwarded, origins,
    socket::{Door, Established},
};

/// Accepts clients over WebSocket.
///
/// Any request path is accepted, and [`Session::upgrade`](crate::session::Session::upgrade) has the request. Binary and text
/// messages are read alike, each exactly one packet; answers are binary. There is no compression.
///
/// A request that asks for no WebSocket is answered too: `GET` and `HEAD` of the probe path (`pitaya.acceptor.ws.probe`, `/` by
/// default) with 200 while the server is ready and 503 otherwise, `GET` and `HEAD` of another path with 426, and other methods
/// with 405. While the server drains, probes and upgrades are answered with 503. A wrong upgrade is answered with 400, 403 (its origin) or 431 (more than `pitaya.limit.upgrade.head` bytes or 200
/// headers).
///
/// # Example
/// ```
/// use pitaya::acceptor::WebSocket;
///
/// let acceptor = WebSocket::bind(":3251").origins(["https://game.example", "https://*.game.example"]);
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
#[derive(Debug)]
pub struct WebSocket {
    door: Door,
    origins: Option<Arc<[String]>>,
    subprotocols: Option<Arc<[String]>>,
    rules: Arc<Rules>,
    draining: Arc<AtomicBool>,
}

impl WebSocket {
    /// An acceptor for this address, `host:port`, with port 0 for any free one. It is bound when the app starts, and an address
    /// that cannot be bound fails the start.
    ///
    /// `:3250` and `[::]:3250` are all addresses of both families, `0.0.0.0:3250` those of IPv4. A name, such as `localhost`,
    /// is bound at all its addresses.
    pub fn bind(address: impl Into<String>) -> Self {
        Self::new(Door::bind(address.into()))
    }

    /// An acceptor over a socket that listens already, one inherited from a service manager for instance.
    pub fn from_listener(listener: StdListener) -> Self {
        Self::new(Door::from_listener(listener))
    }

    fn new(door: Door) -> Self {
        Self { door, origins: None, subprotocols: None, rules: Arc::default(), draining: Arc::default() }
    }

    /// Speaks TLS with these certificates, which makes it `wss`.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.door.tls = Some(tls);
        self
    }

    /// Whether each connection must begin with a PROXY header, v1 or v2, before TLS and HTTP. Without this call the configuration
    /// decides (`pitaya.acceptor.proxyprotocol`). Needs [`trusted_proxies`](Self::trusted_proxies); connections of other peers
    /// are closed.
    #[must_use]
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.door.proxy_protocol = Some(expected);
        self
    }

    /// The networks and addresses of the proxies that may tell a client's address, such as `10.0.0.0/8`. Without this call the
    /// configuration decides (`pitaya.acceptor.trustedproxies`).
    ///
    /// The headers `X-Forwarded-For` and `Forwarded` of their requests are read, whether the PROXY protocol is on or not.
    #[must_use]
    pub fn trusted_proxies<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.door.trusted_proxies = Some(networks.into_iter().map(Into::into).collect());
        self
    }

    /// The pages that may connect, as browsers name them: scheme, host, and the port where it is not the scheme's own.
    ///
    /// `https://game.example` is one page, `https://*.game.example` all names below it, `http://localhost:*` any port, and `*`
    /// any page. An empty list allows all. A request without an `Origin`, which no browser sends, always passes. Without this
    /// call the configuration decides (`pitaya.acceptor.ws.origins`), which allows all by default. An entry that no origin can
    /// match fails the start.
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// The subprotocols that this server speaks, the preferred one first. The first that the client offers is chosen.
    ///
    /// Browsers close a connection whose offers are answered with none of them. A client that offers none, or only others, is
    /// accepted without one. Without this call the configuration decides (`pitaya.acceptor.ws.subprotocols`).
    #[must_use]
    pub fn subprotocols<P: Into<String>>(mut self, names: impl IntoIterator<Item = P>) -> Self {
        self.subprotocols = Some(names.into_iter().map(Into::into).collect());
        self
    }

    fn rules(&self, options: &ListenOptions) -> io::Result<Rules> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let origins = origins::parse(self.origins.as_ref().unwrap_or(&options.origins)).map_err(|why| {
            invalid(format!("`pitaya.acceptor.ws.origins` has an entry that never matches: {why}"))
        })?;
        let subprotocols = self.subprotocols.as_ref().unwrap_or(&options.subprotocols);
        if let Some(bad) = subprotocols.iter().find(|name| !upgrade::is_token(name)) {
            return Err(invalid(format!(
                "the subprotocol `{}` is no token: write letters, digits, `-`, `.` and `_`",
                bad.escape_debug()
            )));
        }
        Ok(Rules {
            origins,
            subprotocols: Arc::clone(subprotocols),
            trusted: self.door.trusted().clone(),
            probe: options.probe.clone(),
            ready: options.ready.clone(),
            max_head: options.max_head,
            max_packet: options.max_packet_before_ack,
        })
    }
}

impl Acceptor for WebSocket {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        let options = options.clone();
        Box::pin(async move {
            let listening = self.door.listen(&options, "ws", "wss").await?;
            self.rules = Arc::new(self.rules(&options)?);
            Ok(listening)
        })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async move {
            let (stream, socket, set_up) = self.door.accept().await?;
            let (rules, draining) = (Arc::clone(&self.rules), Arc::clone(&self.draining));
            Ok(IncomingConnection::new(Peer::from(socket), async move {
                let (stream, peer) = set_up.run(stream, socket).await?;
                match stream {
                    Established::Plain(stream) => open(stream, peer, &rules, &draining).await,
                    #[cfg(feature = "tls")]
                    Established::Secure(stream) => open(*stream, peer, &rules, &draining).await,
                }
            }))
        })
    }

    fn drain(&mut self) -> bool {
        self.draining.store(true, Ordering::Relaxed);
        true
    }
}

async fn open<S: ByteStream>(
    mut stream: S,
    mut peer: Peer,
    rules: &Rules,
    draining: &AtomicBool,
) -> Result<(Link, Peer), OpenError> {
    let request = upgrade(&mut stream, rules, draining).await?;
    let client = peer.socket().and_then(|socket| forwarded::client(socket.ip(), &request, &rules.trusted));
    if let Some(client) = client {
        peer = Peer::from(client);
    }
    Ok((Link::packets(Messages::new(stream, rules.max_packet)), peer.with_upgrade(request)))
}

/// Serves a connection that begins with an upgrade.
///
/// # Errors
/// The upgrade is refused.
#[cfg(feature = "__fuzz")]
pub async fn hidden_websocket<S: ByteStream>(
    mut stream: S,
    max_packet: usize,
) -> Result<impl super::PacketStream, OpenError> {
    let rules = Rules { max_head: 64 * 1024, ..Rules::default() };
    upgrade(&mut stream, &rules, &AtomicBool::new(false)).await?;
    Ok(Messages::new(stream, max_packet))
}

#[cfg(test)]
mod tests;
