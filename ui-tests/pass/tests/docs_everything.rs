//! The examples of the macros' documentation, as one program.
use std::sync::atomic::AtomicU64;

use pitaya::component::{Call, Extract, Fake, Remote};
use pitaya::prelude::*;
use pitaya::serialize::{Message, Push};
use pitaya::{AnyError, Context, PitayaError, Route, session};

#[message]
#[derive(PartialEq)]
pub struct Join {
    pub name: String,
    pub room: Option<String>,
}

#[message]
pub struct Joined {
    pub members: Vec<String>,
}

#[message(lenient)]
pub struct Say {
    pub text: String,
}

#[message(push = "onMessage")]
pub struct ChatMessage {
    pub from: String,
    pub text: String,
}

#[message(proto)]
pub struct Enter {
    #[tag(1)]
    pub uid: String,
    #[tag(2, sint32)]
    pub level: i32,
    #[tag(3, enum(Team))]
    pub team: i32,
    #[tag(4)]
    pub place: Option<Place>,
    #[tag(5)]
    pub friends: Vec<Place>,
    #[tag(6)]
    pub scores: std::collections::HashMap<String, i64>,
    #[tag(7)]
    pub next: Option<Box<Enter>>,
}

#[message(proto)]
#[derive(PartialEq, Default)]
pub struct Place {
    #[tag(1)]
    pub x: f32,
    #[tag(2)]
    pub y: Option<f32>,
}

#[message(proto)]
pub enum Team {
    Red = 0,
    Blue = 1,
}

#[message]
pub struct Nested {
    pub place: Place,
    pub team: Team,
    #[serde(rename = "other", default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Nested>,
    #[serde(skip)]
    pub cache: u32,
}

#[session]
#[derive(Default)]
pub struct Player {
    name: String,
    room: Option<String>,
}

pub struct Db;

#[derive(Component)]
pub struct Entry {
    room: RoomApiClient,
    db: State<Db>,
    #[component(default)]
    online: AtomicU64,
}

#[derive(Debug, thiserror::Error, PitayaError)]
pub enum ChatError {
    #[error("{room} is full")]
    #[pitaya(code = "CHAT-001", metadata(room, "max players" = limit))]
    Full { room: String, limit: u32 },
    #[error("no such room")]
    #[pitaya(code = "CHAT-002")]
    NoRoom,
    #[error("not {0}")]
    #[pitaya(code = "CHAT-003", metadata(what = 0))]
    Not(String),
    #[error(transparent)]
    #[pitaya(transparent)]
    Other(#[from] pitaya::Error),
}

#[handler(server = "connector")]
impl Entry {
    /// Signs in.
    pub async fn join(&self, session: Session<Player>, msg: Join) -> Result<Joined, ChatError> {
        session.bind(&msg.name).await?;
        session.update(|p| p.name = msg.name.clone()).await?;
        let room = msg.room.ok_or(ChatError::NoRoom)?;
        let enter = Enter { uid: session.require_uid()?.to_string(), ..Enter::default() };
        if self.online.load(std::sync::atomic::Ordering::Relaxed) > 10 {
            return Err(ChatError::Full { room, limit: 10 });
        }
        let _: &Db = &self.db;
        Ok(self.room.by_key(&room).enter(&enter).await?)
    }

    #[route("say")]
    #[concurrent]
    pub async fn say_something(&self, _msg: Say) {}

    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    pub async fn find(&self) -> Result<Option<Joined>, AnyError> {
        self.helper();
        Ok(None)
    }

    #[skip]
    pub fn members(&self) -> usize {
        1
    }

    fn helper(&self) {}
}

/// The calls that any server may send to a room server.
#[remote(server = "room")]
pub trait RoomApi {
    /// Enters.
    async fn enter(&self, req: Enter) -> Result<Joined>;
    async fn leave(&self, cx: Context) -> Result<()>;
    async fn shout(&self, req: Say);
}

#[derive(Component, Default)]
pub struct Room {
    #[component(default)]
    count: u32,
}

#[remote]
impl RoomApi for Room {
    async fn enter(&self, req: Enter) -> Result<Joined> {
        Ok(Joined { members: vec![req.uid, self.count.to_string()] })
    }
    async fn leave(&self, _cx: Context) -> Result<()> {
        Ok(())
    }
    async fn shout(&self, _req: Say) {}
}

pub struct Loaded(String);

impl Extract<Remote> for Loaded {
    async fn extract(call: &mut Call<Remote>) -> Result<Self> {
        Ok(Self(call.route().to_owned()))
    }
}

#[remote(server = "shop", service = "till", rename_all = "camelCase")]
impl Room {
    pub async fn buy_now(
        &self,
        #[extract] loaded: Loaded,
        order: Join,
        _db: State<Db>,
    ) -> Result<Joined, AnyError> {
        Ok(Joined { members: vec![order.name, loaded.0] })
    }
}

#[tokio::test]
async fn compiles() {
    let client = RoomApiClient::fake(Room::default());
    let enter = Enter { uid: "ann".into(), level: -3, team: Team::Blue.into(), ..Enter::default() };
    assert_eq!(client.enter(&enter).await.unwrap().members, ["ann", "0"]);
    client.leave().await.unwrap();
    client.shout(&Say { text: "hey".into() }).await.unwrap();
    assert_eq!(RoomApiClient::ENTER.path(), "room.room.enter");

    let route: &Route<Join, Joined> = &RoomClient::BUY_NOW;
    assert_eq!(route.path(), "shop.till.buyNow");
    let shop = RoomClient::fake(
        Fake::new()
            .on(&RoomClient::BUY_NOW, |order: Join| async move { Ok(Joined { members: vec![order.name] }) }),
    );
    let order = Join { name: "bob".into(), room: None };
    assert_eq!(shop.to_server("shop-1").buy_now(&order).await.unwrap().members, ["bob"]);

    assert_eq!(<ChatMessage as Push>::ROUTE, "onMessage");
    assert_eq!(serde_json::to_string(&enter).unwrap(), r#"{"uid":"ann","level":-3,"team":1}"#);
    let read: Enter = serde_json::from_str("{}").unwrap();
    assert_eq!((read.uid.as_str(), read.team()), ("", Team::Red));
    let nested = <Nested as Message>::SCHEMA;
    let fields: Vec<_> = nested.fields.iter().map(|f| (f.name, f.required)).collect();
    assert_eq!(fields, [("place", true), ("team", true), ("other", false)]);
    let tags: Vec<_> = <Enter as Message>::SCHEMA.fields.iter().map(|f| f.tag.unwrap()).collect();
    assert_eq!(tags, [1, 2, 3, 4, 5, 6, 7]);

    let error = pitaya::error::IntoError::into_error(ChatError::Full { room: "lobby".into(), limit: 3 });
    assert_eq!((error.code(), error.msg()), ("CHAT-001", "lobby is full"));
    assert_eq!(error.metadata()["max players"], "3");
    let foreign = pitaya::error::IntoError::into_error(AnyError::from(ChatError::Not("here".into())));
    assert_eq!((foreign.code(), foreign.msg()), ("CHAT-003", "not here"));
    let passed = pitaya::error::IntoError::into_error(ChatError::from(Error::new("X-1", "x")));
    assert_eq!(passed.code(), "X-1");

    let data: Player = serde_json::from_str("{}").unwrap();
    assert_eq!((data.name.as_str(), data.room), ("", None));
}
