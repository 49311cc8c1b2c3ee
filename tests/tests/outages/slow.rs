//! A client that never reads what it is sent.

use std::time::Duration;

use pitaya_tests::programs::Ground;
use pitaya_tests::raw::Raw;
use pitaya_tests::soon;
use tokio::time::Instant;

use crate::askers::{AT_ONCE, back, bind, front, pushed, tell};

/// Together more than any socket and any outbox holds.
const PUSHES: usize = 300;
const BYTES: usize = 32 << 10;

/// Users are told something on and on, one of whom never reads; gives how late the others mostly heard of it. Whoever
/// waited for the one who never reads would wait for a minute, longer than any of these waits.
async fn pushes(asks: &mut Raw, from: &str, others: &mut [Raw]) -> Duration {
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
            // one that is full stays so
            ("PITAYA_BUFFER_AGENT_CONNTIMEOUT", "60s"),
        ];
        let ground = Ground::start().await;
        let mut game = back(&ground, &env).await;
        let mut fronts = [front(&ground, &env).await, front(&ground, &env).await];
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
