//! The known brokers: the configured ones, and those that a broker has named since.

use std::sync::MutexGuard;
use std::time::Duration;

use async_nats::ServerAddr;
use tokio::time::Instant;

use crate::util::sync::Mutex;

/// How many brokers are kept besides the configured ones.
const MOST: usize = 32;
/// How long a broker is kept after it was named last. Brokers are named every few seconds.
const KEPT: Duration = Duration::from_secs(300);
/// The longest accepted address, in bytes: a host name with a port.
const LONGEST_ADDRESS: usize = 300;

/// The list of brokers.
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
    pub(super) fn learn(&self, named: &[String], now: Instant) -> Vec<ServerAddr> {
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

    proptest! {
        #[test]
        fn no_name_of_a_broker_causes_a_panic(named in proptest::collection::vec(".*|[a-z:\\[\\]0-9]{0,9}", 0..9)) {
            let brokers = brokers(&["one:1"], false);
            brokers.learn(&named, Instant::now());
            prop_assert!(brokers.all().iter().all(|it| !it.host().is_empty() && !it.has_user_pass()));
        }
    }
}
