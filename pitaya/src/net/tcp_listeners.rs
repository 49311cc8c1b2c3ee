//! The listening sockets of an address.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, lookup_host};

/// The number of connections that the system holds until they are accepted.
const BACKLOG: i32 = 1024;
/// The number of attempts to find a port that is free in all families.
const TRIES: u32 = 16;

/// The listening sockets of one address: one, or one for each address of a name.
#[derive(Debug)]
pub(crate) struct TcpListeners(Vec<TcpListener>);

impl TcpListeners {
    /// Listens at `host:port`. The error names the address and the reason.
    ///
    /// A name such as `localhost` is bound at all its addresses, IPv4 first. `:port` and `[::]:port` are all addresses of
    /// both families.
    pub(crate) async fn bind(address: &str) -> io::Result<Self> {
        let explain =
            |error: io::Error| io::Error::new(error.kind(), format!("cannot listen at `{address}`: {error}"));
        let sockets = resolve(address).await.map_err(explain)?;
        bind_all(&sockets).map_err(explain)
    }

    /// Takes a socket that listens.
    #[cfg(feature = "grpc")]
    pub(crate) fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::one(TcpListener::from_std(listener)?))
    }

    pub(crate) fn one(listener: TcpListener) -> Self {
        Self(vec![listener])
    }

    /// Returns the bound addresses. The first stands for all.
    pub(crate) fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.0.iter().map(TcpListener::local_addr).collect()
    }

    /// Accepts the next connection of any socket. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        // A busy socket must not starve the others.
        let first = if self.0.len() > 1 { fastrand::usize(..self.0.len()) } else { 0 };
        let (late, early) = self.0.split_at(first);
        for listener in early.iter().chain(late) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// Returns the socket addresses of an address.
async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = split(address).map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
    let mut sockets: Vec<SocketAddr> = match host {
        "" => vec![(Ipv6Addr::UNSPECIFIED, port).into()],
        host => match host.parse::<IpAddr>() {
            Ok(ip) => vec![(ip, port).into()],
            Err(_) => lookup_host((host, port)).await?.collect(),
        },
    };
    sockets.sort_by_key(SocketAddr::is_ipv6);
    sockets.dedup();
    Ok(sockets)
}

/// Splits an address into its host, without the brackets of IPv6, and its port.
fn split(address: &str) -> Result<(&str, u16), String> {
    const EXAMPLES: &str = "write `host:port`, such as `0.0.0.0:3250`, `localhost:3250` or `:3250`";
    let (host, port) = address.rsplit_once(':').ok_or_else(|| format!("it has no port; {EXAMPLES}"))?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.then(|| port.parse().ok()).flatten();
    let port = port.ok_or_else(|| format!("the port is not a number of 0 to 65535; {EXAMPLES}"))?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .filter(|inner| inner.parse::<Ipv6Addr>().is_ok())
            .ok_or_else(|| format!("there is no IPv6 address in the brackets; {EXAMPLES}"))?,
        None if host.contains(':') => {
            return Err(format!("an IPv6 address needs brackets; write `[{host}]:{port}`"));
        }
        None => host,
    };
    Ok((host, port))
}

/// Binds all addresses, at one port.
fn bind_all(sockets: &[SocketAddr]) -> io::Result<TcpListeners> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_bind_all(sockets) {
            // The port that is free for the first address is taken at another one.
            Err((true, error)) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => {}
            Err((_, error)) => return Err(error),
            Ok(listeners) => return Ok(listeners),
        }
    }
}

/// Binds all addresses. An error also says whether another free port may help.
fn try_bind_all(sockets: &[SocketAddr]) -> Result<TcpListeners, (bool, io::Error)> {
    let mut listeners = Vec::with_capacity(sockets.len());
    let mut chosen = None;
    let mut absent = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for socket in sockets {
        let at = SocketAddr::new(socket.ip(), chosen.unwrap_or(socket.port()));
        match bind_one(at) {
            Ok(listener) => {
                let port = listener.local_addr().map_err(|error| (false, error))?.port();
                chosen = chosen.or(Some(port));
                listeners.push(listener);
            }
            // A name may have addresses of a family, or of an interface, that this machine has not.
            Err(error) if is_absent(&error) => absent = error,
            Err(error) => return Err((chosen.is_some() && socket.port() == 0, error)),
        }
    }
    if listeners.is_empty() { Err((false, absent)) } else { Ok(TcpListeners(listeners)) }
}

/// Returns whether this machine does not have the address.
fn is_absent(error: &io::Error) -> bool {
    let unsupported = error.kind() == io::ErrorKind::Unsupported;
    unsupported || error.kind() == io::ErrorKind::AddrNotAvailable || is_unsupported_family(error)
}

#[cfg(unix)]
fn is_unsupported_family(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(not(unix))]
fn is_unsupported_family(_error: &io::Error) -> bool {
    false
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    match bind_socket(address) {
        // Without IPv6 in the system, all addresses are those of IPv4.
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && is_absent(&error) => {
            bind_socket((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        bound => bound,
    }
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows this would let another process take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The default is a setting of the system. `[::]` is both families; any other address is one of IPv6.
        socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    async fn connects(address: impl Into<SocketAddr>, listeners: &TcpListeners) -> bool {
        let address = address.into();
        let Ok(client) = TcpStream::connect(address).await else { return false };
        let (_, peer) = listeners.accept().await.unwrap();
        peer.port() == client.local_addr().unwrap().port()
    }

    fn port(listeners: &TcpListeners) -> u16 {
        let ports: BTreeSet<u16> = listeners.addresses().unwrap().iter().map(SocketAddr::port).collect();
        assert_eq!(ports.len(), 1, "{ports:?}");
        ports.into_iter().next().unwrap()
    }

    fn has_ipv6() -> bool {
        std::net::TcpListener::bind("[::1]:0").is_ok()
    }

    #[tokio::test]
    async fn a_port_alone_is_both_families() {
        for address in [":0", "[::]:0"] {
            let listeners = TcpListeners::bind(address).await.unwrap();
            let port = port(&listeners);
            assert!(connects((Ipv4Addr::LOCALHOST, port), &listeners).await, "{address}");
            assert_eq!(connects((Ipv6Addr::LOCALHOST, port), &listeners).await, has_ipv6(), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_is_bound_at_all_its_addresses() {
        let names: Vec<_> = lookup_host("localhost:1").await.unwrap().collect();
        let listeners = TcpListeners::bind("localhost:0").await.unwrap();
        let port = port(&listeners);
        for address in names {
            if std::net::TcpListener::bind((address.ip(), 0)).is_ok() {
                assert!(connects((address.ip(), port), &listeners).await, "{address}");
            }
        }
        assert!(listeners.addresses().unwrap()[0].ip().is_loopback());
    }

    #[tokio::test]
    async fn an_ipv4_address_is_bound_alone() {
        let listeners = TcpListeners::bind("0.0.0.0:0").await.unwrap();
        let port = port(&listeners);
        assert!(connects((Ipv4Addr::LOCALHOST, port), &listeners).await);
        assert!(!connects((Ipv6Addr::LOCALHOST, port), &listeners).await);
    }

    #[tokio::test]
    async fn both_sockets_of_a_name_are_served() {
        if !has_ipv6() {
            return;
        }
        let sockets = [(IpAddr::from(Ipv4Addr::LOCALHOST), 0).into(), (Ipv6Addr::LOCALHOST, 0).into()];
        let listeners = bind_all(&sockets).unwrap();
        let port = port(&listeners);
        for _ in 0..8 {
            assert!(connects((Ipv4Addr::LOCALHOST, port), &listeners).await);
            assert!(connects((Ipv6Addr::LOCALHOST, port), &listeners).await);
        }
        // One family is taken: the whole name is, because a client would reach another server by it.
        let taken = [(IpAddr::from(Ipv4Addr::LOCALHOST), port).into(), (Ipv6Addr::LOCALHOST, port).into()];
        assert_eq!(bind_all(&taken).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_bad_address_is_refused_with_what_to_write() {
        let taken = TcpListeners::bind("127.0.0.1:0").await.unwrap().addresses().unwrap()[0];
        let held = std::net::TcpListener::bind(taken).unwrap();
        for (address, hint) in [
            ("3250", "write `host:port`"),
            ("localhost", "write `host:port`"),
            ("", "write `host:port`"),
            ("127.0.0.1:99999", "0 to 65535"),
            ("127.0.0.1:http", "0 to 65535"),
            ("127.0.0.1:", "0 to 65535"),
            ("::1:3250", "write `[::1]:3250`"),
            ("[::1:3250", "IPv6"),
            ("[localhost]:3250", "IPv6"),
            (&taken.to_string(), "in use"),
        ] {
            let error = TcpListeners::bind(address).await.unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("`{address}`")) && text.contains(hint), "{text}");
            assert!(error.get_ref().is_some_and(|inner| inner.source().is_none()), "{text}");
        }
        drop(held);
    }
}
