//! The registry ends and comes back; a server ends and does not.

use std::time::Duration;

use pitaya_tests::programs::Brokers;
use pitaya_tests::soon;
use tokio::time::Instant;

use crate::callers::{BACK, Caller, LOCAL, REMOTE, back, front, other};

const PAUSE: Duration = Duration::from_millis(5);
/// The shortest lease that etcd gives.
const LEASE: Duration = Duration::from_secs(2);
const QUICK: [(&str, &str); 3] = [
    ("PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL", "2s"),
    ("PITAYA_CLUSTER_SD_ETCD_DIALTIMEOUT", "1s"),
    ("PITAYA_CLUSTER_SD_ETCD_GRANTLEASE_RETRYINTERVAL", "500ms"),
];

/// Waits until so many servers are registered; gives them, sorted.
async fn registered(brokers: &Brokers, count: usize) -> Vec<(String, String)> {
    soon("servers to be registered", async {
        loop {
            let mut all = brokers.registered().await;
            if all.len() == count {
                all.sort();
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn long_registry_outage_costs_no_call() {
    let brokers = Brokers::start_apart().await;
    let mut programs = vec![
        back(&brokers, &QUICK).await,
        back(&brokers, &QUICK).await,
        front(&brokers, &QUICK).await,
        front(&brokers, &QUICK).await,
    ];
    let before = registered(&brokers, programs.len()).await;
    let callers = [
        Caller::start("local 1", &programs[2], LOCAL, PAUSE).await,
        Caller::start("remote 1", &programs[2], REMOTE, PAUSE).await,
        Caller::start("local 2", &programs[3], LOCAL, PAUSE).await,
        Caller::start("remote 2", &programs[3], REMOTE, PAUSE).await,
    ];
    brokers.etcd().kill();
    tokio::time::sleep(LEASE * 2).await; // the outage has its length
    brokers.etcd().restart().await;
    let there = Instant::now();
    // A new server is registered and found, by those that were there before.
    programs.push(other(&brokers, "loft", &QUICK).await);
    let mut client = programs[2].client().await;
    soon("the new server to be found", async {
        while client.ask("loft.testsvc.testrequestreceivereturnsraw", "hello").await != "hello" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    println!("found after     {:.1?}", there.elapsed());
    assert!(there.elapsed() < BACK);
    // A server that did not keep its lease alive is removed by then.
    tokio::time::sleep(LEASE * 2).await;
    let mut after = registered(&brokers, programs.len()).await;
    after.retain(|(server_type, _)| server_type != "loft");
    assert_eq!(after, before);
    for caller in callers {
        caller.stop().await.is_all_well();
    }
    assert!(programs.iter_mut().all(pitaya_tests::programs::Program::runs));
}

/// Another server takes the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn killed_server_costs_only_its_calls() {
    // A caller whose call was lost continues before the lease ends.
    let env = [
        ("PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL", "6s"),
        ("PITAYA_CLUSTER_RPC_CLIENT_NATS_REQUESTTIMEOUT", "3s"),
    ];
    let brokers = Brokers::start().await;
    let (doomed, mut lasting) = (back(&brokers, &env).await, back(&brokers, &env).await);
    let mut front = front(&brokers, &env).await;
    registered(&brokers, 3).await;
    let local = Caller::start("local", &front, LOCAL, PAUSE).await;
    let mut remote = Vec::new();
    for name in ["remote 1", "remote 2", "remote 3", "remote 4"] {
        remote.push(Caller::start(name, &front, REMOTE, PAUSE).await);
    }
    for caller in &remote {
        caller.well_since(Instant::now(), 20).await;
    }
    doomed.kill().await;
    let killed = Instant::now();
    registered(&brokers, 2).await;
    let gone = Instant::now();
    println!("lease ended     {:.1?}", gone - killed);
    for caller in &remote {
        caller.well_since(gone, 100).await;
    }
    local.stop().await.is_all_well();
    for caller in remote {
        let seen = caller.stop().await;
        for call in seen.failed() {
            // What was on its way to it when it was killed it may have handled: there is no answer to that.
            let on_its_way = call.sent < killed + Duration::from_secs(1);
            assert!(on_its_way && call.code.as_deref() == Some("PIT-408"), "{call:?}, killed {killed:?}");
        }
        let well = seen.since(killed).filter(|call| call.sent < gone && call.is_ok());
        // A caller that still chose the killed server half of the time would not come to so many.
        assert!(well.count() > 20, "the other did not go on");
    }
    assert!(front.runs() && lasting.runs());
}
