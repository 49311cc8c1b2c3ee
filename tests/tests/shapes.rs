//! Messages with fields of several shapes, as bytes that were written by hand.
#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::time::{Duration, Instant};

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

#[message]
#[derive(PartialEq)]
struct Said {
    text: String,
}

/// Fields beside the name of the variant.
#[message(push = "onCommand")]
#[derive(PartialEq)]
#[serde(rename_all = "snake_case")]
enum Command {
    Move {
        x: f32,
        steps: u8,
    },
    Say(Said),
    #[serde(rename = "halt")]
    Stop,
    #[serde(rename_all = "camelCase")]
    Reset {
        #[field(text)]
        user_id: u64,
        slots: BTreeMap<u32, i8>,
        blob: Bytes,
        #[serde(default)]
        mode: Mode,
        next: Option<Box<Self>>,
    },
}

/// A field that does not travel, of a type that could not.
#[message]
#[derive(PartialEq)]
enum Watched {
    Seen {
        text: String,
        #[serde(skip)]
        at: Option<Instant>,
    },
}

/// A value with a key of its own.
#[message]
#[derive(PartialEq)]
#[serde(tag = "kind", content = "data")]
enum Event {
    Left,
    Joined(Said),
    Score(u32),
    Moved { to: i8 },
}

/// Nests beside its names.
#[message]
#[derive(PartialEq)]
enum Chain {
    Link { marks: Vec<u16>, next: Box<Self> },
    End,
}

/// Nests in a key of its own.
#[message]
#[derive(PartialEq)]
#[serde(tag = "kind", content = "data")]
enum Tree {
    Leaf,
    Node(Vec<Self>),
}

#[message]
#[derive(PartialEq)]
struct Groups {
    at: (i8, u16),
    named: Vec<(String, Option<Mode>, bool)>,
    tags: BTreeSet<String>,
    ids: HashSet<u8>,
}

#[message]
#[derive(PartialEq)]
struct Timed {
    #[field(nanos)]
    after: Duration,
    #[field(nanos)]
    each: Vec<Duration>,
    #[field(nanos)]
    at_most: Option<Duration>,
    #[field(nanos)]
    #[serde(default)]
    pause: Duration,
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

fn json<M: Message>(text: &str) -> Result<M, String> {
    decoded(&Serializer::Json, text.as_bytes())
}

fn msgpack<M: Message>(body: &[u8]) -> Result<M, String> {
    decoded(&Serializer::MessagePack, body)
}

fn reset() -> Command {
    Command::Reset {
        user_id: u64::MAX,
        slots: BTreeMap::from([(7, -1)]),
        blob: Bytes::from_static(b"\x01\xff"),
        mode: Mode::BigTeam,
        next: Some(Box::new(Command::Stop)),
    }
}

const RESET: &str = r#"{"type":"reset","userId":"18446744073709551615","slots":{"7":-1},"blob":[1,255],"mode":"big_team","next":{"type":"halt"}}"#;

#[test]
fn union_has_its_fields_beside_the_variant() {
    let json = &Serializer::Json;
    both_ways(json, &Command::Move { x: 1.5, steps: 3 }, br#"{"type":"move","x":1.5,"steps":3}"#);
    both_ways(json, &Command::Say(Said { text: "hi".into() }), br#"{"type":"say","text":"hi"}"#);
    both_ways(json, &Command::Stop, br#"{"type":"halt"}"#);
    both_ways(json, &reset(), RESET.as_bytes());
    let msgpack = &Serializer::MessagePack;
    let bytes = b"\x83\xa4type\xa4move\xa1x\xca\x3f\xc0\x00\x00\xa5steps\x03";
    both_ways(msgpack, &Command::Move { x: 1.5, steps: 3 }, bytes);
    both_ways(msgpack, &Command::Say(Said { text: "hi".into() }), b"\x82\xa4type\xa3say\xa4text\xa2hi");
    both_ways(msgpack, &Command::Stop, b"\x81\xa4type\xa4halt");
    let mut bytes = b"\x86\xa4type\xa5reset\xa6userId\xb418446744073709551615\xa5slots\x81\x07\xff".to_vec();
    bytes.extend(b"\xa4blob\xc4\x02\x01\xff\xa4mode\xa8big_team\xa4next\x81\xa4type\xa4halt");
    both_ways(msgpack, &reset(), &bytes);
}

/// Also with `serde_json/arbitrary_precision` (`cargo xtask test unified`), integers as keys, and nesting.
#[test]
fn variant_may_come_after_its_fields() {
    let read: Command = json(r#"{"x":-2,"later":[{"a":null}],"steps":255,"type":"move","more":{}}"#).unwrap();
    assert_eq!(read, Command::Move { x: -2.0, steps: 255 });
    let last = RESET.replacen(r#""type":"reset","#, "", 1).replacen("}}", r#"},"type":"reset"}"#, 1);
    assert_eq!(json::<Command>(&last).unwrap(), reset());
    let doubles = b"\x83\xa5steps\xcb\x40\x08\x00\x00\x00\x00\x00\x00\xa1x\x07\xa4type\xa4move";
    assert_eq!(msgpack::<Command>(doubles).unwrap(), Command::Move { x: 7.0, steps: 3 });
    let mut bytes = b"\x86\xa6userId\xb418446744073709551615\xa5slots\x81\x07\xff".to_vec();
    bytes
        .extend(b"\xa4blob\xc4\x02\x01\xff\xa4mode\xa8big_team\xa4next\x81\xa4type\xa4halt\xa4type\xa5reset");
    assert_eq!(msgpack::<Command>(&bytes).unwrap(), reset());
}

#[test]
fn union_has_its_value_in_a_key() {
    let json = &Serializer::Json;
    both_ways(json, &Event::Left, br#"{"kind":"Left"}"#);
    both_ways(json, &Event::Joined(Said { text: "a".into() }), br#"{"kind":"Joined","data":{"text":"a"}}"#);
    both_ways(json, &Event::Score(7), br#"{"kind":"Score","data":7}"#);
    both_ways(json, &Event::Moved { to: -1 }, br#"{"kind":"Moved","data":{"to":-1}}"#);
    both_ways(&Serializer::MessagePack, &Event::Score(7), b"\x82\xa4kind\xa5Score\xa4data\x07");
    both_ways(&Serializer::MessagePack, &Event::Left, b"\x81\xa4kind\xa4Left");
    let first = br#"{"data":{"to":-1},"new":1,"kind":"Moved"}"#;
    assert_eq!(decoded::<Event>(json, first).unwrap(), Event::Moved { to: -1 });
    assert_eq!(decoded::<Event>(json, br#"{"data":null,"kind":"Left"}"#).unwrap(), Event::Left);
    let first = b"\x82\xa4data\xcb\x40\x08\x00\x00\x00\x00\x00\x00\xa4kind\xa5Score";
    assert_eq!(msgpack::<Event>(first).unwrap(), Event::Score(3));
}

#[test]
fn wrong_variant_or_value_is_refused() {
    let refused = |text: &str, expected: &str| {
        let error = json::<Command>(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    refused("{}", "missing field `type`");
    refused(r#"{"x":1,"steps":1}"#, "missing field `type`");
    refused(
        r#"{"type":"Move","x":1,"steps":1}"#,
        "invalid value: string \"Move\", expected one of `move`, `say`",
    );
    refused(r#"{"type":1}"#, "invalid type");
    refused(r#"{"type":"move","x":1}"#, "missing field `steps`");
    refused(r#"{"type":"move","x":1,"steps":256}"#, "256");
    refused(r#"{"x":1,"steps":256,"type":"move"}"#, "256");
    refused(r#"{"x":1,"steps":1.0,"type":"move"}"#, "expected u8");
    refused(r#"["move",1,1]"#, "a map with a variant in `type`");
    let refused = |text: &str, expected: &str| {
        let error = json::<Event>(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    };
    refused(r#"{"data":7}"#, "missing field `kind`");
    refused(r#"{"kind":"Score"}"#, "missing field `data`");
    refused(r#"{"kind":"Score","data":7,"data":8}"#, "duplicate field `data`");
    refused(r#"{"data":7,"data":8,"kind":"Score"}"#, "duplicate field `data`");
    refused(r#"{"kind":"Score","kind":"Left"}"#, "duplicate field `kind`");
    refused(r#"{"data":7,"kind":"None"}"#, "expected one of `Left`, `Joined`");
    assert!(msgpack::<Command>(b"\xdf\xff\xff\xff\xff\xa1x\xdd\xff\xff\xff\xff").is_err());
    let nested = format!(r#"{{"x":{}"#, "[".repeat(100_000));
    assert!(json::<Command>(&nested).is_err());
}

/// Also in the form in which `serde_json/arbitrary_precision` shows numbers, which a client can write itself.
#[test]
fn float_of_a_union_that_is_not_finite_is_refused() {
    for number in ["NaN", "inf", "-infinity", "1e999"] {
        let body =
            format!(r#"{{"steps":1,"x":{{"$serde_json::private::Number":"{number}"}},"type":"move"}}"#);
        let error = json::<Command>(&body).unwrap_err();
        assert!(error.contains(&format!("invalid number `{number}`")), "{error}");
    }
    for body in [r#"{"type":"move","steps":1,"x":1e999}"#, r#"{"steps":1,"x":1e999,"type":"move"}"#] {
        assert!(json::<Command>(body).is_err(), "{body}");
    }
}

/// The name of each variant comes last. A key of MessagePack may also be bytes.
#[test]
fn nested_unions_are_read_up_to_the_limit() {
    let repeated = |before: &[u8], inner: &[u8], after: &[u8], count: usize| {
        [before.repeat(count), inner.to_vec(), after.repeat(count)].concat()
    };
    let (json, msgpack) = (&Serializer::Json, &Serializer::MessagePack);
    let links = |links: usize| {
        let text = repeated(br#"{"next":"#, br#"{"type":"End"}"#, br#","marks":[7],"type":"Link"}"#, links);
        let after = b"\xa5marks\x91\x07\xc4\x04type\xa4Link";
        (text, repeated(b"\x83\xa4next", b"\x81\xa4type\xa3End", after, links))
    };
    let expected = (0..126).fold(Chain::End, |next, _| Chain::Link { marks: vec![7], next: Box::new(next) });
    let (text, bytes) = links(126);
    assert_eq!(decoded::<Chain>(json, &text).unwrap(), expected);
    assert_eq!(decoded::<Chain>(msgpack, &bytes).unwrap(), expected);
    let (text, bytes) = links(127);
    assert!(decoded::<Chain>(json, &text).is_err());
    assert!(decoded::<Chain>(msgpack, &bytes).is_err());
    let expected = (0..63).fold(Tree::Leaf, |child, _| Tree::Node(vec![child]));
    let text = repeated(br#"{"data":["#, br#"{"kind":"Leaf"}"#, br#"],"kind":"Node"}"#, 63);
    assert_eq!(decoded::<Tree>(json, &text).unwrap(), expected);
    let bytes = repeated(b"\x82\xa4data\x91", b"\x81\xa4kind\xa4Leaf", b"\xc4\x04kind\xa4Node", 63);
    assert_eq!(decoded::<Tree>(msgpack, &bytes).unwrap(), expected);
}

#[test]
fn tuples_and_sets_travel_as_lists() {
    let value = Groups {
        at: (-1, 300),
        named: vec![("a".into(), None, true), ("b".into(), Some(Mode::Solo), false)],
        tags: BTreeSet::from(["x".into(), "y".into()]),
        ids: HashSet::from([7]),
    };
    let text = r#"{"at":[-1,300],"named":[["a",null,true],["b","solo",false]],"tags":["x","y"],"ids":[7]}"#;
    both_ways(&Serializer::Json, &value, text.as_bytes());
    let mut bytes =
        b"\x84\xa2at\x92\xff\xcd\x01\x2c\xa5named\x92\x93\xa1a\xc0\xc3\x93\xa1b\xa4solo\xc2".to_vec();
    bytes.extend(b"\xa4tags\x92\xa1x\xa1y\xa3ids\x91\x07");
    both_ways(&Serializer::MessagePack, &value, &bytes);
    let twice = json::<Groups>(r#"{"at":[0,0],"named":[],"tags":["x","x"],"ids":[7,7]}"#).unwrap();
    assert_eq!((twice.tags.len(), twice.ids.len()), (1, 1));
}

#[test]
fn tuple_of_another_length_is_refused() {
    for at in ["[]", "[1]", "[1,2,3]", "{}", "1"] {
        let text = format!(r#"{{"at":{at},"named":[],"tags":[],"ids":[]}}"#);
        assert!(json::<Groups>(&text).is_err(), "{at}");
    }
    let long = b"\x84\xa2at\x93\x01\x02\x03\xa5named\x90\xa4tags\x90\xa3ids\x90";
    assert!(msgpack::<Groups>(long).is_err());
}

/// As `time.Duration` of Go.
#[test]
fn span_of_time_travels_as_its_nanoseconds() {
    let value = Timed {
        after: Duration::from_millis(1500),
        each: vec![Duration::ZERO, Duration::from_nanos(i64::MAX as u64)],
        at_most: Some(Duration::from_nanos(7)),
        pause: Duration::from_micros(1),
    };
    let json = br#"{"after":1500000000,"each":[0,9223372036854775807],"at_most":7,"pause":1000}"#;
    both_ways(&Serializer::Json, &value, json);
    let msgpack = b"\x84\xa5after\xce\x59\x68\x2f\x00\xa4each\x92\x00\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xa7at_most\x07\xa5pause\xcd\x03\xe8";
    both_ways(&Serializer::MessagePack, &value, msgpack);
    let absent = decoded::<Timed>(&Serializer::Json, br#"{"after":1,"each":[]}"#).unwrap();
    assert_eq!((absent.at_most, absent.pause), (None, Duration::ZERO));
}

#[test]
fn span_of_time_out_of_range_is_refused() {
    let timed = |after: &str| format!(r#"{{"after":{after},"each":[]}}"#);
    for after in ["-1", "9223372036854775808", "1.5", "\"1s\"", "null", "{}"] {
        assert!(decoded::<Timed>(&Serializer::Json, timed(after).as_bytes()).is_err(), "{after}");
    }
    let negative = decoded::<Timed>(&Serializer::Json, timed("-1").as_bytes()).unwrap_err();
    assert!(negative.contains("the nanoseconds of a span of time, which is not negative"), "{negative}");
    let long = Timed { after: Duration::MAX, each: vec![], at_most: None, pause: Duration::ZERO };
    for serializer in [Serializer::Json, Serializer::MessagePack] {
        let error = serializer.encode(&long, &mut BytesMut::new()).unwrap_err().to_string();
        assert!(error.contains("292 years"), "{error}");
    }
}

#[test]
fn skipped_field_of_a_variant_does_not_travel() {
    let value = Watched::Seen { text: "a".into(), at: Some(Instant::now()) };
    let json = br#"{"type":"Seen","text":"a"}"#;
    assert_eq!(encoded(&Serializer::Json, &value), json);
    let read = Watched::Seen { text: "a".into(), at: None };
    assert_eq!(decoded::<Watched>(&Serializer::Json, json), Ok(read));
}
