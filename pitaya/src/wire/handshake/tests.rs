use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wire::{Dictionary, packet};

fn parse(body: &str) -> Request {
    Request::parse(body.as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"))
}

fn reply() -> Reply {
    Reply {
        code: OK,
        heartbeat_seconds: 30,
        dictionary: Dictionary::default(),
        serializer: "json".to_owned(),
        schema_matches: None,
        payload: None,
    }
}

fn body_of(packet: &[u8]) -> &[u8] {
    let packet = packet::whole(packet, packet::MAX_BODY).unwrap();
    assert_eq!(packet.kind, packet::Kind::Handshake);
    packet.body
}

#[test]
fn every_part_is_optional_and_null_is_absent() {
    for body in [
        "{}",
        "null",
        " \t\r\n{} ",
        r#"{"sys":null,"user":null}"#,
        r#"{"sys":{"platform":null}}"#,
        r#"{"x":[{"y":1e999}],"sys":{"z":{}}}"#,
    ] {
        assert_eq!(parse(body), Request::default(), "{body}");
    }
}

#[test]
fn keys_match_in_any_case() {
    let r = parse(
        r#"{"SyS":{"PLATFORM":"p","libversion":"l","CLIENTbuildNUMBER":"b","\u0063lientVer\u017fion":"v"},"USER":{"K":1}}"#,
    );
    assert_eq!(
        [&r.sys.platform, &r.sys.lib_version, &r.sys.client_build_number, &r.sys.client_version],
        ["p", "l", "b", "v"]
    );
    assert_eq!(r.user::<Value>().unwrap(), Some(json!({"K": 1})));
}

/// Go Pitaya ignores this member, so no value of it may refuse a client.
#[test]
fn serializer_that_is_no_text_is_absent() {
    assert_eq!(parse(r#"{"sys":{"serializer":"msgpack"}}"#).sys.serializer, "msgpack");
    for value in ["null", "7", "true", "[\"json\"]", "{\"a\":{}}", "\"\""] {
        let request = parse(&format!(r#"{{"sys":{{"serializer":{value},"platform":"p"}}}}"#));
        assert_eq!((&*request.sys.serializer, &*request.sys.platform), ("", "p"), "{value}");
    }
    let sent = Request { sys: Sys { serializer: "json".into(), ..Sys::default() }, ..Request::default() };
    assert_eq!(Request::parse(&sent.to_json().unwrap()).unwrap(), sent);
}

#[test]
fn what_is_given_twice_adds_to_the_first() {
    let r = parse(
        r#"{"sys":{"platform":"a"},"user":{"x":1,"y":1},"sys":{"libVersion":"b"},"sys":null,"user":{"y":2},"sys":{"platform":null}}"#,
    );
    assert_eq!((&*r.sys.platform, &*r.sys.lib_version), ("a", "b"));
    assert_eq!(r.user::<Value>().unwrap(), Some(json!({"x": 1, "y": 2})));
    assert_eq!(parse(r#"{"user":{"x":1},"user":null}"#).user_json(), None);
}

#[test]
fn a_repeated_user_keeps_all_digits() {
    let r = parse(r#"{"user":{"a":12345678901234567890123,"b":[1]},"user":{"b":9007199254740993,"c":1.50}}"#);
    assert_eq!(r.user_json(), Some(r#"{"a":12345678901234567890123,"b":9007199254740993,"c":1.50}"#));
}

#[test]
fn text_that_is_not_unicode_is_mended() {
    let r = Request::parse(b"{\"sys\":{\"platform\":\"a\xffb\"},\"user\":{\"k\xfe\":\"\\ud800x\"}}");
    let r = r.unwrap();
    assert_eq!(r.sys.platform, "a\u{fffd}b");
    assert_eq!(r.user::<Value>().unwrap().unwrap()["k\u{fffd}"], "\u{fffd}x");
}

#[test]
fn schema_of_another_shape_is_ignored() {
    assert_eq!(parse(r#"{"sys":{"Schema":"0a"}}"#).sys.schema, "0a");
    for other in ["null", "1e999", "[]", r#"{"schema":"0a"}"#, "true"] {
        assert_eq!(parse(&format!(r#"{{"sys":{{"schema":{other}}}}}"#)), Request::default(), "{other}");
    }
    let reply = |schema: &str| {
        let reply = format!(r#"{{"code":200,"sys":{{"schema":{schema}}}}}"#);
        Reply::parse(reply.as_bytes(), 1000).unwrap().schema_matches
    };
    assert_eq!((reply(r#"{"match":true}"#), reply(r#"{"match":false}"#)), (Some(true), Some(false)));
    for other in ["null", "1e999", "[]", "{}", r#"{"match":1}"#, r#""0a""#] {
        assert_eq!(reply(other), None, "{other}");
    }
}

#[test]
fn schema_is_written_only_if_asked() {
    let request = Request { sys: Sys { schema: "0a".to_owned(), ..Sys::default() }, ..Request::default() };
    assert_eq!(Request::parse(&request.to_json().unwrap()).unwrap(), request);
    assert!(!String::from_utf8(Request::default().to_json().unwrap()).unwrap().contains("schema"));
    let reply = Reply { schema_matches: Some(false), ..reply() };
    assert_eq!(
        body_of(&reply.encode(false).unwrap()),
        br#"{"code":200,"sys":{"dict":{},"heartbeat":30,"serializer":"json","schema":{"match":false}}}"#
    );
}

#[test]
fn the_wrong_shape_is_refused() {
    let deep = format!(r#"{{"user":{{"a":{}"#, "[".repeat(100_000));
    for body in [
        "",
        " ",
        "asiodjasd",
        "[]",
        "5",
        "\"x\"",
        "true",
        "{} x",
        "{}{}",
        "{}\0",
        "{",
        "\u{feff}{}",
        "{'a':1}",
        r#"{"a":1,}"#,
        "{\"a\":\"\n\"}",
        r#"{"user":[]}"#,
        r#"{"user":"x"}"#,
        r#"{"user":1}"#,
        r#"{"sys":[]}"#,
        r#"{"sys":"x"}"#,
        r#"{"sys":{"clientBuildNumber":20}}"#,
        r#"{"sys":{"platform":{}}}"#,
        r#"{"user":{"big":1e999}}"#,
        "\u{78}\u{9c}",
        &deep,
    ] {
        assert!(Request::parse(body.as_bytes()).is_err(), "{body:.40}");
    }
    assert!(Request::parse(b"{}\xff").is_err(), "only strings are mended");
}

#[test]
fn user_data_keeps_its_text() {
    let many = format!(r#"{{"user":{{"a":[{}0]}}}}"#, r#"{"":0},"#.repeat(9000));
    let r = parse(&many);
    assert_eq!(r.user_json().unwrap().len(), many.len() - r#"{"user":}"#.len());
    assert_eq!(r.user::<Value>().unwrap().unwrap()["a"].as_array().unwrap().len(), 9001);
    assert!(r.user::<u8>().is_err());
    assert!(Request::default().with_user(&1).is_err());
}

#[test]
fn a_request_is_read_as_it_was_written() {
    let r = parse(r#"{"sys":{"platform":"mac","clientVersion":"2.1"},"user":{"age":30}}"#);
    assert_eq!(Request::parse(&r.to_json().unwrap()).unwrap(), r);
    assert_eq!(
        String::from_utf8(Request::default().to_json().unwrap()).unwrap(),
        r#"{"sys":{"platform":"","libVersion":"","clientBuildNumber":"","clientVersion":""}}"#
    );
}

#[test]
fn a_reply_has_its_keys_in_order_and_a_payload_last() {
    let mut r = reply();
    r.dictionary = Dictionary::new([("b<".to_owned(), 2), ("a".to_owned(), 1)]).unwrap();
    r.code = 401;
    r.payload = Some(json!({"why": "&"}));
    let packet = r.encode(false).unwrap();
    assert_eq!(
        std::str::from_utf8(body_of(&packet)).unwrap(),
        r#"{"code":401,"sys":{"dict":{"a":1,"b\u003c":2},"heartbeat":30,"serializer":"json"},"user":{"why":"\u0026"}}"#
    );
    assert_eq!(Reply::parse(body_of(&packet), 0).unwrap(), r);
}

/// It is inflated up to the limit.
#[test]
fn reply_is_deflated_where_it_helps() {
    let small = reply().encode(true).unwrap();
    assert_eq!(small, reply().encode(false).unwrap());
    assert_eq!(small.len(), 4 + 65);
    let mut r = reply();
    r.dictionary = Dictionary::new((0..50).map(|i| (format!("room.room.method{i}"), i))).unwrap();
    let (plain, packed) = (r.encode(false).unwrap(), r.encode(true).unwrap());
    assert!(packed.len() < plain.len());
    let size = plain.len() - 4;
    assert_eq!(Reply::parse(body_of(&packed), size).unwrap(), r);
    assert!(matches!(Reply::parse(body_of(&packed), size - 1), Err(HandshakeError::Inflate(_))));
}

#[test]
fn a_reply_too_large_for_a_packet_is_an_error() {
    let mut r = reply();
    r.payload = Some("x".repeat(packet::MAX_BODY).into());
    assert!(matches!(r.encode(false), Err(HandshakeError::Packet(_))));
}

#[test]
fn replies_of_other_servers_are_read_leniently() {
    let read = |body: &str| Reply::parse(body.as_bytes(), 0).unwrap();
    let bare = read(r#"{"code":400,"more":[]}"#);
    assert_eq!((bare.code, bare.heartbeat_seconds, &*bare.serializer), (400, 0, "json"));
    for (heartbeat, seconds) in [("1.5", 1), ("0.5", 1), ("0", 0), ("-3", 0), ("null", 0), ("60", 60)] {
        let body = format!(r#"{{"code":200,"sys":{{"heartbeat":{heartbeat},"dict":null}}}}"#);
        assert_eq!(read(&body).heartbeat_seconds, seconds, "{heartbeat}");
    }
    for bad in [
        "",
        "{}",
        "null",
        r#"{"code":"200"}"#,
        r#"{"code":200,"sys":{"dict":{"a":70000}}}"#,
        r#"{"code":200,"sys":{"dict":{"a":1,"b":1}}}"#,
    ] {
        assert!(Reply::parse(bad.as_bytes(), 0).is_err(), "{bad}");
    }
}

#[test]
fn heartbeats_are_whole_seconds_of_at_least_one() {
    assert_eq!(whole_seconds(Duration::from_secs(1)).unwrap(), 1);
    for bad in [Duration::ZERO, Duration::from_millis(500), Duration::from_nanos(1_000_000_001)] {
        assert!(matches!(whole_seconds(bad), Err(HandshakeError::Interval(d)) if d == bad));
    }
}

/// An object of few keys, so that they meet.
fn small_object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(
        "[ab\u{e9}\"]",
        prop_oneof![Just(json!(null)), Just(json!([1])), Just(json!({"a": "x"}))],
        0..4,
    )
    .prop_map(|members| members.into_iter().collect())
}

proptest! {
    #[test]
    fn repeated_users_merge_in_their_order(users in prop::collection::vec(prop::option::of(small_object()), 0..8)) {
        let body: Vec<_> =
            users.iter().map(|user| format!(r#""user":{}"#, user.clone().unwrap_or_default())).collect();
        let mut want: Option<Value> = None;
        for user in users {
            match (&mut want, user) {
                (Some(Value::Object(all)), Some(Value::Object(more))) => all.extend(more),
                (want, user) => *want = user,
            }
        }
        let got = parse(&format!("{{{}}}", body.join(",")));
        prop_assert_eq!(got.user::<Value>().unwrap(), want);
    }

    #[test]
    fn any_bytes_are_a_handshake_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Request::parse(&bytes);
        let _ = Reply::parse(&bytes, 1000);
    }

    #[test]
    fn near_misses_of_json_are_a_handshake_or_an_error(text in r#"([{}\[\]:,"]|"sys"|"user"|null|\\u[dD][89aAcC]0|1|\\){0,30}"#) {
        let _ = Request::parse(text.as_bytes());
    }

    #[test]
    fn any_text_survives_a_round_trip(platform in ".*", key in ".*", value in ".*") {
        let sent = Request {
            sys: Sys { platform, ..Sys::default() },
            ..Request::default()
        }.with_user(&json!({ key: value })).unwrap();
        prop_assert_eq!(Request::parse(&sent.to_json().unwrap()).unwrap(), sent);
    }
}
