//! A user who logs in again on another frontend, while the old connection is silent: what the old session does at its end
//! comes before the new bind is answered.

use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::group::MemoryStore;
use pitaya::prelude::*;
use pitaya_tests::cluster::MemoryCluster;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::Text;

#[derive(Component)]
struct Foyer {
    groups: Groups,
}

#[handler(server = "foyer")]
impl Foyer {
    /// Binds, then joins, as the documentation of `Group::join` shows.
    pub async fn enter(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await?;
        let lobby = self.groups.group("lobby");
        lobby.ensure().await?;
        lobby.join(&session).await
    }

    /// A query that takes 200 ms.
    pub async fn slow(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    }
}

async fn front(cluster: &MemoryCluster, id: &str, store: &Arc<MemoryStore>) -> Running {
    let app = cluster.server("foyer", id).group_store(Arc::clone(store));
    app.acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap()
}

async fn reconnect(busy: bool) -> (bool, bool) {
    let (cluster, store) = (MemoryCluster::default(), Arc::new(MemoryStore::new()));
    let one = front(&cluster, "foyer-1", &store).await;
    let two = front(&cluster, "foyer-2", &store).await;
    let mut first = RawClient::of(&one).await;
    first.ask("foyer.enter", r#"{"text":"ann"}"#).await;
    if busy {
        first.request("foyer.slow", "").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The phone changes its network: the same player, on the other frontend. The old connection says nothing any more, so
    // that its goodbye takes half a second, and its close callbacks come after that.
    let mut second = RawClient::of(&two).await;
    second.ask("foyer.enter", r#"{"text":"ann"}"#).await;
    assert!(one.app().sessions().by_uid("ann").is_none(), "the old session has ended");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let online = two.app().sessions().by_uid("ann").is_some();
    let member = two.app().groups().group("lobby").contains("ann").await.unwrap();
    one.stop().await;
    two.stop().await;
    (online, member)
}

#[tokio::test]
async fn a_new_session_keeps_the_group_it_joined() {
    assert_eq!(reconnect(false).await, (true, true), "the old session rested");
    assert_eq!(reconnect(true).await, (true, true), "a handler of the old session ran");
}
