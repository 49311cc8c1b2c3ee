//! The other end of a connection.

use std::{fmt, net::SocketAddr, sync::Arc};

use super::UpgradeRequest;

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    address: String,
    socket: Option<SocketAddr>,
    upgrade: Option<Arc<UpgradeRequest>>,
}

impl Peer {
    /// Returns a peer without an internet address. The text identifies it in logs.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), socket: None, upgrade: None }
    }

    /// Adds the HTTP request that opened the connection.
    #[must_use]
    pub fn with_upgrade(mut self, request: UpgradeRequest) -> Self {
        self.upgrade = Some(Arc::new(request));
        self
    }

    /// Returns the HTTP request that opened the connection, over WebSocket after the set-up.
    pub fn upgrade(&self) -> Option<&Arc<UpgradeRequest>> {
        self.upgrade.as_ref()
    }

    /// Returns the address as text: `203.0.113.7:40512`, `[2001:db8::7]:40512`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the internet address, if it has one.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.socket
    }

    /// Returns `"ipv6"` if the address text has more than one colon, else `"ipv4"`: the session's value `ipversion`.
    pub fn ip_version(&self) -> &'static str {
        if self.address.matches(':').count() > 1 { "ipv6" } else { "ipv4" }
    }
}

impl From<SocketAddr> for Peer {
    /// Returns a peer. An IPv4 address in IPv6 form (`::ffff:203.0.113.7`) becomes an IPv4 address.
    fn from(socket: SocketAddr) -> Self {
        let socket = SocketAddr::new(socket.ip().to_canonical(), socket.port());
        Self { address: socket.to_string(), socket: Some(socket), upgrade: None }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_version_is_ipv6_with_two_colons() {
        let of = |text: &str| Peer::from(text.parse::<SocketAddr>().unwrap()).ip_version();
        assert_eq!(of("127.0.0.1:1"), "ipv4");
        assert_eq!(of("[2001:db8::1]:1"), "ipv6");
        assert_eq!(Peer::new("unix").ip_version(), "ipv4");
    }

    #[test]
    fn mapped_ipv4_address_is_written_as_ipv4() {
        let peer = Peer::from("[::ffff:203.0.113.7]:40512".parse::<SocketAddr>().unwrap());
        assert_eq!(peer.address(), "203.0.113.7:40512");
        assert_eq!(peer.ip_version(), "ipv4");
    }
}
