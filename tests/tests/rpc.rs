//! Remotes: typed clients, contracts, stand-ins.

use pitaya::Context;
use pitaya::component::Fake;
use pitaya::prelude::*;
use pitaya_tests::server::{self, Arena, ArenaClient, Text, config};

pitaya::link!(pitaya_tests);

#[message(proto)]
struct Enter {
    #[tag(1)]
    uid: String,
    #[tag(2)]
    level: i32,
}

#[message]
#[derive(PartialEq)]
struct Entered {
    members: Vec<String>,
}

/// The remotes of a room.
#[remote(server = "test")]
trait RoomApi {
    /// Puts a player in.
    async fn enter(&self, req: Enter) -> Result<Entered>;
    /// Knows its route.
    async fn whereami(&self, cx: Context) -> Result<Text>;
    /// Fails.
    async fn fail(&self) -> Result<()>;
    /// Never ends.
    async fn hang(&self) -> Result<()>;
}

#[derive(Component)]
struct Room {
    #[component(default)]
    members: std::sync::Mutex<Vec<String>>,
}

#[remote]
impl RoomApi for Room {
    async fn enter(&self, req: Enter) -> Result<Entered> {
        let mut members = self.members.lock().unwrap();
        members.push(format!("{}@{}", req.uid, req.level));
        Ok(Entered { members: members.clone() })
    }

    async fn whereami(&self, cx: Context) -> Result<Text> {
        Ok(Text { text: cx.route().to_owned() })
    }

    async fn fail(&self) -> Result<()> {
        Err(Error::new("ROOM-1", "full").with_metadata("room", "lobby"))
    }

    async fn hang(&self) -> Result<()> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn contract_is_called_typed_and_by_route() {
    let server = server::start(config()).await;
    let entered =
        server.app.app().rpc(&RoomApiClient::ENTER, &Enter { uid: "ann".into(), level: 3 }).await.unwrap();
    assert_eq!(entered, Entered { members: vec!["ann@3".into()] });
    let here = server.app.app().rpc(&RoomApiClient::WHEREAMI, &()).await.unwrap();
    assert_eq!(here.text, "test.room.whereami");
    let error = server.app.app().rpc(&RoomApiClient::FAIL, &()).await.unwrap_err();
    assert_eq!((error.code(), error.msg(), &error.metadata()["room"][..]), ("ROOM-1", "full", "lobby"));
    server.app.stop().await;
}

#[tokio::test]
async fn an_inherent_block_has_a_typed_client_too() {
    let server = server::start(config()).await;
    let text = server.app.app().rpc(&ArenaClient::REVERSE, &Text { text: "abc".into() }).await.unwrap();
    assert_eq!(text.text, "cba");
    server.app.stop().await;
}

#[tokio::test]
async fn calls_that_cannot_be_made_say_why() {
    let server = server::start(config()).await;
    let error = server.app.app().rpc_raw("test.room.nothing", Bytes::new()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.msg(), &error.metadata()["route"][..]),
        ("PIT-404", "route not found", "room.nothing")
    );
    let error = server.app.app().rpc_raw("elsewhere.room.enter", Bytes::new()).await.unwrap_err();
    assert_eq!(error.msg(), "RPC server is not running");
    let error = server.app.app().rpc_raw("nonsense", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");
    let error = server
        .app
        .app()
        .rpc_on_server("nobody", &ArenaClient::REVERSE, &Text { text: String::new() })
        .await
        .unwrap_err();
    assert_eq!(error.msg(), "can't find any server with the provided ID");
    let error = server.app.app().rpc_raw("test.arena.raw", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-404", "a handler is no remote");
    server.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_may_have_a_timeout() {
    struct Slow;
    impl RoomApi for Slow {
        async fn enter(&self, _: Enter) -> Result<Entered> {
            std::future::pending().await
        }
        async fn whereami(&self, _: Context) -> Result<Text> {
            std::future::pending().await
        }
        async fn fail(&self) -> Result<()> {
            Ok(())
        }
        async fn hang(&self) -> Result<()> {
            std::future::pending().await
        }
    }
    let room = RoomApiClient::fake(Slow);
    let error = room.with_timeout(std::time::Duration::from_millis(200)).hang().await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("PIT-408", "rpc client: request timeout"));
    room.fail().await.unwrap();
}

#[tokio::test]
async fn client_is_faked_by_impl_or_closures() {
    let room = RoomApiClient::fake(Room { members: Default::default() });
    room.enter(&Enter { uid: "a".into(), level: 0 }).await.unwrap();
    let entered = room.enter(&Enter { uid: "b".into(), level: 1 }).await.unwrap();
    assert_eq!(entered.members, ["a@0", "b@1"]);
    assert_eq!(room.whereami().await.unwrap().text, "test.room.whereami");

    let arena =
        ArenaClient::fake(Fake::new().on(&ArenaClient::REVERSE, |msg: Text| async move {
            Ok(Text { text: format!("<{}>", msg.text) })
        }));
    assert_eq!(arena.reverse(&Text { text: "x".into() }).await.unwrap().text, "<x>");
    assert_eq!(
        arena.to_server("some-server").by_key("key").reverse(&Text { text: "y".into() }).await.unwrap().text,
        "<y>"
    );
}

#[derive(Component)]
struct Caller {
    room: RoomApiClient,
}

#[handler(server = "test")]
impl Caller {
    /// Asks the room.
    pub async fn ask(&self, msg: Text) -> Result<Entered> {
        self.room.enter(&Enter { uid: msg.text, level: 9 }).await
    }
}

#[tokio::test]
async fn handler_calls_a_remote_through_a_field() {
    let server = server::start(config()).await;
    let mut client = pitaya_tests::raw_client::RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("caller.ask", r#"{"text":"eve"}"#).await, r#"{"members":["eve@9"]}"#);
    server.app.stop().await;
}

#[tokio::test]
async fn a_handler_is_an_ordinary_method_in_a_test() {
    let caller = Caller { room: RoomApiClient::fake(Room { members: Default::default() }) };
    assert_eq!(caller.ask(Text { text: "x".into() }).await.unwrap().members, ["x@9"]);
    let _: fn(&Arena) = |_| {};
}
