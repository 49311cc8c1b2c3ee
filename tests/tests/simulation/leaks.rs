//! What is left of a simulation when it is over.

use std::sync::Arc;

use pitaya::prelude::*;
use pitaya::testing::{self, Cluster};
use pitaya::timer::Timers;
use pitaya_tests::arena::{Text, Witness};

use crate::world::{Back, Front, back, client, front, ms, text};

/// Has what does not lead back to its app. A component that has the app, its sessions or its users is a part of a circle,
/// which keeps its memory, though no descriptor.
#[derive(Component)]
struct Owner {
    store: State<Arc<Witness>>,
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

/// One of such a circle, with timers.
#[derive(Component)]
struct Circle {
    app: App,
    timers: Timers,
}

#[handler(server = "circle")]
impl Circle {
    pub async fn turn(&self) -> Result<Text> {
        self.timers.every(ms(10), || async {})?;
        Ok(text(self.app.server_id()))
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn scenario(cluster: &Cluster, witness: &Arc<Witness>, stops: bool) {
    let (front, _back) = (front(cluster).await, back(cluster).await);
    let player = client(&front).await;
    player.request(&Front::BIND, &text("ann")).await.unwrap();
    player.request(&Back::SAY, &text("x")).await.unwrap();
    let _owner = cluster.backend("owner", |app| app.state(Arc::clone(witness))).await.unwrap();
    player.request(&Owner::BEGIN, &text("x")).await.unwrap();
    let circle = cluster.backend("circle", |app| app).await.unwrap();
    assert_eq!(player.request(&Circle::TURN, &()).await.unwrap().text, "circle-1");
    if stops {
        circle.stop().await;
    }
    tokio::time::sleep(ms(100)).await;
}

/// No descriptor and no timer.
#[test]
fn finished_run_leaks_nothing() {
    let witness: Arc<Witness> = Arc::default();
    testing::run(0, async |cluster| scenario(&cluster, &witness, true).await);
    let before = descriptors();
    for seed in 0..50 {
        let kept = testing::run(seed, async |cluster| {
            scenario(&cluster, &witness, seed % 2 == 0).await;
            match seed % 3 {
                0 => cluster.crash(front(&cluster).await),
                1 => front(&cluster).await.stop().await,
                _ => {}
            }
            let last = front(&cluster).await;
            App::clone(&last) // a handle that is kept keeps no runtime
        });
        assert!(!kept.is_running());
    }
    // Other tests run beside this one, and have descriptors of their own: a few, not one or two for each seed.
    assert!(descriptors() < before + 20, "{before} descriptors before, {} after", descriptors());
    assert!(witness.lines().len() > 50 * 5);
    assert_eq!(Arc::strong_count(&witness), 1, "a component, a timer or a service outlived its run");
}

#[tokio::test(start_paused = true)]
async fn stopped_cluster_is_reported_to_survivors() {
    let cluster = Cluster::seeded(1);
    let (front, back) = (front(&cluster).await, back(&cluster).await);
    let (player, app) = (client(&front).await, App::clone(&front));
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
