//! Packets over TCP, plain or in TLS.

#[cfg(feature = "tls")]
use std::sync::Arc;
use std::{io, net::TcpListener as StdListener};

#[cfg(feature = "tls")]
use tokio_rustls::rustls::ServerConfig;

use super::{
    Acceptor, BoxFuture, IncomingConnection, Link, ListenOptions, Listening, Peer,
    listener::{Established, Listener},
};

/// Accepts clients over TCP.
///
/// Nagle's algorithm is off, keep-alive is on, and up to 1024 connections wait to be accepted.
///
/// # Example
/// ```
/// use pitaya::acceptor::Tcp;
///
/// let acceptor = Tcp::new(":3250").proxy_protocol(true).trusted_proxies(["10.0.0.0/8"]);
/// ```
#[derive(Debug)]
pub struct Tcp {
    listener: Listener,
}

impl Tcp {
    /// Returns an acceptor for an address, `host:port`. Port 0 is any free port.
    ///
    /// The start of the app binds the address, and fails if it cannot be bound. `:3250` and `[::]:3250` are all addresses of
    /// both families, `0.0.0.0:3250` those of IPv4. A name such as `localhost` is bound at all its addresses.
    pub fn new(address: impl Into<String>) -> Self {
        Self { listener: Listener::at(address.into()) }
    }

    /// Returns an acceptor for a listening socket, such as one that a service manager opened.
    pub fn from_listener(listener: StdListener) -> Self {
        Self { listener: Listener::from_listener(listener) }
    }

    /// Encrypts connections with TLS. Takes [`Tls`](super::Tls) or a [`ServerConfig`] of rustls 0.23.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.listener.tls = Some(config.into());
        self
    }

    /// Sets whether each connection must begin with a PROXY header, v1 or v2, before TLS.
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
    /// Without this call the configuration decides (`pitaya.acceptor.trustedproxies`).
    #[must_use]
    pub fn trusted_proxies<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.listener.trusted_proxies = Some(networks.into_iter().map(Into::into).collect());
        self
    }
}

impl Acceptor for Tcp {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        let options = options.clone();
        Box::pin(async move { self.listener.listen(&options, "tcp", "tls").await })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async move {
            let (stream, socket, set_up) = self.listener.accept().await?;
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
