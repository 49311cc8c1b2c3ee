//! One seed, one run.

use pitaya_tests::server::text;
use std::process::Command;

use pitaya::testing::{self, Faults};

use crate::servers::{Back, Front, back, client, front, ms, slow};

/// A run in which everything happens that may.
fn run(seed: u64) -> (u64, String) {
    testing::run(seed, async |cluster| {
        let fronts = [front(&cluster).await, front(&cluster).await];
        let doomed = front(&cluster).await;
        let backs = [back(&cluster).await, back(&cluster).await, back(&cluster).await];
        cluster.faults(Faults { drop: 0.05, duplicate: 0.2, ..slow() });
        let mut clients = Vec::new();
        for n in 0..8 {
            let client = client(&fronts[n % 2]).await;
            let mine = client.clone();
            tokio::spawn(async move {
                for round in 0..5 {
                    let _ = mine.request(&Front::BIND, &text(format!("user-{}", n % 5))).await;
                    let _ = mine.request(&Back::COUNT, &text(round.to_string())).await;
                }
            });
            clients.push(client);
        }
        tokio::time::sleep(ms(100)).await;
        let refuge = client(&fronts[0]).await;
        for _ in 0..3 {
            let client = client(&doomed).await;
            for call in 0..8 {
                let (client, refuge) = (client.clone(), refuge.clone());
                tokio::spawn(async move {
                    // All that wait when their server crashes fail at one moment; what they do then is in the trace.
                    if client.request(&Back::SAY, &text(call.to_string())).await.is_err() {
                        let _ = refuge.request(&Back::COUNT, &text(format!("refuge {call}"))).await;
                    }
                });
            }
            for waiter in 0..4 {
                let (client, refuge) = (client.clone(), refuge.clone());
                tokio::spawn(async move {
                    client.closed().await;
                    let _ = refuge.request(&Back::COUNT, &text(format!("gone {waiter}"))).await;
                });
            }
        }
        tokio::time::sleep(ms(10)).await;
        cluster.crash(doomed);
        cluster.partition(&fronts[0], &backs[0]);
        cluster.lose_lease(&backs[1]);
        tokio::time::sleep(ms(300)).await;
        cluster.isolate(&fronts[1]);
        let [_, _, last] = backs;
        cluster.crash(last);
        tokio::time::sleep(ms(70_000)).await;
        cluster.heal();
        cluster.settle().await;
        for front in fronts {
            front.stop().await;
        }
        let trace = cluster.trace();
        (trace.hash(), trace.to_string())
    })
}

/// Set in the process that this test starts: it prints the hash and does nothing else.
const CHILD: &str = "PITAYA_SIMULATION_CHILD";

/// In two processes. Another seed gives another run.
#[test]
fn same_seed_gives_the_same_run() {
    let (hash, trace) = run(42);
    if std::env::var_os(CHILD).is_some() {
        println!("hash {hash:016x}");
        return;
    }
    assert!(trace.lines().count() > 200, "{trace}");
    let (again, other) = (run(42), run(43));
    let first = trace.lines().zip(again.1.lines()).find(|(a, b)| a != b);
    assert_eq!(first, None, "the first line that differs within one process");
    assert_eq!(hash, again.0);
    assert_ne!(hash, other.0);

    let name = "same::same_seed_gives_the_same_run";
    for _ in 0..2 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains(&format!("hash {hash:016x}")), "{said}");
    }
}
