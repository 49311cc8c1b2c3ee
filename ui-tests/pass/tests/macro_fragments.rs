//! Everything that the macros read may be a fragment of `macro_rules!`.
#![allow(private_interfaces)]
use std::collections::HashMap;

use pitaya::component::Handler;
use pitaya::prelude::*;
use pitaya::route::Notify;
use pitaya::serialize::Message;
use pitaya::{Context, PitayaError, Route, session, timers};

macro_rules! messages {
    ($v:vis, $name:ident, $plain:ident, $text:ty, $byte:ty, $number:ty, $list:ty, $maybe:ty, $map:ty, $rule:literal) => {
        #[message(proto, push = $rule)]
        $v struct $name {
            #[tag(1)]
            a: $text,
            #[tag(2)]
            b: Vec<$byte>,
            #[tag(3)]
            c: Option<$number>,
            #[tag(4)]
            d: $list,
            #[tag(5)]
            e: $maybe,
            #[tag(6)]
            f: $map,
            #[tag(7)]
            #[field(text)]
            g: $number,
        }

        #[message]
        #[serde(rename_all = "camelCase")]
        $v struct $plain {
            #[doc = $rule]
            #[serde(rename = $rule)]
            a: $text,
            b: $maybe,
        }
    };
}
messages!(pub, Say, Plain, String, u8, i64, Vec<String>, Option<String>, HashMap<String, i64>, "onSay");

macro_rules! team {
    ($name:ident, $tag:literal, $zero:expr, $one:expr) => {
        #[message(proto)]
        enum $name {
            Red = $zero,
            Blue = $one,
        }

        #[message(proto, json = "full")]
        struct Member {
            #[tag($tag, enum($name))]
            team: i32,
        }
    };
}
team!(Team, 1, 0, 1);

macro_rules! mode {
    ($name:ident, $first:ident, $second:ident, $rule:literal) => {
        #[message]
        #[serde(rename_all = $rule)]
        enum $name {
            $first,
            #[serde(rename = $rule)]
            $second,
        }
    };
}
mode!(Mode, Solo, Team, "UPPERCASE");

macro_rules! union {
    ($name:ident, $key:literal, $t:ty, $first:ident, $second:ident, $maybe:ty) => {
        #[message]
        #[serde(tag = $key)]
        enum $name {
            $first($t),
            $second { of: $maybe, me: Option<Box<Self>> },
            Last,
        }
    };
}
union!(Union, "kind", Member, One, Two, Option<String>);

macro_rules! data {
    ($name:ident, $t:ty, $maybe:ty) => {
        #[session]
        #[derive(Default)]
        struct $name {
            name: $t,
            room: $maybe,
        }
    };
}
data!(Player, String, Option<String>);

macro_rules! failure {
    ($name:ident, $code:literal, $inner:ty) => {
        #[derive(Debug, thiserror::Error, PitayaError)]
        enum $name {
            #[error("{what}")]
            #[pitaya(code = $code, metadata(what))]
            One { what: $inner },
            #[error(transparent)]
            #[pitaya(transparent)]
            Other(#[from] Error),
        }
    };
}
failure!(Failed, "F-1", String);

macro_rules! component {
    ($name:ident, $type:ty, $server:literal, $route:literal, $every:literal, $state:ty, $session:ty, $message:ty, $reply:ty, $nothing:ty, $v:vis) => {
        #[derive(Component)]
        $v struct $name {
            db: $state,
            #[component(default)]
            n: std::sync::atomic::AtomicU64,
        }

        #[handler(server = $server)]
        impl $type {
            #[route($route)]
            $v async fn one(&self, session: $session, msg: $message) -> $reply {
                session.update(|player| player.name = msg.a.clone()).await?;
                Ok(msg)
            }
            $v async fn two(&self, msg: $message) -> Result<Option<$message>> {
                Ok(Some(msg))
            }
            $v async fn three(&self, _msg: $message) -> $nothing {}
            #[every($every)]
            async fn tick(&self) -> $nothing {
                let _ = (&self.db, &self.n);
            }
        }

        #[remote(server = $server, service = "own")]
        impl $type {
            $v async fn four(&self, msg: $message, cx: Context) -> $reply {
                let _ = cx;
                Ok(msg)
            }
        }

        #[timers]
        impl $type {
            #[every($every)]
            async fn save(&self) -> Result<$nothing> {
                Ok(())
            }
        }
    };
}
component!(
    Entry, Entry, "connector", "first", "100ms", State<String>, Session<Player>, Plain, Result<Plain, Failed>, (), pub
);

macro_rules! contract {
    ($name:ident, $path:path, $type:ty, $server:literal, $message:ty, $reply:ty, $v:vis) => {
        #[remote(server = $server)]
        $v trait $name {
            async fn enter(&self, msg: $message) -> $reply;
        }

        #[remote]
        impl $path for $type {
            async fn enter(&self, msg: $message) -> $reply {
                Ok(msg)
            }
        }
    };
}
contract!(RoomApi, RoomApi, Entry, "room", Plain, Result<Plain>, pub);

macro_rules! block {
    ($item:item) => {
        #[handler(server = "other")]
        $item
    };
}
block!(impl Entry { pub async fn five(&self) {} });

macro_rules! annotated {
    ($item:item) => {
        #[message]
        $item
    };
}
annotated!(
    pub struct Ping {
        pub n: u8,
    }
);

#[test]
fn compiles() {
    let first: &Route<Plain, Plain, Handler> = &Entry::ONE;
    let second: &Route<Plain, Plain, Handler> = &Entry::TWO;
    let third: &Route<Plain, (), Notify> = &Entry::THREE;
    assert_eq!((first.path(), second.path()), ("connector.entry.first", "connector.entry.two"));
    assert_eq!(third.path(), "connector.entry.three");
    let _: &Route<Plain, Plain> = &EntryClient::FOUR;
    let _: &Route<Plain, Plain> = &RoomApiClient::ENTER;
    let say = Say { g: 1 << 60, ..Say::default() };
    assert_eq!(serde_json::to_string(&say).unwrap(), r#"{"g":"1152921504606846976"}"#);
    assert_eq!(serde_json::to_string(&Member { team: Team::Red.into() }).unwrap(), r#"{"team":0}"#);
    let unions = [Union::One(Member { team: 1 }), Union::Two { of: None, me: Some(Box::new(Union::Last)) }];
    let unions = serde_json::to_string(&unions).unwrap();
    assert_eq!(unions, r#"[{"kind":"One","team":1},{"kind":"Two","of":null,"me":{"kind":"Last"}}]"#);
    let modes = serde_json::to_string(&[Mode::Solo, Mode::Team]).unwrap();
    assert_eq!(modes, r#"["SOLO","UPPERCASE"]"#);
    let fields: Vec<_> =
        <Plain as Message>::SCHEMA.fields.iter().map(|f| (f.name, f.doc, f.required)).collect();
    assert_eq!(fields, [("onSay", "onSay", true), ("b", "", false)]);
    let error: Error = Failed::One { what: "x".into() }.into();
    assert_eq!((error.code(), error.metadata()["what"].as_str()), ("F-1", "x"));
    let _ = (Entry::FIVE, Ping { n: 1 }, Team::Blue, Player { name: String::new(), room: None });
}
