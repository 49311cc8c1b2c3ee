//! The schema that a program exports from its annotations.
#![allow(dead_code, missing_docs)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pitaya::PitayaError;
use pitaya::acceptor::Tcp;
use pitaya::client::Client;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, Schema, SchemaRoute, assert_unchanged, export};
use pitaya::serialize::Serializer;

/// How a player moves.
#[message(proto)]
pub enum Gait {
    /// Slowly.
    Walk = 0,
    Run = 1,
}

/// How a match is played.
#[message]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Alone.
    Solo,
    BigTeam,
}

/// An action of a player.
#[message(push = "onAction")]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Action {
    /// Moves.
    Move {
        /// To the right.
        x: f32,
        #[field(text)]
        id: u64,
    },
    Take(Item),
    Stop,
}

/// A value with a key of its own.
#[message]
#[serde(tag = "type", content = "data")]
pub enum Outcome {
    Won(u32),
    Lost { by: Option<Mode> },
}

/// A message with a field of each type.
#[message]
pub struct Everything {
    /// True or false.
    pub flag: bool,
    pub tiny: i8,
    pub long: i64,
    pub count: usize,
    pub single: f32,
    pub text: String,
    pub blob: Bytes,
    pub anything: serde_json::Value,
    #[field(text)]
    pub balance: i64,
    pub nickname: Option<String>,
    #[serde(default)]
    pub lenient: i32,
    pub grid: [[u8; 2]; 2],
    pub scores: HashMap<String, u16>,
    pub slots: BTreeMap<u32, Item>,
    pub gait: Gait,
    pub mode: Mode,
    pub outcome: Outcome,
    pub pair: (i8, Option<Mode>),
    pub unique: BTreeSet<String>,
    #[serde(rename = "kebab-case")]
    pub kebab_case: Box<Item>,
}

/// A message that nests in itself.
#[message]
pub struct Item {
    pub id: u32,
    pub parts: Vec<Self>,
}

#[message(proto, push = "onMoved")]
pub struct Moved {
    #[tag(1, sint32)]
    pub x: i32,
    #[tag(2, fixed64)]
    pub at: u64,
    #[tag(3)]
    pub path: Vec<u8>,
    #[tag(4, enum(Gait))]
    pub gait: i32,
}

/// Only servers use it.
#[message(name = "EnterRequest")]
pub struct Enter {
    pub uid: String,
}

mod other {
    use pitaya::prelude::*;

    /// Has the name of a type in another module.
    #[message(name = "OtherItem", push = "onItem")]
    pub(crate) struct Item {
        pub name: String,
    }
}

#[derive(Debug, thiserror::Error, PitayaError)]
pub enum JoinError {
    /// The room is full.
    #[error("full")]
    #[pitaya(code = "TEST-001", metadata(room, max = limit))]
    Full { room: String, limit: u32 },
    #[error(transparent)]
    #[pitaya(transparent)]
    Name(#[from] NameError),
}

/// The name is taken.
#[derive(Debug, thiserror::Error, PitayaError)]
#[error("taken")]
#[pitaya(code = "TEST-002")]
pub struct NameError;

#[derive(Debug, thiserror::Error, PitayaError)]
pub enum OpenError {
    #[error(transparent)]
    #[pitaya(transparent)]
    Other(#[from] std::io::Error),
    #[error("closed")]
    #[pitaya(code = "TEST-003")]
    Closed,
}

#[derive(Debug, Component)]
pub struct Entry;

#[handler(server = "connector")]
impl Entry {
    /// Joins.
    ///
    /// Twice.
    pub async fn join(&self, _msg: Everything) -> Result<Item, JoinError> {
        Err(NameError.into())
    }

    pub async fn leave(&self) -> Result<(), NameError> {
        Ok(())
    }

    pub async fn echo(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    pub async fn find(&self) -> Result<Option<Item>, OpenError> {
        Ok(None)
    }

    #[route("tell")]
    pub async fn say(&self, _session: Session, _msg: Moved) {}
}

#[derive(Debug, Component)]
pub struct Info;

/// Every server has it.
#[handler]
impl Info {
    pub async fn now(&self) -> Result<Item> {
        Ok(Item { id: 1, parts: Vec::new() })
    }
}

#[remote(server = "room")]
pub trait RoomApi {
    /// Enters a room.
    async fn enter(&self, msg: Enter) -> Result<Moved, NameError>;
}

#[derive(Debug, Component)]
pub struct RoomService;

#[remote]
impl RoomApi for RoomService {
    async fn enter(&self, _msg: Enter) -> Result<Moved, NameError> {
        Err(NameError)
    }
}

fn options() -> ExportOptions {
    ExportOptions::new("tests")
        .package("tests.v1")
        .dictionary([("connector.entry.join", 1), ("onMoved", 2)])
        .serializer(Serializer::Json)
        .serializer(Serializer::Protobuf)
}

/// Everything above, as it is exported.
#[test]
fn exported_schema_is_unchanged() {
    assert_unchanged("tests/schema.json", &options());
}

#[test]
fn exported_schema_is_read_back() {
    let schema = export(&options()).unwrap();
    assert_eq!(Schema::from_json(&schema.to_json()).unwrap(), schema);
}

/// The reply is raw, so the serializer of the client does not matter.
#[tokio::test]
async fn registered_route_serves_the_schema() {
    let schema = export(&options()).unwrap();
    for (serializer, route) in
        [(Serializer::Json, "connector.docs.schema"), (Serializer::MessagePack, "docs.schema")]
    {
        let app =
            App::builder().server_type("connector").acceptor(Tcp::new("127.0.0.1:0")).serializer(serializer);
        let app = app.register(SchemaRoute::new(&schema)).start().await.unwrap();
        let client = Client::builder().connect_tcp(app.socket_addrs()[0]).await.unwrap();
        let text = client.request_raw(route, Bytes::new()).await.unwrap();
        assert_eq!(text, schema.to_json());
        app.stop().await;
    }
}

#[tokio::test]
async fn schema_is_not_served_unless_registered() {
    let app =
        App::builder().server_type("connector").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let client = Client::builder().connect_tcp(app.socket_addrs()[0]).await.unwrap();
    assert_eq!(client.request_raw("docs.schema", Bytes::new()).await.unwrap_err().code(), "PIT-404");
    app.stop().await;
}

#[test]
fn default_serializer_is_json() {
    let schema = export(&ExportOptions::new("tests")).unwrap();
    assert_eq!(schema.serializers.into_iter().collect::<Vec<_>>(), ["json"]);
}

#[test]
fn error_codes_are_a_closed_set_only_if_all_are_known() {
    let schema = export(&options()).unwrap();
    let codes = |route: &str| schema.handlers[route].errors.clone();
    assert_eq!(codes("connector.entry.join").unwrap(), ["TEST-001", "TEST-002"]);
    assert_eq!(codes("connector.entry.leave").unwrap(), ["TEST-002"]);
    assert_eq!(codes("connector.entry.find"), None, "any error may be behind it");
    assert_eq!(codes("connector.entry.echo"), None, "a plain error has any code");
    assert!(schema.errors.contains_key("TEST-003"), "its code is known all the same");
}

#[test]
fn two_routes_with_one_code_are_an_error() {
    let error = export(&ExportOptions::new("tests").dictionary([("a.b.c", 1), ("a.b.d", 1)])).unwrap_err();
    assert_eq!(error.msg(), "dictionary.a.b.d: code 1 is of another route too");
}
