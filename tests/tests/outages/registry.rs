//! The registry ends and comes back; a server ends and does not.

use std::time::Duration;

use pitaya_tests::programs::Ground;
use pitaya_tests::soon;
use tokio::time::Instant;

use crate::askers::{Asker, BACK, LOCAL, REMOTE, back, front, other};

const PAUSE: Duration = Duration::from_millis(5);
/// The shortest lease that etcd gives.
const LEASE: Duration = Duration::from_secs(2);
const QUICK: [(&str, &str); 3] = [
    ("PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL", "2s"),
    ("PITAYA_CLUSTER_SD_ETCD_DIALTIMEOUT", "1s"),
    ("PITAYA_CLUSTER_SD_ETCD_GRANTLEASE_RETRYINTERVAL", "500ms"),
];

/// Waits until so many servers are registered; gives them, sorted.
async fn registered(ground: &Ground, count: usize) -> Vec<(String, String)> {
    soon("servers to be registered", async {
        loop {
            let mut all = ground.registered().await;
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
    let ground = Ground::start_apart().await;
    let mut programs = vec![
        back(&ground, &QUICK).await,
        back(&ground, &QUICK).await,
        front(&ground, &QUICK).await,
        front(&ground, &QUICK).await,
    ];
    let before = registered(&ground, programs.len()).await;
    let askers = [
        Asker::start("local 1", &programs[2], LOCAL, PAUSE).await,
        Asker::start("remote 1", &programs[2], REMOTE, PAUSE).await,
        Asker::start("local 2", &programs[3], LOCAL, PAUSE).await,
        Asker::start("remote 2", &programs[3], REMOTE, PAUSE).await,
    ];
    ground.etcd().kill();
    tokio::time::sleep(LEASE * 2).await; // the outage has its length
    ground.etcd().restart().await;
    let there = Instant::now();
    // A new server is registered and found, by those that were there before.
    programs.push(other(&ground, "loft", &QUICK).await);
    let mut client = programs[2].client().await;
    soon("the new server to be found", async {
        while client.ask("loft.testsvc.testrequestreceivereturnsraw", "hello").await != "hello" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    println!("found after     {:.1?}", there.elapsed());
    assert!(there.elapsed() < BACK);
    // Whoever does not keep a lease alive is gone by then.
    tokio::time::sleep(LEASE * 2).await;
    let mut after = registered(&ground, programs.len()).await;
    after.retain(|(server_type, _)| server_type != "loft");
    assert_eq!(after, before);
    for asker in askers {
        asker.stop().await.is_all_well();
    }
    assert!(programs.iter_mut().all(pitaya_tests::programs::Program::runs));
}

/// Another server takes the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn killed_server_costs_only_its_calls() {
    // Whoever waits in vain for what was on its way goes on before the lease ends.
    let env = [
        ("PITAYA_CLUSTER_SD_ETCD_HEARTBEAT_TTL", "6s"),
        ("PITAYA_CLUSTER_RPC_CLIENT_NATS_REQUESTTIMEOUT", "3s"),
    ];
    let ground = Ground::start().await;
    let (doomed, mut lasting) = (back(&ground, &env).await, back(&ground, &env).await);
    let mut front = front(&ground, &env).await;
    registered(&ground, 3).await;
    let local = Asker::start("local", &front, LOCAL, PAUSE).await;
    let mut remote = Vec::new();
    for name in ["remote 1", "remote 2", "remote 3", "remote 4"] {
        remote.push(Asker::start(name, &front, REMOTE, PAUSE).await);
    }
    for asker in &remote {
        asker.well_since(Instant::now(), 20).await;
    }
    doomed.kill().await;
    let killed = Instant::now();
    registered(&ground, 2).await;
    let gone = Instant::now();
    println!("lease ended     {:.1?}", gone - killed);
    for asker in &remote {
        asker.well_since(gone, 100).await;
    }
    local.stop().await.is_all_well();
    for asker in remote {
        let seen = asker.stop().await;
        for call in seen.failed() {
            // What was on its way to it when it was killed it may have handled: there is no answer to that.
            let on_its_way = call.sent < killed + Duration::from_secs(1);
            assert!(on_its_way && call.code.as_deref() == Some("PIT-408"), "{call:?}, killed {killed:?}");
        }
        let well = seen.since(killed).filter(|call| call.sent < gone && call.is_ok());
        assert!(well.count() > 100, "the other did not go on");
    }
    assert!(front.runs() && lasting.runs());
}
