use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::serialize::NarrowJson;

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Everything {
    no: bool,
    least: i64,
    most: u64,
    half: f64,
    text: String,
    list: Vec<Option<u8>>,
    map: BTreeMap<String, i32>,
}

fn recoded(body: &[u8], from: &Serializer, to: &Serializer) -> Result<Bytes, CodecError> {
    untyped(from, to).expect("both describe themselves")(&Body::borrowed(body), from, to)
}

fn everything() -> Everything {
    Everything {
        no: false,
        least: i64::MIN,
        most: u64::MAX,
        half: 0.5,
        text: "a\u{1f389}\"".into(),
        list: vec![None, Some(255)],
        map: BTreeMap::from([("k".into(), -1)]),
    }
}

#[test]
fn untyped_values_survive_each_pair_of_formats() {
    let json = serde_json::to_vec(&everything()).unwrap();
    let msgpack = rmp_serde::to_vec_named(&everything()).unwrap();
    assert_eq!(recoded(&json, &Serializer::Json, &Serializer::MessagePack).unwrap(), msgpack);
    assert_eq!(recoded(&msgpack, &Serializer::MessagePack, &Serializer::Json).unwrap(), json);
    let own = Serializer::from(NarrowJson);
    let narrow = recoded(&msgpack, &Serializer::MessagePack, &own).unwrap();
    assert!(narrow.is_ascii());
    assert_eq!(recoded(&narrow, &own, &Serializer::MessagePack).unwrap(), msgpack);
}

#[test]
fn keys_that_are_integers_become_texts_in_json() {
    let msgpack = rmp_serde::to_vec(&BTreeMap::from([(-7, "a"), (7, "b")])).unwrap();
    let json = recoded(&msgpack, &Serializer::MessagePack, &Serializer::Json).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), json!({"-7": "a", "7": "b"}));
}

#[test]
fn protobuf_needs_the_type() {
    for (from, to) in
        [(Serializer::Protobuf, Serializer::Json), (Serializer::MessagePack, Serializer::Protobuf)]
    {
        assert!(untyped(&from, &to).is_none());
    }
    let error =
        push("onNothing", &Body::borrowed(b"{}"), &Serializer::Json, &Serializer::Protobuf).unwrap_err();
    assert!(error.to_string().starts_with("push `onNothing` has no known type"), "{error}");
}

#[test]
fn raw_and_empty_bodies_are_recoded_by_their_type() {
    let body = Bytes::from_static(b"\xff{");
    let same = typed::<Bytes>(&Body::shared(&body), &Serializer::Json, &Serializer::Protobuf).unwrap();
    assert_eq!(same, body);
    let of = |to: &Serializer| typed::<()>(&Body::borrowed(b""), &Serializer::Protobuf, to).unwrap();
    assert_eq!((&of(&Serializer::Json)[..], &of(&Serializer::MessagePack)[..]), (&b"{}"[..], &b"\x80"[..]));
}

#[test]
fn bad_bodies_are_errors() {
    for body in [&b""[..], b"{", b"{}{}", b"[1,]", b"nul", b"{1:2}"] {
        assert!(recoded(body, &Serializer::Json, &Serializer::MessagePack).is_err(), "{body:?}");
    }
    // Nothing, a reserved byte, a list and a text that are too short, bytes after the value, an extension.
    for body in [&b""[..], b"\xc1", b"\x92\x01", b"\xdb\xff\xff\xff\xff", b"\x01\x01", b"\xd4\x01\x00"] {
        assert!(recoded(body, &Serializer::MessagePack, &Serializer::Json).is_err(), "{body:?}");
    }
}

/// A header of five bytes claims four billion elements. Nesting takes one byte a level.
#[test]
fn lengths_and_nesting_that_bodies_claim_are_bounded() {
    for body in [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff"] {
        assert!(recoded(body, &Serializer::MessagePack, &Serializer::Json).is_err());
    }
    let deep = [&[0x91; 1 << 20][..], &[0xc0]].concat();
    assert!(recoded(&deep, &Serializer::MessagePack, &Serializer::Json).is_err());
    assert!(recoded("[".repeat(1 << 20).as_bytes(), &Serializer::Json, &Serializer::MessagePack).is_err());
    let shallow = [&[0x91; 100][..], &[0xc0]].concat();
    let json = recoded(&shallow, &Serializer::MessagePack, &Serializer::Json).unwrap();
    assert_eq!(recoded(&json, &Serializer::Json, &Serializer::MessagePack).unwrap(), shallow);
}

proptest! {
    #[test]
    fn bodies_never_grow_much(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(json) = recoded(&body, &Serializer::MessagePack, &Serializer::Json) {
            prop_assert!(json.len() <= 8 * body.len());
        }
        let json = Serializer::Json;
        if let Ok(msgpack) = recoded(&body, &json, &Serializer::MessagePack) {
            prop_assert!(msgpack.len() <= 9 * body.len());
        }
    }
}
