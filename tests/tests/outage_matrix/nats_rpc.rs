//! The transport over NATS: a request to another server and back is the operation.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use pitaya::cluster::{Address, NatsOptions, NatsTransport, Server, Transport, TransportError};
use pitaya_tests::transport::Peer;
use pitaya_tests::{soon, until};

use crate::driver::{Client, DEADLINE, Fault, outage};
use crate::nats_service::{NatsService, PASS};

/// Two servers that call each other, over connections of the same kind.
struct Called {
    front: Peer<NatsTransport>,
    back: Peer<NatsTransport>,
    /// Users of the frontend.
    served: Mutex<Vec<String>>,
    called: AtomicU64,
}

fn transport(service: &NatsService) -> NatsTransport {
    let options = NatsOptions {
        addresses: service.addresses(),
        connection_timeout: DEADLINE,
        reconnect_wait: Duration::from_millis(20),
        reconnect_jitter: Duration::ZERO,
        ping_interval: DEADLINE / 2,
        max_pings_outstanding: 1,
        discovery_interval: if service.learns { DEADLINE / 4 } else { Duration::ZERO },
        ..NatsOptions::default()
    };
    NatsTransport::new(options).expect("the options can be")
}

impl Called {
    async fn serve(&self, uid: &str) {
        if self.front.transport.serve_user(uid).await.is_ok() {
            self.served.lock().unwrap_or_else(PoisonError::into_inner).push(uid.to_owned());
        }
    }

    /// One call of each, at the same time.
    async fn call(&self) -> Result<(), TransportError> {
        let body = format!("call {}", self.called.fetch_add(1, SeqCst));
        let calls = [(&self.front, &self.back), (&self.back, &self.front)]
            .map(|(from, to)| from.transport.request(&to.server, body.clone().into(), DEADLINE));
        for answer in join_all(calls).await {
            assert_eq!(answer?, body.as_bytes());
        }
        Ok(())
    }
}

impl Client for Called {
    type Service = NatsService;

    async fn prepare(service: &NatsService, name: &str) -> Self {
        let front = Server::new("front", format!("front-{name}")).frontend(true);
        let back = Server::new("back", format!("back-{name}"));
        let called = Self {
            front: Peer::start(front, transport(service)).await,
            back: Peer::start(back, transport(service)).await,
            served: Mutex::default(),
            called: AtomicU64::new(0),
        };
        called.serve(&format!("ann-{name}")).await;
        called
    }

    async fn refused(service: &NatsService) -> String {
        // The user's password is another one than this now.
        let server = Server::new("front", "refused").frontend(true);
        let peer = Peer { server, recorder: std::sync::Arc::default(), transport: transport(service) };
        let error = peer.begin().await.expect_err("the password is wrong").to_string();
        assert!(error.contains("authorization violation") && error.contains("127.0.0.1"), "{error}");
        assert!(!error.contains(PASS), "{error}");
        error
    }

    async fn operation(&self) -> Result<(), String> {
        self.call().await.map_err(|error| {
            use TransportError::{Lost, NoResponders, Timeout, Unavailable};
            assert!(matches!(error, Timeout | NoResponders | Unavailable | Lost), "{error}");
            error.to_string()
        })
    }

    async fn is_ready(&self) -> Option<bool> {
        Some(self.front.transport.is_connected() && self.back.transport.is_connected())
    }

    async fn meanwhile(&self, _: &NatsService, _: Fault) {
        until("both know", || [&self.front, &self.back].iter().all(|it| !it.transport.is_connected())).await;
        self.serve("eve").await;
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).len();
        assert_eq!(served, 2, "a user is served as soon as the broker is back");
    }

    async fn learned(&self, members: usize) {
        let members = u64::try_from(members).expect("a small number");
        until("both know the new broker", || {
            [&self.front, &self.back].iter().all(|it| it.transport.counts().learned_brokers >= members)
        })
        .await;
    }

    fn losses(&self) -> u64 {
        self.front.transport.counts().reconnects
    }

    async fn recovered(&self, _: &NatsService) {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for uid in served {
            let body = format!("hello {uid}");
            soon("a push", self.back.push(&uid, &body)).await.expect("there is a connection");
            self.front.recorder.has(&format!("push {body}")).await;
            assert_eq!(self.front.recorder.recorded(&format!("push {body}")).len(), 1, "it comes once");
            soon("a kick", self.back.kick(&uid, &body)).await.expect("there is a connection");
            self.front.recorder.has(&format!("kick {body}")).await;
        }
        let bindings = Address::Bindings { server_type: "front" };
        for to in [bindings, Address::Broadcast(&self.front.server)] {
            let published = self.back.transport.publish(to, "news".into());
            soon("news", published).await.expect("there is a connection");
        }
        self.front.recorder.has("bound news").await;
        self.front.recorder.has("broadcast news").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_killed() {
    outage::<Called>(Fault::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_frozen() {
    outage::<Called>(Fault::Frozen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_black_hole() {
    outage::<Called>(Fault::BlackHole).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_wrong_password() {
    outage::<Called>(Fault::WrongPassword).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_one_of_three_down() {
    outage::<Called>(Fault::OneDown).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn nats_rpc_all_replaced() {
    outage::<Called>(Fault::AllReplaced).await;
}
