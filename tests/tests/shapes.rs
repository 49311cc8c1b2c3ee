//! Messages with fields of several shapes, as bytes that were written by hand.
#![allow(missing_docs)]

use std::fmt::Debug;

use bytes::BytesMut;
use pitaya::prelude::*;
use pitaya::serialize::{Body, Message, Serializer};

/// How a match is played.
#[message]
#[derive(Default)]
#[serde(rename_all = "snake_case")]
enum Mode {
    #[default]
    Solo,
    BigTeam,
    #[serde(rename = "ffa")]
    FreeForAll,
}

#[message]
#[derive(PartialEq)]
struct Match {
    mode: Mode,
    others: Vec<Mode>,
    next: Option<Mode>,
    #[serde(default)]
    last: Mode,
}

fn encoded<M: Message>(serializer: &Serializer, value: &M) -> Vec<u8> {
    let mut out = BytesMut::new();
    serializer.encode(value, &mut out).unwrap();
    out.to_vec()
}

fn decoded<M: Message>(serializer: &Serializer, body: &[u8]) -> Result<M, String> {
    serializer.decode(&Body::borrowed(body)).map_err(|error| error.to_string())
}

/// A value is these bytes in both directions.
#[track_caller]
fn both_ways<M: Message + PartialEq + Debug>(serializer: &Serializer, value: &M, bytes: &[u8]) {
    let written = encoded(serializer, value);
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(bytes));
    assert_eq!(written, bytes);
    assert_eq!(&decoded::<M>(serializer, bytes).unwrap(), value);
}

#[test]
fn enum_of_names_travels_by_name() {
    let value = Match {
        mode: Mode::BigTeam,
        others: vec![Mode::Solo, Mode::FreeForAll],
        next: None,
        last: Mode::Solo,
    };
    let json = br#"{"mode":"big_team","others":["solo","ffa"],"next":null,"last":"solo"}"#;
    both_ways(&Serializer::Json, &value, json);
    let msgpack = b"\x84\xa4mode\xa8big_team\xa6others\x92\xa4solo\xa3ffa\xa4next\xc0\xa4last\xa4solo";
    both_ways(&Serializer::MessagePack, &value, msgpack);
}

#[test]
fn unknown_name_of_an_enum_is_refused() {
    let json: Result<Match, _> = decoded(&Serializer::Json, br#"{"mode":"BigTeam","others":[]}"#);
    let error = json.unwrap_err();
    assert!(
        error.contains("invalid value: string \"BigTeam\", expected one of `solo`, `big_team`, `ffa`"),
        "{error}"
    );
    let msgpack: Result<Match, _> =
        decoded(&Serializer::MessagePack, b"\x82\xa4mode\xa7unknown\xa6others\x90");
    let error = msgpack.unwrap_err();
    assert!(error.contains("invalid value: string \"unknown\""), "{error}");
}

#[test]
fn number_for_an_enum_of_names_is_refused() {
    assert!(decoded::<Match>(&Serializer::Json, br#"{"mode":1,"others":[]}"#).is_err());
    assert!(decoded::<Match>(&Serializer::MessagePack, b"\x82\xa4mode\x01\xa6others\x90").is_err());
}

#[test]
fn absent_enum_of_names_has_its_default() {
    let read: Match = decoded(&Serializer::Json, br#"{"mode":"solo","others":[]}"#).unwrap();
    assert_eq!((read.last, read.next), (Mode::Solo, None));
}
