use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::serialize::{Codecs, NarrowJson, Schema};

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

/// JavaScript writes whole numbers as floats where a MessagePack library does.
#[test]
fn whole_floats_become_integers_in_json() {
    for (float, json) in [(5.0, "5"), (-7.0, "-7"), (0.5, "0.5"), (-0.0, "-0.0"), (1e300, "1e+300")] {
        let of = |body: Vec<u8>| recoded(&body, &Serializer::MessagePack, &Serializer::Json).unwrap();
        assert_eq!(of(rmp_serde::to_vec(&float).unwrap()), json);
        if float < 1e30 {
            #[expect(clippy::cast_possible_truncation, reason = "these have an `f32`")]
            let small = rmp_serde::to_vec(&(float as f32)).unwrap();
            assert_eq!(of(small), json);
        }
    }
}

#[test]
fn floats_that_json_cannot_express_are_errors() {
    for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        #[expect(clippy::cast_possible_truncation, reason = "it stays what it is")]
        for body in [rmp_serde::to_vec(&[float]).unwrap(), rmp_serde::to_vec(&("k", float as f32)).unwrap()] {
            for json in [Serializer::Json, NarrowJson.into()] {
                let error = recoded(&body, &Serializer::MessagePack, &json).unwrap_err();
                assert!(error.to_string().contains("not finite"), "{error}");
            }
        }
    }
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

/// A serializer may reserve memory for what the body claims.
struct ByTree;

impl crate::serialize::CustomSerializer for ByTree {
    fn name(&self) -> &'static str {
        "tree"
    }

    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), crate::error::BoxError> {
        out.extend_from_slice(serde_json::to_value(value)?.to_string().as_bytes());
        Ok(())
    }

    fn deserialize(
        &self,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), crate::error::BoxError> {
        Err("it only writes".into())
    }
}

#[test]
fn serializer_sees_no_length_that_a_body_claims() {
    let own = Serializer::from(ByTree);
    for body in [&b"\xdd\xff\xff\xff\xff"[..], b"\x91\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"] {
        assert!(recoded(body, &Serializer::MessagePack, &own).is_err());
    }
    assert_eq!(recoded(b"\x92\x01\x80", &Serializer::MessagePack, &own).unwrap(), "[1,{}]");
    // The error of an erased serializer panics when it is shown.
    for own in [own, NarrowJson.into()] {
        let error = recoded(b"\x92\x01\xc1", &Serializer::MessagePack, &own).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
}

/// A header of five bytes claims four billion elements, and nesting takes one byte a level.
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

/// Values that JSON and MessagePack both have.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6_f64).prop_map(|float| Value::from(float.trunc() + 0.5)),
        "\\PC{0,8}".prop_map(Value::from),
        "[\u{0}-\u{1f}]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\u{1}]{0,6}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A message with each kind of field.
#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Thing {
    #[prost(double, tag = "1")]
    float: f64,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(bytes = "vec", tag = "3")]
    bytes: Vec<u8>,
    #[prost(int64, repeated, tag = "4")]
    list: Vec<i64>,
    #[prost(btree_map = "string, uint32", tag = "5")]
    map: BTreeMap<String, u32>,
    #[prost(message, optional, boxed, tag = "6")]
    inner: Option<Box<Self>>,
}

impl Message for Thing {
    const CODECS: Codecs<Self> = Codecs::serde_and_proto();
    const SCHEMA: &'static Schema = &Schema::new("Thing", "", &[]);
}

/// Any bytes, and bodies of a [`Thing`] with some bytes changed.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let thing = Thing {
        float: 0.5,
        text: "\u{1f389}".into(),
        bytes: vec![0, 255],
        list: vec![i64::MIN, 1],
        map: BTreeMap::from([("k".into(), 7)]),
        inner: Some(Box::default()),
    };
    let bodies: Vec<Vec<u8>> = [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf]
        .iter()
        .map(|serializer| {
            let mut body = BytesMut::new();
            serializer.encode(&thing, &mut body).unwrap();
            body.to_vec()
        })
        .collect();
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    let changed = (proptest::sample::select(bodies), changes).prop_map(|(mut body, changes)| {
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body
    });
    prop_oneof![changed, proptest::collection::vec(any::<u8>(), 0..100)]
}

proptest! {
    #[test]
    fn values_survive_and_never_grow_much(value in values()) {
        let msgpack = rmp_serde::to_vec(&value).unwrap();
        let json = recoded(&msgpack, &Serializer::MessagePack, &Serializer::Json).unwrap();
        prop_assert!(json.len() <= 8 * msgpack.len());
        let back = recoded(&json, &Serializer::Json, &Serializer::MessagePack).unwrap();
        prop_assert!(back.len() <= 9 * json.len());
        let again = recoded(&back, &Serializer::MessagePack, &Serializer::Json).unwrap();
        prop_assert_eq!(json, again);
    }

    #[test]
    fn any_bytes_are_recoded_or_refused(body in hostile()) {
        let all = [Serializer::Json, Serializer::MessagePack, Serializer::Protobuf, NarrowJson.into()];
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
            if let Ok(recoded) = typed::<Thing>(&Body::borrowed(&body), from, to) {
                prop_assert!(to.decode::<Thing>(&Body::borrowed(&recoded)).is_ok(), "{from:?} to {to:?}");
            }
            if let Some(recode) = untyped(from, to) {
                drop(recode(&Body::borrowed(&body), from, to));
            }
        }
    }

    #[test]
    fn any_bytes_never_grow_much(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(json) = recoded(&body, &Serializer::MessagePack, &Serializer::Json) {
            prop_assert!(json.len() <= 8 * body.len());
        }
    }
}
