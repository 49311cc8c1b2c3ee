//! All tests pause time, so that a lease ends immediately and exactly.

use std::time::Duration;

use tokio::time::{advance, sleep};

use super::*;
use crate::cluster::server::DRAINING;
use crate::cluster::{Change, View};

const LEASE: Duration = Duration::from_secs(60);

struct App {
    own: Arc<Server>,
    servers: Arc<Servers>,
    discovery: MemoryDiscovery,
    heard: Arc<Mutex<Vec<String>>>,
}

fn server(id: &str) -> Server {
    Server::new("room", id)
}

fn draining(id: &str) -> Arc<Server> {
    Arc::new(server(id).with_metadata(DRAINING, "true"))
}

impl App {
    async fn join(registry: &MemoryRegistry, id: &str) -> Self {
        let (own, servers, discovery) = (Arc::new(server(id)), Arc::default(), registry.discovery());
        let app = Self { own, servers, discovery, heard: Arc::default() };
        let heard = Arc::clone(&app.heard);
        app.servers.on_change(move |change| {
            heard.lock().push(match change {
                Change::Added(server) => format!("+{}", server.id),
                Change::Replaced { new, .. } => format!("~{}", new.id),
                Change::Removed(server) => format!("-{}", server.id),
            });
        });
        app.discovery.join(Arc::clone(&app.own), Arc::clone(&app.servers)).await.unwrap();
        app
    }

    fn sees(&self) -> Vec<String> {
        let ids = |view: &View| view.all().map(|server| server.id.to_string()).collect();
        ids(&self.servers.view())
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock())
    }
}

/// Runs the woken tasks.
async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn servers_see_each_other_come_change_and_go() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    assert_eq!((a.sees(), b.sees()), (vec!["a".into(), "b".into()], vec!["a".into(), "b".into()]));
    b.discovery.announce(draining("b")).await.unwrap();
    assert!(a.servers.get("b").unwrap().is_draining() && b.servers.get("b").unwrap().is_draining());
    b.discovery.leave().await;
    assert_eq!((a.sees(), b.sees()), (vec!["a".to_owned()], vec!["a".to_owned()]));
    let c = App::join(&registry, "c").await;
    assert_eq!(b.sees(), ["a", "c"], "the list is kept after leaving");
    b.discovery.close().await;
    c.discovery.close().await;
    assert_eq!((a.sees(), b.sees()), (vec!["a".to_owned()], vec!["a".to_owned(), "c".to_owned()]));
    assert_eq!(a.heard(), ["+a", "+b", "~b", "-b", "+c", "-c"]);
}

#[tokio::test(start_paused = true)]
async fn leave_and_close_are_idempotent() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    for _ in 0..2 {
        b.discovery.leave().await;
    }
    assert!(b.discovery.is_ready().await);
    for _ in 0..2 {
        b.discovery.close().await;
        b.discovery.leave().await;
    }
    assert!(!b.discovery.is_ready().await);
    assert!(b.discovery.announce(draining("b")).await.is_err());
    assert!(b.discovery.join(Arc::clone(&b.own), Arc::clone(&b.servers)).await.is_err());
    sleep(LEASE * 2).await;
    assert_eq!(a.heard(), ["+a", "+b", "-b"]);
    let never = registry.discovery();
    never.close().await;
    assert!(!never.is_ready().await);
}

#[tokio::test(start_paused = true)]
async fn crashed_server_is_known_until_lease_end() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    drop(b.discovery);
    sleep(LEASE - Duration::from_millis(1)).await;
    assert_eq!(a.sees(), ["a", "b"]);
    sleep(Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(a.sees(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn restarted_server_outlives_its_old_lease() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    drop(App::join(&registry, "b").await.discovery);
    advance(LEASE / 2).await;
    let b = App::join(&registry, "b").await;
    sleep(LEASE * 2).await;
    assert_eq!(a.sees(), ["a", "b"]);
    b.discovery.close().await;
    assert_eq!(a.sees(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_is_taken_anew() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    assert!(registry.drop_lease("b") && !registry.drop_lease("b") && !registry.drop_lease("x"));
    assert_eq!((a.sees(), b.sees()), (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    settle().await;
    assert_eq!(a.heard(), ["+a", "+b", "-b", "+b"]);
    b.discovery.leave().await;
    assert!(!registry.drop_lease("b"));
    settle().await;
    assert_eq!(a.sees(), ["a"], "one that left does not come back");
}

/// It keeps its own view.
#[tokio::test(start_paused = true)]
async fn partitioned_server_is_lost_after_its_lease() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    registry.set_reachable("b", false);
    assert!(!b.discovery.is_ready().await && a.discovery.is_ready().await);
    let c = App::join(&registry, "c").await;
    sleep(LEASE - Duration::from_millis(1)).await;
    assert_eq!((a.sees().len(), b.sees()), (3, vec!["a".to_owned(), "b".to_owned()]));
    sleep(Duration::from_millis(1)).await;
    settle().await;
    assert_eq!((a.sees(), b.sees().len()), (vec!["a".to_owned(), "c".to_owned()], 2));
    a.discovery.close().await;
    assert!(b.discovery.announce(draining("b")).await.is_err());
    sleep(LEASE * 10).await;
    registry.set_reachable("b", true);
    settle().await;
    assert_eq!((b.sees(), c.sees()), (vec!["b".to_owned(), "c".to_owned()], vec!["b".into(), "c".into()]));
    assert!(c.servers.get("b").unwrap().is_draining(), "what it said meanwhile is told");
}

#[tokio::test(start_paused = true)]
async fn short_partition_is_not_noticed() {
    let registry = MemoryRegistry::with_lease(Duration::from_secs(10));
    let a = App::join(&registry, "a").await;
    let _b = App::join(&registry, "b").await;
    for _ in 0..5 {
        registry.set_reachable("b", false);
        sleep(Duration::from_secs(9)).await;
        registry.set_reachable("b", true);
        settle().await;
    }
    assert_eq!(a.heard(), ["+a", "+b"]);
}

#[tokio::test(start_paused = true)]
async fn leave_during_partition_shows_after_the_lease() {
    let registry = MemoryRegistry::default();
    let a = App::join(&registry, "a").await;
    let b = App::join(&registry, "b").await;
    registry.set_reachable("b", false);
    b.discovery.close().await;
    assert_eq!(a.sees(), ["a", "b"]);
    registry.set_reachable("b", true);
    sleep(LEASE).await;
    settle().await;
    assert_eq!((a.sees(), registry.servers().len()), (vec!["a".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_cut_off_lets_nobody_join() {
    let registry = MemoryRegistry::default();
    registry.set_reachable("a", false);
    let discovery = registry.discovery();
    let error = discovery.join(Arc::new(server("a")), Arc::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "PIT-503: the registry in memory is cut off from `a`");
    registry.set_reachable("a", true);
    discovery.join(Arc::new(server("a")), Arc::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn invalid_name_or_renamed_server_is_refused() {
    let registry = MemoryRegistry::default();
    let bad = Server::new("a/b", "a");
    assert!(registry.discovery().join(Arc::new(bad), Arc::default()).await.is_err());
    let a = App::join(&registry, "a").await;
    assert!(a.discovery.announce(draining("b")).await.is_err());
    assert!(a.discovery.join(Arc::clone(&a.own), Arc::default()).await.is_err());
    assert_eq!(registry.servers().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_script_gives_the_same_history() {
    async fn history() -> Vec<Vec<String>> {
        let registry = MemoryRegistry::default();
        let mut apps = Vec::new();
        for id in ["d", "b", "c", "a"] {
            apps.push(App::join(&registry, id).await);
        }
        for id in ["a", "b", "c"] {
            registry.set_reachable(id, false);
        }
        registry.drop_lease("d");
        sleep(LEASE * 2).await;
        for id in ["c", "a", "b"] {
            registry.set_reachable(id, true);
        }
        settle().await;
        apps.iter().map(App::heard).collect()
    }
    let first = history().await;
    assert!(first[0].ends_with(&["+c".into(), "+a".into(), "+b".into()]), "{first:?}");
    for _ in 0..5 {
        assert_eq!(history().await, first);
    }
}
