//! Nothing that is generated needs the prelude, or `pitaya` by its usual name.
#![no_implicit_prelude]
#![allow(dead_code)]

mod names {
    pub extern crate pitaya as by_another_name;
}

use names::by_another_name as framework;
// Only for a message with an enum: what prost derives for its getters calls `Default` as a method.
use ::core::default::Default;

#[framework::message(crate = crate::names::by_another_name, lenient, push = "onJoin")]
struct Join {
    name: ::std::string::String,
    level: ::core::option::Option<u8>,
}

#[framework::message(crate = names::by_another_name, proto)]
struct Enter {
    #[tag(1)]
    uid: ::std::string::String,
    #[tag(2)]
    level: ::core::option::Option<i32>,
    #[tag(3)]
    parts: ::std::vec::Vec<Enter>,
    #[tag(4)]
    scores: ::std::collections::HashMap<i32, ::std::string::String>,
    #[tag(5, enum(Team))]
    team: i32,
}

#[framework::message(crate = names::by_another_name, proto)]
enum Team {
    Red = 0,
    Blue = 1,
}

#[framework::session(crate = names::by_another_name)]
#[derive(Default)]
struct Player {
    name: ::std::string::String,
}

#[derive(framework::Component)]
#[component(crate = names::by_another_name)]
struct Entry {
    room: RoomApiClient,
    #[component(default)]
    count: u32,
}

#[derive(Debug, framework::PitayaError)]
#[pitaya(crate = names::by_another_name, code = "E-0")]
enum Failed {
    #[pitaya(code = "E-1", metadata(what))]
    One {
        what: u8,
    },
    Two,
}

impl ::core::fmt::Display for Failed {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.write_str("failed")
    }
}

impl ::std::error::Error for Failed {}

type Told = ::core::result::Result<framework::Bytes, framework::AnyError>;
type ToldResult = Told;

framework::link!(std);

#[framework::handler(server = "connector", client, crate = names::by_another_name)]
impl Entry {
    pub async fn join(
        &self,
        session: framework::session::Session<Player>,
        msg: Join,
    ) -> ::core::result::Result<Enter, Failed> {
        let _ = (&self.room, self.count, session, msg);
        ::core::result::Result::Err(Failed::One { what: 1 })
    }
    pub async fn say(&self) {}
    #[route("told")]
    #[concurrent]
    pub async fn tell(
        &self,
        #[extract] _db: framework::component::State<u8>,
        body: framework::Bytes,
    ) -> ToldResult {
        ::core::result::Result::Ok(body)
    }
    #[skip]
    pub fn helper(&self) {}
}

#[framework::remote(server = "room", crate = names::by_another_name)]
trait RoomApi {
    async fn enter(&self, req: Enter) -> ::core::result::Result<Join, Failed>;
}

#[framework::remote(crate = names::by_another_name)]
impl RoomApi for Entry {
    async fn enter(&self, _req: Enter) -> ::core::result::Result<Join, Failed> {
        ::core::result::Result::Err(Failed::Two)
    }
}

#[framework::remote(server = "room", crate = names::by_another_name)]
impl Entry {
    pub async fn leave(&self, _cx: framework::component::Context) -> framework::Result<()> {
        ::core::result::Result::Ok(())
    }
}

framework::clients! {
    struct Chat {
        entry: Entry,
    }
}

#[::core::prelude::v1::test]
fn compiles() {
    let _ = |chat: Chat| ::core::mem::drop(chat.entry().say());
    let _ = (Entry::JOIN, Entry::SAY, Entry::TELL, RoomApiClient::ENTER, EntryClient::LEAVE, Team::Blue);
    let _ = Entry { room: EntryClient::fake(framework::component::Fake::new()).into_room(), count: 0 };
}

impl EntryClient {
    fn into_room(self) -> RoomApiClient {
        let _ = self;
        struct Never;
        #[framework::remote(crate = names::by_another_name)]
        impl RoomApi for Never {
            async fn enter(&self, _req: Enter) -> ::core::result::Result<Join, Failed> {
                ::core::result::Result::Err(Failed::Two)
            }
        }
        RoomApiClient::fake(Never)
    }
}
