//! The messages of these tests.

use std::sync::atomic::AtomicUsize;

use pitaya::prelude::*;
use pitaya::serialize::{Codecs, Message, Schema, Serializer};

#[message(proto)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Move {
    #[tag(1)]
    pub(crate) by: String,
    #[tag(2)]
    pub(crate) to: Vec<i32>,
}

#[message(proto, push = "onMove")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OnMove {
    #[tag(1)]
    pub(crate) by: String,
    #[tag(2)]
    pub(crate) to: Vec<i32>,
}

#[message(proto)]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    #[tag(1)]
    pub(crate) at: Vec<f64>,
}

/// Has no Protobuf form.
#[message(push = "onNote")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    pub(crate) text: String,
}

/// Panics when it is read.
#[derive(serde::Serialize)]
pub(crate) struct Bomb;

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
pub(crate) static NOTED: AtomicUsize = AtomicUsize::new(0);

pub(crate) const SERIALIZERS: [Serializer; 3] =
    [Serializer::Json, Serializer::Protobuf, Serializer::MessagePack];

pub(crate) fn step(by: &str) -> Move {
    Move { by: by.into(), to: vec![-1, 300] }
}
