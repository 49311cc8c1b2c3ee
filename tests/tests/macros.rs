//! The expansion of the macros at run time: forms of messages, errors, and timers of components.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use pitaya::acceptor::Tcp;
use pitaya::prelude::*;
use pitaya::serialize::Message;
use pitaya::serialize::{Body, Serializer, Type};
use pitaya::{Lifecycle, PitayaError, timers};
use serde_json::{Value, json};

#[message]
#[derive(PartialEq)]
struct Inner {
    n: i32,
}

#[message]
#[derive(PartialEq)]
struct Numbers {
    small: u8,
    wide: i64,
    list: Vec<u32>,
    maybe: Option<i16>,
    inner: Inner,
    inners: Vec<Inner>,
    map: BTreeMap<String, u64>,
    keys: BTreeMap<i32, bool>,
    float: f64,
    any: Value,
    text: String,
}

/// The JSON of a JavaScript client that writes every number as a double.
#[derive(serde::Serialize)]
struct Doubles {
    small: f64,
    wide: f64,
    list: Vec<f64>,
    maybe: Option<f64>,
    inner: BTreeMap<&'static str, f64>,
    inners: Vec<BTreeMap<&'static str, f64>>,
    map: BTreeMap<&'static str, f64>,
    keys: BTreeMap<i32, bool>,
    float: f64,
    any: Value,
    text: &'static str,
}

fn doubles() -> Doubles {
    Doubles {
        small: 255.0,
        wide: -3.0,
        list: vec![0.0, 4_294_967_295.0],
        maybe: Some(-1.0),
        inner: BTreeMap::from([("n", 7.0)]),
        inners: vec![BTreeMap::from([("n", -7.0)])],
        map: BTreeMap::from([("big", 9_007_199_254_740_992.0)]),
        keys: BTreeMap::from([(5, true)]),
        float: -0.0,
        any: json!({"a": 3.0}),
        text: "t",
    }
}

fn read<M: Message>(value: &impl serde::Serialize) -> Result<M, String> {
    let body = rmp_serde::to_vec_named(value).unwrap();
    Serializer::MessagePack.decode(&Body::borrowed(&body)).map_err(|error| error.to_string())
}

#[test]
fn whole_doubles_are_integers_in_msgpack() {
    let read: Numbers = read(&doubles()).unwrap();
    let expected = Numbers {
        small: 255,
        wide: -3,
        list: vec![0, u32::MAX],
        maybe: Some(-1),
        inner: Inner { n: 7 },
        inners: vec![Inner { n: -7 }],
        map: BTreeMap::from([("big".to_owned(), 1 << 53)]),
        keys: BTreeMap::from([(5, true)]),
        float: -0.0,
        any: json!({"a": 3.0}),
        text: "t".to_owned(),
    };
    assert_eq!(read, expected);
    assert!(read.float.is_sign_negative(), "a field of floating point keeps its sign");
    assert!(read.any["a"].is_f64(), "a value of any type keeps its type");
}

#[test]
fn other_doubles_are_refused_in_msgpack() {
    for value in [0.5, -1.0, 256.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
        let error = read::<Numbers>(&Doubles { small: value, ..doubles() }).unwrap_err();
        assert!(!error.is_empty(), "{value}");
    }
    for value in [9.3e18, -9.3e18] {
        read::<Numbers>(&Doubles { wide: value, ..doubles() }).unwrap_err();
    }
    read::<Numbers>(&Doubles { list: vec![1.5], ..doubles() }).unwrap_err();
}

#[test]
fn json_takes_no_fraction_for_an_integer() {
    for body in [&b"{\"n\":3.0}"[..], b"{\"n\":3e0}"] {
        Serializer::Json.decode::<Inner>(&Body::borrowed(body)).unwrap_err();
    }
}

#[message(proto)]
#[derive(PartialEq)]
struct Ids {
    #[tag(1)]
    #[field(text)]
    id: u64,
    #[tag(2)]
    #[field(text)]
    delta: i64,
    #[tag(3)]
    #[field(text)]
    maybe: Option<i64>,
    #[tag(4)]
    #[field(text)]
    all: Vec<u64>,
}

#[message]
#[derive(PartialEq)]
struct Id {
    #[field(text)]
    id: u64,
    #[field(text)]
    maybe: Option<i64>,
}

fn written<M: Message>(serializer: &Serializer, value: &M) -> Vec<u8> {
    let mut out = BytesMut::new();
    serializer.encode(value, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn a_text_field_is_text_and_is_read_from_both() {
    let ids = Ids { id: u64::MAX, delta: i64::MIN, maybe: Some(-1), all: vec![1, 2] };
    let json = r#"{"id":"18446744073709551615","delta":"-9223372036854775808","maybe":"-1","all":["1","2"]}"#;
    assert_eq!(String::from_utf8(written(&Serializer::Json, &ids)).unwrap(), json);
    for serializer in [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf] {
        let body = written(&serializer, &ids);
        assert_eq!(serializer.decode::<Ids>(&Body::borrowed(&body)).unwrap(), ids, "{serializer:?}");
    }
    let numbers = json!({"id": 7, "delta": -7, "maybe": null, "all": [1, "2"]});
    let expected = Ids { id: 7, delta: -7, maybe: None, all: vec![1, 2] };
    let body = numbers.to_string();
    assert_eq!(Serializer::Json.decode::<Ids>(&Body::borrowed(body.as_bytes())).unwrap(), expected);
    assert_eq!(read::<Ids>(&numbers).unwrap(), expected);
    assert_eq!(read::<Id>(&json!({"id": 7.0})).unwrap(), Id { id: 7, maybe: None });
}

#[test]
fn a_text_field_refuses_what_is_no_integer() {
    for body in [
        r#"{"id":"x"}"#,
        r#"{"id":""}"#,
        r#"{"id":-1}"#,
        r#"{"id":"-1"}"#,
        r#"{"id":1.0}"#,
        r#"{"id":null}"#,
        "{}",
    ] {
        Serializer::Json.decode::<Id>(&Body::borrowed(body.as_bytes())).unwrap_err();
    }
    Serializer::Json.decode::<Id>(&Body::borrowed(b"{\"id\":\"18446744073709551616\"}")).unwrap_err();
    read::<Id>(&json!({"id": 1.5})).unwrap_err();
}

#[test]
fn the_schema_says_that_a_field_is_text() {
    let fields = <Ids as Message>::SCHEMA.fields;
    assert!(matches!(fields[0].ty, Type::Text(Type::Uint(64))), "{:?}", fields[0]);
    assert!(matches!(fields[2].ty, Type::Optional(Type::Text(Type::Int(64)))), "{:?}", fields[2]);
    assert!(matches!(fields[3].ty, Type::List(Type::Text(Type::Uint(64)))), "{:?}", fields[3]);
    let required: Vec<bool> = <Id as Message>::SCHEMA.fields.iter().map(|field| field.required).collect();
    assert_eq!(required, [true, false]);
}

#[message(proto, json = "full")]
#[derive(PartialEq)]
struct Full {
    #[tag(1)]
    x: i32,
    #[tag(2)]
    s: String,
    #[tag(3)]
    b: bool,
    #[tag(4)]
    list: Vec<i32>,
    #[tag(5)]
    maybe: Option<i32>,
    #[tag(6)]
    map: std::collections::HashMap<String, i32>,
}

#[test]
fn full_json_keeps_zeros() {
    let full = Full::default();
    let json = r#"{"x":0,"s":"","b":false,"list":[],"maybe":null,"map":{}}"#;
    assert_eq!(String::from_utf8(written(&Serializer::Json, &full)).unwrap(), json);
    for body in [json, "{}"] {
        assert_eq!(Serializer::Json.decode::<Full>(&Body::borrowed(body.as_bytes())).unwrap(), full);
    }
    assert!(written(&Serializer::Protobuf, &full).is_empty());
}

#[derive(Debug, thiserror::Error, PitayaError)]
enum GameError {
    #[error("no room {room}")]
    #[pitaya(code = "GAME-1", metadata(room))]
    NoRoom { room: String },
}

fn find(room: Option<u8>) -> Result<u8> {
    Ok(room.ok_or_else(|| GameError::NoRoom { room: "r".to_owned() })?)
}

#[test]
fn a_derived_error_goes_through_the_question_mark() {
    let error = find(None).unwrap_err();
    assert_eq!((error.code(), error.msg(), error.metadata()["room"].as_str()), ("GAME-1", "no room r", "r"));
    assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<GameError>()));
}

/// The calls of the timers, in order.
type Done = Arc<Mutex<Vec<String>>>;

#[derive(Component)]
struct Clockwork {
    done: State<Done>,
    #[component(default)]
    ticks: AtomicU64,
}

impl Clockwork {
    fn note(&self, what: &str) {
        self.done.lock().unwrap().push(what.to_owned());
    }
}

impl Lifecycle for Clockwork {
    async fn init(&self) -> Result<()> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.note("init");
        Ok(())
    }
    async fn before_shutdown(&self) {
        self.note("before shutdown");
    }
}

#[handler(server = "clockwork")]
impl Clockwork {
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }

    #[every("1s")]
    async fn tick(&self) -> Result<()> {
        match self.ticks.fetch_add(1, SeqCst) {
            0 => panic!("the first run"),
            1 => return Err(Error::new("T-1", "the second run")),
            _ => {}
        }
        self.note("tick");
        tokio::time::sleep(Duration::from_millis(1500)).await;
        self.note("tock");
        Ok(())
    }
}

/// Timers alone, with a server type of their own.
#[derive(Component)]
struct Janitor {
    done: State<Done>,
}

#[timers(server = "clockwork")]
impl Janitor {
    #[every("2.5s")]
    async fn sweep(&self) {
        self.done.lock().unwrap().push("sweep".to_owned());
    }
}

/// Of another server type: never made, so its state is not missed.
#[derive(Component)]
struct Elsewhere {
    none: State<u8>,
}

#[timers(server = "elsewhere")]
impl Elsewhere {
    #[every("1ms")]
    async fn never(&self) {
        let _ = &self.none;
        unreachable!("of another server type");
    }
}

#[tokio::test(start_paused = true)]
async fn timers_of_components_run_from_start_to_stop() {
    let done = Done::default();
    let app = App::builder()
        .server_type("clockwork")
        .state(Arc::clone(&done))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    // Runs at 1 s (panics), 2 s (fails), 3 s to 4.5 s, then what was due at 4 s; `sweep` at 2.5 s and 5 s.
    tokio::time::sleep(Duration::from_millis(5200)).await;
    app.stop().await;
    let expected = ["init", "sweep", "tick", "tock", "tick", "sweep", "tock", "before shutdown"];
    assert_eq!(
        *done.lock().unwrap(),
        expected,
        "no run overlaps another, and the last one ends before the stop"
    );
}

/// A contract that nothing implements with `#[remote]`.
#[remote(server = "forgetful")]
trait ForgottenApi {
    async fn forget(&self) -> Result<()>;
}

#[derive(Component)]
struct Forgetful;

impl ForgottenApi for Forgetful {
    async fn forget(&self) -> Result<()> {
        Ok(())
    }
}

#[handler(server = "forgetful")]
impl Forgetful {
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

/// A place for log lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_contract_without_remote_is_warned_of_at_start() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let app =
        App::builder().server_type("forgetful").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("contract `ForgottenApi`"), "{text}");
    assert!(text.contains("write `#[remote]` on `impl ForgottenApi for …`"), "{text}");
    let _ = ForgottenApiClient::fake(Forgetful).forget().await;
    app.stop().await;
}

trait Store: Send + Sync {
    fn size(&self) -> i32;
}

struct Shelf(i32);

impl Store for Shelf {
    fn size(&self) -> i32 {
        self.0
    }
}

#[derive(Component)]
struct Shop;

#[handler(server = "shop")]
impl Shop {
    pub async fn size(&self, store: State<Arc<dyn Store>>, other: State<Box<dyn Store>>) -> Result<Inner> {
        Ok(Inner { n: store.size() + other.size() })
    }
}

#[tokio::test]
async fn a_handler_takes_state_behind_a_trait_object() {
    let app = App::builder()
        .server_type("shop")
        .state::<Arc<dyn Store>>(Arc::new(Shelf(40)))
        .state::<Box<dyn Store>>(Box::new(Shelf(2)))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let client = pitaya::client::Client::builder().connect_tcp(app.socket_addrs()[0]).await.unwrap();
    assert_eq!(client.request(&Shop::SIZE, &()).await.unwrap(), Inner { n: 42 });
    app.stop().await;
}

#[message(lenient)]
#[derive(PartialEq, Default)]
#[serde(rename_all = "camelCase")]
struct Tree {
    own_name: String,
    children: Vec<Self>,
    parent: Option<Box<Self>>,
    #[serde(skip)]
    seen: bool,
}

/// The serde code of a message is derived on a twin: no form of a field may be lost by it.
#[test]
fn messages_nest_and_keep_serde_attributes() {
    let leaf = Tree { own_name: "b".into(), seen: true, ..Tree::default() };
    let tree = Tree { own_name: "a".into(), children: vec![leaf.clone()], ..leaf };
    let text = serde_json::to_string(&tree).unwrap();
    assert_eq!(
        text,
        r#"{"ownName":"a","children":[{"ownName":"b","children":[],"parent":null}],"parent":null}"#
    );
    let read: Tree = serde_json::from_str(r#"{"ownName":"a","children":[{"ownName":"b"}]}"#).unwrap();
    assert_eq!((read.children[0].own_name.as_str(), read.seen), ("b", false));
}
