//! Readers of packets, messages, handshakes, compressed bodies and text of clients.

use std::borrow::Cow;

use bytes::BytesMut;
use pitaya::wire::handshake::{Reply, Request};
use pitaya::wire::message::{self, Route};
use pitaya::wire::packet::{self, MAX_BODY, PacketError};
use pitaya::wire::{Compression, Dictionary, utf8, zlib};

use crate::pieces::piece_of;
use crate::{Reader, Shape, ignore};

/// The longest inflated body.
const INFLATED: usize = 256 << 10;

pub(crate) const PACKETS: Reader = Reader {
    name: "packets",
    read: |input| ignore(packets(input, input.len().max(1))),
    check: |input| {
        let whole = packets(input, input.len().max(1));
        assert_eq!(whole, packets(input, piece_of(input)), "in pieces");
        let mut out = BytesMut::new();
        for (kind, body) in &whole.0 {
            packet::encode(*kind, body, &mut out).expect("it was a packet");
        }
        assert!(input.starts_with(&out));
        let one = packet::whole(input, MAX_BODY);
        assert_eq!(one.is_ok(), whole.1.is_none() && whole.0.len() == 1 && out.len() == input.len());
    },
    examples: &[b"\x03\0\0\0\x04\0\0\x02hi"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\x03\0\0\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x04\0\0\x01x", after: b"\x04\0" },
        Shape::Repeated { before: b"\x04\xff\xff\xff", piece: b"x", after: b"" },
    ],
    fragments: &[b"\x03\0\0\0", b"\x04\0\0\x01", b"\x04\0\0\x05hello", b"\0"],
    frame: (b"", b""),
    longest: 64 << 10,
    per_byte: 600,
};

/// All packets of a stream that comes in pieces, and the error that ends it.
fn packets(stream: &[u8], piece: usize) -> (Vec<(packet::Kind, Vec<u8>)>, Option<PacketError>) {
    let (mut found, mut rest) = (Vec::new(), BytesMut::new());
    for piece in stream.chunks(piece) {
        rest.extend_from_slice(piece);
        loop {
            match packet::split(&rest, MAX_BODY) {
                Ok(Some((packet, used))) => {
                    found.push((packet.kind, packet.body.to_vec()));
                    let _ = rest.split_to(used);
                }
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

pub(crate) const MESSAGES: Reader = Reader {
    name: "messages",
    read: |input| {
        if let Ok(message) = message::decode(input) {
            let _ = message.plain_body(INFLATED);
        }
    },
    check: |input| {
        let Ok(message) = message::decode(input) else { return };
        let mut out = BytesMut::new();
        message::encode(&mut out, &message, &Compression::Off).expect("it was a message");
        assert_eq!(message::decode(&out), Ok(message));
        assert!(out.len() <= input.len(), "ours is the shortest form");
        if let Ok(body) = message.plain_body(INFLATED) {
            assert!(body.len() <= INFLATED.max(input.len()));
            assert_eq!(matches!(body, Cow::Borrowed(_)), !message.compressed);
        }
        let Route::Name(name) = message.route else { return };
        assert_eq!(Dictionary::default().resolve(message.route), Ok(name));
    },
    examples: &[
        b"\x00\x01\x09room.join{}",
        b"\x02\x04roomx",
        b"\x04\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x",
    ],
    shapes: &[
        Shape::Repeated { before: b"\x00\x01\x09room.join", piece: b"x", after: b"" },
        Shape::Repeated { before: b"\x00", piece: b"\xff", after: b"" },
        Shape::Made("a compressed body", |len| {
            let mut out = b"\x12\x04room".to_vec();
            out.extend(deflated(&text(len * 3)));
            out
        }),
    ],
    fragments: &[b"\x00", b"\x01", b"\x80", b"\xff", b"\x09room.join", b"\x78\x9c"],
    frame: (b"\x00", b""),
    longest: 64 << 10,
    per_byte: 1_400,
};

pub(crate) const HANDSHAKE: Reader = Reader {
    name: "handshake",
    read: |input| ignore(Request::parse(input)),
    check: |input| {
        let Ok(request) = Request::parse(input) else { return };
        let json = request.to_json().expect("a request has a JSON form");
        assert_eq!(Request::parse(&json).expect("ours"), request);
        if let Some(user) = request.user_json() {
            assert!(user.starts_with('{'));
            // A key may double, and each byte may become a character of three.
            assert!(user.len() <= 6 * input.len(), "{} from {}", user.len(), input.len());
            assert!(
                request.user::<serde_json::Map<String, serde_json::Value>>().expect("an object").is_some()
            );
        }
    },
    examples: &[br#"{"sys":{"platform":"a"},"user":{"x":1},"sys":{"libVersion":"b"},"user":{"x":[1.5]}}"#],
    shapes: &[
        Shape::Halves {
            before: br#"{"user":{"a":[0"#,
            first: b",0",
            between: b"]}",
            second: br#","user":{}"#,
            after: b"}",
        },
        Shape::Halves {
            before: br#"{"user":{"":0"#,
            first: br#","":0"#,
            between: b"}",
            second: br#","user":{"":0}"#,
            after: b"}",
        },
        Shape::Halves {
            before: br#"{"user":{"a":[0"#,
            first: br#",{"":0}"#,
            between: b"]}",
            second: br#","user":{"a":0}"#,
            after: b"}",
        },
        Shape::Made("many members, many times", |len| {
            let mut out = String::from(r#"{"user":{"":0"#);
            let mut at = 0;
            while out.len() < len / 2 {
                out += &format!(r#","{at}":0"#);
                at += 1;
            }
            out.push('}');
            while out.len() + 20 < len {
                at -= 1;
                out += &format!(r#","user":{{"{at}":1}}"#);
            }
            out.push('}');
            out.into_bytes()
        }),
        Shape::Repeated { before: br#"{"user":{}"#, piece: br#","user":{}"#, after: b"}" },
        Shape::Repeated { before: br#"{"user":null"#, piece: br#","user":{},"user":null"#, after: b"}" },
        Shape::Repeated { before: br#"{"sys":{}"#, piece: br#","sys":{"platform":"abc"}"#, after: b"}" },
        Shape::Repeated { before: br#"{"user":{"a":"#, piece: b"[", after: b"" },
        Shape::Repeated { before: br#"{"a":"#, piece: b"[", after: b"" },
        Shape::Repeated { before: br#"{"user":{"a":"#, piece: b"9", after: b"}}" },
        Shape::Repeated { before: br#"{"user":{"a":0."#, piece: b"0", after: b"1}}" },
        Shape::Repeated { before: br#"{"user":{"a":1e"#, piece: b"0", after: b"1}}" },
        Shape::Repeated { before: br#"{"user":{"a":""#, piece: br"\ud800", after: br#""}}"# },
        Shape::Repeated { before: br#"{"user":{"a":""#, piece: b"\xed\xa0\xbd", after: br#""}}"# },
        Shape::Repeated { before: br#"{"u\u017f"#, piece: b"\\\\", after: br#"":0}"# },
    ],
    fragments: &[
        br#","user":{}"#,
        br#","sys":{}"#,
        br#","user":null"#,
        br#","user":{"a":1}"#,
        br#","x":0"#,
        b"[]",
        b"{}",
        br#"\u00e9"#,
        b"\xff",
        br#""a""#,
        b":",
        b",",
        b"[",
        b"1",
    ],
    frame: (br#"{"user":{"k":"v"}"#, b"}"),
    longest: 64 << 10,
    per_byte: 3_000,
};

pub(crate) const HANDSHAKE_REPLY: Reader = Reader {
    name: "handshake_reply",
    read: |input| ignore(Reply::parse(input, INFLATED)),
    check: |input| {
        let Ok(reply) = Reply::parse(input, INFLATED) else { return };
        for (route, code) in reply.dictionary.sorted() {
            assert_eq!(
                (reply.dictionary.code(route), reply.dictionary.route(code)),
                (Some(code), Some(route))
            );
            assert_eq!(reply.dictionary.resolve(reply.dictionary.outgoing(route)), Ok(route.as_bytes()));
        }
        for compression in [false, true] {
            let encoded = reply.encode(compression).expect("it fits");
            let body = packet::whole(&encoded, MAX_BODY).expect("one packet").body;
            // Numbers of the payload may lose their last digit, so it is not compared.
            let again = Reply::parse(body, 6 * INFLATED).expect("ours");
            assert_eq!((again.code, again.heartbeat_seconds), (reply.code, reply.heartbeat_seconds));
            assert_eq!(
                (again.dictionary, again.serializer),
                (reply.dictionary.clone(), reply.serializer.clone())
            );
        }
    },
    examples: &[
        br#"{"code":200,"sys":{"dict":{"a.b":1,"c":65535},"heartbeat":30,"serializer":"json"},"user":[1]}"#,
    ],
    shapes: &[
        Shape::Made("a large dictionary", |len| {
            let mut out = String::from(r#"{"code":200,"sys":{"dict":{"":0"#);
            let mut at = 0;
            while out.len() < len && at < 65_000 {
                at += 1;
                out += &format!(r#","r{at}":{at}"#);
            }
            (out + "}}}").into_bytes()
        }),
        Shape::Repeated { before: br#"{"code":200,"user":[0"#, piece: br#",{"a":[]}"#, after: b"]}" },
        Shape::Made("compressed", |len| {
            let mut body = br#"{"code":200,"user":""#.to_vec();
            body.extend(
                text(len * 3)
                    .iter()
                    .map(|byte| byte & 0x5f | 0x40)
                    .map(|b| if b == b'\\' { b'x' } else { b }),
            );
            body.extend(b"\"}");
            deflated(&body)
        }),
    ],
    fragments: &[br#","a":1"#, br#","b":2"#, br#","\u00e9":3"#, br#","":0"#, br#"," a":70000"#],
    frame: (br#"{"code":200,"sys":{"heartbeat":1.5,"dict":{"x":9"#, b"}}}"),
    longest: 64 << 10,
    per_byte: 2_200,
};

pub(crate) const ZLIB: Reader = Reader {
    name: "zlib",
    read: |input| {
        ignore(zlib::inflate(input, INFLATED));
        let mut out = BytesMut::new();
        zlib::deflate(input, &mut out);
    },
    check: |input| {
        for limit in [INFLATED, input.len(), 0] {
            match zlib::inflate(input, limit) {
                Ok(out) => {
                    assert!(out.capacity() <= limit);
                    assert_eq!(zlib::inflate(input, out.len()).as_ref(), Ok(&out), "the exact limit");
                    if let Some(less) = out.len().checked_sub(1) {
                        let limit = less;
                        assert_eq!(zlib::inflate(input, limit), Err(zlib::InflateError::TooLarge { limit }));
                    }
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        let mut out = BytesMut::from(&b"kept"[..]);
        if zlib::deflate(input, &mut out) {
            let stream = &out[4..];
            assert!(stream.len() < input.len() && zlib::looks_compressed(stream));
            assert_eq!(zlib::inflate(stream, input.len()).as_deref(), Ok(input));
            for cut in [0, 1, stream.len() / 2, stream.len() - 1] {
                assert_eq!(zlib::inflate(&stream[..cut], input.len()), Err(zlib::InflateError::Truncated));
            }
        } else {
            assert_eq!(out, "kept");
        }
    },
    examples: &[b"a body that is worth deflating, worth deflating, worth it"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"a body that shrinks, ", after: b"" },
        Shape::Made("text", text),
        Shape::Made("noise", noise),
        Shape::Made("noise that inflates", |len| stored(&noise(len))),
        Shape::Made("text that inflates", |len| deflated(&text(len * 3))),
        Shape::Repeated {
            before: b"\x78\x9c",
            piece: b"\0\0\0\xff\xff",
            after: b"\x01\0\0\xff\xff\0\0\0\x01",
        },
        Shape::Repeated {
            before: b"\x78\x9c",
            piece: b"\x05\xc0\x81\x08\0\0\0\0\x20\x7f\xeb\x0b",
            after: b"",
        },
    ],
    fragments: &[b"\x78\x9c", b"\0\0\0\xff\xff", b"\x03\0", b"\x4b\x4c", b"\x01", b"\xff"],
    frame: (b"\x78\x9c", b""),
    longest: 64 << 10,
    per_byte: 3_200,
};

pub(crate) const JSON_REPAIR: Reader = Reader {
    name: "json_repair",
    read: |input| ignore(utf8::mend_json(input).len()),
    check: |input| {
        let text = utf8::mend(input);
        assert!(text.len() <= 3 * input.len());
        match str::from_utf8(input) {
            Ok(same) => assert!(matches!(&text, Cow::Borrowed(borrowed) if *borrowed == same)),
            Err(_) => assert!(text.contains('\u{fffd}') || text.chars().any(|c| c > '\u{ffff}')),
        }
        let json = utf8::mend_json(input);
        assert_eq!(utf8::mend_json(json.as_bytes()), json, "repairing twice changes nothing");
        assert_eq!(json.len(), text.len(), "an escape becomes an escape");
        if let Ok(value) = serde_json::from_slice::<serde_json::Value>(input) {
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&json).ok(),
                Some(value),
                "what was good stays"
            );
        }
    },
    examples: &[br#"{"a":"\ud83d\ude00\ud800"}"#, b"\xed\xa0\xbd\xed\xb8\x80\xff"],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\xff", after: b"" },
        Shape::Repeated { before: b"", piece: b"a\xe2\x82", after: b"" },
        Shape::Repeated { before: b"", piece: b"\xed\xa0\xbd", after: b"" },
        Shape::Repeated { before: b"", piece: b"\xed\xa0\xbd\xed\xb8\x80", after: b"" },
        Shape::Repeated { before: b"\"", piece: br"\ud800", after: b"\"" },
        Shape::Repeated { before: b"\"", piece: br"\ud83d\ude00", after: br#"\ud800""# },
        Shape::Repeated { before: b"\"", piece: br"\\", after: br#"\ud800""# },
        Shape::Halves { before: b"\"", first: br"\ud800", between: b"", second: b"\xff", after: b"\"" },
    ],
    fragments: &[
        br"\ud83d",
        br"\ude00",
        br"\u0041",
        br"\\",
        b"\\",
        b"\xed\xa0\xbd",
        b"\xed\xb8\x80",
        b"\xff",
        b"a",
        b"\xc3\xa9",
    ],
    frame: (b"\"", b"\""),
    longest: 64 << 10,
    per_byte: 1_100,
};

pub(crate) const ROUTES: Reader = Reader {
    name: "routes",
    read: |input| ignore(pitaya::route::parse(&String::from_utf8_lossy(input))),
    check: |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(parts) = pitaya::route::parse(&text) {
            let joined: Vec<_> = parts.server.into_iter().chain([parts.service, parts.method]).collect();
            assert_eq!(joined.join("."), text);
        }
        let code = u16::from(input.len() % 256 == 7);
        if let Ok(dictionary) = Dictionary::new([(text.clone().into_owned(), code)]) {
            assert_eq!(dictionary.route(code), Some(text.trim()));
            assert_eq!(dictionary.resolve(Route::Code(code)), Ok(text.trim().as_bytes()));
        }
    },
    examples: &[b"room.room.join", b"room.join", " \u{2003}.\u{e9}".as_bytes()],
    shapes: &[
        Shape::Repeated { before: b"a", piece: b".a", after: b"" },
        Shape::Repeated { before: b"a", piece: b"b", after: b".c" },
        Shape::Repeated { before: b"a.", piece: b" ", after: b"" },
    ],
    fragments: &[b".", b"a", b" ", b"\xe2\x80\x83", b"\xff"],
    frame: (b"a", b""),
    longest: 16 << 10,
    per_byte: 1_000,
};

/// A text that shrinks.
pub(crate) fn text(len: usize) -> Vec<u8> {
    let words = ["gold ", "sword ", "of ", "the ", "castle ", "ann ", "bob ", "1207 "];
    let mut random = fastrand::Rng::with_seed(3);
    let mut out = Vec::new();
    while out.len() < len {
        out.extend_from_slice(random.choice(words).unwrap_or_default().as_bytes());
    }
    out.truncate(len);
    out
}

fn noise(len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(4);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

fn deflated(body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    zlib::deflate(body, &mut out);
    out.to_vec()
}

/// A zlib stream of one stored block.
fn stored(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(65_535)];
    let len = u16::try_from(body.len()).unwrap_or_default();
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in body {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    let mut out = vec![0x78, 0x01, 1];
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend_from_slice(body);
    out.extend((b << 16 | a).to_be_bytes());
    out
}
