//! Violations of the protocol, over every transport.

use bytes::BytesMut;
use pitaya::wire::packet::{self, Kind};
use pitaya::wire::zlib;
use pitaya_tests::raw_client::{ACK, HANDSHAKE, HEARTBEAT, request};
use pitaya_tests::vectors::{self, hex};
use serde_json::Value;

use super::bad_client::Stage::{Handshaken, Joined, Opened, Ready};
use super::load_clients::{Case, large_request};

/// A packet with this body.
pub(crate) fn packet(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    packet::encode(kind, body, &mut out).expect("a packet");
    out.to_vec()
}

fn data(message: &[u8]) -> Vec<u8> {
    packet(Kind::Data, message)
}

/// Inputs that the server closes or answers as soon as it reads them.
pub(crate) fn at_once() -> Vec<Case> {
    let refused = r#"{"code":400,"#;
    let no_route = "route field can not be empty";
    let route_of_256 = [b"\x00\x07\x00".as_slice(), &[b'r'; 256]].concat();
    let mut cases = vec![
        Case::new("the header of type 0", Opened).says([0, 0, 0, 0]),
        Case::new("the header of type 6", Opened).says([6, 0, 0, 0]),
        Case::new("the header of type 255", Opened).says([0xff, 0, 0, 0]),
        Case::new("an empty handshake", Opened).says([1, 0, 0, 0]).told(refused),
        Case::new("an ack without a handshake", Opened).says(ACK),
        Case::new("data without a handshake", Opened).says(request(1, "bench.echo.raw", b"x")),
        Case::new("empty data without a handshake", Opened).says([4, 0, 0, 0]),
        Case::new("data before the ack", Handshaken).says(request(1, "bench.echo.raw", b"x")),
        Case::new("a second handshake", Handshaken).says(HANDSHAKE),
        Case::new("a handshake after the ack", Ready).says(HANDSHAKE),
        Case::new("the header of type 0 after the ack", Ready).says([0, 0, 0, 0]),
        Case::new("an empty message", Ready).says([4, 0, 0, 0]),
        Case::new("the message 0001", Ready).says(data(b"\x00\x01")),
        Case::new("an id without an end", Ready).says(data(b"\x00\x80\x80")),
        Case::new("an id of more bytes than a number has", Ready)
            .says(data(&[&[0][..], &[0xff; 12]].concat())),
        Case::new("a route of no bytes", Ready).says(request(7, "", b"")).answered(no_route),
        Case::new("a route of 256 bytes", Ready).says(data(&route_of_256)).answered(no_route),
        Case::new("a route cut short", Ready).says(data(b"\x00\x01\x09bench")),
        Case::new("an inflation bomb", Ready).says(data(&bomb())),
        Case::new("a push", Ready).says(data(b"\x06\x05onSay{}")),
        Case::new("a response", Ready).says(data(b"\x04\x01{}")),
        Case::new("an ack, a kick and a heartbeat too many", Ready)
            .says(ACK)
            .says(packet(Kind::Kick, b""))
            .says(HEARTBEAT)
            .says(request(1, "bench.echo.raw", b"no harm done"))
            .answered("no harm done"),
        Case::new("a handler that panics", Ready)
            .says(request(1, "bench.bad.panic", b""))
            .answered(r#"{"code":"PIT-000","msg":"internal error"}"#),
        Case::new("a handler that kicks", Ready).says(request(1, "bench.bad.kick", b"")).told("\u{5}\0\0\0"),
    ];
    for (name, packet) in bad_handshakes() {
        cases.push(Case::new(format!("the handshake {name}"), Opened).says(packet).told(refused));
    }
    cases
}

/// Inputs that only a deadline ends.
pub(crate) fn in_time() -> Vec<Case> {
    vec![
        Case::new("silence, nothing but heartbeats, and a kick", Opened)
            .or(HEARTBEAT)
            .says(HEARTBEAT)
            .or([5, 0, 0, 0])
            .held(),
        Case::new("no ack", Handshaken).held(),
        Case::new("a client that reads no answer", Ready).insists(large_request()),
        Case::new("a client that reads no push", Joined).pushed(),
        hang(),
        Case::new("a handler that never returns, for a client that leaves", Ready)
            .says(request(1, "bench.bad.hang", b""))
            .leaves(),
    ]
}

/// A handler that never returns.
pub(crate) fn hang() -> Case {
    Case::new("a handler that never returns", Ready)
        .says(request(1, "bench.bad.hang", b""))
        .held()
        .answered("PIT-408")
}

/// Packets that do not end. They cannot happen where a message is a packet.
pub(crate) fn cut_short() -> Vec<Case> {
    let what = "a packet cut short after one, two, three bytes, and in its body";
    vec![
        Case::new(format!("{what}, before the handshake"), Opened)
            .says([1])
            .or([1, 0])
            .or([1, 0, 0])
            .or(b"\x01\x00\x01\x00abc")
            .held(),
        Case::new(format!("{what}, after the ack"), Ready)
            .says([4])
            .or([4, 0])
            .or([4, 0, 0])
            .or(b"\x04\x00\x01\x00abc")
            .held(),
        Case::new("a byte a second of a handshake", Opened).says(b"\x01\x00\x01\x00").trickles(),
        Case::new("a byte a second of a message", Ready).says(b"\x04\x00\x01\x00").trickles(),
    ]
}

/// The headers of packets that are too large, by one byte.
pub(crate) fn oversized() -> Vec<Case> {
    vec![
        Case::new("a packet that is too large before the ack", Opened).says(b"\x01\x01\x00\x01{"),
        Case::new("a packet that is too large after the ack", Ready).says(b"\x04\x10\x00\x01\x00"),
    ]
}

/// 4 MiB of zeros, deflated to some 4 KiB, for a server that inflates to 256 KiB at most.
fn bomb() -> Vec<u8> {
    let mut message = BytesMut::from(&b"\x10\x01\x0ebench.echo.raw"[..]);
    assert!(zlib::deflate(&vec![0; 4 << 20], &mut message), "zeros get shorter");
    message.to_vec()
}

/// Every handshake of the vectors that is to be refused, by name.
fn bad_handshakes() -> Vec<(String, Vec<u8>)> {
    let all = vectors::load(&vectors::CLIENT);
    let entries = all["handshake_request"].as_array().expect("the vectors of handshakes");
    let bad: Vec<_> = entries
        .iter()
        .filter(|entry| entry["accepted"] == false)
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_else(|| panic!("{field} of {entry}"));
            (text("name").to_owned(), hex(text("packet_hex")).expect("hex"))
        })
        .collect();
    assert!(!bad.is_empty() && entries.iter().all(|entry| entry["accepted"] != Value::Null));
    bad
}
