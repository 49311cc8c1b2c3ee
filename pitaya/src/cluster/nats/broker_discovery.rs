//! Learns the brokers that join the cluster of the configured ones.
//!
//! A broker names the other brokers of its cluster in the first line of a connection, `INFO`. The client library reads
//! that line once, when it connects, and ignores later ones. So a task reads it repeatedly, over its own connection.
//! Otherwise brokers that joined later would be unknown when the first ones are gone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use async_nats::ServerAddr;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::Login;
use super::brokers::Brokers;
use super::connect::connect;
use super::connection::Connection;
use super::options::NatsOptions;
use super::signals::{Counts, Signals};

/// The longest accepted `INFO`, in bytes.
const LONGEST_INFO: u64 = 64 * 1024;
/// How much less often a broker with TLS is asked, because each question takes a TLS handshake.
const WITH_TLS: u32 = 15;

/// Asks brokers for the others of their cluster.
pub(super) struct BrokerDiscovery {
    pub(super) brokers: Brokers,
    pub(super) options: Arc<NatsOptions>,
    pub(super) login: Option<Login>,
    pub(super) counts: Arc<Counts>,
    pub(super) closing: CancellationToken,
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

impl BrokerDiscovery {
    /// Learns the other brokers, now and while this connection lasts.
    pub(super) fn follow(self: &Arc<Self>, connection: &Connection, signals: Arc<Signals>) {
        if self.options.discovery_interval.is_zero() {
            return;
        }
        let info = connection.client.server_info();
        self.learn(&info.connect_urls);
        if let Some(at) = connection.at.clone() {
            tokio::spawn(Arc::clone(self).discover(at, info.tls_required, signals));
        }
    }

    /// Adds the addresses that a broker names.
    fn learn(&self, named: &[String]) {
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
    async fn discover(self: Arc<Self>, at: ServerAddr, tls: bool, signals: Arc<Signals>) {
        let period = self.options.discovery_interval;
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
        let login = self.login.as_ref();
        let client = connect(&self.options, login, std::slice::from_ref(at), "discovery", &signals).await;
        let client = client.map_err(io::Error::other)?;
        let named = client.server_info().connect_urls;
        let _ = client.drain().await;
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::info;

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
}
