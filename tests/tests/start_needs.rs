//! The types that handlers, remotes and components take from the app are checked when it starts.

use std::sync::Arc;

use pitaya::acceptor::Tcp;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::component::{Call, Extract, Handler};
use pitaya::module::Modules;
use pitaya::prelude::*;
use pitaya::services::{FromServices, Services};
use pitaya::{Context, Timers};
use pitaya_tests::raw_client::RawClient;

struct Db;
struct Cache;

/// An extractor that checks what it needs.
struct Loaded;

impl Extract<Handler> for Loaded {
    async fn extract(call: &mut Call<Handler>) -> Result<Self> {
        State::<Cache>::from_services(call.services()).map(|_| Self)
    }

    fn check(services: &Services) -> Result<()> {
        State::<Cache>::from_services(services).map(drop)
    }
}

/// An extractor that does not.
struct Late;

impl Extract<Handler> for Late {
    async fn extract(call: &mut Call<Handler>) -> Result<Self> {
        State::<Cache>::from_services(call.services()).map(|_| Self)
    }
}

#[message]
struct Text {
    text: String,
}

#[derive(Component)]
struct Shop;

#[handler(server = "shop")]
impl Shop {
    pub async fn buy(&self, _db: State<Db>, msg: Text) -> Result<Text> {
        Ok(msg)
    }
    pub async fn keep(&self, _cache: State<Arc<Cache>>) {}
    pub async fn look(&self, #[extract] _loaded: Loaded) {}
    pub async fn session(&self, _s: Session, _c: Context, _app: App, _groups: Groups, _rpc_free: Timers) {}
}

#[remote(server = "shop")]
impl Shop {
    pub async fn stock(&self, _db: State<Db>) -> Result<()> {
        Ok(())
    }
}

#[derive(Component)]
struct Late1;

#[handler(server = "late")]
impl Late1 {
    pub async fn look(&self, #[extract] _late: Late) -> Result<()> {
        Ok(())
    }
    pub async fn state(&self, app: App) -> Result<()> {
        app.state::<Cache>().map(drop)
    }
    pub async fn module(&self, #[extract] modules: Modules) -> Result<()> {
        modules.find::<pitaya::module::BinaryModule>().map(drop)
    }
    pub async fn client(&self, app: App) -> Result<()> {
        app.service::<HallApiClient>().map(drop)
    }
}

#[remote(server = "hall")]
trait HallApi {
    async fn enter(&self, msg: Text) -> Result<Text>;
}

#[derive(Component)]
struct Door {
    #[allow(dead_code)]
    hall: HallApiClient,
}

#[handler(server = "door")]
impl Door {
    pub async fn open(&self) {}
}

struct Hall;

#[remote]
impl HallApi for Hall {
    async fn enter(&self, msg: Text) -> Result<Text> {
        Ok(msg)
    }
}

/// A component of a hall that calls halls: its own app serves the call.
#[derive(Component)]
struct Keeper {
    hall: HallApiClient,
}

#[handler(server = "hall")]
impl Keeper {
    pub async fn enter(&self, msg: Text) -> Result<Text> {
        self.hall.enter(&msg).await
    }
}

fn app(server_type: &str) -> pitaya::app::Builder {
    App::builder().server_type(server_type).acceptor(Tcp::new("127.0.0.1:0"))
}

async fn error(builder: pitaya::app::Builder) -> String {
    builder.start().await.expect_err("must not start").msg().to_owned()
}

#[tokio::test]
async fn missing_arguments_are_all_named_at_start() {
    let advice = "give it one with `.state(…)` on the builder";
    assert_eq!(
        error(app("shop")).await.lines().collect::<Vec<_>>(),
        [
            format!("handler `shop.shop.buy` takes `State<Db>`: no `start_needs::Db` in this app: {advice}"),
            format!(
                "handler `shop.shop.keep` takes `State<Arc<Cache>>`: no `Arc<start_needs::Cache>` in this app: {advice}"
            ),
            format!("handler `shop.shop.look` takes `Loaded`: no `start_needs::Cache` in this app: {advice}"),
            format!("remote `shop.shop.stock` takes `State<Db>`: no `start_needs::Db` in this app: {advice}"),
        ]
    );
    let whole = app("shop").state(Db).state(Cache).state(Arc::new(Cache));
    whole.start().await.expect("nothing is missing").stop().await;
}

#[tokio::test]
async fn a_state_in_an_arc_is_pointed_out() {
    let msg = error(app("shop").state(Arc::new(Db)).state(Cache).state(Arc::new(Cache))).await;
    let text = "no `start_needs::Db` in this app, but `Arc<start_needs::Db>` is registered: write \
                `State<Arc<start_needs::Db>>`";
    assert!(msg.contains(text), "{msg}");
}

#[tokio::test]
async fn a_client_of_other_servers_needs_a_cluster() {
    let msg = error(app("door")).await;
    assert_eq!(
        msg,
        "component `start_needs::Door`: field `Door.hall`: `HallApiClient` calls servers of type `hall`, and this \
         app, a `door`, is in no cluster: add `.cluster()`, or `.discovery(…)` and `.transport(…)`, on the builder"
    );
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::new());
    let door = app("door").discovery(registry.discovery()).transport(broker.transport());
    door.start().await.expect("in a cluster").stop().await;
}

#[tokio::test]
async fn a_client_of_the_own_server_type_needs_none() {
    let hall = app("hall").register(Hall).start().await.expect("it calls itself");
    let mut client = RawClient::of(&hall).await;
    assert_eq!(client.ask("hall.keeper.enter", r#"{"text":"a"}"#).await, r#"{"text":"a"}"#);
    hall.stop().await;
}

#[tokio::test]
async fn clients_are_never_told_of_types() {
    let late = app("late").start().await.expect("the extractor checks nothing");
    let mut client = RawClient::of(&late).await;
    for route in ["late.late1.look", "late.late1.state", "late.late1.module", "late.late1.client"] {
        let told = client.ask(route, "").await;
        assert_eq!(told, r#"{"code":"PIT-500","msg":"internal error"}"#, "{route}");
    }
    late.stop().await;
}
