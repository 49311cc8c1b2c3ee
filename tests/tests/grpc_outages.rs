//! Servers over gRPC that are killed or frozen while others call them.

use std::path::Path;
use std::time::Duration;

use pitaya_tests::programs::{Brokers, Program};
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::soon;
use rustix::process::Signal;
use tokio::time::Instant;

const SERVER: &str = env!("CARGO_BIN_EXE_tested-e2e-server");
/// A route that a frontend forwards.
const REMOTE: &str = "game.testsvc.testrequestreceivereturnsraw";
/// How long a call waits for its answer.
const LIMIT: (&str, &str) = ("PITAYA_CLUSTER_RPC_CLIENT_GRPC_REQUESTTIMEOUT", "2s");
/// The longest recovery.
const BACK: Duration = Duration::from_secs(5);

async fn start(brokers: &Brokers) -> (Program, Program, Program) {
    let server = Path::new(SERVER);
    let one = brokers.server(server, "game", false).await;
    let two = brokers.server(server, "game", false).await;
    let front = brokers.server_with(server, "connector", true, &[LIMIT]).await;
    (one, two, front)
}

/// Calls for a while. Returns how long each call took, and its answer.
async fn call(client: &mut RawClient, time: Duration) -> Vec<(Duration, String)> {
    let (began, mut calls) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        let sent = Instant::now();
        let answer = client.ask(REMOTE, "hello").await;
        calls.push((sent.elapsed(), answer));
    }
    calls
}

fn failures(calls: &[(Duration, String)]) -> Vec<&str> {
    calls.iter().filter(|(_, answer)| answer != "hello").map(|(_, answer)| answer.as_str()).collect()
}

/// Calls until 50 calls in a row succeed.
async fn until_good(client: &mut RawClient) {
    let all = async {
        let mut good = 0;
        while good < 50 {
            good = if client.ask(REMOTE, "hello").await == "hello" { good + 1 } else { 0 };
        }
    };
    soon("all calls to succeed", all).await;
}

/// Returns eight clients, once calls succeed.
async fn clients(front: &Program) -> Vec<RawClient> {
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(front.client().await);
    }
    until_good(&mut clients[0]).await;
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn frozen_server_costs_only_its_own_calls() {
    let brokers = Brokers::without_nats().await;
    let (one, _two, front) = start(&brokers).await;
    let mut clients = clients(&front).await;
    one.signal(Signal::STOP);
    let calls = clients.iter_mut().map(|client| call(client, Duration::from_secs(6)));
    let calls: Vec<_> = futures_util::future::join_all(calls).await.concat();
    let failed = failures(&calls);
    assert!(!failed.is_empty(), "half of the calls go to the frozen server");
    assert!(failed.iter().all(|answer| answer.contains("PIT-408")), "{failed:?}");
    let slowest = |good: bool| {
        let took = calls.iter().filter(|(_, answer)| (answer == "hello") == good).map(|(took, _)| *took);
        took.max().expect("the other server answers")
    };
    assert!(slowest(false) < Duration::from_secs(5), "{:?}", slowest(false));
    assert!(slowest(true) < Duration::from_millis(1400), "{:?}", slowest(true));
    one.signal(Signal::CONT);
    let thawed = Instant::now();
    until_good(&mut clients[0]).await;
    assert!(thawed.elapsed() < BACK, "{:?}", thawed.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs etcd"]
async fn killed_server_costs_only_the_calls_it_had() {
    let brokers = Brokers::without_nats().await;
    let (one, _two, front) = start(&brokers).await;
    let mut clients = clients(&front).await;
    let calls = clients.iter_mut().map(|client| call(client, Duration::from_secs(2)));
    let kill = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        one.kill().await;
    };
    let (calls, ()) = tokio::join!(futures_util::future::join_all(calls), kill);
    for calls in &calls {
        let failed = failures(calls);
        assert!(failed.len() <= 1, "one client has one call at a time: {failed:?}");
    }
    let registered = brokers.registered().await;
    let games = registered.iter().filter(|(server_type, _)| server_type == "game").count();
    assert_eq!(games, 2, "the dead server is still in the registry");
    let calls = call(&mut clients[0], Duration::from_secs(1)).await;
    assert_eq!(failures(&calls), [""; 0]);
}
