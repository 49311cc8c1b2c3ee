//! Discovery over etcd: `announce` is the operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use pitaya::cluster::{Discovery, EtcdDiscovery, EtcdOptions, Server};
use pitaya_tests::etcd::ROOT;
use pitaya_tests::node::Node;
use pitaya_tests::{soon, until};
use tokio::time::sleep;

use crate::driver::{Client, DEADLINE, Fault, outage};
use crate::etcd_service::{EtcdService, PASS, USER, WRONG};

/// Two servers, the first of which is under test.
struct Discovered {
    own: Node,
    other: Node,
    id: String,
    other_id: String,
    announced: AtomicU64,
}

/// Deadlines and leases as short as they may be; of an expired token, leases that keep no token alive.
fn options(endpoints: Vec<String>, user: &str, pass: &str) -> EtcdOptions {
    EtcdOptions {
        endpoints,
        user: user.into(),
        pass: pass.into(),
        dial_timeout: DEADLINE,
        revoke_timeout: DEADLINE,
        grant_lease_timeout: DEADLINE * 5,
        retry_interval: Duration::from_millis(500),
        shutdown_delay: Duration::ZERO,
        heartbeat_ttl: Duration::from_secs(6),
        ..EtcdOptions::default()
    }
}

impl Discovered {
    fn server(&self, number: u64) -> Server {
        Server::new("room", &*self.id).with_metadata("number", number.to_string())
    }

    fn key(&self) -> String {
        format!("pitaya/servers/room/{}", self.id)
    }

    /// Returns the entry of the server under test in etcd.
    async fn entry(&self, service: &EtcdService) -> Option<Vec<u8>> {
        let found = service.root().await.kv_client().get(self.key(), None).await.expect("etcd answers");
        found.kvs().first().map(|kv| kv.value().to_vec())
    }
}

impl Client for Discovered {
    type Service = EtcdService;

    async fn prepare(service: &EtcdService, name: &str) -> Self {
        let id = format!("own-{name}");
        let own = Node::join(options(service.endpoints(), USER, PASS), Server::new("room", &*id)).await;
        let other_id = format!("other-{name}");
        let other = Node::join(options(service.direct(), ROOT, ROOT), Server::new("room", &*other_id)).await;
        until("they see each other", || [&own, &other].iter().all(|node| node.sees().len() >= 2)).await;
        Self { own, other, id, other_id, announced: AtomicU64::new(0) }
    }

    async fn refused(service: &EtcdService) -> String {
        // The user's password is another one than this now.
        let discovery = EtcdDiscovery::new(options(service.endpoints(), USER, PASS));
        let joined = discovery.join(Arc::new(Server::new("room", "refused")), Arc::default());
        let error = joined.await.expect_err("the password is wrong").to_string();
        assert!(error.contains("PIT-503") && error.contains("refuses the user `game`"), "{error}");
        assert!(!error.contains(PASS) && !error.contains(WRONG), "{error}");
        error
    }

    async fn operation(&self) -> Result<(), String> {
        let number = self.announced.fetch_add(1, SeqCst) + 1;
        let announced = self.own.discovery.announce(Arc::new(self.server(number))).await;
        announced.map_err(|error| {
            assert_eq!(error.code(), "PIT-503", "{error}");
            assert!(error.to_string().contains("etcd is unreachable"), "{error}");
            error.to_string()
        })
    }

    async fn is_ready(&self) -> Option<bool> {
        Some(self.own.discovery.is_ready().await)
    }

    async fn meanwhile(&self, service: &EtcdService, fault: Fault) {
        if fault != Fault::BlackHole {
            return;
        }
        // The lease is not kept alive: the others take the server for gone.
        while self.entry(service).await.is_some() {
            sleep(Duration::from_millis(50)).await;
        }
        until("the other sees it go", || self.other.sees().len() == 1).await;
    }

    fn losses(&self) -> u64 {
        self.own.discovery.failures()
    }

    async fn recovered(&self, service: &EtcdService) {
        // What was announced in vain too is in the registry in the end.
        let expected = self.server(self.announced.load(SeqCst)).to_json();
        soon("the entry", async {
            while self.entry(service).await.as_ref() != Some(&expected) {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let seen = |node: &Node, id: &str| node.servers.get(id).map(|server| server.to_json());
        until("the other sees it", || seen(&self.other, &self.id).as_ref() == Some(&expected)).await;
        // Changes are followed, both ways.
        let beside = Server::new("room", &*self.other_id).with_metadata("after", "all");
        soon("the other to be announced", async {
            while self.other.discovery.announce(Arc::new(beside.clone())).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        until("it sees the other", || seen(&self.own, &beside.id) == Some(beside.to_json())).await;
        assert!(self.own.discovery.is_current());
        let heard = self.own.heard();
        assert!(
            heard.iter().all(|it| *it != format!("-{}", beside.id)),
            "the other was taken for gone: {heard:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_killed() {
    outage::<Discovered>(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_frozen() {
    outage::<Discovered>(Fault::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_black_hole() {
    outage::<Discovered>(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_wrong_password() {
    outage::<Discovered>(Fault::WrongPassword).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_token_expired() {
    outage::<Discovered>(Fault::TokenExpired).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_one_of_three_down() {
    outage::<Discovered>(Fault::OneDown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn etcd_discovery_all_replaced() {
    outage::<Discovered>(Fault::AllReplaced).await;
}
