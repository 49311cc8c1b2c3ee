//! Readers of requests, answers, pushes, registry entries, contexts and durations of other servers.

use bytes::Bytes;
use pitaya::cluster::protos::{BindMsg, Broadcast, KickAnswer, KickMsg, Push, Request, Response, Session};
use pitaya::cluster::request::{InboundRequest, Target, session_data, write_session_data};
use pitaya::cluster::{Server, response};
use pitaya::context::Metadata;
use pitaya::{Error, go_duration};
use prost::Message;

use crate::{Reader, Shape, ignore};

/// Decodes a Protobuf message; what is written of it is read as the same.
fn same_again<M: Message + Default + PartialEq + std::fmt::Debug>(input: &[u8]) -> Option<M> {
    let message = M::decode(input).ok()?;
    assert_eq!(M::decode(&*message.encode_to_vec()).as_ref(), Ok(&message));
    Some(message)
}

/// A request for `r.e` with this context.
const REQUEST: &[u8] = b"\x08\x01\x1a\x05\x12\x03r.e\x2a\x02{}";

pub(crate) const REQUESTS: Reader = Reader {
    name: "cluster_requests",
    read: |input| ignore(InboundRequest::decode(Bytes::copy_from_slice(input))),
    check: |input| {
        same_again::<Request>(input);
        match InboundRequest::decode(Bytes::copy_from_slice(input)) {
            Ok(incoming) => {
                let parts = incoming.parts().expect("a decoded route is one");
                assert!(incoming.route.ends_with(parts.method));
                if let Target::Handler { session, .. } = &incoming.target {
                    let _ = session_data(&session.data);
                }
            }
            Err(error) => assert!(error.code().starts_with("PIT-"), "{error}"),
        }
    },
    examples: &[
        REQUEST,
        b"\x12\x0a\x08\x03\x12\x03ann\x1a\x01{\x1a\x09\x08\x07\x12\x03r.e\x20\x01\x2a\x02{}",
    ],
    shapes: &[
        Shape::Repeated { before: REQUEST, piece: b"\x1a\0", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\x12\0", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\x1a\x05\x12\x03r.e", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\x2a\x02{}", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\x3a\0", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\x3b", after: b"" },
        Shape::Repeated { before: REQUEST, piece: b"\xff", after: b"" },
        Shape::Made("nested messages", |len| {
            let mut out = Vec::new();
            while out.len() + 8 < len {
                let mut outer = Vec::new();
                prost::encoding::encode_key(3, prost::encoding::WireType::LengthDelimited, &mut outer);
                prost::encoding::encode_varint(out.len() as u64, &mut outer);
                out.splice(0..0, outer);
                if out.len() > 512 {
                    break; // beyond this depth only the outermost is looked at
                }
            }
            out.resize(len, 0x1a);
            out
        }),
        Shape::Made("a long route", |len| request(&".a".repeat(len / 2), "{}")),
        Shape::Made("a long context", |len| {
            request("r.e", &format!("{{{}\"z\":1}}", "\"a\":1,".repeat(len / 6)))
        }),
    ],
    fragments: &[
        b"\x1a\x05\x12\x03r.e",
        b"\x12\x02\x08\x01",
        b"\x2a\x02{}",
        b"\x08\x01",
        b"\x3a\x01x",
        b"\x22\x01f",
        b"\x1a\0",
    ],
    frame: (REQUEST, b""),
    longest: 64 << 10,
    per_byte: 1_000,
};

fn request(route: &str, context: &str) -> Vec<u8> {
    let msg = pitaya::cluster::protos::Msg { route: route.to_owned(), ..Default::default() };
    Request { r#type: 1, msg: Some(msg), metadata: context.to_owned().into(), ..Request::default() }
        .encode_to_vec()
}

/// The length of a field of less than 128 bytes.
fn short(field: &[u8]) -> u8 {
    u8::try_from(field.len()).unwrap_or_default()
}

pub(crate) const ANSWERS: Reader = Reader {
    name: "cluster_answers",
    read: |input| ignore(response::read(Bytes::copy_from_slice(input))),
    check: |input| {
        same_again::<Response>(input);
        match response::read(Bytes::copy_from_slice(input)) {
            Ok(data) => {
                let again = response::write(Ok(data.clone()), false);
                assert_eq!(response::read(again).ok(), Some(data));
            }
            Err(error) => {
                let sent = Error::new(error.code().to_owned(), error.msg().to_owned());
                let sent =
                    error.metadata().iter().fold(sent, |sent, (key, value)| sent.with_metadata(key, value));
                let again = response::read(response::write(Err(sent), true)).expect_err("an error stays one");
                assert_eq!(
                    (again.code(), again.msg(), again.metadata()),
                    (error.code(), error.msg(), error.metadata())
                );
            }
        }
    },
    examples: &[b"\x0a\x03ack", b"\x12\x0f\x0a\x03A-1\x12\x02no\x1a\x04\x0a\x00\x12\x00"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\x0a\x01x", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x12\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x12\x06\x1a\x04\x0a\0\x12\0", after: b"" },
        Shape::Made("much metadata", |len| {
            let mut out = Vec::new();
            let mut at = 0_u32;
            while out.len() < len {
                at += 1;
                let key = format!("k{at}");
                let entry = [&[0x0a, short(key.as_bytes())][..], key.as_bytes(), b"\x12\x01v"].concat();
                let fields = [&[0x1a, short(&entry)][..], &entry].concat();
                out.extend([0x12, short(&fields)]);
                out.extend(fields);
            }
            out
        }),
    ],
    fragments: &[
        b"\x0a\x01x",
        b"\x12\0",
        b"\x12\x05\x0a\x03A-1",
        b"\x12\x06\x1a\x04\x0a\0\x12\0",
        b"\x12\x08\x1a\x06\x0a\x01a\x12\x01b",
    ],
    frame: (b"", b""),
    longest: 64 << 10,
    per_byte: 2_200,
};

pub(crate) const SESSION_DATA: Reader = Reader {
    name: "session_data",
    read: |input| ignore(session_data(input)),
    check: |input| {
        let Ok(data) = session_data(input) else { return };
        let again = session_data(&write_session_data(&data)).expect("ours");
        // Numbers with a fraction may lose their last digit.
        assert!(again.keys().eq(data.keys()));
        let _ = Session::decode(input);
    },
    examples: &[br#"{"n":7,"s":"x","l":[1.5,null,true]}"#, b"null"],
    shapes: &[
        Shape::Repeated { before: br#"{"":0"#, piece: br#","":0"#, after: b"}" },
        Shape::Repeated { before: br#"{"a":[0"#, piece: br#",{"":[]}"#, after: b"]}" },
        Shape::Repeated { before: br#"{"a":"#, piece: b"[", after: b"" },
        Shape::Repeated { before: br#"{"a":"#, piece: b"9", after: b"}" },
        Shape::Repeated { before: br#"{"a":0."#, piece: b"0", after: b"1}" },
        Shape::Repeated { before: br#"{"a":""#, piece: br"\ud800", after: br#""}"# },
        Shape::Made("many keys", |len| {
            let mut out = String::from(r#"{"":0"#);
            for at in 0.. {
                if out.len() + 12 > len {
                    break;
                }
                out += &format!(r#","k{at}":{at}"#);
            }
            (out + "}").into_bytes()
        }),
    ],
    fragments: &[
        br#","a":1"#,
        br#","b":{}"#,
        br#","c":[1,"x"]"#,
        br#","d":1.5e3"#,
        b"\xff",
        br#","\ud800":null"#,
    ],
    frame: (br#"{"x":0"#, b"}"),
    longest: 64 << 10,
    per_byte: 1_300,
};

pub(crate) const PUSHES: Reader = Reader {
    name: "cluster_pushes",
    read: |input| {
        ignore(Push::decode(input));
        ignore(KickMsg::decode(input));
        ignore(BindMsg::decode(input));
        ignore(Broadcast::decode(input));
        ignore(KickAnswer::decode(input));
    },
    check: |input| {
        same_again::<Push>(input);
        same_again::<KickMsg>(input);
        same_again::<KickAnswer>(input);
        same_again::<BindMsg>(input);
        same_again::<Broadcast>(input);
    },
    examples: &[b"\x0a\x06onChat\x12\x03ann\x1a\x02hi"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\x0a\x01x", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x12\x01x", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x1a\x01x", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x22\x01x", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x08\x01\x18\x01", after: b"" },
        Shape::Repeated { before: b"", piece: b"\xff", after: b"" },
    ],
    fragments: &[b"\x0a\x01x", b"\x12\x01x", b"\x1a\x01x", b"\x22\x01x", b"\x2a\0", b"\x08\x01", b"\xff"],
    frame: (b"", b""),
    longest: 64 << 10,
    per_byte: 3_500,
};

pub(crate) const ETCD_VALUES: Reader = Reader {
    name: "etcd_values",
    read: |input| ignore(Server::from_json(input)),
    check: |input| {
        let Ok(server) = Server::from_json(input) else { return };
        assert_eq!(Server::from_json(&server.to_json()).expect("ours"), server);
        if let Ok(key) = server.key() {
            assert_eq!(Server::from_entry(&key, input).expect("its own key"), server);
            assert!(Server::from_entry(&format!("{key}x"), input).is_err());
        }
    },
    examples: &[br#"{"id":"a","type":"room","metadata":{"k":"v"},"frontend":true,"hostname":"h"}"#],
    shapes: &[
        Shape::Repeated { before: br#"{"metadata":{}"#, piece: br#","metadata":{"a":"b"}"#, after: b"}" },
        Shape::Repeated { before: br#"{"metadata":{"a":"b""#, piece: br#","a":"b""#, after: b"}}" },
        Shape::Repeated { before: br#"{"id":"a""#, piece: br#","id":"abc""#, after: b"}" },
        Shape::Repeated { before: br#"{"x":"#, piece: b"[", after: b"" },
        Shape::Repeated { before: br#"{"id":""#, piece: br"\ud800", after: br#""}"# },
        Shape::Halves {
            before: br#"{"metadata":{"":"""#,
            first: br#","a":"""#,
            between: b"}",
            second: br#","metadata":{}"#,
            after: b"}",
        },
        Shape::Made("much metadata, many times", |len| {
            let mut out = String::from(r#"{"metadata":{"":"""#);
            for at in 0.. {
                if out.len() > len / 2 {
                    break;
                }
                out += &format!(r#","k{at}":"""#);
            }
            out.push('}');
            while out.len() + 24 < len {
                out += r#","metadata":{"k5":"x"}"#;
            }
            (out + "}").into_bytes()
        }),
    ],
    fragments: &[
        br#","id":"b""#,
        br#","TYPE":"b""#,
        br#","metadata":{"a":"b"}"#,
        br#","metadata":null"#,
        br#","frontend":true"#,
        br#","x":[{}]"#,
        b"\xff",
    ],
    frame: (br#"{"id":"a""#, b"}"),
    longest: 64 << 10,
    per_byte: 1_800,
};

pub(crate) const CONTEXT: Reader = Reader {
    name: "context",
    read: |input| {
        if let Ok(context) = Metadata::decode(input) {
            let _ = context.keys().count();
            ignore(context.encode());
        }
    },
    check: |input| {
        // With white space before it, a context is read by the general parser.
        let general = Metadata::decode(&[b" ", input].concat());
        match Metadata::decode(input) {
            Ok(context) => {
                assert_eq!(context, general.expect("the same text"), "both ways of reading");
                let again = Metadata::decode(&context.encode());
                match again {
                    Ok(again) => {
                        assert!(again.keys().eq(context.keys()));
                        assert_eq!(
                            (again.timeout(), again.request_id()),
                            (context.timeout(), context.request_id())
                        );
                    }
                    Err(_) => assert_eq!(context.keys().count(), 0),
                }
                let call = context.for_call("id", "type", std::time::Duration::from_secs(5));
                assert_eq!((call.peer_id(), call.request_id()), (Some("id"), context.request_id()));
            }
            Err(error) => {
                assert_eq!(error.code(), "PIT-500");
                assert!(general.is_err(), "both ways of reading");
            }
        }
    },
    examples: &[
        br#"{"peer.id":"a","peer.service":"room","reqTimeout":"5s","request.id":"x1"}"#,
        br#"{"otel-span":{"traceparent":"00-1"},"n":1.5}"#,
        br#"{"reqTimeout":5}"#,
    ],
    shapes: &[
        Shape::Repeated { before: br#"{"a":"b""#, piece: br#","a":"b""#, after: b"}" },
        Shape::Repeated { before: br#"{"a":"b""#, piece: br#","reqTimeout":"5s""#, after: b"}" },
        Shape::Repeated { before: br#"{"a":1"#, piece: br#","a":{"b":[]}"#, after: b"}" },
        Shape::Repeated { before: br#"{"reqTimeout":""#, piece: b"0s", after: br#""}"# },
        Shape::Repeated { before: br#"{"reqTimeout":"0."#, piece: b"0", after: br#"s"}"# },
        Shape::Repeated { before: br#"{"a":""#, piece: br"\u0041", after: br#""}"# },
        Shape::Repeated { before: br#"{"a":"b""#, piece: br#","":"""#, after: b"" },
        Shape::Made("many keys", |len| {
            let mut out = String::from(r#"{"":"""#);
            for at in 0.. {
                if out.len() + 12 > len {
                    break;
                }
                out += &format!(r#","k{at}":"""#);
            }
            (out + "}").into_bytes()
        }),
    ],
    fragments: &[
        br#","a":"b""#,
        br#","reqTimeout":"1ms""#,
        br#","request.id":"x""#,
        br#","n":{"a":1}"#,
        br#","":"""#,
        b"\\",
        b"\xff",
        b" ",
    ],
    frame: (br#"{"x":"y""#, b"}"),
    longest: 64 << 10,
    per_byte: 3_500,
};

pub(crate) const DURATIONS: Reader = Reader {
    name: "durations",
    read: |input| {
        ignore(go_duration::parse(&String::from_utf8_lossy(input)).map_err(|error| error.to_string()))
    },
    check: |input| {
        let text = String::from_utf8_lossy(input);
        match go_duration::parse(&text) {
            Ok(nanos) => {
                assert_eq!(go_duration::parse(&go_duration::format(nanos)), Ok(nanos));
                assert!(text.bytes().any(|byte| byte.is_ascii_digit()));
            }
            Err(error) => assert!(error.to_string().starts_with("time: ")),
        }
    },
    examples: &[b"1m30s", b"-1.5ms", "2\u{b5}s3us4\u{3bc}s".as_bytes(), b"-2562047h47m16.854775808s"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"0s", after: b"" },
        Shape::Repeated { before: b"", piece: b"9", after: b"s" },
        Shape::Repeated { before: b"0.", piece: b"0", after: b"1s" },
        Shape::Repeated { before: b"1", piece: b"x", after: b"" },
        Shape::Repeated { before: b"1", piece: b"\"", after: b"" },
        Shape::Repeated { before: b"1", piece: b"\xff", after: b"" },
        Shape::Repeated { before: b"", piece: b".", after: b"" },
    ],
    fragments: &[b"0s", b"1h", b".", b"9", b"ms", b"-", b"\xc2\xb5s", b"\xff"],
    frame: (b"0s", b"0ns"),
    longest: 16 << 10,
    per_byte: 10_000,
};
