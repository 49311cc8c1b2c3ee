//! A gate and a hall within the test, over a real broker and a real registry.

use std::sync::Arc;

use pitaya::Users;
use pitaya::acceptor::Tcp;
use pitaya::app::{Builder, Running};
use pitaya::group::Delivery;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya_tests::programs::Brokers;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{Text, config, text};

/// Users of a push or a kick.
#[message]
pub(crate) struct Uids {
    pub(crate) uids: Vec<String>,
}

/// The handlers that both types have.
macro_rules! desk {
    ($name:ident, $server:literal) => {
        #[derive(Component)]
        pub(crate) struct $name {
            users: Users,
        }

        #[handler(server = $server)]
        impl $name {
            /// The bytes back.
            pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
                Ok(body)
            }

            /// Binds the player.
            pub async fn bind(&self, session: Session, msg: Text) -> Result<Text> {
                session.bind(&msg.text).await?;
                Ok(msg)
            }

            /// Tells users of the gates. Returns those that were not told.
            pub async fn tell(&self, msg: Uids) -> Result<Uids> {
                let Delivery { failed: uids, .. } =
                    self.users.on_frontends("gate").push_route(&msg.uids, "onTold", &text("hello")).await?;
                Ok(Uids { uids })
            }

            /// Kicks users of the gates. Returns those that were not kicked.
            pub async fn ban(&self, msg: Uids) -> Result<Uids> {
                let Delivery { failed: uids, .. } = self.users.on_frontends("gate").kick(&msg.uids).await?;
                Ok(Uids { uids })
            }
        }
    };
}

desk!(Gate, "gate");
desk!(Hall, "hall");

/// A server of the cluster.
pub(crate) struct Served {
    pub(crate) app: Running,
    pub(crate) metrics: Arc<InMemoryReporter>,
}

impl Served {
    pub(crate) async fn client(&self) -> RawClient {
        RawClient::of(&self.app).await
    }

    /// How many messages of a kind were not understood.
    pub(crate) fn unreadable(&self, kind: &str) -> u32 {
        let counted = self.metrics.value("decode_errors", &[("kind", kind)]).unwrap_or_default();
        // a counter: whole, and small here
        format!("{counted}").parse().expect("a number")
    }

    pub(crate) fn subject(&self) -> String {
        format!("pitaya/servers/{}/{}", self.app.app().server_type(), self.app.app().server_id())
    }
}

/// All of it.
pub(crate) struct TestCluster {
    pub(crate) brokers: Brokers,
    pub(crate) gate: Served,
    pub(crate) hall: Served,
}

impl TestCluster {
    pub(crate) async fn start() -> Self {
        let brokers = Brokers::start().await;
        let hall = serve(&brokers, "hall", Builder::backend).await;
        let gate = serve(&brokers, "gate", |app| app.acceptor(Tcp::new("127.0.0.1:0"))).await;
        Self { brokers, gate, hall }
    }

    /// Another hall.
    pub(crate) async fn another_hall(&self) -> Served {
        serve(&self.brokers, "hall", Builder::backend).await
    }

    pub(crate) async fn stop(self) {
        self.gate.app.stop().await;
        self.hall.app.stop().await;
    }
}

async fn serve(brokers: &Brokers, server_type: &str, kind: impl FnOnce(Builder) -> Builder) -> Served {
    let mut config = config();
    config.nats.connect = brokers.nats().url();
    config.etcd.endpoints = vec![brokers.etcd().url()];
    config.etcd.prefix = brokers.prefix().to_owned();
    let metrics = Arc::new(InMemoryReporter::new());
    let app = App::builder().config(config).server_type(server_type).reporter(Arc::clone(&metrics));
    Served { app: kind(app).cluster().start().await.unwrap(), metrics }
}
