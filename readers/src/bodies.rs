//! Readers of bodies in JSON, MessagePack and Protobuf.

use std::collections::BTreeMap;
use std::fmt::Debug;

use bytes::BytesMut;
use pitaya::message;
use pitaya::serialize::{Body, Message, Serializer};

use crate::{Reader, Shape, ignore};

/// A part of a message.
#[message(proto)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    /// A text.
    #[tag(1)]
    pub(crate) name: String,
    /// A number.
    #[tag(2)]
    pub(crate) count: i64,
}

/// A message of every shape.
#[message(proto)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// A text.
    #[tag(1)]
    pub(crate) id: String,
    /// Messages.
    #[tag(2)]
    pub(crate) items: Vec<Item>,
    /// A message that may be missing.
    #[tag(3)]
    pub(crate) gift: Option<Item>,
    /// Numbers.
    #[tag(4)]
    pub(crate) marks: Vec<u32>,
    /// A flag.
    #[tag(5)]
    pub(crate) express: bool,
}

/// A message that has no Protobuf form.
#[message]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Free {
    /// Texts by text.
    pub(crate) tags: BTreeMap<String, String>,
    /// A number with a fraction.
    pub(crate) weight: Option<f64>,
}

/// A message of several shapes that nests beside its names.
#[message]
#[derive(PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Continues.
    Go {
        /// Numbers.
        marks: Vec<u32>,
        /// The next steps.
        next: Vec<Self>,
    },
    /// A part.
    Take(Item),
    /// The end.
    Stop,
}

/// A message of several shapes that nests in a key of its own.
#[message]
#[derive(PartialEq)]
#[serde(tag = "kind", content = "data", rename_all = "snake_case")]
pub(crate) enum Event {
    /// Steps.
    Steps(Vec<Step>),
    /// Other events.
    Events(Vec<Self>),
    /// Nothing.
    None,
}

/// Unions in unions, as deep as a body may nest, around one of the rest of the length. The name of each comes last.
fn nested(before: &[u8], after: &[u8], len: usize, innermost: fn(usize) -> Vec<u8>) -> Vec<u8> {
    const LEVELS: usize = 60; // a level is a map and a list, of which a body may nest 127
    let (before, after) = (before.repeat(LEVELS), after.repeat(LEVELS));
    let innermost = innermost(len.saturating_sub(before.len() + after.len()));
    [before, innermost, after].concat()
}

fn steps_in_json(len: usize) -> Vec<u8> {
    nested(br#"{"next":["#, br#"],"marks":[],"type":"go"}"#, len, |len| {
        [br#"{"next":[],"marks":[0"#, &*b",0".repeat(len / 2), br#"],"type":"go"}"#].concat()
    })
}

fn steps_in_msgpack(len: usize) -> Vec<u8> {
    nested(b"\x83\xa4next\x91", b"\xa5marks\x90\xc4\x04type\xa2go", len, |len| {
        let count = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        [b"\x83\xa4next\x90\xa5marks\xdd", &count[..], &vec![1; len], b"\xa4type\xa2go"].concat()
    })
}

fn events_in_json(len: usize) -> Vec<u8> {
    nested(br#"{"data":["#, br#"],"kind":"events"}"#, len, |len| {
        let steps = br#",{"type":"stop"}"#.repeat(len / 16);
        [br#"{"data":[{"type":"stop"}"#, &*steps, br#"],"kind":"steps"}"#].concat()
    })
}

fn serializers() -> [Serializer; 3] {
    [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf]
}

/// Encodes the decoded input, and expects to read the same value.
fn reads_its_own<M: Message + PartialEq + Debug>(serializer: &Serializer, input: &[u8]) {
    let Ok(read) = serializer.decode::<M>(&Body::borrowed(input)) else { return };
    let mut out = BytesMut::new();
    serializer.encode(&read, &mut out).expect("it has this form");
    assert_eq!(serializer.decode::<M>(&Body::borrowed(&out)).expect("ours"), read, "{}", serializer.name());
}

pub(crate) const BODIES: Reader = Reader {
    name: "bodies",
    read: |input| {
        for serializer in serializers() {
            ignore(serializer.decode::<Order>(&Body::borrowed(input)));
        }
        for serializer in [Serializer::Json, Serializer::MessagePack] {
            ignore(serializer.decode::<Free>(&Body::borrowed(input)));
            ignore(serializer.decode::<Step>(&Body::borrowed(input)));
            ignore(serializer.decode::<Event>(&Body::borrowed(input)));
        }
    },
    check: |input| {
        for serializer in serializers() {
            reads_its_own::<Order>(&serializer, input);
        }
        for serializer in [Serializer::Json, Serializer::MessagePack] {
            reads_its_own::<Step>(&serializer, input);
            reads_its_own::<Event>(&serializer, input);
            let Ok(free) = serializer.decode::<Free>(&Body::borrowed(input)) else { continue };
            let mut out = BytesMut::new();
            serializer.encode(&free, &mut out).expect("it has this form");
            let again = serializer.decode::<Free>(&Body::borrowed(&out)).expect("ours");
            // A number with a fraction may lose its last digit in JSON.
            assert_eq!((again.tags, again.weight.is_some()), (free.tags, free.weight.is_some()), "{}", serializer.name());
        }
    },
    examples: &[
        br#"{"id":"x","items":[{"name":"a","count":1}],"gift":{"name":"b","count":"7"},"marks":[1,2],"express":true}"#,
        br#"{"tags":{"a":"b"},"weight":1.5}"#,
        b"\x85\xa2id\xa1x\xa5items\x91\x82\xa4name\xa1a\xa5count\x01\xa4gift\xc0\xa5marks\x92\x01\x02\xa7express\xc3",
        b"\x82\xa4tags\x81\xa1a\xa1b\xa6weight\xcb\x3f\xf8\0\0\0\0\0\0",
        br#"{"next":[{"type":"take","name":"a","count":"1"},{"type":"stop"}],"marks":[1],"type":"go"}"#,
        b"\x83\xa5marks\x91\x01\xa4next\x91\x81\xa4type\xa4stop\xc4\x04type\xa2go",
        br#"{"data":[{"kind":"none"},{"data":[{"type":"stop"}],"kind":"steps"}],"kind":"events"}"#,
        b"\x82\xa4data\x91\x81\xa4kind\xa4none\xa4kind\xa6events",
        b"\x0a\x01x\x12\x05\x0a\x01a\x10\x01\x22\x02\x01\x02\x28\x01",
    ],
    shapes: &[
        Shape::Repeated { before: br#"{"id":"","marks":[0"#, piece: b",0", after: b"]}" },
        Shape::Repeated { before: br#"{"id":"","items":[{"name":"","count":0}"#, piece: br#",{"name":"","count":0}"#, after: b"]}" },
        Shape::Repeated { before: br#"{"id":"","x":"#, piece: b"[", after: b"" },
        Shape::Repeated { before: br#"{"tags":{"":"""#, piece: br#","a":"""#, after: b"}}" },
        Shape::Repeated { before: br#"{"tags":{},"weight":0."#, piece: b"0", after: b"1}" },
        Shape::Repeated { before: b"\x85\xa2id\xa1x\xa5marks\xdd\0\0\xff\xff", piece: b"\x01", after: b"" },
        Shape::Repeated { before: b"\x82\xa1x", piece: b"\x91", after: b"" },
        Shape::Repeated { before: b"\x82\xa4tags\xdf\0\0\xff\xff", piece: b"\xa0\xa0", after: b"" },
        Shape::Made("steps in JSON", steps_in_json),
        Shape::Made("steps in MessagePack", steps_in_msgpack),
        Shape::Made("events in JSON", events_in_json),
        Shape::Repeated { before: b"", piece: b"\x12\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x1a\x02\x0a\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x22\x01\x01", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x20\x01", after: b"" },
    ],
    fragments: &[br#","a":1"#, b"[", b"{", br#""x":"#, b"\x81", b"\xa1x", b"\x91", br#","type":"go""#, br#""next":["#, b"\xdf\xff\xff\xff\xff", b"\x12\0", b"\x0a\x01x", b"\x22\x01\x01", b"\xff"],
    frame: (b"", b""),
    longest: 64 << 10,
    per_byte: 24_000,
};
