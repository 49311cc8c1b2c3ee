//! The services that an app gives its components, and the services that replace its own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pitaya::SessionPool;
use pitaya::acceptor::Tcp;
use pitaya::config::Config;
use pitaya::group::{GroupError, GroupStore, Members, StoreFuture};
use pitaya::metrics::Metrics;
use pitaya::prelude::*;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, Text, config};
use pitaya_tests::until;

pitaya::link!(pitaya_tests);

/// One group, whatever it is called, and what was asked of it.
#[derive(Clone, Default)]
struct OneGroup(Arc<State>);

#[derive(Default)]
struct State {
    members: Mutex<Vec<Arc<str>>>,
    asked: Mutex<Vec<String>>,
    runs: AtomicUsize,
}

impl OneGroup {
    fn asked(&self, what: String) {
        self.0.asked.lock().unwrap().push(what);
    }
}

impl GroupStore for OneGroup {
    fn create<'a>(&'a self, group: &'a str, _: Option<Duration>) -> StoreFuture<'a, ()> {
        self.asked(format!("create {group}"));
        Box::pin(async { Err(GroupError::Exists) })
    }
    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        self.asked(format!("members {group}"));
        Box::pin(async { Ok(self.0.members.lock().unwrap().clone().into()) })
    }
    fn contains<'a>(&'a self, _: &'a str, uid: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(self.0.members.lock().unwrap().iter().any(|member| **member == *uid)) })
    }
    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        self.asked(format!("add {group} {uid}"));
        self.0.members.lock().unwrap().push(uid.into());
        Box::pin(async { Ok(()) })
    }
    fn remove<'a>(&'a self, _: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        self.0.members.lock().unwrap().retain(|member| **member != *uid);
        Box::pin(async { Ok(()) })
    }
    fn remove_all<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        self.0.members.lock().unwrap().clear();
        Box::pin(async { Ok(()) })
    }
    fn count<'a>(&'a self, _: &'a str) -> StoreFuture<'a, usize> {
        Box::pin(async { Ok(self.0.members.lock().unwrap().len()) })
    }
    fn renew_ttl<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Err(GroupError::NoTtl) })
    }
    fn delete<'a>(&'a self, _: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn run(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {})
    }
}

#[tokio::test]
async fn groups_are_kept_in_the_given_store() {
    let store = OneGroup::default();
    let own = store.clone();
    let server = server::start_with(config(), |builder| builder.group_store(own)).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", r#"{"text":"ann"}"#).await;
    client.ask("arena.enter", "").await;
    client.notify("arena.say", r#"{"text":"hello"}"#).await;
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"hello"}"#);
    let expected = ["create arena", "add arena ann", "members arena"];
    assert_eq!(*store.0.asked.lock().unwrap(), expected);
    assert_eq!(server.app.app().groups().group("any").members().await.unwrap(), ["ann"]);
    until("the housekeeping", || store.0.runs.load(Ordering::Relaxed) == 1).await;
    server.app.stop().await;
}

#[derive(Component)]
struct Provided {
    sessions: SessionPool,
    metrics: Metrics,
    config: Arc<Config>,
}

#[handler(server = "provided")]
impl Provided {
    /// Describes its fields.
    pub async fn fields(&self) -> Result<Text> {
        Ok(told(&self.sessions, &self.metrics, &self.config))
    }

    /// Describes its arguments.
    pub async fn arguments(
        &self,
        sessions: SessionPool,
        metrics: Metrics,
        config: Arc<Config>,
    ) -> Result<Text> {
        Ok(told(&sessions, &metrics, &config))
    }
}

#[remote(server = "provided")]
impl Provided {
    /// Describes the arguments of a remote.
    pub async fn remotely(
        &self,
        sessions: SessionPool,
        metrics: Metrics,
        config: Arc<Config>,
    ) -> Result<Text> {
        Ok(told(&sessions, &metrics, &config))
    }
}

fn told(sessions: &SessionPool, metrics: &Metrics, config: &Config) -> Text {
    Text { text: format!("{} {} {:?}", sessions.count(), metrics.is_empty(), config.heartbeat_interval) }
}

#[tokio::test]
async fn session_services_are_fields_and_arguments() {
    let mut config = config();
    config.heartbeat_interval = Duration::from_secs(7);
    let app = App::builder()
        .config(config)
        .server_type("provided")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    assert_eq!(client.ask("provided.fields", "").await, r#"{"text":"1 true 7s"}"#);
    assert_eq!(client.ask("provided.arguments", "").await, r#"{"text":"1 true 7s"}"#);
    assert_eq!(app.app().rpc(&ProvidedClient::REMOTELY, &()).await.unwrap().text, "1 true 7s");
    app.stop().await;
}
