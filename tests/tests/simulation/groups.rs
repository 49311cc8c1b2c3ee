//! Groups of a cluster.

use std::time::Duration;

use pitaya::group::{Group, MemoryStore};
use pitaya::testing::{Cluster, TestServer};
use pitaya_tests::server::{OnText, text};

use crate::servers::{Front, back, client, front};

fn lobby(server: &TestServer) -> Group {
    server.app().groups().group("lobby")
}

#[tokio::test(start_paused = true)]
async fn servers_share_groups_and_their_expiry() {
    let cluster = Cluster::seeded(1);
    let (one, two) = (back(&cluster).await, back(&cluster).await);
    let (ours, theirs) = (lobby(&one), lobby(&two));
    let ttl = Duration::from_secs(3600);
    ours.create_with_ttl(ttl).await.unwrap();
    ours.add("ann").await.unwrap();
    theirs.add("bob").await.unwrap();
    for group in [&ours, &theirs] {
        assert_eq!(group.members().await.unwrap(), ["ann", "bob"]);
    }

    // The server that made the group may crash. The group stays as written, and expires in time.
    cluster.crash(one);
    tokio::time::sleep(ttl - Duration::from_secs(1)).await;
    assert_eq!(theirs.count().await.unwrap(), 2);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(theirs.count().await.unwrap_err().msg(), "group not found");
    theirs.create().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn group_push_reaches_members_of_other_servers() {
    let cluster = Cluster::seeded(1);
    let (front, one, two) = (front(&cluster).await, back(&cluster).await, back(&cluster).await);
    let ann = client(&front).await;
    ann.request(&Front::BIND, &text("ann")).await.unwrap();
    lobby(&one).create().await.unwrap();
    lobby(&one).add("ann").await.unwrap();
    lobby(&two).on_frontends("front").push(&OnText { text: "hello".into() }).await.unwrap();
    assert_eq!(ann.pushes::<OnText>().next().await.unwrap().text, "hello");
}

#[tokio::test(start_paused = true)]
async fn own_store_means_own_groups() {
    let cluster = Cluster::seeded(1);
    let apart = cluster.frontend("front", |app| app.group_store(MemoryStore::new())).await.unwrap();
    let shared = front(&cluster).await;
    lobby(&shared).create().await.unwrap();
    assert!(lobby(&apart).count().await.is_err());
    lobby(&apart).create().await.unwrap();
}
