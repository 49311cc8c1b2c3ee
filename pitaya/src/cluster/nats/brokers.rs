//! The known brokers: the configured ones, and those that a broker has named since.
//!
//! A broker names the other brokers of its cluster in the first line of a connection, `INFO`. The client library reads
//! that line once, when it connects, and ignores later ones. So a task reads it repeatedly, over its own connection.
//! Otherwise brokers that joined later would be unknown when the first ones are gone.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use async_nats::ServerAddr;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::connect::connect;
use super::signals::Signals;
use super::state::State;
use crate::util::sync::Mutex;

/// How many brokers are kept besides the configured ones.
const MOST: usize = 32;
/// How long a broker is kept after it was named last. Brokers are named every few seconds.
const KEPT: Duration = Duration::from_secs(300);
/// The longest accepted `INFO`, in bytes.
const LONGEST_INFO: u64 = 64 * 1024;
/// The longest accepted address, in bytes: a host name with a port.
const LONGEST_ADDRESS: usize = 300;
/// How much less often a broker with TLS is asked, because each question takes a TLS handshake.
const WITH_TLS: u32 = 15;

/// See the module.
pub(super) struct Brokers {
    configured: Vec<ServerAddr>,
    /// Whether all of them require TLS. Learned brokers do then, too.
    tls: bool,
    /// When each was named last, the newest first.
    learned: Mutex<Vec<(ServerAddr, Instant)>>,
}

impl Brokers {
    pub(super) fn new(configured: &[ServerAddr], tls_required: bool) -> Self {
        let tls = tls_required || configured.iter().all(ServerAddr::tls_required);
        Self { configured: configured.to_vec(), tls, learned: Mutex::default() }
    }

    /// Returns all known brokers: the configured ones, then the learned ones.
    pub(super) fn all(&self) -> Vec<ServerAddr> {
        let learned = self.learned();
        self.configured.iter().chain(learned.iter().map(|(address, _)| address)).cloned().collect()
    }

    /// Adds the addresses that a broker names, and returns the new ones. Invalid addresses are skipped.
    fn learn(&self, named: &[String], now: Instant) -> Vec<ServerAddr> {
        let scheme = if self.tls { "tls" } else { "nats" };
        let mut learned = self.learned();
        let mut newest: Vec<(ServerAddr, Instant)> = Vec::new();
        for address in named.iter().take(MOST).filter_map(|text| address(scheme, text)) {
            if !self.configured.contains(&address) && newest.iter().all(|(it, _)| *it != address) {
                newest.push((address, now));
            }
        }
        let (known, new): (Vec<_>, Vec<_>) = newest
            .iter()
            .map(|(address, _)| address.clone())
            .partition(|address| learned.iter().any(|(it, _)| it == address));
        learned.retain(|(it, at)| now.duration_since(*at) < KEPT && !known.contains(it));
        newest.append(&mut learned);
        newest.truncate(MOST);
        *learned = newest;
        new
    }

    fn learned(&self) -> MutexGuard<'_, Vec<(ServerAddr, Instant)>> {
        self.learned.lock()
    }
}

/// Parses an address that a broker names: a host with a port.
fn address(scheme: &str, text: &str) -> Option<ServerAddr> {
    if text.len() > LONGEST_ADDRESS || text.contains(['/', '@', '?', '#']) {
        return None;
    }
    let address: ServerAddr = format!("{scheme}://{text}").parse().ok()?;
    (!address.host().is_empty()).then_some(address)
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    connect_urls: Vec<String>,
}

/// Reads the first line of a connection.
async fn info(mut broker: impl tokio::io::AsyncRead + Unpin) -> io::Result<Vec<String>> {
    let mut line = Vec::new();
    BufReader::new((&mut broker).take(LONGEST_INFO)).read_until(b'\n', &mut line).await?;
    let text = line.strip_prefix(b"INFO ").filter(|text| text.ends_with(b"\n"));
    let text = text.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no INFO"))?;
    let info: Info = serde_json::from_slice(text)?;
    Ok(info.connect_urls)
}

impl State {
    /// Adds the addresses that a broker names.
    pub(super) fn learn(&self, named: &[String]) {
        for broker in self.brokers.learn(named, Instant::now()) {
            self.counts.learned_brokers.fetch_add(1, Relaxed);
            tracing::info!(
                host = broker.host(),
                port = broker.port(),
                "learned of another broker of the cluster"
            );
        }
    }

    /// Asks a broker repeatedly for the others of its cluster, until the connection to it ends.
    pub(super) async fn discover(self: Arc<Self>, at: ServerAddr, tls: bool, signals: Arc<Signals>) {
        let period = self.options.discovery_interval;
        if period.is_zero() {
            return;
        }
        let period = if tls { period.saturating_mul(WITH_TLS) } else { period };
        let asking = async {
            loop {
                // Jitter keeps servers from asking together.
                tokio::time::sleep(period.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                match self.ask(&at, tls).await {
                    Ok(named) => self.learn(&named),
                    Err(error) => tracing::debug!(%error, "a broker did not name the others"),
                }
            }
        };
        tokio::select! {
            biased;
            () = signals.lost.cancelled() => {}
            () = asking => {}
        }
    }

    /// Returns the addresses that a broker names. A broker that requires TLS is asked by a whole handshake, because it
    /// would log a connection that ends after the first line as failed.
    async fn ask(&self, at: &ServerAddr, tls: bool) -> io::Result<Vec<String>> {
        if !tls {
            let asked = async { info(TcpStream::connect((at.host(), at.port())).await?).await };
            return tokio::time::timeout(self.options.connection_timeout, asked).await?;
        }
        let signals = Arc::new(Signals::new(&self.closing, Arc::clone(&self.counts)));
        let login = self.addresses.login.as_ref();
        let client = connect(&self.options, login, std::slice::from_ref(at), "discovery", &signals).await;
        let client = client.map_err(io::Error::other)?;
        let named = client.server_info().connect_urls;
        let _ = client.drain().await;
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brokers(configured: &[&str], tls: bool) -> Brokers {
        let configured: Vec<ServerAddr> = configured.iter().map(|one| one.parse().unwrap()).collect();
        Brokers::new(&configured, tls)
    }

    fn text(address: &ServerAddr) -> String {
        format!("{}://{}:{}", address.scheme(), address.host(), address.port())
    }

    fn all(brokers: &Brokers) -> Vec<String> {
        brokers.all().iter().map(text).collect()
    }

    fn learn(brokers: &Brokers, named: &[&str], now: Instant) {
        brokers.learn(&named.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>(), now);
    }

    #[test]
    fn learned_brokers_follow_the_configured_ones() {
        let (brokers, now) = (brokers(&["nats://one:1", "two:2"], false), Instant::now());
        learn(&brokers, &["two:2", "three:3", "[::1]:4", "three:3"], now);
        assert_eq!(all(&brokers), ["nats://one:1", "nats://two:2", "nats://three:3", "nats://::1:4"]);
        learn(&brokers, &["five:5", "[::1]:4"], now);
        assert_eq!(all(&brokers)[2..], ["nats://five:5", "nats://::1:4", "nats://three:3"]);
    }

    #[test]
    fn a_broker_that_is_named_no_more_is_forgotten() {
        let (brokers, now) = (brokers(&["one:1"], false), Instant::now());
        learn(&brokers, &["two:2", "three:3"], now);
        learn(&brokers, &["three:3"], now + KEPT / 2);
        assert_eq!(all(&brokers).len(), 3, "it may only have lost its cluster for a while");
        learn(&brokers, &["three:3"], now + KEPT);
        assert_eq!(all(&brokers), ["nats://one:1", "nats://three:3"]);
    }

    #[test]
    fn learned_brokers_are_bounded() {
        let (brokers, now) = (brokers(&["one:1"], false), Instant::now());
        for round in 0..10 {
            let named: Vec<String> = (0..1000).map(|n| format!("host-{round}-{n}:4222")).collect();
            brokers.learn(&named, now);
            assert_eq!(brokers.all().len(), 1 + MOST);
        }
        assert_eq!(all(&brokers)[..2], ["nats://one:1", "nats://host-9-0:4222"]);
    }

    #[test]
    fn learned_brokers_are_reached_by_tls_where_all_are() {
        for (configured, required, scheme) in [
            (&["tls://one"][..], false, "tls"),
            (&["tls://one", "tls://two"], false, "tls"),
            (&["nats://one"], true, "tls"),
            (&["tls://one", "nats://two"], false, "nats"),
        ] {
            let brokers = brokers(configured, required);
            learn(&brokers, &["new:1"], Instant::now());
            assert_eq!(all(&brokers).last().unwrap(), &format!("{scheme}://new:1"));
        }
    }

    #[test]
    fn what_is_no_host_with_a_port_is_skipped() {
        let brokers = brokers(&["one:1"], true);
        let long = format!("{}:1", "a".repeat(LONGEST_ADDRESS));
        let named =
            ["", ":1", "user:secret@two:2", "ws://two:2", "nats://two:2", "two:port", "two:2/x", &long];
        learn(&brokers, &named, Instant::now());
        assert_eq!(all(&brokers), ["nats://one:1"]);
    }

    #[tokio::test]
    async fn the_first_line_of_a_broker_names_the_others() {
        let line = b"INFO {\"server_id\":\"x\",\"connect_urls\":[\"a:1\",\"b:2\"]} \r\n-ERR 'x'\r\n";
        assert_eq!(info(&line[..]).await.unwrap(), ["a:1", "b:2"]);
        assert!(info(&b"INFO {}\r\n"[..]).await.unwrap().is_empty());
        for broken in [&b""[..], b"INFO {}", b"PING\r\n", b"INFO []x\r\n", b"INFO {\"connect_urls\":7}\r\n"] {
            assert!(info(broken).await.is_err(), "{broken:?}");
        }
        assert!(info(tokio::io::repeat(b'a')).await.is_err(), "it has no end");
    }

    proptest! {
        #[test]
        fn no_name_of_a_broker_causes_a_panic(named in proptest::collection::vec(".*|[a-z:\\[\\]0-9]{0,9}", 0..9)) {
            let brokers = brokers(&["one:1"], false);
            brokers.learn(&named, Instant::now());
            prop_assert!(brokers.all().iter().all(|it| !it.host().is_empty() && !it.has_user_pass()));
        }
    }
}
