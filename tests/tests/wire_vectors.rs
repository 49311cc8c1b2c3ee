//! The vectors that concern bytes alone, against `pitaya::wire`.

use std::time::Duration;

use bytes::BytesMut;
use pitaya::wire::handshake::{self, Reply, Request};
use pitaya::wire::message::{self, Message};
use pitaya::wire::packet::{self, MAX_BODY, Packet, PacketError};
use pitaya::wire::{Compression, Dictionary, Route, zlib};
use pitaya_tests::vectors::{self, Case, Checked, hex, run, same_json};
use serde_json::Value;

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Near break-even two deflaters may differ on whether it is worth it; beyond so many bytes they may not.
const BREAK_EVEN: usize = 16;
const LIMIT: usize = 4 << 20;
/// The flag of a message whose route is a code of the dictionary.
const ROUTE_IS_CODED: u8 = 1;

fn dictionary(case: &Case<'_>) -> Checked<Dictionary> {
    Dictionary::new(case.dictionary()?).map_err(text)
}

/// Every packet of a stream, the error that ends it, and what is left.
fn packets(stream: &[u8]) -> (Vec<Packet<'_>>, Option<PacketError>, &[u8]) {
    let (mut seen, mut rest) = (Vec::new(), stream);
    loop {
        match packet::split(rest, MAX_BODY) {
            Ok(Some((packet, used))) => {
                seen.push(packet);
                rest = &rest[used..];
            }
            Ok(None) => return (seen, None, rest),
            Err(e) => return (seen, Some(e), rest),
        }
    }
}

fn same_packet(case: &Case<'_>, got: Packet<'_>, want: &Value) -> Checked {
    case.same("type", &Some(got.kind as u64), &want["type"].as_u64())?;
    let body = hex(want["data_hex"].as_str().ok_or("a packet without data_hex")?)?;
    if let Some(len) = want.get("length") {
        case.same("length", &Some(got.body.len() as u64), &len.as_u64())?;
    }
    case.bytes("body", got.body, &body)
}

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete(
        "wire_vectors",
        &[
            ("packet_decode", vectors_packet_decode),
            ("packet_encode", vectors_packet_encode),
            ("tcp_stream", vectors_tcp_stream),
            ("ws_message", vectors_ws_message),
            ("message_decode", vectors_message_decode),
            ("message_encode", vectors_message_encode),
            ("compression", vectors_compression),
            ("is_compressed_magic", vectors_is_compressed_magic),
            ("handshake_response", vectors_handshake_response),
            ("handshake_request", vectors_handshake_request),
        ],
    );
}

#[test]
fn vectors_every_kind_is_known_and_run() {
    let suite = &vectors::CLIENT;
    assert_eq!(vectors::unclaimed(suite, &vectors::load(suite)), [""; 0]);
}

#[test]
fn vectors_meta() {
    let meta = &vectors::load_notes(&vectors::CLIENT)["meta"];
    let number = |text: &str| text.parse::<u8>().unwrap();
    let packets = meta["packet_types"].as_object().unwrap();
    for (kind, name) in packets {
        let known = packet::Kind::try_from(number(kind)).unwrap();
        let known = format!("{known:?}").to_lowercase();
        assert_eq!(known, name.as_str().unwrap().replace('_', ""), "packet type {kind}");
    }
    for other in (0..=255).filter(|kind: &u8| !packets.contains_key(&kind.to_string())) {
        assert!(packet::Kind::try_from(other).is_err(), "packet type {other}");
    }
    let messages = meta["message_types"].as_object().unwrap();
    for (kind, name) in messages {
        let known = message::Kind::try_from(number(kind)).unwrap();
        assert_eq!(format!("{known:?}").to_lowercase(), name.as_str().unwrap(), "message type {kind}");
    }
    assert!(message::Kind::try_from(u8::try_from(messages.len()).unwrap()).is_err());
    assert_eq!(meta["max_packet_body"], MAX_BODY);
}

#[test]
fn vectors_packet_decode() {
    run("packet_decode", |case| {
        let stream = case.hex("hex")?;
        let (seen, error, rest) = packets(&stream);
        case.same("refused", &error.is_some(), &case.refused()?)?;
        if error.is_some() {
            return Ok(());
        }
        let want = case.get("packets")?.as_array().ok_or("packets")?;
        case.same("packets", &seen.len(), &want.len())?;
        for (got, want) in seen.into_iter().zip(want) {
            same_packet(case, got, want)?;
        }
        let left = match case.opt("unconsumed_bytes") {
            Some(_) => case.u64("unconsumed_bytes")?,
            None => 0,
        };
        case.same("bytes left", &(rest.len() as u64), &left)
    });
}

#[test]
fn vectors_packet_encode() {
    run("packet_encode", |case| {
        let body = match case.opt("data_len_zeros") {
            Some(_) => {
                vec![0; usize::try_from(case.u64("data_len_zeros")?).map_err(text)?]
            }
            None => case.hex("data_hex")?,
        };
        let mut out = BytesMut::new();
        let encoded = u8::try_from(case.u64("type")?)
            .map_err(text)
            .and_then(|kind| packet::Kind::try_from(kind).map_err(text))
            .and_then(|kind| packet::encode(kind, &body, &mut out).map_err(text));
        case.same("refused", &encoded.is_err(), &case.refused()?)?;
        if encoded.is_err() {
            return case.same("bytes written", &out.len(), &0);
        }
        let (want, got) = match case.opt("header_hex") {
            Some(_) => (case.hex("header_hex")?, &out[..packet::HEADER]),
            None => (case.hex("hex")?, &out[..]),
        };
        case.bytes("bytes", got, &want)?;
        case.same("length", &out.len(), &(packet::HEADER + body.len()))
    });
}

#[test]
fn vectors_tcp_stream() {
    run("tcp_stream", |case| {
        let stream = case.hex("hex")?;
        let want = case.get("messages_hex")?.as_array().ok_or("messages_hex")?;
        let want: Vec<_> =
            want.iter().map(|message| hex(message.as_str().unwrap_or("?"))).collect::<Checked<_>>()?;
        let (seen, error, rest) = packets(&stream);
        let seen: Vec<_> = seen
            .into_iter()
            .map(|p| {
                let mut out = BytesMut::new();
                packet::encode(p.kind, p.body, &mut out).map_err(text)?;
                Ok(out.to_vec())
            })
            .collect::<Checked<_>>()?;
        case.same("packets", &seen, &want)?;
        let end = error.unwrap_or_else(|| packet::ended(rest));
        case.same("the end", &&*text(end), &case.str("end_error")?)
    });
}

#[test]
fn vectors_ws_message() {
    run("ws_message", |case| {
        let bytes = case.hex("hex")?;
        let got = packet::whole(&bytes, MAX_BODY);
        case.same("accepted", &got.is_ok(), &case.bool("accepted")?)?;
        match got {
            Ok(got) => same_packet(case, got, case.get("packet")?),
            Err(_) => Ok(()),
        }
    });
}

#[test]
fn vectors_message_decode() {
    run("message_decode", |case| {
        let bytes = case.hex("hex")?;
        let dictionary = dictionary(case)?;
        let got = message::decode(&bytes).and_then(|message| {
            let route = dictionary.resolve(message.route)?;
            Ok((message, route, message.plain_body(LIMIT)?))
        });
        case.same("refused", &got.is_err(), &case.refused()?)?;
        let Ok((message, route, body)) = got else {
            return Ok(());
        };
        case.same("type", &(message.kind as u64), &case.u64("type")?)?;
        case.same("id", &message.id, &case.u64("id")?)?;
        case.same("route", &route, &case.str("route")?.as_bytes())?;
        let coded = matches!(message.route, Route::Code(_));
        case.same("coded", &coded, &case.bool("route_compressed")?)?;
        case.same("compressed", &message.compressed, &case.bool("data_compressed")?)?;
        case.same("error", &message.error, &case.bool("err")?)?;
        case.bytes("body", &body, &case.hex("data_hex")?)
    });
}

#[test]
fn vectors_message_encode() {
    run("message_encode", |case| {
        let uncoded = never_coded(case)?;
        let refused = !uncoded && case.refused()?;
        let (dictionary, body) = (dictionary(case)?, case.hex("data_hex")?);
        let (route, id, error) = (case.str("route")?, case.u64("id")?, case.bool("err")?);
        let compression = match case.bool("compression")? {
            true => Compression::On { threshold: 0 },
            false => Compression::Off,
        };
        let number = u8::try_from(case.u64("type")?).map_err(text)?;
        let Ok(kind) = message::Kind::try_from(number) else {
            return case.holds("refused", refused);
        };
        let mut out = BytesMut::new();
        let sent =
            Message { kind, id, route: dictionary.outgoing(route), error, compressed: false, body: &body };
        let encoded = message::encode(&mut out, &sent, &compression);
        case.same("refused", &encoded.is_err(), &refused)?;
        let packet = as_packet(&sent, route, &dictionary, &compression);
        if encoded.is_err() {
            case.holds("the packet is refused too", packet.is_err())?;
            return case.same("bytes written", &out.len(), &0);
        }
        if !error || kind == message::Kind::Response {
            let packet = packet?;
            let inside = packet::whole(&packet, MAX_BODY).map_err(text)?.body;
            case.bytes("the packet's message", inside, &out)?;
        }
        let mut want = case.hex("hex")?;
        if uncoded {
            *want.first_mut().ok_or("no flags")? &= !ROUTE_IS_CODED;
            case.same("bit 0", &(out[0] & ROUTE_IS_CODED), &0)?;
        }
        if case.opt("encode_exact") != Some(&Value::Bool(false)) {
            return case.bytes("bytes", &out, &want);
        }
        let (got, theirs) = (message::decode(&out), message::decode(&want));
        let (got, theirs) = (got.map_err(text)?, theirs.map_err(text)?);
        for (whose, message) in [("our body", &got), ("their body", &theirs)] {
            let plain = message.plain_body(LIMIT).map_err(text)?;
            case.bytes(whose, &plain, &body)?;
        }
        case.holds("strictly shorter", !got.compressed || got.body.len() < body.len())?;
        case.holds(
            "deflated where it clearly helps",
            got.compressed || theirs.body.len() + BREAK_EVEN >= body.len(),
        )
    });
}

/// Whether the entry is a response that must not have a route code, though Go Pitaya writes one.
fn never_coded(case: &Case<'_>) -> Checked<bool> {
    let Some(should) = case.opt("port_should").and_then(Value::as_str) else { return Ok(false) };
    Ok(case.u64("type")? == u64::from(message::Kind::Response as u8)
        && ["bit 0", "never set"].iter().any(|words| should.contains(words)))
}

/// The message through the function that writes it as a whole packet.
fn as_packet(sent: &Message<'_>, route: &str, dictionary: &Dictionary, c: &Compression) -> Checked<BytesMut> {
    let mut out = BytesMut::new();
    match sent.kind {
        message::Kind::Request => message::encode_request(&mut out, sent.id, route, sent.body, dictionary, c),
        message::Kind::Notify => message::encode_notify(&mut out, route, sent.body, dictionary, c),
        message::Kind::Push => message::encode_push(&mut out, route, sent.body, dictionary, c),
        message::Kind::Response => message::encode_response(&mut out, sent.id, sent.error, sent.body, c),
    }
    .map_err(text)?;
    Ok(out)
}

#[test]
fn vectors_compression() {
    run("compression", |case| {
        let deflated = case.hex("hex")?;
        let got = zlib::inflate(&deflated, LIMIT);
        case.same("refused", &got.is_err(), &case.refused()?)?;
        let Ok(got) = got else {
            return Ok(());
        };
        case.bytes("inflated", &got, &case.hex("inflated_hex")?)?;
        let mut again = BytesMut::new();
        if zlib::deflate(&got, &mut again) {
            case.holds("strictly shorter", again.len() < got.len())?;
            case.holds("begins as clients expect", zlib::looks_compressed(&again))?;
            case.same("there and back", &zlib::inflate(&again, LIMIT), &Ok(got))?;
        }
        Ok(())
    });
}

#[test]
fn vectors_is_compressed_magic() {
    run("is_compressed_magic", |case| {
        let got = zlib::looks_compressed(&case.hex("hex")?);
        case.same("compressed", &got, &case.bool("compressed")?)
    });
}

#[test]
fn vectors_handshake_response() {
    run("handshake_response", |case| {
        let seconds = case.get("heartbeat_seconds")?.as_f64();
        let interval = seconds.ok_or("heartbeat_seconds is not a number")?;
        let interval = handshake::whole_seconds(Duration::from_secs_f64(interval));
        case.same("refused", &interval.is_err(), &case.refused()?)?;
        let Ok(heartbeat_seconds) = interval else {
            return Ok(());
        };
        let reply = Reply {
            code: u32::try_from(case.u64("code")?).map_err(text)?,
            heartbeat_seconds,
            dictionary: dictionary(case)?,
            serializer: case.str("serializer")?.to_owned(),
            schema_matches: None,
            payload: None,
        };
        let got = reply.encode(case.bool("compression")?).map_err(text)?;
        let body = packet::whole(&got, MAX_BODY).map_err(text)?.body;
        let want = case.hex("packet_hex")?;
        let want_body = packet::whole(&want, MAX_BODY).map_err(text)?.body;
        if !case.bool("body_compressed")? && !zlib::looks_compressed(body) {
            case.bytes("bytes", &got, &want)?;
        }
        let json = match zlib::looks_compressed(body) {
            true => zlib::inflate(body, LIMIT).map_err(text)?,
            false => body.to_vec(),
        };
        case.same("json", &&*String::from_utf8_lossy(&json), &case.str("json")?)?;
        let near = want_body.len().abs_diff(body.len()) <= BREAK_EVEN;
        let as_theirs = zlib::looks_compressed(body) == case.bool("body_compressed")?;
        case.holds("deflated where theirs is, except near break-even", as_theirs || near)?;
        for (whose, body) in [("ours", body), ("theirs", want_body)] {
            let read = Reply::parse(body, LIMIT).map_err(text)?;
            case.same(&format!("{whose}, read"), &read, &reply)?;
        }
        Ok(())
    });
}

#[test]
fn vectors_handshake_request() {
    run("handshake_request", |case| {
        let bytes = case.hex("packet_hex")?;
        let packet = packet::whole(&bytes, MAX_BODY).map_err(text)?;
        case.same("type", &packet.kind, &packet::Kind::Handshake)?;
        let got = Request::parse(packet.body);
        case.same("accepted", &got.is_ok(), &case.bool("accepted")?)?;
        let code = if got.is_ok() { handshake::OK } else { handshake::REFUSED };
        case.same("reply", &u64::from(code), &case.u64("reply_code")?)?;
        let Ok(got) = got else {
            return Ok(());
        };
        let sys = case.get("sys")?;
        let user: Value = got.user().ok().flatten().unwrap_or(Value::Null);
        for (field, got) in [
            ("platform", got.sys.platform),
            ("libVersion", got.sys.lib_version),
            ("clientBuildNumber", got.sys.client_build_number),
            ("clientVersion", got.sys.client_version),
        ] {
            case.same(field, &Some(&*got), &sys[field].as_str())?;
        }
        let want = case.get("user")?;
        case.holds(&format!("user: {user} is {want}"), same_json(&user, want))
    });
}
