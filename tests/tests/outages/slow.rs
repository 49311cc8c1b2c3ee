//! A client that never reads what it is sent.

use std::time::Duration;

use pitaya_tests::programs::Brokers;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::soon;
use tokio::time::Instant;

use crate::callers::{AT_ONCE, back, bind, front, pushed, tell};

/// Together more than any socket and any outbox holds.
const PUSHES: usize = 300;
const BYTES: usize = 32 << 10;

/// Pushes to three users, one of whom never reads. Returns the median delay for the others. A push that waited for the
/// stuck user would take a minute.
async fn pushes(asks: &mut RawClient, from: &str, others: &mut [RawClient]) -> Duration {
    let mut times = Vec::new();
    for n in 0..PUSHES {
        let text = format!("{n:0BYTES$}");
        let sent = Instant::now();
        tell(asks, from, &["deaf", "ann", "bob"], &text).await;
        for client in &mut *others {
            assert!(soon("a push", pushed(client)).await == text, "not push {n}");
        }
        times.push(sent.elapsed());
    }
    times.sort_unstable();
    let (median, longest) = (times[PUSHES / 2], times[PUSHES - 1]);
    println!(
        "from {from:<10} {PUSHES} pushes of {BYTES} bytes in order, median {median:.1?}, latest {longest:.1?}"
    );
    median
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn client_that_never_reads_blocks_no_push() {
    for policy in ["disconnect", "drop"] {
        let env = [
            ("PITAYA_HANDLER_MESSAGES_COMPRESSION", "false"),
            ("PITAYA_SESSION_OUTBOX_POLICY", policy),
            // A full outbox stays full.
            ("PITAYA_BUFFER_AGENT_CONNTIMEOUT", "60s"),
        ];
        let brokers = Brokers::start().await;
        let mut game = back(&brokers, &env).await;
        let mut fronts = [front(&brokers, &env).await, front(&brokers, &env).await];
        let mut deaf = fronts[0].client().await;
        let mut others = [fronts[0].client().await, fronts[1].client().await];
        bind(&mut deaf, "deaf").await;
        bind(&mut others[0], "ann").await;
        bind(&mut others[1], "bob").await;
        for place in [0, 1] {
            let mut asks = fronts[place].client().await;
            for from in ["connector", "game"] {
                assert!(pushes(&mut asks, from, &mut others).await < AT_ONCE, "{policy}, {from}");
            }
        }
        println!("policy {policy:<10} memory {:.1?} MB", fronts.each_ref().map(|it| it.memory() >> 20));
        assert!(fronts.iter_mut().chain([&mut game]).all(pitaya_tests::programs::Program::runs));
    }
}
