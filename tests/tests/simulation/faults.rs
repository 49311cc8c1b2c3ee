//! Calls, leases, crashes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pitaya::cluster::Router;
use pitaya::testing::{self, Cluster, Faults};
use pitaya_tests::server::{Recorder, text};
use tokio::time::Instant;

use crate::servers::{Back, Front, back, back_of, client, front, ms, slow};

/// It is answered, or fails with a code in time.
#[test]
fn forwarded_message_is_handled_at_most_once() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 0..50 {
        testing::run(seed, async |cluster| {
            let recorder: Arc<Recorder> = Arc::default();
            let front = front(&cluster).await;
            let _backs = [back_of(&cluster, &recorder).await, back_of(&cluster, &recorder).await];
            cluster.faults(Faults { drop: 0.2, duplicate: 0.5, ..slow() });
            let client = client(&front).await;
            for n in 0..10 {
                let began = Instant::now();
                match client.request(&Back::SAY, &text(n.to_string())).await {
                    Ok(reply) => {
                        assert!(reply.text.ends_with(&n.to_string()));
                        answered += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.code(), "PIT-408", "{error}");
                        failed += 1;
                    }
                }
                assert!(began.elapsed() <= front.app().config().cluster_request_timeout + ms(2));
            }
            let handled = recorder.lines();
            let messages: BTreeSet<_> = handled.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
            assert_eq!(messages.len(), handled.len(), "by one server or by two: {handled:?}");
        });
    }
    assert!(answered > 200 && failed > 100, "{answered} {failed}");
}

#[tokio::test(start_paused = true)]
async fn lost_lease_is_regained() {
    let cluster = Cluster::seeded(3);
    let (front, back) = (front(&cluster).await, back(&cluster).await);
    cluster.faults(slow());
    let client = client(&front).await;
    for n in 0..20 {
        cluster.lose_lease(&back);
        cluster.settle().await;
        assert_eq!(front.app().servers().unwrap().view().of_type("back").len(), 1, "{}", cluster.trace());
        let said = client.request(&Back::SAY, &text(n.to_string())).await.unwrap();
        assert_eq!(said.text, format!("back-1 {n}"));
    }
    let gone = cluster.trace().lines().filter(|line| line.ends_with("front-1 learns of -back-1")).count();
    assert_eq!(gone, 20);
}

/// No call fails that another backend can take.
#[test]
fn isolated_backend_is_replaced_and_returns() {
    for seed in 0..20 {
        testing::run(seed, async |cluster| {
            let front = front(&cluster).await;
            let backs = [back(&cluster).await, back(&cluster).await];
            let client = client(&front).await;
            let lease = Duration::from_secs(60);
            let began = cluster.now();
            cluster.isolate(&backs[0]);
            while cluster.now() <= began + lease {
                assert_eq!(client.request(&Back::SAY, &text("x")).await.unwrap().text, "back-2 x");
                tokio::time::sleep(ms(500)).await;
            }
            cluster.heal();
            cluster.settle().await;
            let mut came_back = false;
            for _ in 0..50 {
                came_back |= client.request(&Back::SAY, &text("x")).await.unwrap().text == "back-1 x";
            }
            assert!(came_back);
            // Without any server, calls fail immediately with the reason.
            backs.iter().for_each(|back| cluster.isolate(back));
            for _ in 0..5 {
                let began = cluster.now();
                assert_eq!(client.request(&Back::SAY, &text("x")).await.unwrap_err().code(), "PIT-503");
                assert!(cluster.now() < began + ms(50));
            }
        });
    }
}

/// It fails immediately, and no other server handles it.
#[tokio::test(start_paused = true)]
async fn keyed_call_to_isolated_server_fails() {
    let cluster = Cluster::seeded(8);
    let by_key = || Router::by_key(|_| Some("ann".to_owned()));
    let front = cluster.frontend("front", |app| app.router("back", by_key())).await.unwrap();
    let backs = [back(&cluster).await, back(&cluster).await];
    let client = client(&front).await;
    let said = client.request(&Back::SAY, &text("x")).await.unwrap().text;
    let own = backs.iter().find(|back| said.starts_with(back.app().server_id())).unwrap();
    cluster.isolate(own);
    for _ in 0..5 {
        let began = cluster.now();
        assert_eq!(client.request(&Back::SAY, &text("x")).await.unwrap_err().code(), "PIT-503");
        assert!(cluster.now() < began + ms(50));
    }
    cluster.heal();
    cluster.settle().await;
    assert_eq!(client.request(&Back::SAY, &text("x")).await.unwrap().text, said);
}

/// The registry knows it until its lease ends.
#[tokio::test(start_paused = true)]
async fn crashed_server_loses_its_clients() {
    let cluster = Cluster::with_lease(5, Duration::from_secs(10));
    let (one, two) = (front(&cluster).await, front(&cluster).await);
    let (back, _other) = (back(&cluster).await, back(&cluster).await);
    let (lost, kept) = (client(&one).await, client(&two).await);
    lost.request(&Front::BIND, &text("ann")).await.unwrap();
    cluster.crash(one);
    lost.closed().await;
    assert!(cluster.now() < Duration::from_secs(1), "{:?}", cluster.now());
    cluster.crash(back);
    let known = || two.app().servers().unwrap().view().all().count();
    assert_eq!(known(), 4);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(known(), 2);
    assert_eq!(kept.request(&Back::SAY, &text("x")).await.unwrap().text, "back-2 x");
    // A user of the server that crashed comes back elsewhere.
    kept.request(&Front::BIND, &text("ann")).await.unwrap();
    assert!(two.app().sessions().by_uid("ann").is_some());
}

#[tokio::test(start_paused = true)]
async fn parted_servers_lose_only_their_messages() {
    let cluster = Cluster::seeded(5);
    let (one, two, back) = (front(&cluster).await, front(&cluster).await, back(&cluster).await);
    let (parted, other) = (client(&one).await, client(&two).await);
    cluster.partition(&one, &back);
    assert_eq!(parted.request(&Back::SAY, &text("x")).await.unwrap_err().code(), "PIT-408");
    assert_eq!(other.request(&Back::SAY, &text("x")).await.unwrap().text, "back-1 x");
    cluster.heal();
    assert_eq!(parted.request(&Back::SAY, &text("x")).await.unwrap().text, "back-1 x");
}

/// Under its old id, after the network is healed.
#[tokio::test(start_paused = true)]
async fn server_crashed_in_isolation_can_return() {
    let cluster = Cluster::seeded(5);
    let start = || cluster.backend("back", |app| app.server_id("phoenix").state(Arc::<Recorder>::default()));
    let (front, back) = (front(&cluster).await, start().await.unwrap());
    let client = client(&front).await;
    cluster.isolate(&back);
    cluster.crash(back);
    let refused = start().await.unwrap_err();
    assert!(refused.to_string().contains("cut off from `phoenix`"), "{refused}");
    cluster.heal();
    let _back = start().await.unwrap();
    cluster.settle().await;
    assert_eq!(client.request(&Back::SAY, &text("x")).await.unwrap().text, "phoenix x");
    // The lease of the one that crashed is not its own.
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(client.request(&Back::SAY, &text("y")).await.unwrap().text, "phoenix y");
}
