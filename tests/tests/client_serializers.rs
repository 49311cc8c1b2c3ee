//! A serializer per client: named in the handshake, or fixed by the acceptor.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use pitaya::Users;
use pitaya::acceptor::{Acceptor, Tcp, WebSocket};
use pitaya::client::{Client, ConnectError, Pushes};
use pitaya::prelude::*;
use pitaya::serialize::{Body, Codecs, Message, NarrowJson, Schema, Serializer};
use pitaya::testing::{Cluster, TestServer};
use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{ACK, Got, RawClient};
use pitaya_tests::{soon, until};

#[message(proto)]
#[derive(Debug, Clone, PartialEq)]
struct Move {
    #[tag(1)]
    by: String,
    #[tag(2)]
    to: Vec<i32>,
}

#[message(proto, push = "onMove")]
#[derive(Debug, Clone, PartialEq)]
struct OnMove {
    #[tag(1)]
    by: String,
    #[tag(2)]
    to: Vec<i32>,
}

#[message(proto)]
#[derive(Debug, Clone, PartialEq)]
struct Point {
    #[tag(1)]
    at: Vec<f64>,
}

/// Has no Protobuf form.
#[message(push = "onNote")]
#[derive(Debug, Clone, PartialEq)]
struct Note {
    text: String,
}

/// Panics when it is read.
#[derive(serde::Serialize)]
struct Bomb;

impl<'de> serde::Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("boom")
    }
}

impl Message for Bomb {
    const CODECS: Codecs<Self> = Codecs::serde();
    const SCHEMA: &'static Schema = &Schema::new("Bomb", "", &[]);
}

/// The calls of handlers whose reply has no Protobuf form.
static NOTED: AtomicUsize = AtomicUsize::new(0);

#[derive(Component)]
struct Table(Groups);

#[handler(server = "table")]
impl Table {
    /// Binds the caller and lets it sit down.
    pub async fn sit(&self, session: Session, msg: Move) -> Result<()> {
        session.bind(&msg.by).await?;
        let all = self.0.group("all");
        all.ensure().await?;
        all.join(&session).await
    }

    /// Tells everyone about a move, and gives it back.
    pub async fn play(&self, msg: Move) -> Result<Move> {
        if msg.to.is_empty() {
            return Err(Error::new("TABLE-1", "no move").with_metadata("by", msg.by));
        }
        let push = OnMove { by: msg.by.clone(), to: msg.to.clone() };
        self.0.group("all").push(&push).await?.complete()?;
        Ok(msg)
    }

    /// Tells everyone about a note. Returns how many took it.
    pub async fn note(&self, msg: Move) -> Result<Move> {
        let sent = self.0.group("all").push(&Note { text: msg.by.clone() }).await?.sent;
        Ok(Move { to: vec![i32::try_from(sent).unwrap_or(i32::MAX)], ..msg })
    }

    /// Gives a point back.
    pub async fn aim(&self, msg: Point) -> Result<Point> {
        Ok(msg)
    }

    /// Takes and returns bytes, and pushes them.
    pub async fn raw(&self, session: Session, body: Bytes) -> Result<Bytes> {
        session.push_route("onRaw", &body).await?;
        Ok(body)
    }
}

#[derive(Component)]
struct Reader;

#[handler(server = "reader")]
impl Reader {
    /// Takes a message with a Protobuf form, and returns one without.
    pub async fn noted(&self, msg: Move) -> Result<Note> {
        NOTED.fetch_add(1, Relaxed);
        Ok(Note { text: msg.by })
    }

    /// Takes a message without a Protobuf form.
    pub async fn read(&self, msg: Note) -> Result<Note> {
        Ok(msg)
    }
}

const SERIALIZERS: [Serializer; 3] = [Serializer::Json, Serializer::Protobuf, Serializer::MessagePack];

fn step(by: &str) -> Move {
    Move { by: by.into(), to: vec![-1, 300] }
}

fn table(serializer: impl Into<Serializer>, acceptor: impl Acceptor) -> pitaya::app::Builder {
    App::builder()
        .server_type("table")
        .serializer(serializer)
        .client_serializers(SERIALIZERS)
        .acceptor(acceptor)
}

/// Seats a client under the name of its serializer. Returns it with its pushes.
async fn seated(client: Client) -> (Client, Pushes<Bytes>) {
    let pushes = client.pushes_raw("onMove");
    let name = client.serializer_name().to_owned();
    client.request(&Table::SIT, &step(&name)).await.unwrap();
    (client, pushes)
}

#[tokio::test]
async fn each_client_of_a_group_has_its_serializer() {
    for server in SERIALIZERS {
        let running = table(server.clone(), Tcp::new("127.0.0.1:0")).start().await.unwrap();
        let at = running.socket_addrs()[0];
        let mut seats = Vec::new();
        for serializer in SERIALIZERS {
            let client = Client::builder().serializer(serializer.clone()).connect_tcp(at).await.unwrap();
            assert_eq!(client.serializer_name(), serializer.name(), "a {server:?} server");
            seats.push((serializer, seated(client).await));
        }
        for player in 0..seats.len() {
            let (serializer, (client, _)) = &seats[player];
            let played = client.request(&Table::PLAY, &step("ann")).await.unwrap();
            assert_eq!(played, step("ann"), "{serializer:?}");
            for (serializer, (_, pushes)) in &mut seats {
                let body = soon("the push", pushes.next()).await.unwrap();
                let pushed: OnMove = serializer.decode(&Body::shared(&body)).unwrap();
                assert_eq!((&*pushed.by, &*pushed.to), ("ann", &[-1, 300][..]), "{serializer:?}");
                if matches!(serializer, Serializer::Json) {
                    assert_eq!(body, r#"{"by":"ann","to":[-1,300]}"#);
                }
            }
        }
        for (serializer, (client, _)) in &seats {
            let refused = Move { by: "bob".into(), to: Vec::new() };
            let error = client.request(&Table::PLAY, &refused).await.unwrap_err();
            assert_eq!(
                (error.code(), error.msg(), &*error.metadata()["by"]),
                ("TABLE-1", "no move", "bob"),
                "{serializer:?}"
            );
            let mut pushes = client.pushes_raw("onRaw");
            let body = Bytes::from_static(b"\x00{\xff");
            assert_eq!(client.request_raw("table.table.raw", body.clone()).await.unwrap(), body);
            assert_eq!(soon("the push", pushes.next()).await.unwrap(), body);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn message_without_protobuf_skips_those_clients() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let at = running.socket_addrs()[0];
    let (json, _) = seated(Client::builder().connect_tcp(at).await.unwrap()).await;
    let (proto, _) =
        seated(Client::builder().serializer(Serializer::Protobuf).connect_tcp(at).await.unwrap()).await;
    let mut notes = json.pushes::<Note>();
    let noted = proto.request(&Table::NOTE, &step("hello")).await.unwrap();
    assert_eq!(noted.to, [1], "the client with JSON");
    assert_eq!(soon("the push", notes.next()).await.unwrap().text, "hello");
    running.stop().await;
    let running =
        table(Serializer::Json, Tcp::new("127.0.0.1:0")).server_type("reader").start().await.unwrap();
    let builder = Client::builder().serializer(Serializer::Protobuf);
    let proto = builder.connect_tcp(running.socket_addrs()[0]).await.unwrap();
    let error = proto.request_raw("reader.reader.read", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");
    assert!(error.msg().contains("has no Protobuf form"), "{error}");
    assert!(proto.is_connected());
    running.stop().await;
}

/// The reply to a handshake.
async fn reply(running: &pitaya::app::Running, acceptor: usize, handshake: &str) -> String {
    let mut raw = RawClient::connect(running.socket_addrs()[acceptor]).await;
    raw.packet(Kind::Handshake, handshake.as_bytes()).await;
    match raw.next().await {
        Some(Got::Handshake(reply)) => String::from_utf8(reply.to_vec()).unwrap(),
        got => panic!("{got:?}"),
    }
}

#[tokio::test]
async fn unknown_serializer_gets_that_of_the_server() {
    let mut config = pitaya::config::Config::default();
    config.message_compression = false;
    let running = table(NarrowJson, Tcp::new("127.0.0.1:0")).config(config).start().await.unwrap();
    let same = reply(&running, 0, "{}").await;
    assert_eq!(same, r#"{"code":200,"sys":{"dict":{},"heartbeat":30,"serializer":"json"}}"#);
    let long = format!(r#""{}""#, "x".repeat(60_000));
    for name in ["null", "7", "{}", r#"["json"]"#, r#""""#, r#""xml""#, r#""JSON""#, r#""json""#, &long] {
        let asked = reply(&running, 0, &format!(r#"{{"sys":{{"serializer":{name}}}}}"#)).await;
        assert_eq!(asked, same, "{name:.40}");
    }
    let asked = reply(&running, 0, r#"{"sys":{"serializer":"msgpack"}}"#).await;
    assert_eq!(asked, same.replace("json", "msgpack"));
    // Longer than a packet may be before the handshake.
    let mut raw = RawClient::connect(running.socket_addrs()[0]).await;
    let huge = format!(r#"{{"sys":{{"serializer":"{}"}}}}"#, "x".repeat(1 << 20));
    raw.packet(Kind::Handshake, huge.as_bytes()).await;
    assert_eq!(raw.next().await, None, "closed");
    running.stop().await;
}

/// Every serializer could be named by a client for which the author of the handlers did not write them.
#[tokio::test]
async fn client_chooses_only_among_what_the_author_offers() {
    let mut config = pitaya::config::Config::default();
    config.message_compression = false;
    let running = App::builder()
        .server_type("table")
        .config(config)
        .acceptor(Tcp::new("127.0.0.1:0"))
        .acceptor(Tcp::new("127.0.0.1:0").serializer(Serializer::Protobuf))
        .start()
        .await
        .unwrap();
    let same = reply(&running, 0, "{}").await;
    for name in ["json", "protobuf", "msgpack"] {
        let asked = reply(&running, 0, &format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#)).await;
        assert_eq!(asked, same, "{name}");
        for _ in 0..2 {
            let fixed = reply(&running, 1, &format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#)).await;
            assert_eq!(fixed, same.replace("json", "protobuf"), "{name}");
        }
    }
    let at = running.socket_addrs()[0];
    let refused = Client::builder().serializer(Serializer::MessagePack).connect_tcp(at).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Serializer { server, .. } if server == "json"));
    running.stop().await;
}

/// JSON would have `null`, which no reader of a number takes.
#[tokio::test]
async fn json_server_refuses_floats_that_are_not_finite() {
    let point = |x: f64| Point { at: vec![0.5, x] };
    for serializer in [Serializer::Protobuf, Serializer::MessagePack] {
        for (server, taken) in
            [(Serializer::Json, false), (NarrowJson.into(), false), (serializer.clone(), true)]
        {
            let running = table(server.clone(), Tcp::new("127.0.0.1:0")).start().await.unwrap();
            let builder = Client::builder().serializer(serializer.clone());
            let client = builder.connect_tcp(running.socket_addrs()[0]).await.unwrap();
            assert_eq!(client.request(&Table::AIM, &point(5.0)).await.unwrap(), point(5.0));
            for x in [f64::NAN, f64::INFINITY] {
                let aimed = client.request(&Table::AIM, &point(x)).await;
                assert_eq!(aimed.is_ok(), taken, "{serializer:?} at {server:?}: {aimed:?}");
                if let Err(error) = aimed {
                    assert_eq!(
                        (error.code(), error.msg()),
                        ("PIT-400", "a number is not finite, which JSON cannot express")
                    );
                }
            }
            running.stop().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn float_that_is_not_finite_is_never_forwarded() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    for serializer in [Serializer::Protobuf, Serializer::MessagePack] {
        let client = enter(&hall, &serializer).await;
        for (x, taken) in [(5.0, true), (f64::NAN, false), (f64::NEG_INFINITY, false)] {
            let aimed = client.request(&Board::AIM, &Point { at: vec![x] }).await;
            assert_eq!(aimed.is_ok(), taken, "{serializer:?}: {aimed:?}");
            assert!(aimed.is_ok_and(|point| point.at == [x]) || !taken, "{serializer:?}");
        }
        if matches!(serializer, Serializer::MessagePack) {
            // The frontend does not know the type.
            let nan = [&b"\x81\xa4text\xcb"[..], &f64::NAN.to_be_bytes()].concat();
            let error = client.request_raw("stranger.it.play", nan.into()).await.unwrap_err();
            assert_eq!(error.code(), "PIT-400");
            assert!(error.msg().contains("not finite"), "{error}");
        }
    }
    hall.stop().await;
    board.stop().await;
    it.unwrap().stop().await;
}

#[tokio::test]
async fn acceptor_fixes_the_serializer() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0").serializer(Serializer::Protobuf))
        .acceptor(WebSocket::new("127.0.0.1:0").serializer(Serializer::Json))
        .acceptor(Tcp::new("127.0.0.1:0").serializer(NarrowJson))
        .start()
        .await
        .unwrap();
    let addresses = running.socket_addrs();
    let (native, mut first) = seated(Client::builder().connect_tcp(addresses[0]).await.unwrap()).await;
    let (page, mut second) =
        seated(Client::builder().connect_ws(&format!("ws://{}/", addresses[1])).await.unwrap()).await;
    assert_eq!((native.serializer_name(), page.serializer_name()), ("protobuf", "json"));
    page.request(&Table::PLAY, &step("\u{1f389}")).await.unwrap();
    let move_of =
        |serializer: Serializer, body: Bytes| serializer.decode::<OnMove>(&Body::shared(&body)).unwrap();
    let (first, second) = (first.next().await.unwrap(), second.next().await.unwrap());
    assert_eq!(move_of(Serializer::Protobuf, first), move_of(Serializer::Json, second));
    let narrow = Client::builder().connect_tcp(addresses[2]).await.unwrap();
    let body = narrow.request_raw("table.table.play", r#"{"by":"🎉","to":[1]}"#.into()).await.unwrap();
    assert_eq!(body, r#"{"by":"\ud83c\udf89","to":[1]}"#);
    let refused = Client::builder().serializer(Serializer::Json).connect_tcp(addresses[0]).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Serializer { server, .. } if server == "protobuf"));
    running.stop().await;
}

/// The session has no serializer yet, so the client would misread the push.
#[tokio::test]
async fn push_before_another_format_is_chosen_is_dropped() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0")).start().await.unwrap();
    for (name, kept) in [("json", true), ("msgpack", false)] {
        let mut raw = RawClient::connect(running.socket_addrs()[0]).await;
        let sessions = running.app().sessions();
        until("the session", || sessions.count() == 1).await;
        sessions.all()[0].push(&Note { text: "early".into() }).await.unwrap();
        raw.packet(Kind::Handshake, format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#).as_bytes()).await;
        assert!(matches!(raw.next().await, Some(Got::Handshake(_))));
        raw.send(ACK).await;
        raw.request("table.table.raw", "x").await;
        let Some(Got::Push { route, .. }) = raw.next().await else { panic!("a push") };
        assert_eq!(route == "onNote", kept, "{name}: {route}");
        drop(raw);
        until("the end", || sessions.count() == 0).await;
    }
    running.stop().await;
}

// ---- in a cluster

#[derive(Component)]
struct Hall;

#[handler(server = "hall")]
impl Hall {
    /// Binds the caller.
    pub async fn enter(&self, session: Session, msg: Move) -> Result<()> {
        session.bind(&msg.by).await
    }
}

#[derive(Component)]
struct Board(Users);

#[handler(server = "board")]
impl Board {
    /// Pushes to the session and to its user, and gives the move back.
    pub async fn play(&self, session: Session, msg: Move) -> Result<Move> {
        if msg.to.is_empty() {
            return Err(Error::new("BOARD-1", "no move").with_metadata("by", msg.by));
        }
        let push = OnMove { by: msg.by.clone(), to: msg.to.clone() };
        session.push(&push).await?;
        let uid = session.require_uid()?;
        self.0.on_frontends("hall").push(&[&*uid], &push).await?.complete()?;
        Ok(msg)
    }

    /// Gives a point back.
    pub async fn aim(&self, msg: Point) -> Result<Point> {
        Ok(msg)
    }

    /// Takes and returns bytes.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    pub async fn hear(&self, session: Session, msg: Move) {
        let _ = session.push(&OnMove { by: msg.by, to: msg.to }).await;
    }
}

/// Two blocks of one route, so that frontends do not know its types.
mod stranger {
    use super::*;

    #[derive(Component)]
    pub(super) struct One;

    #[handler(server = "stranger", service = "it")]
    impl One {
        pub async fn play(&self, session: Session, msg: Note) -> Result<Note> {
            session.push_route("onStrange", &msg).await?;
            Ok(msg)
        }
    }

    #[derive(Component)]
    pub(super) struct Other;

    #[handler(server = "stranger", service = "it")]
    impl Other {
        pub async fn play(&self, msg: Move) -> Result<Move> {
            Ok(msg)
        }
    }
}

/// Has messages without a Protobuf form, so no server with Protobuf has it.
#[derive(Component)]
struct Vault;

#[handler(server = "vault")]
impl Vault {
    /// Takes a message with a Protobuf form, and returns one without.
    pub async fn noted(&self, msg: Move) -> Result<Note> {
        NOTED.fetch_add(1, Relaxed);
        Ok(Note { text: msg.by })
    }

    /// Never runs, because its message cannot be read.
    pub async fn explode(&self, _msg: Bomb) -> Result<()> {
        Ok(())
    }
}

#[derive(Component)]
struct Anywhere;

/// Of every server type.
#[handler]
impl Anywhere {
    pub async fn look(&self, msg: Move) -> Result<Move> {
        Ok(msg)
    }
}

async fn enter(hall: &TestServer, serializer: &Serializer) -> Client {
    let client = hall.client_with(&Client::builder().serializer(serializer.clone())).await.unwrap();
    client.request(&Hall::ENTER, &step(&format!("{serializer:?}"))).await.unwrap();
    client
}

#[tokio::test(start_paused = true)]
async fn forwarded_messages_are_recoded_by_their_types() {
    for server in SERIALIZERS {
        let cluster = Cluster::seeded(1);
        let board = cluster.backend("board", |app| app.serializer(server.clone())).await.unwrap();
        let hall =
            cluster.frontend("hall", |app| app.serializer(server.clone()).client_serializers(SERIALIZERS));
        let hall = hall.await.unwrap();
        for serializer in SERIALIZERS {
            let client = enter(&hall, &serializer).await;
            let mut pushes = client.pushes::<OnMove>();
            assert_eq!(client.request(&Board::PLAY, &step("ann")).await.unwrap(), step("ann"));
            client.notify(&Board::HEAR, &step("bob")).await.unwrap();
            for by in ["ann", "ann", "bob"] {
                assert_eq!(pushes.next().await.unwrap().by, by, "{serializer:?} at {server:?}");
            }
            let refused = Move { by: "eve".into(), to: Vec::new() };
            let error = client.request(&Board::PLAY, &refused).await.unwrap_err();
            assert_eq!((error.code(), &*error.metadata()["by"]), ("BOARD-1", "eve"));
            let body = Bytes::from_static(b"\x00{\xff");
            assert_eq!(client.request_raw("board.board.raw", body.clone()).await.unwrap(), body);
            let error = client.request_raw("board.board.play", "\u{1}".into()).await.unwrap_err();
            assert_eq!(error.code(), "PIT-400", "{serializer:?} at {server:?}: {error}");
        }
        hall.stop().await;
        board.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_types_are_forwarded_except_in_protobuf() {
    let cluster = Cluster::seeded(1);
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let note = Note { text: "hi".into() };
    let client = enter(&hall, &Serializer::MessagePack).await;
    let mut pushes = client.pushes_route::<Note>("onStrange");
    assert_eq!(client.request_route::<_, Note>("stranger.it.play", &note).await.unwrap(), note);
    assert_eq!(pushes.next().await.unwrap(), note);
    let deep = [&[0x91; 1000][..], &[0xc0]].concat();
    let error = client.request_raw("stranger.it.play", deep.into()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");

    let client = enter(&hall, &Serializer::Protobuf).await;
    let error = client.request_raw("stranger.it.play", Bytes::new()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.msg()),
        ("PIT-415", "route `stranger.it.play` cannot be called with the serializer `protobuf`")
    );
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), client.closed()).await.ok(), None);
    hall.stop().await;
    it.unwrap().stop().await;
}

/// Its side effects would happen, and the client would read that it failed.
#[tokio::test(start_paused = true)]
async fn call_whose_reply_cannot_be_encoded_never_runs() {
    let cluster = Cluster::seeded(1);
    let vault = cluster.backend("vault", |app| app).await.unwrap();
    let reader = cluster.frontend("reader", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let client = async |serializer| reader.client_with(&Client::builder().serializer(serializer)).await;
    let proto = client(Serializer::Protobuf).await.unwrap();
    let msgpack = client(Serializer::MessagePack).await.unwrap();
    for route in ["reader.reader.noted", "vault.vault.noted"] {
        let before = NOTED.load(Relaxed);
        let error = proto.request_raw(route, Bytes::from_static(b"\x0a\x03ann")).await.unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-400", "the reply `Note` has no Protobuf form"));
        assert_eq!(NOTED.load(Relaxed), before, "{route}");
        let note: Note = msgpack.request_route(route, &step("ann")).await.unwrap();
        assert_eq!((&*note.text, NOTED.load(Relaxed)), ("ann", before + 1), "{route}");
    }
    reader.stop().await;
    vault.stop().await;
}

#[tokio::test(start_paused = true)]
async fn panic_while_recoding_is_an_error_of_the_call() {
    let cluster = Cluster::seeded(1);
    let vault = cluster.backend("vault", |app| app).await.unwrap();
    for concurrent in [false, true] {
        let configure = |app: pitaya::app::Builder| {
            let mut config = pitaya::config::Config::default();
            config.session.concurrent_forward = concurrent;
            app.config(config).client_serializers(SERIALIZERS)
        };
        let hall = cluster.frontend("hall", configure).await.unwrap();
        let client = enter(&hall, &Serializer::MessagePack).await;
        let error = client.request_raw("vault.vault.explode", "\u{1}".into()).await.unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-000", "internal error"));
        let note: Note = client.request_route("vault.vault.noted", &step("ann")).await.unwrap();
        assert_eq!(note.text, "ann");
        hall.stop().await;
    }
    vault.stop().await;
}

/// The server type `elsewhere` is of another program, for all that the frontend knows.
#[tokio::test(start_paused = true)]
async fn types_of_every_server_serve_linked_types_only() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let elsewhere = cluster.backend("elsewhere", |app| app).await.unwrap();
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let client = enter(&hall, &Serializer::Protobuf).await;
    let looked: Move = client.request_route("board.anywhere.look", &step("ann")).await.unwrap();
    assert_eq!(looked, step("ann"));
    let error = client.request_route::<_, Move>("elsewhere.anywhere.look", &step("ann")).await.unwrap_err();
    assert_eq!(error.code(), "PIT-415");
    let client = enter(&hall, &Serializer::MessagePack).await;
    let looked: Move = client.request_route("elsewhere.anywhere.look", &step("ann")).await.unwrap();
    assert_eq!(looked, step("ann"));
    for server in [hall, elsewhere, board] {
        server.stop().await;
    }
}
