//! Users and sessions.

use pitaya::client::Client;
use pitaya::testing::{self, Cluster, Faults, TestServer};
use pitaya_tests::server::text;

use crate::servers::{Back, Front, back, client, front, ms, slow};

/// The frontends that have a session of the user.
fn at<'a>(fronts: &'a [TestServer], uid: &str) -> Vec<&'a str> {
    fronts.iter().filter(|front| front.app().sessions().by_uid(uid).is_some()).map(TestServer::id).collect()
}

/// Binds the user of several clients at moments that the seed chooses, while the frontends cannot always reach each other.
async fn struggle(cluster: &Cluster, rng: &mut fastrand::Rng, fronts: &[TestServer]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..rng.usize(2..7) {
        match rng.u8(..6) {
            0 => cluster.partition(&fronts[0], &fronts[1]),
            1 => cluster.isolate(&fronts[rng.usize(..fronts.len())]),
            2 => cluster.heal(),
            _ => {}
        }
        let client = client(&fronts[rng.usize(..fronts.len())]).await;
        let bind = client.clone();
        let way = rng.bool();
        tokio::spawn(async move {
            let ann = text("ann");
            // A client that is kicked while it binds gets no answer. A backend may be unreachable.
            let _ = if way {
                bind.request(&Front::BIND, &ann).await
            } else {
                bind.request(&Back::BIND, &ann).await
            };
        });
        clients.push(client);
        if rng.bool() {
            tokio::time::sleep(ms(rng.u64(..60))).await;
        }
    }
    clients
}

#[test]
fn healed_cluster_has_one_session_per_user() {
    for seed in 0..200 {
        testing::run(seed, async |cluster| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let fronts = [front(&cluster).await, front(&cluster).await, front(&cluster).await];
            let _back = back(&cluster).await;
            fronts[0].set_clock_ahead(ms(rng.u64(..5000)));
            fronts[1].set_clock_ahead(ms(rng.u64(..50)));
            cluster.faults(Faults { duplicate: 0.3, ..slow() });
            let mut clients = struggle(&cluster, &mut rng, &fronts).await;
            cluster.settle().await;
            cluster.heal();
            cluster.settle().await;
            // Time for calls that were lost to be given up, and for who comes after them.
            tokio::time::sleep(ms(30_000)).await;
            cluster.settle().await;
            clients.retain(Client::is_connected);
            let homes = at(&fronts, "ann");
            assert!(homes.len() <= 1, "{homes:?}\n{}", cluster.trace());

            // A bind of the whole cluster's latest moment is the one that stays.
            let last = client(&fronts[2]).await;
            last.request(&Front::BIND, &text("ann")).await.unwrap();
            cluster.settle().await;
            assert_eq!(at(&fronts, "ann"), [fronts[2].id()], "{}", cluster.trace());
            assert!(last.is_connected());
        });
    }
}

/// Whichever side notices the partition first.
#[test]
fn later_bind_wins_across_a_partition() {
    for (first, second) in [(0, 1), (1, 0)] {
        for isolated in [0, 1] {
            testing::run(1, async |cluster| {
                let fronts = [front(&cluster).await, front(&cluster).await];
                cluster.isolate(&fronts[isolated]);
                let mut clients = Vec::new();
                for place in [first, second] {
                    let client = client(&fronts[place]).await;
                    client.request(&Front::BIND, &text("ann")).await.unwrap();
                    clients.push(client);
                    tokio::time::sleep(ms(10)).await;
                }
                assert_eq!(at(&fronts, "ann").len(), 2, "no frontend can know");
                cluster.heal();
                cluster.settle().await;
                assert_eq!(at(&fronts, "ann"), [fronts[second].id()], "{}", cluster.trace());
                assert!(!clients[0].is_connected() && clients[1].is_connected());
            });
        }
    }
}

#[test]
fn session_order_survives_delays() {
    for seed in 0..50 {
        testing::run(seed, async |cluster| {
            let (front, _back, _other) = (front(&cluster).await, back(&cluster).await, back(&cluster).await);
            cluster.faults(slow());
            let client = client(&front).await;
            client.request(&Front::BIND, &text("ann")).await.unwrap();
            let mut pushes = client.pushes::<pitaya_tests::server::OnText>();
            // Ten requests that are in flight together: their replies come in their order.
            let calls = (0..10).map(|n| {
                let client = client.clone();
                async move { client.request(&Back::COUNT, &text(n.to_string())).await.unwrap().text }
            });
            let mut calls: futures_util::stream::FuturesUnordered<_> = calls.collect();
            let mut replies = Vec::new();
            while let Some(reply) = futures_util::StreamExt::next(&mut calls).await {
                replies.push(reply);
            }
            assert_eq!(replies, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
            cluster.settle().await;
            // Each message is handled when the one before is over, by any of the two servers; what one of them pushes
            // arrives in the order in which it was pushed.
            let mut received: Vec<String> = Vec::new();
            for _ in 0..30 {
                received.push(pushes.next().await.unwrap().text);
            }
            for n in 0..10 {
                let of_one: Vec<_> =
                    received.iter().filter(|text| text.starts_with(&format!("{n} "))).collect();
                assert_eq!(of_one, [&format!("{n} 0"), &format!("{n} 1"), &format!("{n} 2")], "{received:?}");
            }
        });
    }
}
