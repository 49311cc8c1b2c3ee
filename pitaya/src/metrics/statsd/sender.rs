//! Datagrams, and the socket that sends them.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;

use tokio::net::UdpSocket;
#[cfg(unix)]
use tokio::net::UnixDatagram;
use tokio::time::{Instant, timeout};

use super::address::Address;
use crate::util::throttle::{Throttle, throttled};

/// The pause between two reads of all series.
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// The bytes of a datagram over UDP, which fit into one frame of Ethernet with the headers of IPv6.
const UDP_BYTES: usize = 1432;
/// The bytes of a datagram over a Unix socket.
#[cfg(unix)]
const UNIX_BYTES: usize = 8192;
/// The number of datagrams that are sent together.
const BATCH: usize = 64;
/// The lifetime of a looked-up address, and the pause between two attempts to look it up or to open a socket.
const LOOKUP_PAUSE: Duration = Duration::from_secs(60);
/// The time limit of a look-up.
const LOOKUP: Duration = Duration::from_secs(5);
/// The time limit of a datagram that waits for room in the socket.
const ROOM: Duration = Duration::from_millis(100);

/// The throttle of log lines: one a minute.
static LOG: LazyLock<Throttle> = LazyLock::new(|| Throttle::new(1, Duration::from_secs(60)));

pub(super) struct Sender {
    socket: Option<Socket>,
    /// The time of the last look-up.
    looked_up: Option<Instant>,
    addresses: Vec<SocketAddr>,
    /// The most bytes of a datagram.
    most: usize,
    datagram: String,
    datagrams: VecDeque<String>,
    /// The lines of the last datagram. The system reports later if no socket received it.
    sent: u64,
}

enum Socket {
    Udp(UdpSocket),
    #[cfg(unix)]
    Unix(UnixDatagram),
}

impl Sender {
    pub(super) fn new(address: &Address) -> Self {
        let most = match address {
            Address::Udp { .. } => UDP_BYTES,
            #[cfg(unix)]
            Address::Unix(_) => UNIX_BYTES,
            #[cfg(not(unix))]
            Address::Unix(_) => UDP_BYTES,
        };
        Self {
            socket: None,
            looked_up: None,
            addresses: Vec::new(),
            most,
            datagram: String::new(),
            datagrams: VecDeque::new(),
            sent: 0,
        }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: String) {
        if !self.datagram.is_empty() && self.datagram.len() + 1 + line.len() > self.most {
            self.end();
        }
        if self.datagram.is_empty() {
            self.datagram = line;
        } else {
            self.datagram.push('\n');
            self.datagram += &line;
        }
    }

    /// Ends the current datagram.
    pub(super) fn end(&mut self) {
        if !self.datagram.is_empty() {
            self.datagrams.push_back(std::mem::take(&mut self.datagram));
        }
    }

    /// Returns whether it is time to send.
    pub(super) fn is_full(&self) -> bool {
        self.datagrams.len() >= BATCH
    }

    /// Sends the datagrams that are complete. Returns the number of lines that were lost.
    ///
    /// Cancel safe: the next call sends a datagram that was not sent.
    pub(super) async fn send(&mut self) -> u64 {
        let mut lost = 0;
        while let Some(datagram) = self.datagrams.front().cloned() {
            let lines = datagram.lines().count() as u64;
            let mut sent = self.send_one(datagram.as_bytes()).await;
            if let Err(error) = &sent
                && error.kind() == io::ErrorKind::ConnectionRefused
            {
                // This is the answer to the last datagram. The next attempt sends this one.
                lost += std::mem::take(&mut self.sent);
                log(error);
                sent = self.send_one(datagram.as_bytes()).await;
            }
            match sent {
                Ok(()) => self.sent = lines,
                Err(error) => {
                    lost += lines;
                    log(&error);
                    self.failed(&error);
                }
            }
            self.datagrams.pop_front();
        }
        lost
    }

    async fn send_one(&self, datagram: &[u8]) -> io::Result<()> {
        let send = async {
            match &self.socket {
                Some(Socket::Udp(socket)) => socket.send(datagram).await,
                #[cfg(unix)]
                Some(Socket::Unix(socket)) => socket.send(datagram).await,
                None => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        timeout(ROOM, send).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(drop)
    }

    /// Makes the next call look up the address, or open the socket file, again.
    fn failed(&mut self, error: &io::Error) {
        match &self.socket {
            Some(Socket::Udp(_))
                if error.kind() == io::ErrorKind::ConnectionRefused && self.addresses.len() > 1 =>
            {
                self.addresses.rotate_left(1);
                self.socket = None;
            }
            #[cfg(unix)]
            Some(Socket::Unix(_)) if error.kind() != io::ErrorKind::TimedOut => self.socket = None,
            _ => {}
        }
    }

    /// Returns whether there is a socket. Opens one if it is time.
    pub(super) async fn is_connected(&mut self, address: &Address) -> bool {
        let connected = match address {
            Address::Udp { host, port } => self.connect_udp(host, *port).await,
            #[cfg(unix)]
            Address::Unix(path) => self.connect_unix(path),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        if let Err(error) = connected {
            throttled!(LOG, warn, "no statsd", %error, ?address, "failed to reach StatsD: metrics wait or are lost");
        }
        self.socket.is_some()
    }

    async fn connect_udp(&mut self, host: &str, port: u16) -> io::Result<()> {
        let due = self.looked_up.is_none_or(|last| last.elapsed() >= LOOKUP_PAUSE);
        if due {
            self.looked_up = Some(Instant::now());
            let found = timeout(LOOKUP, tokio::net::lookup_host((host, port)))
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            let mut found: Vec<_> = found.collect();
            // Go Pitaya's client prefers IPv4 too.
            found.sort_by_key(SocketAddr::is_ipv6);
            found.dedup();
            let same =
                found.len() == self.addresses.len() && found.iter().all(|at| self.addresses.contains(at));
            if !same {
                (self.addresses, self.socket) = (found, None);
            }
        }
        if self.socket.is_none()
            && let Some(at) = self.addresses.first()
        {
            let any = if at.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
            socket.connect(at).await?;
            self.socket = Some(Socket::Udp(socket));
        }
        Ok(())
    }

    #[cfg(unix)]
    fn connect_unix(&mut self, path: &std::path::Path) -> io::Result<()> {
        if self.socket.is_none() {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            self.socket = Some(Socket::Unix(socket));
        }
        Ok(())
    }
}

fn log(error: &io::Error) {
    throttled!(LOG, warn, "lost statsd lines", %error, "failed to send metrics to StatsD: they are lost");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_share_datagrams_up_to_the_limit() {
        let mut sender = Sender::new(&Address::Udp { host: "localhost".into(), port: 1 });
        let line = "x".repeat(100);
        (0..15).for_each(|_| sender.add(line.clone()));
        sender.add("y".repeat(2000));
        sender.add(line.clone());
        sender.end();
        sender.end();
        let sizes: Vec<_> = sender.datagrams.iter().map(String::len).collect();
        assert_eq!(sizes, [14 * 101 - 1, 100, 2000, 100]);
    }

    /// The socket has room for some of the datagrams only, because nothing reads from it.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_cancelled_send_keeps_what_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statsd");
        let server = UnixDatagram::bind(&path).unwrap();
        let address = Address::Unix(path);
        let mut sender = Sender::new(&address);
        assert!(sender.is_connected(&address).await);
        const ALL: usize = 1000;
        for n in 0..ALL {
            sender.add(n.to_string());
            sender.end();
        }
        assert!(timeout(ROOM / 2, sender.send()).await.is_err());
        let left = sender.datagrams.len();
        assert!(left > 0 && left < ALL, "{left} are left");
        let read = async {
            let mut buffer = [0; 16];
            for n in 0..ALL {
                let length = server.recv(&mut buffer).await.unwrap();
                assert_eq!(buffer[..length], *n.to_string().as_bytes());
            }
        };
        let (lost, ()) = tokio::join!(sender.send(), read);
        assert_eq!((lost, sender.datagrams.len()), (0, 0));
    }
}
