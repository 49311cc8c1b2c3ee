//! `settle` waits for calls that are under way.

use std::sync::Arc;
use std::time::Duration;

use pitaya::group::Users;
use pitaya::prelude::*;
use pitaya::testing::{Cluster, Faults};
use pitaya::timer::Timers;
use pitaya_tests::server::{OnText, Recorder, Text, text};

use crate::servers::{Front, client, front, ms};

/// Never rests.
#[derive(Component)]
struct Herald {
    users: Users,
    timers: Timers,
    heard: State<Arc<Recorder>>,
}

#[handler(server = "herald")]
impl Herald {
    pub async fn cry(&self, msg: Text) -> Result<()> {
        let users = self.users.clone();
        self.timers.every(ms(5), move || {
            let (users, push) = (users.clone(), OnText { text: msg.text.clone() });
            async move { drop(users.on_frontends("front").push(&["ann"], &push).await) }
        })?;
        Ok(())
    }

    pub async fn hear(&self, msg: Text) {
        self.heard.write(&*msg.text);
    }
}

#[tokio::test(start_paused = true)]
async fn settle_waits_despite_endless_traffic() {
    let (cluster, heard) = (Cluster::seeded(1), Arc::<Recorder>::default());
    let front = front(&cluster).await;
    let _herald = cluster.backend("herald", |app| app.state(Arc::clone(&heard))).await.unwrap();
    let client = client(&front).await;
    client.request(&Front::BIND, &text("ann")).await.unwrap();
    let mut pushes = client.pushes::<OnText>();
    cluster.faults(Faults { delay: ms(20)..ms(30), ..Faults::default() });
    client.request(&Herald::CRY, &text("oyez")).await.unwrap();
    pushes.next().await.unwrap();

    let began = cluster.now();
    client.notify(&Herald::HEAR, &text("psst")).await.unwrap();
    cluster.settle().await;
    assert_eq!(heard.lines(), ["psst"]);
    assert!(cluster.now() - began < Duration::from_secs(1), "{:?}", cluster.now() - began);
}
