//! A finished simulation leaves nothing.

use std::sync::{Arc, Mutex, OnceLock};

use pitaya::cluster::{MemoryBroker, MemoryRegistry, Receiver};
use pitaya::prelude::*;
use pitaya::testing::{self, Cluster};
use pitaya::timer::Timers;
use pitaya::{Rpc, SessionPool, Users};
use pitaya_tests::cluster::{Hook, HookedTransport};
use pitaya_tests::server::{Recorder, Text, text};

use crate::servers::{Back, Front, back, client, front, ms};

#[derive(Component)]
struct Owner {
    store: State<Arc<Recorder>>,
    timers: Timers,
}

#[handler(server = "owner")]
impl Owner {
    pub async fn begin(&self, msg: Text) -> Result<()> {
        let store = self.store.clone();
        self.timers.every(ms(10), move || {
            store.write(&*msg.text);
            async {}
        })?;
        Ok(())
    }
}

/// Holds everything that leads back to its app.
#[derive(Component)]
struct Circle {
    app: App,
    sessions: SessionPool,
    users: Users,
    groups: Groups,
    rpc: Rpc,
    timers: Timers,
    store: State<Arc<Recorder>>,
    #[component(default)]
    callers: Mutex<Vec<Session>>,
}

#[handler(server = "circle")]
impl Circle {
    pub async fn turn(&self, session: Session) -> Result<Text> {
        let (app, rpc, users) = (self.app.clone(), self.rpc.clone(), self.users.clone());
        self.sessions.on_close(move |_| {
            let _held = (&app, &rpc, &users);
            async {}
        });
        let app = self.app.clone();
        if let Some(servers) = self.app.servers() {
            servers.on_change(move |_| drop(app.clone()));
        }
        self.groups.group("all").create().await?;
        self.callers.lock().unwrap().push(session);
        self.store.write("turned");
        self.timers.every(ms(10), || async {})?;
        Ok(text(self.app.server_id()))
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn scenario(cluster: &Cluster, recorder: &Arc<Recorder>, stops: bool) {
    let (front, _back) = (front(cluster).await, back(cluster).await);
    let player = client(&front).await;
    player.request(&Front::BIND, &text("ann")).await.unwrap();
    player.request(&Back::SAY, &text("x")).await.unwrap();
    let _owner = cluster.backend("owner", |app| app.state(Arc::clone(recorder))).await.unwrap();
    player.request(&Owner::BEGIN, &text("x")).await.unwrap();
    let circle = cluster.backend("circle", |app| app.state(Arc::clone(recorder))).await.unwrap();
    assert_eq!(player.request(&Circle::TURN, &()).await.unwrap().text, "circle-1");
    if stops {
        circle.stop().await;
    }
    tokio::time::sleep(ms(100)).await;
}

/// No descriptor and no timer.
#[test]
fn finished_run_leaks_nothing() {
    let recorder: Arc<Recorder> = Arc::default();
    testing::run(0, async |cluster| scenario(&cluster, &recorder, true).await);
    let before = descriptors();
    for seed in 0..50 {
        let kept = testing::run(seed, async |cluster| {
            scenario(&cluster, &recorder, seed % 2 == 0).await;
            match seed % 3 {
                0 => cluster.crash(front(&cluster).await),
                1 => front(&cluster).await.stop().await,
                _ => {}
            }
            let last = front(&cluster).await;
            App::clone(last.app()) // a handle that is kept keeps no runtime
        });
        assert!(!kept.is_running());
    }
    // Other tests run beside this one, and have descriptors of their own: a few, not one or two for each seed.
    assert!(descriptors() < before + 20, "{before} descriptors before, {} after", descriptors());
    assert!(recorder.lines().len() > 50 * 5);
    assert_eq!(Arc::strong_count(&recorder), 1, "a component, a timer or a service outlived its run");
}

/// Components that hold their app, its sessions, its users and its groups, and callbacks that do.
#[tokio::test]
async fn stopped_app_is_freed_with_its_components() {
    let recorder: Arc<Recorder> = Arc::default();
    for stops in [true, false] {
        let app = App::builder()
            .server_type("circle")
            .state(Arc::clone(&recorder))
            .acceptor(pitaya::acceptor::Tcp::new("127.0.0.1:0"));
        let broken = if stops { app } else { app.on_built(|_| async { Err(Error::new("L-1", "no")) }) };
        let Ok(running) = broken.start().await else { continue };
        let app = running.app().clone();
        let client = pitaya::client::Client::builder().connect_tcp(running.addresses()[0]).await.unwrap();
        client.request(&Circle::TURN, &()).await.unwrap();
        running.stop().await;
        assert!(app.service::<Groups>().is_err(), "a stopped app has no services");
    }
    assert_eq!(Arc::strong_count(&recorder), 1, "a stopped app lives on");
}

/// Keeps the receiver of its transport, also after it is closed.
#[derive(Default)]
struct KeepsReceiver(OnceLock<Arc<dyn Receiver>>);

impl Hook for KeepsReceiver {
    fn on_start(&self, receiver: &Arc<dyn Receiver>) {
        self.0.get_or_init(|| Arc::clone(receiver));
    }
}

#[tokio::test]
async fn stopped_server_frees_its_transport() {
    let (hook, recorder) = (Arc::new(KeepsReceiver::default()), Arc::<Recorder>::default());
    let transport = HookedTransport(MemoryBroker::new().transport(), Arc::clone(&hook));
    let app = App::builder()
        .server_type("circle")
        .state(Arc::clone(&recorder))
        .discovery(MemoryRegistry::default().discovery())
        .transport(transport)
        .acceptor(pitaya::acceptor::Tcp::new("127.0.0.1:0"));
    let running = app.start().await.unwrap();
    let client = pitaya::client::Client::builder().connect_tcp(running.addresses()[0]).await.unwrap();
    client.request(&Circle::TURN, &()).await.unwrap();
    running.stop().await;
    assert_eq!(Arc::strong_count(&hook), 1, "a stopped server keeps its transport");
    assert_eq!(Arc::strong_count(&recorder), 1, "a stopped server lives on");
}

#[tokio::test(start_paused = true)]
async fn stopped_cluster_is_reported_to_survivors() {
    let cluster = Cluster::seeded(1);
    let (front, back) = (front(&cluster).await, back(&cluster).await);
    let (player, app) = (client(&front).await, App::clone(front.app()));
    drop((cluster, front));
    assert_eq!(
        player.request(&Back::SAY, &text("x")).await.unwrap().text,
        "back-1 x",
        "one of them is enough"
    );
    drop(back);
    player.closed().await;
    assert!(!app.is_running());
    let began = tokio::time::Instant::now();
    assert_eq!(player.request(&Back::SAY, &text("x")).await.unwrap_err().code(), "PIT-499");
    assert!(app.rpc_raw("back.none.none", "x".into()).await.is_err());
    assert_eq!(began.elapsed(), ms(0));
}
