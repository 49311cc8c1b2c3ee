//! Packets over WebSocket, `ws` or `wss`: one message, one packet (protocol.md, "Transports").

mod frames;
mod stream;
mod upgrade;

use std::{io, net::TcpListener as StdListener, sync::Arc};

use self::{stream::Messages, upgrade::upgrade};
#[cfg(feature = "tls")]
use super::Tls;
use super::{
    Acceptor, BoxFuture, ByteStream, Incoming, Link, ListenOptions, Listening, OpenError, Peer,
    socket::{Door, Established},
};

/// Accepts clients over WebSocket.
///
/// Any request path is welcome. Binary and text messages are taken alike, each exactly one packet; answers are binary. There are
/// no subprotocols and no compression. A request that is no upgrade is answered with 400, 403 (its origin), 405 (its method) or
/// 431 (a head of more than 8 KiB).
///
/// # Example
/// ```
/// use pitaya::acceptor::WebSocket;
///
/// let acceptor = WebSocket::bind("0.0.0.0:3251").origins(["https://game.example"]);
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
#[derive(Debug)]
pub struct WebSocket {
    door: Door,
    origins: Option<Arc<[String]>>,
    rules: Rules,
}

/// What each connection is held to.
#[derive(Debug, Clone)]
struct Rules {
    origins: Arc<[String]>,
    max_packet: usize,
}

impl WebSocket {
    /// An acceptor for this address, `host:port`, with port 0 for any free one. It is bound when the app starts, and an address
    /// that cannot be bound fails the start.
    pub fn bind(address: impl Into<String>) -> Self {
        Self::new(Door::bind(address.into()))
    }

    /// An acceptor over a socket that listens already, one inherited from a service manager for instance.
    pub fn from_listener(listener: StdListener) -> Self {
        Self::new(Door::from_listener(listener))
    }

    fn new(door: Door) -> Self {
        Self { door, origins: None, rules: Rules { origins: Arc::new([]), max_packet: 0 } }
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
    /// decides (`pitaya.acceptor.proxyprotocol`).
    #[must_use]
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.door.proxy_protocol = Some(expected);
        self
    }

    /// The pages that may connect, as browsers name them: scheme, host, and the port where it is not the scheme's own
    /// (`https://game.example`). An empty list allows all. A request without an `Origin`, which no browser sends, always passes.
    /// Without this call the configuration decides, which allows all by default.
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = Some(origins.into_iter().map(Into::into).collect());
        self
    }
}

impl Acceptor for WebSocket {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        let options = options.clone();
        Box::pin(async move {
            self.rules = Rules {
                origins: self.origins.clone().unwrap_or_else(|| Arc::clone(&options.origins)),
                max_packet: options.max_packet_before_ack,
            };
            self.door.listen(&options, "ws", "wss").await
        })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        Box::pin(async move {
            let (stream, socket, set_up) = self.door.accept().await?;
            let rules = self.rules.clone();
            Ok(Incoming::new(Peer::from(socket), async move {
                let (stream, peer) = set_up.run(stream, socket).await?;
                let link = match stream {
                    Established::Plain(stream) => open(stream, &rules).await?,
                    #[cfg(feature = "tls")]
                    Established::Secure(stream) => open(*stream, &rules).await?,
                };
                Ok((link, peer))
            }))
        })
    }
}

async fn open<S: ByteStream>(mut stream: S, rules: &Rules) -> Result<Link, OpenError> {
    upgrade(&mut stream, &rules.origins).await?;
    Ok(Link::packets(Messages::new(stream, rules.max_packet)))
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
    upgrade(&mut stream, &[]).await?;
    Ok(Messages::new(stream, max_packet))
}

#[cfg(test)]
mod tests;
