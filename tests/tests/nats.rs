//! The transport over NATS, with real brokers: what every transport promises, and what it does when one is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pitaya::cluster::{Address, NatsOptions, NatsTransport, Server, Transport, TransportError};
use pitaya_tests::nats::{Nats, transport, transport_with};
use pitaya_tests::transport::{Peer, TestPeers};
use pitaya_tests::{soon, until};

async fn start() -> (Nats, TestPeers<NatsTransport>) {
    let nats = Nats::start().await;
    let peers = TestPeers::start(|| transport(&nats)).await;
    (nats, peers)
}

pitaya_tests::transport_promises! {
    [#[tokio::test(flavor = "multi_thread", worker_threads = 2)] #[ignore = "needs nats-server"]]
    start()
}

/// Waits until all of them know that the broker is gone.
async fn lost(peers: &TestPeers<NatsTransport>) {
    until("the loss is known", || {
        [&peers.one, &peers.two, &peers.back].iter().all(|peer| !peer.transport.is_connected())
    })
    .await;
}

/// Waits until all of them have it back.
async fn back(peers: &TestPeers<NatsTransport>, times: usize) {
    for peer in [&peers.one, &peers.two, &peers.back] {
        peer.recorder.has_many("reconnected", times).await;
        assert!(peer.transport.is_connected());
    }
}

/// Users that are added meanwhile are served later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn calls_fail_immediately_without_the_broker() {
    let mut nats = Nats::start().await;
    let peers = TestPeers::start(|| transport(&nats)).await;
    let TestPeers { one, two, .. } = &peers;
    nats.kill();
    lost(&peers).await;
    for _ in 0..10_000 {
        // more than the client has room for: nothing is kept for later
        assert_eq!(one.push("ann", "lost").await, Err(TransportError::Unavailable));
    }
    assert_eq!(one.ask(&two.server, "lost").await, Err(TransportError::Unavailable));
    let many: Vec<String> = (0..5000).map(|n| format!("user-{n}")).collect();
    for uid in &many {
        soon("serving a user", one.transport.serve_user(uid)).await.unwrap();
    }
    for uid in &many[100..] {
        one.transport.forget_user(uid);
    }
    nats.restart().await;
    back(&peers, 1).await;
    for uid in &many {
        two.push(uid, uid).await.unwrap();
    }
    one.recorder.has_many("push", 100).await;
    two.settled(one, "user-0").await;
    let mut expected: Vec<_> = many[..100].iter().map(|uid| format!("push {uid}")).collect();
    expected.push("push the last".to_owned());
    let mut received = one.recorder.recorded("push");
    received.sort();
    expected.sort();
    assert_eq!(received, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn subscriptions_return_with_the_broker() {
    let mut nats = Nats::start().await;
    let peers = TestPeers::start(|| transport(&nats)).await;
    let TestPeers { one, two, back: backend } = &peers;
    one.transport.serve_user("ann").await.unwrap();
    one.transport.serve_user("bob").await.unwrap();
    for times in 1..=2 {
        nats.kill();
        lost(&peers).await;
        nats.restart().await;
        back(&peers, times).await;
        for peer in [one, two, backend] {
            let body = format!("{times}");
            assert_eq!(one.ask(&peer.server, body.clone()).await, Ok(body.into()));
        }
        let body = format!("{times}");
        let bindings = Address::Bindings { server_type: "front" };
        backend.transport.publish(bindings, body.clone().into()).await.unwrap();
        backend.transport.publish(Address::Broadcast(&two.server), body.clone().into()).await.unwrap();
        backend.push("ann", &body).await.unwrap();
        backend.kick("bob", &body).await.unwrap();
        for (peer, received) in
            [(one, "bound"), (two, "bound"), (two, "broadcast"), (one, "push"), (one, "kick")]
        {
            peer.recorder.has_many(received, times).await;
            // once each: the old subscriptions are not there beside the new ones
            assert_eq!(peer.recorder.recorded(received).len(), times, "{received}");
        }
        assert_eq!(one.transport.counts().reconnects, times as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn a_call_that_waits_when_the_broker_dies_is_told() {
    let mut nats = Nats::start().await;
    let peers = TestPeers::start(|| transport(&nats)).await;
    let (answer, ()) = tokio::join!(peers.one.ask(&peers.two.server, "never"), async {
        peers.two.recorder.has("request never").await;
        nats.kill();
    });
    // not that it was unavailable: it was handled
    assert_eq!(answer, Err(TransportError::Lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn a_frozen_broker_is_noticed_and_recovered_from() {
    let nats = Nats::start().await;
    let peers = TestPeers::start(|| {
        transport_with(&nats, |options| {
            options.ping_interval = Duration::from_millis(100);
            options.connection_timeout = Duration::from_millis(200);
        })
    })
    .await;
    let TestPeers { one, two, back: backend } = &peers;
    one.transport.serve_user("ann").await.unwrap();
    nats.freeze();
    // Far more than the client and the socket hold, so that a publisher waits, for a bounded time.
    let large = "x".repeat(100_000);
    let flood = async { while backend.push("ann", &large).await.is_ok() {} };
    let call = async {
        let answer = one.ask(&two.server, "lost").await;
        assert_eq!(answer, Err(TransportError::Lost));
    };
    let serve = async { one.transport.serve_user("bob").await.unwrap() };
    tokio::join!(soon("the end of the flood", flood), call, soon("serving a user", serve));
    lost(&peers).await;
    assert_eq!(one.ask(&two.server, "lost").await, Err(TransportError::Unavailable));
    nats.thaw();
    back(&peers, 1).await;
    for uid in ["ann", "bob"] {
        backend.push(uid, uid).await.unwrap();
        one.recorder.has(&format!("push {uid}")).await;
    }
    assert_eq!(one.ask(&two.server, "again").await, Ok("again".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn a_broker_that_comes_late_is_waited_for_at_start() {
    let mut nats = Nats::start().await;
    nats.kill();
    let late = transport_with(&nats, |options| {
        options.first_connect_retries = 10_000;
        options.reconnect_wait = Duration::from_millis(10);
    });
    let peer = Peer {
        server: Server::new("front", "late").frontend(true),
        recorder: std::sync::Arc::default(),
        transport: late,
    };
    let started = AtomicBool::new(false);
    tokio::join!(
        async {
            peer.begin().await.unwrap();
            started.store(true, Ordering::SeqCst);
        },
        async {
            assert_eq!(peer.ask(&peer.server, "early").await, Err(TransportError::Unavailable));
            assert!(!started.load(Ordering::SeqCst));
            nats.restart().await;
        }
    );
    assert_eq!(peer.ask(&peer.server, "hello").await, Ok("hello".into()));
}

#[tokio::test]
async fn missing_broker_fails_the_start_after_tries() {
    // a port that is taken and never answers, by us
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = NatsOptions {
        addresses: format!("nats://ann:secret@{}", silent.local_addr().unwrap()),
        connection_timeout: Duration::from_millis(20),
        first_connect_retries: 2,
        reconnect_wait: Duration::from_millis(1),
        reconnect_jitter: Duration::ZERO,
        ..NatsOptions::default()
    };
    let transport = NatsTransport::new(options).unwrap();
    let peer = Peer {
        server: Server::new("front", "a").frontend(true),
        recorder: std::sync::Arc::default(),
        transport,
    };
    let error = peer.begin().await.unwrap_err().to_string();
    assert!(error.contains("3 tries") && error.contains("nats://***@127.0.0.1"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert!(!peer.transport.is_connected());
    soon("the close", peer.transport.close()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn closed_transport_leaves_nothing() {
    let mut nats = Nats::start().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for alive in [true, true, false, false] {
        let peer = Peer::start(Server::new("front", "front-1").frontend(true), transport(&nats)).await;
        for n in 0..100 {
            peer.transport.serve_user(&format!("user-{n}")).await.unwrap();
        }
        assert!(tasks() > before);
        if !alive {
            nats.kill();
            until("the loss is known", || !peer.transport.is_connected()).await;
        }
        soon("the close", peer.transport.close()).await;
        until("all tasks have ended", || tasks() == before).await;
        if !alive {
            nats.restart().await;
        }
        let peer = Peer::start(Server::new("front", "front-1").frontend(true), transport(&nats)).await;
        peer.transport.serve_user("ann").await.unwrap();
        drop(peer);
        until("all tasks have ended", || tasks() == before).await;
    }
}
