//! Calls by a key while a server drains: the state of a key lives on one server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pitaya::app::Builder;
use pitaya::cluster::Router;
use pitaya::prelude::*;
use pitaya::testing::{self, Cluster, TestServer};

use crate::servers::{Front, ms, slow};
use pitaya_tests::server::{Text, text};

/// The remotes of a hall.
#[remote(server = "hall")]
trait HallApi {
    /// The id of the server.
    async fn place(&self, key: Text) -> Result<Text>;
}

/// Which server has served which key, over a whole cluster.
#[derive(Debug, Default)]
struct Places(Mutex<BTreeMap<String, Vec<String>>>);

#[derive(Component)]
struct Hall {
    app: App,
    places: State<Arc<Places>>,
}

#[remote]
impl HallApi for Hall {
    async fn place(&self, key: Text) -> Result<Text> {
        let id = self.app.server_id().to_owned();
        self.places.0.lock().unwrap().entry(key.text).or_default().push(id.clone());
        Ok(text(id))
    }
}

#[handler(server = "hall")]
impl Hall {
    /// The id of the server.
    pub async fn here(&self) -> Result<Text> {
        Ok(text(self.app.server_id()))
    }
}

async fn hall(cluster: &Cluster, places: &Arc<Places>) -> TestServer {
    cluster.backend("hall", |app| app.state(Arc::clone(places))).await.unwrap()
}

fn by_uid(app: Builder) -> Builder {
    app.router("hall", Router::by_key(|call| Some(call.session?.uid()?.to_string())))
}

/// The hall that a call by a key reaches from a server.
async fn place(from: &TestServer, key: &str) -> String {
    let halls: HallApiClient = from.app().service().unwrap();
    halls.by_key(key).place(&text(key)).await.unwrap().text
}

async fn places(from: &TestServer, keys: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for key in keys {
        all.push(place(from, key).await);
    }
    all
}

fn keys(name: &str) -> Vec<String> {
    (0..40).map(|n| format!("{name}-{n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn draining_server_keeps_its_keys() {
    let cluster = Cluster::seeded(7);
    let shared = Arc::default();
    let (_one, two) = (hall(&cluster, &shared).await, hall(&cluster, &shared).await);
    let front = cluster.frontend("front", by_uid).await.unwrap();
    let rooms = keys("room");
    let before = places(&front, &rooms).await;
    assert!(before.iter().any(|id| id == "hall-1") && before.iter().any(|id| id == "hall-2"));
    let mut players = Vec::new();
    for uid in keys("player") {
        let client = front.client().await.unwrap();
        client.request(&Front::BIND, &text(uid)).await.unwrap();
        let home = client.request(&Hall::HERE, &()).await.unwrap().text;
        players.push((client, home));
    }
    assert!(players.iter().any(|(_, home)| home == "hall-2"));

    two.drain().await;
    cluster.settle().await;
    assert_eq!(places(&front, &rooms).await, before);
    for (client, home) in &players {
        assert_eq!(&client.request(&Hall::HERE, &()).await.unwrap().text, home);
    }
    let new = keys("new");
    for _ in 0..2 {
        assert_eq!(places(&front, &new).await, vec!["hall-1"; new.len()]);
    }
    // A caller that has just started has seen no key.
    let late = cluster.frontend("front", by_uid).await.unwrap();
    assert_eq!(places(&late, &rooms).await, before);
    assert_eq!(places(&late, &keys("newer")).await, vec!["hall-1"; 40]);
    let client = late.client().await.unwrap();
    client.request(&Front::BIND, &text("nobody")).await.unwrap();
    assert_eq!(client.request(&Hall::HERE, &()).await.unwrap().text, "hall-1");

    two.stop().await;
    cluster.settle().await;
    assert_eq!(places(&front, &rooms).await, vec!["hall-1"; rooms.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_calls_itself_by_its_keys_only() {
    let cluster = Cluster::seeded(7);
    let shared = Arc::default();
    let (_one, two) = (hall(&cluster, &shared).await, hall(&cluster, &shared).await);
    let rooms = keys("room");
    let before = places(&two, &rooms).await;
    assert!(before.iter().any(|id| id == "hall-2"));
    two.drain().await;
    cluster.settle().await;
    assert_eq!(places(&two, &rooms).await, before);
    assert_eq!(places(&two, &keys("new")).await, vec!["hall-1"; 40]);
}

#[tokio::test(start_paused = true)]
async fn the_last_server_takes_new_keys_while_it_drains() {
    let cluster = Cluster::seeded(7);
    let shared = Arc::default();
    let one = hall(&cluster, &shared).await;
    let front = cluster.frontend("front", by_uid).await.unwrap();
    one.drain().await;
    cluster.settle().await;
    assert_eq!(places(&front, &keys("new")).await, vec!["hall-1"; 40]);
    let _two = hall(&cluster, &shared).await;
    cluster.settle().await;
    // They have state there now. (A server that joins moves some keys in any case.)
    let known: Vec<_> = places(&front, &keys("new")).await;
    assert!(known.iter().any(|id| id == "hall-1"), "{known:?}");
    let newer = places(&front, &keys("newer")).await;
    assert_eq!(newer, vec!["hall-2"; 40]);
}

#[tokio::test(start_paused = true)]
async fn named_owner_is_called_until_it_leaves() {
    let cluster = Cluster::seeded(7);
    let shared = Arc::default();
    let (_one, two) = (hall(&cluster, &shared).await, hall(&cluster, &shared).await);
    let owner =
        |app: Builder| app.router("hall", Router::to_server(|call| call.session?.uid().map(|_| "hall-2")));
    let front = cluster.frontend("front", owner).await.unwrap();
    let client = front.client().await.unwrap();
    two.drain().await;
    cluster.settle().await;
    assert_eq!(client.request(&Hall::HERE, &()).await.unwrap().text, "hall-1", "it has no owner yet");
    client.request(&Front::BIND, &text("ann")).await.unwrap();
    assert_eq!(client.request(&Hall::HERE, &()).await.unwrap().text, "hall-2");
    two.stop().await;
    cluster.settle().await;
    let error = client.request(&Hall::HERE, &()).await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("PIT-000", "server not found"));
}

/// Callers use old and new keys while two of three servers begin to drain, whenever each caller learns of that.
#[test]
fn no_key_has_two_servers_while_draining() {
    for seed in 0..100 {
        testing::run(seed, async |cluster| {
            let mut rng = fastrand::Rng::with_seed(seed);
            let shared: Arc<Places> = Arc::default();
            let mut halls = Vec::new();
            for _ in 0..3 {
                halls.push(hall(&cluster, &shared).await);
            }
            let mut fronts = Vec::new();
            for _ in 0..3 {
                fronts.push(cluster.frontend("front", by_uid).await.unwrap());
            }
            cluster.settle().await;
            cluster.faults(slow());
            let mut drains = [rng.usize(5..40), rng.usize(5..40)];
            let mut calls = Vec::new();
            for step in 0..60 {
                for (at, hall) in drains.iter_mut().zip(&halls) {
                    if *at == step {
                        hall.drain().await;
                    }
                }
                let key = format!("room-{}", rng.usize(..=step));
                let halls: HallApiClient = fronts[rng.usize(..fronts.len())].app().service().unwrap();
                calls.push(tokio::spawn(async move { halls.by_key(&key).place(&text(&key)).await }));
                tokio::time::sleep(ms(rng.u64(..30))).await;
            }
            let count = calls.len();
            for call in calls {
                call.await.unwrap().unwrap();
            }
            let places = std::mem::take(&mut *shared.0.lock().unwrap());
            assert_eq!(places.values().map(Vec::len).sum::<usize>(), count, "each call is handled once");
            for (key, mut by) in places {
                by.dedup();
                assert_eq!(by.len(), 1, "seed {seed}, {key}: {by:?}\n{}", cluster.trace());
            }
        });
    }
}
