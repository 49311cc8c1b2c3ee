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
use tokio_rustls::rustls::ServerConfig;

use super::{
    Acceptor, BoxFuture, ByteStream, IncomingConnection, Link, ListenOptions, Listening, OpenError, Peer,
    forwarded,
    listener::{Established, Listener},
};
use crate::net::origins;

/// Accepts clients over WebSocket.
///
/// Any request path is accepted, and [`Session::upgrade`](crate::session::Session::upgrade) has the request. Binary and text
/// messages are read alike, each exactly one packet. Answers are binary. There is no compression.
///
/// Other requests are answered too:
///
/// | request | status |
/// |---|---|
/// | `GET` or `HEAD` of the probe path (`pitaya.acceptor.ws.probe`, `/` by default) | 200 if the server is ready, else 503 |
/// | `GET` or `HEAD` of another path | 426 |
/// | another method | 405 |
/// | an invalid upgrade | 400; 403 for its origin; 431 for more than `pitaya.limit.upgrade.head` bytes or 200 headers |
/// | a probe or an upgrade while the server drains | 503 |
///
/// # Example
/// ```
/// use pitaya::acceptor::WebSocket;
///
/// let acceptor = WebSocket::new(":3251").origins(["https://game.example", "https://*.game.example"]);
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
#[derive(Debug)]
pub struct WebSocket {
    listener: Listener,
    origins: Option<Arc<[String]>>,
    subprotocols: Option<Arc<[String]>>,
    rules: Arc<Rules>,
    draining: Arc<AtomicBool>,
}

impl WebSocket {
    /// Returns an acceptor for an address, `host:port`. Port 0 is any free port.
    ///
    /// The start of the app binds the address, and fails if it cannot be bound. `:3250` and `[::]:3250` are all addresses of
    /// both families, `0.0.0.0:3250` those of IPv4. A name such as `localhost` is bound at all its addresses.
    pub fn new(address: impl Into<String>) -> Self {
        Self::with(Listener::at(address.into()))
    }

    /// Returns an acceptor for a listening socket, such as one that a service manager opened.
    pub fn from_listener(listener: StdListener) -> Self {
        Self::with(Listener::from_listener(listener))
    }

    fn with(listener: Listener) -> Self {
        Self { listener, origins: None, subprotocols: None, rules: Arc::default(), draining: Arc::default() }
    }

    /// Encrypts connections with TLS (`wss`). Takes [`Tls`](super::Tls) or a [`ServerConfig`] of rustls 0.23.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.listener.tls = Some(config.into());
        self
    }

    /// Sets whether each connection must begin with a PROXY header, v1 or v2, before TLS and HTTP.
    ///
    /// Without this call the configuration decides (`pitaya.acceptor.proxyprotocol`). The start fails without
    /// [`trusted_proxies`](Self::trusted_proxies). Connections of other peers are closed.
    #[must_use]
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.listener.proxy_protocol = Some(expected);
        self
    }

    /// Sets the networks of the trusted proxies, such as `10.0.0.0/8`. Only these name addresses of clients.
    ///
    /// Their headers `X-Forwarded-For` and `Forwarded` are read, also without the PROXY protocol. Without this call the
    /// configuration decides (`pitaya.acceptor.trustedproxies`).
    #[must_use]
    pub fn trusted_proxies<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.listener.trusted_proxies = Some(networks.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the origins that may connect: scheme, host, and the port if it is not the scheme's default.
    ///
    /// `https://game.example` is one origin, `https://*.game.example` all names below it, `http://localhost:*` any port, and
    /// `*` any origin. An empty list allows all. A request without an `Origin` always passes; browsers always send one.
    /// An entry that no origin can match fails the start. Without this call the configuration decides
    /// (`pitaya.acceptor.ws.origins`), which allows all by default.
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the subprotocols of the server, the preferred one first. The first that the client offers is chosen.
    ///
    /// A client that offers none of them is accepted without one. Browsers then close the connection if they offered some.
    /// Without this call the configuration decides (`pitaya.acceptor.ws.subprotocols`).
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
                "the subprotocol `{}` is not a token: write letters, digits, `-`, `.` and `_`",
                bad.escape_debug()
            )));
        }
        Ok(Rules {
            origins,
            subprotocols: Arc::clone(subprotocols),
            trusted: self.listener.trusted().clone(),
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
            let listening = self.listener.listen(&options, "ws", "wss").await?;
            self.rules = Arc::new(self.rules(&options)?);
            Ok(listening)
        })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async move {
            let (stream, socket, set_up) = self.listener.accept().await?;
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
/// The upgrade is rejected.
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
