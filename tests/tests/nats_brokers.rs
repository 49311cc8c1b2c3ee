//! Which brokers of a cluster are tried when ours is lost.

use std::time::Duration;

use pitaya::cluster::{NatsOptions, NatsTls, NatsTransport, Server, Transport as _};
use pitaya_tests::certificate::Certificate;
use pitaya_tests::nats::{CLUSTER, Nats, transport_with};
use pitaya_tests::transport::{Peer, TestPeers};
use pitaya_tests::until;

/// Three servers with the address of this broker only.
async fn start(nats: &Nats, change: impl Fn(&mut NatsOptions)) -> TestPeers<NatsTransport> {
    TestPeers::start(|| transport_with(nats, &change)).await
}

fn all(peers: &TestPeers<NatsTransport>) -> [&Peer<NatsTransport>; 3] {
    [&peers.one, &peers.two, &peers.back]
}

/// Waits until each has learned of so many brokers.
async fn learned(peers: &TestPeers<NatsTransport>, brokers: u64) {
    until("all have learned of the brokers", || {
        all(peers).iter().all(|peer| peer.transport.counts().learned_brokers >= brokers)
    })
    .await;
}

/// Waits until each has been connected again so often, and one reaches another.
async fn back(peers: &TestPeers<NatsTransport>, times: usize) {
    for peer in all(peers) {
        peer.recorder.has_many("reconnected", times).await;
    }
    assert_eq!(peers.one.ask(&peers.two.server, "hello").await, Ok("hello".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn every_broker_of_a_cluster_may_be_replaced() {
    let mut broker = Nats::start_with("", &CLUSTER).await;
    let peers = start(&broker, |_| {}).await;
    for times in 1..=3 {
        let next = broker.start_beside("", &[]).await;
        learned(&peers, times).await;
        broker.kill();
        back(&peers, usize::try_from(times).unwrap()).await;
        broker = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn learned_brokers_get_the_same_credentials() {
    let config = "authorization { user: ann, password: secret }";
    let mut one = Nats::start_with(config, &CLUSTER).await;
    let peers = start(&one, |options| options.addresses = one.url_with("ann:secret@")).await;
    let _two = one.start_beside(config, &[]).await;
    learned(&peers, 1).await;
    one.kill();
    back(&peers, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn without_discovery_only_configured_brokers_count() {
    let [mut one, _two] = Nats::start_two("").await;
    let peers = start(&one, |options| options.discovery_interval = Duration::ZERO).await;
    one.kill();
    until("the loss is known", || all(&peers).iter().all(|peer| !peer.transport.is_connected())).await;
    assert!(all(&peers).iter().all(|peer| peer.transport.counts().learned_brokers == 0));
    one.restart().await;
    back(&peers, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server"]
async fn brokers_that_demand_tls_are_learned() {
    let made = Certificate::of(&["127.0.0.1"]);
    let (cert, key) = (made.cert_file(), made.key_file());
    let (cert_arg, key_arg) = (cert.display().to_string(), key.display().to_string());
    let tls = ["--tls", "--tlscert", &*cert_arg, "--tlskey", &*key_arg];
    let mut broker = Nats::start_with("", &[&CLUSTER[..], &tls].concat()).await;
    let peers = start(&broker, |options| {
        options.tls = NatsTls { required: true, ca_file: Some(cert.clone()), ..NatsTls::default() };
        options.discovery_interval = Duration::from_millis(20);
    })
    .await;
    // A broker that was learned is asked for the others too.
    for times in 1..=2 {
        let next = broker.start_beside("", &tls).await;
        learned(&peers, times).await;
        broker.kill();
        back(&peers, usize::try_from(times).unwrap()).await;
        broker = next;
    }
}

#[tokio::test]
#[ignore = "needs nats-server"]
async fn a_broker_is_reached_by_localhost_or_a_port() {
    let broker = Nats::start().await;
    for addresses in [format!(":{}", broker.port()), format!("localhost:{}", broker.port())] {
        let transport = transport_with(&broker, |options| options.addresses = addresses);
        let peer = Peer::start(Server::new("front", "front-1").frontend(true), transport).await;
        assert_eq!(peer.ask(&peer.server, "hello").await, Ok("hello".into()));
    }
}
