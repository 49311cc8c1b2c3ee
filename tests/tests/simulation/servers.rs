//! Servers of two types, `front` and `back`, and what their clients ask of them.

use std::sync::Arc;
use std::time::Duration;

use pitaya::client::Client;
use pitaya::prelude::*;
use pitaya::testing::{Cluster, Faults, TestServer};
use pitaya_tests::server::{OnText, Recorder, Text};

/// The handlers of a `front`.
#[derive(Component)]
pub(crate) struct Front;

#[handler(server = "front")]
impl Front {
    /// Binds the player.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }
}

/// The handlers of a `back`.
#[derive(Component)]
pub(crate) struct Back {
    app: App,
    recorder: State<Arc<Recorder>>,
}

#[handler(server = "back")]
impl Back {
    /// The text back, with the id of the server.
    pub async fn say(&self, msg: Text) -> Result<Text> {
        self.recorder.write(format!("{} {}", self.app.server_id(), msg.text));
        Ok(Text { text: format!("{} {}", self.app.server_id(), msg.text) })
    }

    /// Binds the player, from here.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }

    /// Pushes the text and what comes after it, so many, then answers.
    pub async fn count(&self, session: Session, msg: Text) -> Result<Text> {
        for n in 0..3 {
            session.push(&OnText { text: format!("{} {n}", msg.text) }).await?;
        }
        Ok(msg)
    }
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) async fn front(cluster: &Cluster) -> TestServer {
    cluster.frontend("front", |app| app).await.unwrap()
}

pub(crate) async fn back(cluster: &Cluster) -> TestServer {
    back_of(cluster, &Arc::default()).await
}

pub(crate) async fn back_of(cluster: &Cluster, recorder: &Arc<Recorder>) -> TestServer {
    cluster.backend("back", |app| app.state(Arc::clone(recorder))).await.unwrap()
}

pub(crate) async fn client(front: &TestServer) -> Client {
    front.client().await.unwrap()
}

/// Delays of messages and of what discovery says.
pub(crate) fn slow() -> Faults {
    Faults { delay: ms(1)..ms(40), discovery_delay: ms(0)..ms(200), ..Faults::default() }
}
