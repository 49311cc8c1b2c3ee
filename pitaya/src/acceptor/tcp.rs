//! Packets over TCP, plain or in TLS.

use std::{io, net::TcpListener as StdListener};

#[cfg(feature = "tls")]
use super::Tls;
use super::{
    Acceptor, BoxFuture, IncomingConnection, Link, ListenOptions, Listening, Peer,
    socket::{Door, Established},
};

/// Accepts clients over TCP.
///
/// Nagle's algorithm is off, keep-alive is on, and up to 1024 connections wait to be accepted.
///
/// # Example
/// ```
/// use pitaya::acceptor::Tcp;
///
/// let acceptor = Tcp::bind(":3250").proxy_protocol(true).trusted_proxies(["10.0.0.0/8"]);
/// ```
#[derive(Debug)]
pub struct Tcp {
    door: Door,
}

impl Tcp {
    /// An acceptor for this address, `host:port`, with port 0 for any free one. It is bound when the app starts, and an address
    /// that cannot be bound fails the start.
    ///
    /// `:3250` and `[::]:3250` are all addresses of both families, `0.0.0.0:3250` those of IPv4. A name, such as `localhost`,
    /// is bound at all its addresses.
    pub fn bind(address: impl Into<String>) -> Self {
        Self { door: Door::bind(address.into()) }
    }

    /// An acceptor over a socket that listens already, one inherited from a service manager for instance.
    pub fn from_listener(listener: StdListener) -> Self {
        Self { door: Door::from_listener(listener) }
    }

    /// Speaks TLS with these certificates.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.door.tls = Some(tls);
        self
    }

    /// Whether each connection must begin with a PROXY header, v1 or v2, before TLS. Without this call the configuration decides
    /// (`pitaya.acceptor.proxyprotocol`). Needs [`trusted_proxies`](Self::trusted_proxies); connections of other peers are
    /// closed.
    #[must_use]
    pub fn proxy_protocol(mut self, expected: bool) -> Self {
        self.door.proxy_protocol = Some(expected);
        self
    }

    /// The networks and addresses of the proxies that may tell a client's address, such as `10.0.0.0/8`. Without this call the
    /// configuration decides (`pitaya.acceptor.trustedproxies`).
    #[must_use]
    pub fn trusted_proxies<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.door.trusted_proxies = Some(networks.into_iter().map(Into::into).collect());
        self
    }
}

impl Acceptor for Tcp {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        let options = options.clone();
        Box::pin(async move { self.door.listen(&options, "tcp", "tls").await })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async move {
            let (stream, socket, set_up) = self.door.accept().await?;
            Ok(IncomingConnection::new(Peer::from(socket), async move {
                let (stream, peer) = set_up.run(stream, socket).await?;
                let link = match stream {
                    Established::Plain(stream) => Link::bytes(stream),
                    #[cfg(feature = "tls")]
                    Established::Secure(stream) => Link::Bytes(stream),
                };
                Ok((link, peer))
            }))
        })
    }
}
