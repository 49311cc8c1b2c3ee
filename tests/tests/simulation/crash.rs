//! A killed server does nothing more.

use std::sync::Arc;
use std::time::Duration;

use pitaya::prelude::*;
use pitaya::testing::{Cluster, TestServer};
use pitaya::timer::Timers;
use pitaya_tests::server::{Recorder, Text, text};

use crate::servers::{front, ms};

/// Writes into what it shares with other servers, a while after it was asked to. The text says how many milliseconds.
#[derive(Component)]
struct Keeper {
    store: State<Arc<Recorder>>,
    timers: Timers,
}

impl Keeper {
    async fn write(&self, after: &Text) {
        self.store.write("begun");
        tokio::time::sleep(ms(after.text.parse().unwrap())).await;
        self.store.write("done");
    }
}

#[handler(server = "keeper")]
impl Keeper {
    pub async fn keep(&self, after: Text) -> Result<Text> {
        self.write(&after).await;
        Ok(after)
    }

    #[concurrent]
    pub async fn keep_beside(&self, after: Text) -> Result<Text> {
        self.write(&after).await;
        Ok(after)
    }

    pub async fn keep_by_timer(&self, after: Text) -> Result<Text> {
        let (store, wait) = (self.store.clone(), ms(after.text.parse().unwrap()));
        self.timers.after(ms(1), async move {
            store.write("begun");
            tokio::time::sleep(wait).await;
            store.write("done");
        });
        Ok(after)
    }

    pub async fn keep_at_close(&self, session: Session, after: Text) -> Result<Text> {
        let store = self.store.clone();
        self.store.write("begun");
        session.on_close(async move |_| store.write("done"))?;
        Ok(after)
    }
}

#[remote(server = "keeper", service = "vault")]
impl Keeper {
    pub async fn keep_remotely(&self, after: Text) -> Result<Text> {
        self.write(&after).await;
        Ok(after)
    }
}

const ROUTES: [&str; 4] =
    ["keeper.keep", "keeper.keep_beside", "keeper.keep_by_timer", "keeper.keep_at_close"];

async fn keeper(cluster: &Cluster, store: &Arc<Recorder>) -> TestServer {
    cluster.backend("keeper", |app| app.state(Arc::clone(store))).await.unwrap()
}

/// Waits so long, kills the server, waits for all that may ever come, and looks into the store.
async fn killed_after(
    cluster: &Cluster,
    wait: Duration,
    server: TestServer,
    store: &Recorder,
) -> Vec<String> {
    tokio::time::sleep(wait).await;
    cluster.crash(server);
    tokio::time::sleep(Duration::from_secs(100)).await;
    store.lines()
}

#[tokio::test(start_paused = true)]
async fn forwarded_handler_stops_at_a_crash() {
    let (cluster, store) = (Cluster::seeded(1), Arc::default());
    let (front, keeper) = (front(&cluster).await, keeper(&cluster, &store).await);
    let client = front.client().await.unwrap();
    let call = client.clone();
    tokio::spawn(async move { call.request(&Keeper::KEEP, &text("2000")).await });
    assert_eq!(killed_after(&cluster, ms(1000), keeper, &store).await, ["begun"]);
}

#[tokio::test(start_paused = true)]
async fn ready_task_stops_at_a_crash() {
    let (cluster, store) = (Cluster::seeded(1), Arc::<Recorder>::default());
    let (front, keeper) = (front(&cluster).await, keeper(&cluster, &store).await);
    let client = front.client().await.unwrap();
    let begun = store.written.notified();
    tokio::spawn(async move { client.request(&Keeper::KEEP, &text("1000")).await });
    begun.await;
    assert_eq!(killed_after(&cluster, ms(1000), keeper, &store).await, ["begun"]);
}

#[tokio::test(start_paused = true)]
async fn a_remote_does_nothing_after_a_crash() {
    let (cluster, store) = (Cluster::seeded(1), Arc::default());
    let (front, keeper) = (front(&cluster).await, keeper(&cluster, &store).await);
    let app = App::clone(front.app());
    tokio::spawn(async move { app.rpc(&KeeperClient::KEEP_REMOTELY, &text("2000")).await });
    assert_eq!(killed_after(&cluster, ms(1000), keeper, &store).await, ["begun"]);
}

#[tokio::test(start_paused = true)]
async fn abandoned_call_stops_at_a_crash() {
    let (cluster, store) = (Cluster::seeded(1), Arc::default());
    let (front, keeper) = (front(&cluster).await, keeper(&cluster, &store).await);
    let error = front.app().rpc(&KeeperClient::KEEP_REMOTELY, &text("8000")).await.unwrap_err();
    assert!(error.to_string().contains("timeout"), "{error}");
    assert_eq!(killed_after(&cluster, ms(1000), keeper, &store).await, ["begun"]);
}

/// Its timers and close callbacks too.
#[tokio::test(start_paused = true)]
async fn frontend_tasks_stop_at_a_crash() {
    for path in ROUTES {
        for wait in [ms(1000), ms(2000)] {
            let (cluster, store) = (Cluster::seeded(1), Arc::<Recorder>::default());
            let keeper = cluster.frontend("keeper", |app| app.state(Arc::clone(&store))).await.unwrap();
            let client = keeper.client().await.unwrap();
            let begun = store.written.notified();
            let request = tokio::spawn({
                let client = client.clone();
                async move { client.request_route::<_, Text>(path, &text("2000")).await }
            });
            begun.await;
            assert_eq!(killed_after(&cluster, wait, keeper, &store).await, ["begun"], "{path}");
            assert!(!client.is_connected());
            let _ = request.await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_crash_it_is_done() {
    let (cluster, store) = (Cluster::seeded(1), Arc::<Recorder>::default());
    let keeper = cluster.frontend("keeper", |app| app.state(Arc::clone(&store))).await.unwrap();
    let client = keeper.client().await.unwrap();
    for path in ROUTES {
        client.request_route::<_, Text>(path, &text("10")).await.unwrap();
    }
    tokio::time::sleep(ms(100)).await;
    client.disconnect().await;
    keeper.stop().await;
    assert_eq!(store.lines().iter().filter(|line| *line == "done").count(), 4, "{:?}", store.lines());
}
