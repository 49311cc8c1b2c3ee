use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::*;
use crate::error::{Result, code};

const SECOND: Duration = Duration::from_secs(1);

fn decode(json: &str) -> Result<Metadata> {
    Metadata::decode(json.as_bytes())
}

#[test]
fn invalid_context_is_refused_with_code_and_text() {
    for (bytes, text) in [
        ("", "no context found"),
        ("oh noes", "the context is no JSON object"),
        ("null", "the context is no JSON object"),
        ("[1]", "the context is no JSON object"),
        ("\"\"", "the context is no JSON object"),
        ("{} x", "the context is no JSON object"),
        (r#"{"reqTimeout":5}"#, "the context has a `reqTimeout` that is no string"),
        (r#"{"reqTimeout":null}"#, "the context has a `reqTimeout` that is no string"),
        (r#"{"reqTimeout":""}"#, r#"time: invalid duration """#),
        (r#"{"reqTimeout":"5 s"}"#, "time: unknown unit"),
    ] {
        let error = decode(bytes).unwrap_err();
        assert_eq!(error.code(), code::INTERNAL, "{bytes}");
        assert!(error.msg().starts_with(text), "{bytes}: {error}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert_eq!(decode(&deep).unwrap_err().code(), code::INTERNAL);
}

/// The last of two equal keys wins.
#[test]
fn empty_object_is_a_context() {
    assert_eq!(decode("{}").unwrap(), Metadata::new());
    assert_eq!(decode(r#"{"a":1,"a":2}"#).unwrap().get("a").unwrap(), Some(2));
}

#[test]
fn text_that_is_not_utf8_is_mended() {
    let context = Metadata::decode(b"{\"a\":\"x\xff\",\"b\":\"\\udc00\"}").unwrap();
    assert_eq!(context.get::<String>("a").unwrap().unwrap(), "x\u{fffd}");
    assert_eq!(context.get::<String>("b").unwrap().unwrap(), "\u{fffd}");
}

#[test]
fn wrong_type_is_an_error_that_names_the_key() {
    let context = decode(r#"{"tenant":"x"}"#).unwrap();
    let error = context.get::<u32>("tenant").unwrap_err();
    assert_eq!(error.code(), code::INTERNAL);
    assert!(error.msg().contains("`tenant`"), "{error}");
    assert_eq!(context.get::<u32>("missing").unwrap(), None);
}

#[test]
fn the_frameworks_keys_cannot_be_set_or_removed() {
    let mut context = decode(r#"{"peer.id":"x","reqTimeout":"5s","a":1}"#).unwrap();
    for key in reserved::ALL {
        assert!(context.insert(key, 5).unwrap_err().msg().contains(key), "{key}");
        assert!(!context.remove(key), "{key}");
    }
    assert!(context.remove("a") && !context.remove("a"));
    assert_eq!(context.keys().collect::<Vec<_>>(), ["peer.id", "reqTimeout"]);
}

#[test]
fn a_value_without_a_json_form_is_refused() {
    let unwritable = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(Metadata::new().insert("a", unwritable).unwrap_err().code(), code::INTERNAL);
}

#[test]
fn a_copy_does_not_see_what_is_set_later() {
    let mut one = decode(r#"{"a":1}"#).unwrap();
    let two = one.clone();
    one.insert("a", 2).unwrap();
    one.insert("b", 3).unwrap();
    assert_eq!(two.encode(), r#"{"a":1}"#);
    assert_eq!(one.encode(), r#"{"a":2,"b":3}"#);
}

#[test]
fn call_forwards_all_but_hop_keys() {
    let incoming = decode(
        r#"{"peer.id":"conn-1","peer.service":"connector","request.id":"R","req-route":"room.room.join",
            "req-start-time":1700000000123456789,"reqTimeout":"5s","otel-span":{"traceparent":"t"},
            "metric-tags":{"a":"b"},"tenant":[1,null]}"#,
    )
    .unwrap();
    let outgoing = incoming.for_call("room-1", "room", 2 * SECOND);
    assert_eq!(
        outgoing.encode(),
        r#"{"metric-tags":{"a":"b"},"otel-span":{"traceparent":"t"},"peer.id":"room-1","peer.service":"room","reqTimeout":"2s","request.id":"R","tenant":[1,null]}"#
    );
    assert_eq!((incoming.peer_id(), incoming.timeout()), (Some("conn-1"), Some(5 * SECOND)));
    assert_eq!((outgoing.peer_service(), outgoing.request_id()), (Some("room"), Some("R")));
    assert_eq!(
        Metadata::new().for_call("room-1", "room", 5 * SECOND).encode(),
        r#"{"peer.id":"room-1","peer.service":"room","reqTimeout":"5s"}"#
    );
}

#[test]
fn values_that_break_callees_are_not_forwarded() {
    let incoming = decode(r#"{"otel-span":"x","request.id":7,"peer.id":{}}"#).unwrap();
    assert_eq!((incoming.request_id(), incoming.peer_id()), (None, None));
    assert_eq!(
        incoming.for_call("room-1", "room", SECOND).encode(),
        r#"{"peer.id":"room-1","peer.service":"room","reqTimeout":"1s"}"#
    );
}

#[test]
fn a_request_id_is_set_where_there_is_none() {
    let mut context = decode(r#"{"request.id":""}"#).unwrap();
    assert_eq!(context.request_id(), None);
    context.set_request_id(new_request_id());
    assert_eq!(context.request_id().unwrap().len(), 22);
}

#[test]
fn no_time_left_is_zero_and_no_timeout_is_for_ever() {
    for (text, timeout) in [("5s", 5 * SECOND), ("0s", Duration::ZERO), ("-1s", Duration::ZERO)] {
        let context = decode(&json!({ "reqTimeout": text }).to_string()).unwrap();
        assert_eq!(context.timeout(), Some(timeout), "{text}");
        let now = Instant::now();
        assert_eq!(Deadline::after(context.timeout(), now).is_over(now), timeout.is_zero());
    }
    assert_eq!(Metadata::new().timeout(), None);
}

#[test]
fn what_remains_of_a_deadline_shrinks_from_hop_to_hop() {
    let start = Instant::now();
    let deadline = Deadline::after(Some(5 * SECOND), start);
    assert_eq!(deadline.within(5 * SECOND, start), Some(5 * SECOND));
    assert_eq!(deadline.within(5 * SECOND, start + 3 * SECOND), Some(2 * SECOND));
    assert_eq!(deadline.within(SECOND, start + 3 * SECOND), Some(SECOND));
    assert_eq!(deadline.within(SECOND, start + 5 * SECOND), None);
    assert_eq!(deadline.within(SECOND, start + 9 * SECOND), None);
    assert_eq!(deadline.within(Duration::ZERO, start), None);
    assert_eq!(Deadline::NEVER.within(SECOND, start), Some(SECOND));
    assert_eq!(Deadline::NEVER.remaining(start), None);
    assert!(!Deadline::NEVER.is_over(start));
    assert_eq!(Deadline::after(Some(Duration::MAX), start), Deadline::NEVER);

    let next = decode(r#"{"reqTimeout":"5s"}"#).unwrap();
    let left = deadline.within(5 * SECOND, start + 3 * SECOND).unwrap();
    let hop = Metadata::decode(&next.for_call("room-1", "room", left).encode()).unwrap();
    assert_eq!(hop.timeout(), Some(2 * SECOND));
}

#[test]
fn times_beyond_the_format_are_the_longest_of_it() {
    let context = Metadata::new().for_call("room-1", "room", Duration::MAX);
    assert_eq!(context.timeout(), Some(Duration::from_nanos(i64::MAX.unsigned_abs())));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), time in ".{0,9}") {
        let _ = Metadata::decode(&bytes);
        let json = json!({ "reqTimeout": time, "a": bytes });
        if let Ok(context) = decode(&json.to_string()) {
            let _ = context.timeout();
        }
    }

    #[test]
    fn what_is_written_is_read_back(values in proptest::collection::btree_map(".{0,8}", ".{0,8}", 1..5)) {
        let values: Map<String, Value> = values.into_iter().map(|(key, value)| (key, value.into())).collect();
        let json = Value::Object(values).to_string();
        if let Ok(context) = decode(&json) {
            prop_assert_eq!(Metadata::decode(&context.encode()).unwrap(), context);
        }
    }

    /// White space before an object makes it one that is parsed on arrival.
    #[test]
    fn lazy_context_equals_eager_context(
        text in r#"\{("(a|b|reqTimeout|request.id|)":("5s"|"-1s"|"x"|""|"\\\\n"|7|\{\}),?){0,4}\}?"#,
    ) {
        match (decode(&text), decode(&format!(" {text}"))) {
            (Ok(mut one), Ok(mut other)) => {
                prop_assert_eq!(one.timeout(), other.timeout());
                one.ensure_request_id();
                other.ensure_request_id();
                prop_assert_eq!(one.request_id().map(str::len), other.request_id().map(str::len));
                let copy = one.clone();
                prop_assert_eq!(copy.request_id(), one.request_id());
                other.set_request_id(one.request_id().unwrap());
                prop_assert_eq!(&one, &other);
                prop_assert_eq!(one.encode(), other.encode());
            }
            (Err(one), Err(other)) => prop_assert_eq!(one.code(), other.code()),
            (one, other) => prop_assert!(false, "{text}: {one:?}, {other:?}"),
        }
    }

    #[test]
    fn a_call_never_waits_longer_than_what_is_left(total in 0u64..10_000, passed in 0u64..20_000, wanted in 0u64..10_000) {
        let start = Instant::now();
        let now = start + Duration::from_millis(passed);
        let deadline = Deadline::after(Some(Duration::from_millis(total)), start);
        match deadline.within(Duration::from_millis(wanted), now) {
            Some(time) => {
                prop_assert!(!time.is_zero());
                prop_assert!(time <= Duration::from_millis(wanted));
                prop_assert!(now + time <= start + Duration::from_millis(total));
            }
            None => prop_assert!(wanted == 0 || passed >= total),
        }
    }
}

#[test]
fn context_encoded_for_a_call_equals_its_copy() {
    let caller = Caller::new("room<1", "room", SECOND);
    let empty = Metadata::new();
    for (timeout, id) in [(SECOND, None), (2 * SECOND, None), (SECOND, Some("r")), (2 * SECOND, Some("r"))] {
        let mut copy = empty.for_call("room<1", "room", timeout);
        id.into_iter().for_each(|id| copy.set_request_id(id));
        assert_eq!(empty.encode_for_call(&caller, timeout, id, None), copy.encode());
    }
    for text in [
        "{}",
        " {}",
        r#"{"a":"<","n":7.0}"#,
        r#"{"peer.id":"x","reqTimeout":"1s","req-route":"a.b","req-start-time":1,"request.id":"r"}"#,
        r#"{"otel-span":{"k":"v"},"request.id":"r"}"#,
        r#"{"otel-span":7,"request.id":7}"#,
    ] {
        let context = Metadata::decode(text.as_bytes()).unwrap();
        let longer = context.for_call("room<1", "room", 2 * SECOND);
        assert_eq!(context.encode_for_call(&caller, 2 * SECOND, None, None), longer.encode(), "{text}");
        let mut copy = context.for_call("room<1", "room", SECOND);
        assert_eq!(context.encode_for_call(&caller, SECOND, None, None), copy.encode(), "{text}");
        copy.set_request_id("other");
        assert_eq!(context.encode_for_call(&caller, SECOND, Some("other"), None), copy.encode(), "{text}");
    }
}

#[test]
fn the_key_of_a_call_goes_one_hop_only() {
    let caller = Caller::new("room<1", "room", SECOND);
    let mark = KeyMark { hash: 7, may_be_refused: true };
    let came = Metadata::decode(br#"{"a":1,"pitaya.key":"0000000000000009","x":2}"#).unwrap();
    for context in [Metadata::new(), came] {
        for id in [None, Some("r")] {
            let sent = context.encode_for_call(&caller, 2 * SECOND, id, Some(mark));
            let got = Metadata::decode(&sent).unwrap();
            assert_eq!((got.key_mark(), got.timeout()), (Some(mark), Some(2 * SECOND)));
            assert_eq!(got.encode(), sent, "the keys are sorted");
            assert_eq!((got.request_id(), got.peer_id()), (id, Some("room<1")));
            let next = got.encode_for_call(&caller, SECOND, id, None);
            assert_eq!(Metadata::decode(&next).unwrap().key_mark(), None);
        }
    }
    let broken = Metadata::decode(br#"{"pitaya.key":"room-7"}"#).unwrap();
    assert_eq!(broken.key_mark(), None);
}
