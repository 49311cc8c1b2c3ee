//! A hundred concurrent clients for each bad input, through each acceptor of the benchmark server.

use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{HANDSHAKE, HEARTBEAT, request};
use pitaya_tests::ws::{frame, head, upgrade_request};
use tokio::task::JoinSet;
use tokio_rustls::rustls::client::ClientConnection;
use tokio_rustls::rustls::pki_types::ServerName;

use super::bad_client::PROXY_HEADER;
use super::bad_client::Stage::{Connected, Handshaken, Joined, Opened, Ready};
use super::bench_server::Door;
use super::load_clients::{Case, crowds, large_request};
use super::messages::{at_once, cut_short, hang, in_time, oversized, packet};

/// A hundred repetitions of each leave no descriptor, session or task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_inputs_leak_nothing() {
    let common = at_once();
    let over_tcp = [common.clone(), oversized(), in_time(), cut_short()].concat();
    let over_websocket = [common.clone(), websocket(), in_time()].concat();
    let behind_proxy = [common, oversized(), proxy()].concat();
    let mut doors = JoinSet::new();
    doors.spawn(crowds(Door::Tcp, over_tcp));
    doors.spawn(crowds(Door::Ws, over_websocket));
    doors.spawn(crowds(Door::Tls, tls()));
    doors.spawn(crowds(Door::Proxy, behind_proxy));
    doors.join_all().await;
}

fn websocket() -> Vec<Case> {
    let upgrade = upgrade_request("/");
    let (asks, offers) = ("HTTP/1.1 400 ", "HTTP/1.1 405 ");
    let unmasked = b"\x82\x04\x03\x00\x00\x00";
    let (too_large_before, too_large_after) = (head(4 + (64 << 10) + 1), head(4 + (1 << 20) + 1));
    let two = [HEARTBEAT, HEARTBEAT].concat();
    vec![
        Case::new("no HTTP", Connected).says(HANDSHAKE).told(asks),
        Case::new("a probe", Connected).says("GET / HTTP/1.1\r\nHost: x\r\n\r\n").told("HTTP/1.1 200 OK\r\n"),
        Case::new("no upgrade", Connected)
            .says("GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            .told("HTTP/1.1 426 Upgrade"),
        Case::new("another method", Connected).says(upgrade.replacen("GET", "POST", 1)).told(offers),
        Case::new("a bad key", Connected).says(upgrade.replace("AAA==", "A")).told(asks),
        Case::new("data behind the head", Connected).says(upgrade.clone() + "x").told(asks),
        Case::new("one byte", Opened).says([1]),
        Case::new("two bytes", Opened).says([1, 0]),
        Case::new("three bytes", Opened).says([1, 0, 0]),
        Case::new("one byte after the ack", Ready).says([4]),
        Case::new("two bytes after the ack", Ready).says([4, 0]),
        Case::new("three bytes after the ack", Ready).says([4, 0, 0]),
        Case::new("a packet that is not whole", Ready).says([4, 0, 1, 0, 0]),
        Case::new("two packets in one message", Ready).says(two),
        Case::new("a message that is too large before the ack", Opened).says(too_large_before).unframed(),
        Case::new("a message that is too large after the ack", Ready).says(too_large_after).unframed(),
        Case::new("a frame without a mask", Ready).says(unmasked).unframed(),
        Case::new("a frame of no kind", Ready).says(b"\x83\x80\0\0\0\0").unframed(),
        Case::new("a frame with reserved bits", Ready).says(b"\xf2\x80\0\0\0\0").unframed(),
        Case::new("a ping that is too long", Ready).says(b"\x89\xfe\x00\x7e\0\0\0\0").unframed(),
        Case::new("silence or half an upgrade", Connected).or(&upgrade[..40]).held(),
        Case::new("a byte a second of an upgrade", Connected).says(&upgrade[..40]).trickles(),
        Case::new("half a frame", Opened).says(&frame(HANDSHAKE)[..8]).unframed().held(),
        Case::new("half a frame or a message without its last one", Ready)
            .says(&frame(HEARTBEAT)[..8])
            .or(b"\x02\x84\0\0\0\0\x04\x00\x00\x00")
            .unframed()
            .held(),
        Case::new("a byte a second of a handshake", Opened).says(head(5000)).unframed().trickles(),
        Case::new("a byte a second of a message", Ready).says(head(5000)).unframed().trickles(),
    ]
}

fn tls() -> Vec<Case> {
    let hello = client_hello();
    vec![
        Case::new("no TLS", Connected).says(HANDSHAKE),
        Case::new("no TLS at all", Connected).says([0xff; 200]),
        Case::new("HTTP", Connected).says(upgrade_request("/")),
        Case::new("a record of another version", Connected).says(b"\x16\x09\x09\x00\x05hello"),
        Case::new("a record that is too long", Connected).says(b"\x16\x03\x01\xff\xff"),
        Case::new("a hello that is none", Connected).says(b"\x16\x03\x01\x00\x05hello"),
        Case::new("an alert for a hello", Connected).says(b"\x15\x03\x01\x00\x02\x02\x28"),
        Case::new("silence, half a hello, or nothing after it", Connected)
            .or(&hello[..hello.len() / 2])
            .or(&hello)
            .held(),
        Case::new("silence", Opened).held(),
        Case::new("an ack without a handshake", Opened).says(packet(Kind::HandshakeAck, b"")),
        Case::new("a bad handshake", Opened).says(packet(Kind::Handshake, b"[]")).told(r#"{"code":400,"#),
        Case::new("a second handshake", Handshaken).says(HANDSHAKE),
        Case::new("data before the ack", Handshaken).says(request(1, "bench.echo.raw", b"")),
        Case::new("the message 0001", Ready).says(packet(Kind::Data, b"\x00\x01")),
        Case::new("a handler that panics", Ready)
            .says(request(1, "bench.bad.panic", b""))
            .answered(r#"{"code":"PIT-000","msg":"internal error"}"#),
        Case::new("half a packet", Ready).says(b"\x04\x00\x01\x00abc").held(),
        Case::new("a byte a second of a message", Ready).says(b"\x04\x00\x01\x00").trickles(),
        Case::new("a client that reads no answer", Ready).insists(large_request()),
        Case::new("a client that reads no push", Joined).pushed(),
        hang(),
    ]
    .into_iter()
    .chain(oversized())
    .collect()
}

fn proxy() -> Vec<Case> {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let v2 = |rest: &[u8]| [V2, rest].concat();
    vec![
        Case::new("no header", Connected).says(HANDSHAKE),
        Case::new("another word", Connected).says("PROBE TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        Case::new("a header that makes no sense", Connected).says("PROXY TCP4 here there 1 2\r\n"),
        Case::new("a header with one address", Connected).says("PROXY TCP4 1.2.3.4\r\n"),
        Case::new("a port beyond all ports", Connected).says("PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"),
        Case::new("a line without an end", Connected)
            .says([b"PROXY TCP4 ".as_slice(), &[b'1'; 120]].concat()),
        Case::new("a broken signature", Connected).says(b"\r\n\r\n\0\r\nQUIZ\n\x21\x11\x00\x0c"),
        Case::new("a version that is none", Connected).says(v2(b"\x31\x11\x00\x00")),
        Case::new("a header that is too long", Connected).says(v2(b"\x21\x11\xff\xff")),
        Case::new("addresses that do not fit", Connected).says(v2(b"\x21\x11\x00\x02\x0a\x01")),
        Case::new("silence or half a header of either kind", Connected)
            .or(&PROXY_HEADER[..12])
            .or(v2(b"\x21\x11\x00\x0c\x0a"))
            .held(),
        Case::new("a byte a second of a header", Connected).says(&PROXY_HEADER[..12]).trickles(),
        Case::new("silence", Opened).held(),
        Case::new("half a packet", Ready).says(b"\x04\x00\x01\x00abc").held(),
        Case::new("a byte a second of a message", Ready).says(b"\x04\x00\x01\x00").trickles(),
        Case::new("a client that reads no answer", Ready).insists(large_request()),
        Case::new("a client that reads no push", Joined).pushed(),
        hang(),
    ]
}

/// The first that a client of TLS says.
fn client_hello() -> Vec<u8> {
    let config = super::bench_server::client_config(&[]);
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config, name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a hello");
    hello
}
