//! How fast a cluster is there.

use pitaya_tests::server::text;
use std::time::Instant;

use pitaya::testing;

use crate::servers::{Back, back, client, front};

/// Prints what it takes; the bound is far above that, for machines that do much else.
#[test]
fn three_servers_start_without_installation() {
    let began = Instant::now();
    let started = testing::run(1, async |cluster| {
        let (one, _two, _three) = (front(&cluster).await, back(&cluster).await, back(&cluster).await);
        let started = began.elapsed();
        let client = client(&one).await;
        client.request(&Back::SAY, &text("x")).await.unwrap();
        started
    });
    println!("three servers started in {started:?}; with a call, all took {:?}", began.elapsed());
    assert!(started.as_secs() < 2, "{started:?}");
}
