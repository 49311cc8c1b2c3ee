//! Readers of bodies in JSON, MessagePack and Protobuf.

use std::collections::BTreeMap;

use bytes::BytesMut;
use pitaya::message;
use pitaya::serialize::{Body, Serializer};

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

fn serializers() -> [Serializer; 3] {
    [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf]
}

pub(crate) const BODIES: Reader = Reader {
    name: "bodies",
    read: |input| {
        for serializer in serializers() {
            ignore(serializer.decode::<Order>(&Body::borrowed(input)));
        }
        ignore(Serializer::Json.decode::<Free>(&Body::borrowed(input)));
        ignore(Serializer::MessagePack.decode::<Free>(&Body::borrowed(input)));
    },
    check: |input| {
        for serializer in serializers() {
            let Ok(order) = serializer.decode::<Order>(&Body::borrowed(input)) else { continue };
            let mut out = BytesMut::new();
            serializer.encode(&order, &mut out).expect("it has this form");
            assert_eq!(serializer.decode::<Order>(&Body::borrowed(&out)).expect("ours"), order, "{}", serializer.name());
        }
        for serializer in [Serializer::Json, Serializer::MessagePack] {
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
        Shape::Repeated { before: b"", piece: b"\x12\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x1a\x02\x0a\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x22\x01\x01", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x20\x01", after: b"" },
    ],
    fragments: &[br#","a":1"#, b"[", b"{", br#""x":"#, b"\x81", b"\xa1x", b"\x91", b"\xdf\xff\xff\xff\xff", b"\x12\0", b"\x0a\x01x", b"\x22\x01\x01", b"\xff"],
    frame: (b"", b""),
    longest: 64 << 10,
    per_byte: 14_000,
};
