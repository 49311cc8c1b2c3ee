//! Starting and stopping: an app that cannot start reports all its problems together.

use std::sync::{Arc, Mutex};

use pitaya::Lifecycle;
use pitaya::acceptor::Tcp;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::prelude::*;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, Recorder, Text, config};
use pitaya_tests::{soon, until};

pitaya::link!(pitaya_tests);

#[derive(Debug)]
struct Unmade;

#[handler(server = "unmade")]
impl Unmade {
    /// Does nothing.
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[derive(Component)]
struct TwiceA;
#[derive(Component)]
struct TwiceB;

#[handler(server = "twice", service = "same")]
impl TwiceA {
    /// One.
    pub async fn route(&self) -> Result<()> {
        Ok(())
    }
    /// Two.
    pub async fn other(&self) -> Result<()> {
        Ok(())
    }
}

#[handler(server = "twice", service = "same")]
impl TwiceB {
    /// One, again.
    pub async fn route(&self) -> Result<()> {
        Ok(())
    }
    /// Two, again.
    pub async fn other(&self) -> Result<()> {
        Ok(())
    }
}

async fn error(builder: pitaya::app::Builder) -> String {
    builder.start().await.expect_err("must not start").msg().to_owned()
}

/// A frontend needs one; a backend must have none.
#[tokio::test]
async fn acceptor_must_match_frontend_or_backend() {
    let msg = error(App::builder().server_type("test")).await;
    assert!(msg.contains("a frontend needs an acceptor"), "{msg}");
    let msg = error(App::builder().server_type("test").backend().acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("a backend has no acceptors"), "{msg}");
    let msg = error(App::builder().acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("server type"), "{msg}");
}

#[tokio::test]
async fn duplicate_routes_are_all_named_with_both_places() {
    let msg = error(App::builder().server_type("twice").acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(
        msg.contains("handler route `twice.same.route` is defined twice: tests/tests/start.rs:"),
        "{msg}"
    );
    assert!(msg.contains("`twice.same.other` is defined twice"), "{msg}");
    assert_eq!(msg.matches("start.rs:").count(), 4, "{msg}");
}

/// Registering it helps.
#[tokio::test]
async fn unmakeable_component_is_named() {
    let msg = error(App::builder().server_type("unmade").acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("start::Unmade") && msg.contains("derive `Component`"), "{msg}");
    let app = App::builder()
        .server_type("unmade")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .register(Unmade)
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    assert_eq!(client.ask("unmade.nothing", "").await, "{}");
    app.stop().await;
}

#[tokio::test]
async fn without_collect_only_registered_are_served() {
    let msg =
        error(App::builder().server_type("unmade").explicit_components().acceptor(Tcp::new("127.0.0.1:0")))
            .await;
    assert!(msg.contains("no component of this server type is registered"), "{msg}");
    let app = App::builder()
        .server_type("twice")
        .explicit_components()
        .register(TwiceA)
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .expect("one of the two alone is no duplicate");
    assert_eq!(app.app().handlers().len(), 2);
    app.stop().await;
}

/// It forwards every message.
#[tokio::test]
async fn only_a_cluster_frontend_may_serve_nothing() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = |server_type| {
        App::builder().server_type(server_type).discovery(registry.discovery()).transport(broker.transport())
    };
    let front = || app("front").acceptor(Tcp::new("127.0.0.1:0"));
    let forgotten = error(front()).await;
    assert!(forgotten.contains("no component of server type `front` is linked in"), "{forgotten}");
    let useless = error(app("back").backend().explicit_components()).await;
    assert!(useless.contains("no component of this server type is registered"), "{useless}");

    let back = app("unmade").backend().register(Unmade).start().await.unwrap();
    let front = front().explicit_components().start().await.unwrap();
    let mut client = RawClient::of(&front).await;
    assert_eq!(client.ask("unmade.unmade.nothing", "").await, "{}");
    front.stop().await;
    back.stop().await;
}

#[tokio::test]
async fn duplicates_are_reported_with_other_problems() {
    let builder = App::builder()
        .server_type("unmade")
        .state(7_u32)
        .state(8_u32)
        .state("another type")
        .register(Unmade)
        .register(Unmade);
    let msg = error(builder).await;
    assert!(msg.contains("state `u32` was given twice"), "{msg}");
    assert!(msg.contains("`start::Unmade` was registered twice"), "{msg}");
    assert!(msg.contains("a frontend needs an acceptor"), "{msg}");
    assert_eq!(msg.lines().count(), 3, "{msg}");
}

#[tokio::test]
async fn unlinked_server_type_lists_the_linked_ones() {
    let msg = error(App::builder().server_type("nowhere").acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("`nowhere`") && msg.contains("test") && msg.contains("link!"), "{msg}");
}

#[tokio::test]
async fn a_missing_state_is_named_with_its_field() {
    let msg = error(App::builder().server_type("test").acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("Arena.recorder") && msg.contains(".state("), "{msg}");
}

#[tokio::test]
async fn protobuf_server_lists_unfit_messages() {
    let recorder = Arc::new(Recorder::default());
    let builder = server::builder(config(), &recorder).serializer(pitaya::serialize::Serializer::Protobuf);
    let msg = error(builder).await;
    assert!(msg.contains("`Text` of route `test.arena.typed`"), "{msg}");
    assert!(msg.contains("`Number` of route `test.arena.id`"), "{msg}");
    assert!(!msg.contains("arena.raw"), "{msg}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let recorder = Arc::new(Recorder::default());
    let builder =
        server::builder(config(), &recorder).acceptor(Tcp::new(taken.local_addr().unwrap().to_string()));
    let msg = error(builder).await;
    assert!(msg.contains("cannot listen"), "{msg}");
}

static LIFE: Mutex<Vec<&str>> = Mutex::new(Vec::new());

#[derive(Component)]
struct Living;

impl Lifecycle for Living {
    async fn init(&self) -> Result<()> {
        LIFE.lock().unwrap().push("init");
        Ok(())
    }
    async fn after_init(&self) {
        LIFE.lock().unwrap().push("after_init");
    }
    async fn before_shutdown(&self) {
        LIFE.lock().unwrap().push("before_shutdown");
    }
    async fn shutdown(&self) {
        LIFE.lock().unwrap().push("shutdown");
    }
}

#[handler(server = "living")]
impl Living {
    /// A route.
    pub async fn on(&self) -> Result<Text> {
        Ok(Text { text: LIFE.lock().unwrap().join(" ") })
    }
}

#[remote(server = "living")]
impl Living {
    /// The same instance has remotes too.
    pub async fn state(&self) -> Result<Text> {
        Ok(Text { text: LIFE.lock().unwrap().join(" ") })
    }
}

#[tokio::test]
async fn a_component_lives_once_whatever_its_blocks() {
    let app = App::builder().server_type("living").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let mut client = RawClient::of(&app).await;
    assert_eq!(client.ask("living.on", "").await, r#"{"text":"init after_init"}"#);
    assert_eq!(app.app().rpc(&LivingClient::STATE, &()).await.unwrap().text, "init after_init");
    app.stop().await;
    assert_eq!(*LIFE.lock().unwrap(), ["init", "after_init", "before_shutdown", "shutdown"]);
}

#[derive(Component)]
struct Stillborn;

impl Lifecycle for Stillborn {
    async fn init(&self) -> Result<()> {
        Err(Error::new("LIFE-1", "no database"))
    }
}

#[handler(server = "stillborn")]
impl Stillborn {
    /// A route.
    pub async fn on(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_init_that_fails_keeps_the_app_from_starting() {
    let error =
        App::builder().server_type("stillborn").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap_err();
    assert_eq!(error.code(), "LIFE-1");
    assert!(error.msg().contains("Stillborn") && error.msg().contains("no database"), "{error}");
}

/// Components of one server type, in the order of their names, that write down what they live through.
macro_rules! mortals {
    ($server:literal, $log:ident: $($name:ident { $($call:ident => $end:expr),* })+) => {
        static $log: Mutex<Vec<String>> = Mutex::new(Vec::new());
        $(
            #[derive(Component)]
            struct $name;

            impl $name {
                fn lives(call: &str) -> Result<()> {
                    $log.lock().unwrap().push(format!("{} {call}", stringify!($name)));
                    match call {
                        $(stringify!($call) => $end,)*
                        _ => Ok(()),
                    }
                }
            }

            impl Lifecycle for $name {
                async fn init(&self) -> Result<()> {
                    Self::lives("init")
                }
                async fn after_init(&self) {
                    Self::lives("after_init").unwrap();
                }
                async fn before_shutdown(&self) {
                    Self::lives("before_shutdown").unwrap();
                }
                async fn shutdown(&self) {
                    Self::lives("shutdown").unwrap();
                }
            }

            #[handler(server = $server)]
            impl $name {
                /// A route.
                pub async fn on(&self) {}
            }
        )+
    };
}

mortals! { "mortal", MORTAL:
    First {}
    Second { init => panic!("no luck") }
    Third {}
}

/// A panic in an init is its error.
#[tokio::test]
async fn failed_init_shuts_down_only_what_began() {
    let msg = error(App::builder().server_type("mortal").acceptor(Tcp::new("127.0.0.1:0"))).await;
    assert!(msg.contains("start::Second") && msg.contains("no luck"), "{msg}");
    let expected = ["First init", "Second init", "First before_shutdown", "First shutdown"];
    assert_eq!(*MORTAL.lock().unwrap(), expected);
}

mortals! { "fragile", FRAGILE:
    Calm {}
    Dire { after_init => panic!("one"), before_shutdown => panic!("two"), shutdown => panic!("three") }
    Even {}
}

#[tokio::test]
async fn panic_in_one_component_spares_the_others() {
    let app = App::builder().server_type("fragile").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    app.stop().await;
    let all = ["Calm", "Dire", "Even"];
    let mut expected = Vec::new();
    for call in ["init", "after_init"] {
        expected.extend(all.map(|name| format!("{name} {call}")));
    }
    for call in ["before_shutdown", "shutdown"] {
        expected.extend(all.iter().rev().map(|name| format!("{name} {call}")));
    }
    assert_eq!(*FRAGILE.lock().unwrap(), expected);
}

#[tokio::test]
async fn on_built_hooks_run_before_serving() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (one, two) = (Arc::clone(&log), Arc::clone(&log));
    let server = server::start_with(config(), |builder| {
        builder
            .on_built(move |app| async move {
                one.lock().unwrap().push(format!("one {} {}", app.server_type(), app.handlers().is_empty()));
                Ok(())
            })
            .on_built(move |_| async move {
                two.lock().unwrap().push("two".to_owned());
                Ok(())
            })
    })
    .await;
    assert_eq!(*log.lock().unwrap(), ["one test false", "two"]);
    server.app.stop().await;
    let recorder = Arc::new(Recorder::default());
    let failing =
        server::builder(config(), &recorder).on_built(|_| async { Err(Error::new("HOOK-1", "no")) });
    assert_eq!(failing.start().await.unwrap_err().code(), "HOOK-1");
}

#[tokio::test]
async fn two_apps_in_one_process_are_independent() {
    let (one, two) = (server::start(config()).await, server::start(config()).await);
    let mut a = RawClient::ready(one.tcp).await;
    let mut b = RawClient::ready(two.tcp).await;
    for client in [&mut a, &mut b] {
        assert_eq!(client.ask("arena.bind", r#"{"text":"ann"}"#).await, r#"{"text":"ann"}"#);
    }
    assert_eq!((one.app.app().sessions().count(), two.app.app().sessions().count()), (1, 1));
    one.app.stop().await;
    assert_eq!(b.ask("arena.raw", "still").await, "still");
    two.app.stop().await;
}

#[tokio::test]
async fn stop_closes_sessions_and_refuses_new_ones() {
    let server = server::start(config()).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(RawClient::ready(server.tcp).await);
    }
    let address = server.tcp;
    soon("the stop", server.app.stop()).await;
    for client in &mut clients {
        assert_eq!(client.closed().await, []);
    }
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn shutdown_ends_the_wait() {
    let server = server::start(config()).await;
    let app = server.app.app().clone();
    assert!(app.is_running());
    let waiting = tokio::spawn(server.app.wait());
    app.shutdown();
    app.shutdown();
    soon("the end", waiting).await.unwrap();
    assert!(!app.is_running());
}

#[tokio::test]
async fn drain_waits_for_sessions_and_refuses_new_ones() {
    let mut config = config();
    config.session.drain.period = std::time::Duration::from_millis(10);
    let server = server::start(config).await;
    let client = RawClient::ready(server.tcp).await;
    let address = server.tcp;
    let running = Arc::new(server.app);
    let draining = {
        let running = Arc::clone(&running);
        tokio::spawn(async move { running.drain().await })
    };
    soon("the acceptor to close", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!draining.is_finished());
    drop(client);
    soon("the drain", draining).await.unwrap();
    until("no session", || running.app().sessions().count() == 0).await;
}

#[test]
fn without_a_runtime_the_start_says_so() {
    use futures_util::FutureExt;

    let start = App::builder().server_type("test").acceptor(Tcp::new("127.0.0.1:0")).start();
    let error = start.now_or_never().expect("it fails immediately").expect_err("there is no runtime");
    assert!(error.msg().contains("no Tokio runtime") && error.msg().contains("#[tokio::main]"), "{error}");
}

/// The names that people look for first are at the root of the crate.
mod names_at_the_root {
    #[expect(unused_imports, reason = "that they are there is what is tested")]
    use pitaya::{
        App, Config, Context, Groups, Lifecycle, Rpc, Session, SessionData, SessionPool, State, Timers, Users,
    };
}

/// A start may be spawned, so its future is `Send`.
#[tokio::test]
async fn a_start_can_be_spawned() {
    let recorder = Arc::new(Recorder::default());
    let app = tokio::spawn(server::builder(config(), &recorder).start()).await.unwrap().unwrap();
    app.stop().await;
}
