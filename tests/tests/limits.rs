//! Limits on clients that misbehave, which must not affect clients that behave.

use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::{Acceptor, DropReason, Filter, FilterPacket, Peer, Tcp, Verdict, WebSocket, Wrapper};
use pitaya::config::Config;
use pitaya::metrics::InMemoryReporter;
use pitaya::testing::memory_acceptor;
use pitaya::wire::Compression;
use pitaya::wire::zlib;
use pitaya_tests::raw_client::{ACK, Got, HANDSHAKE, HEARTBEAT, RawClient, notify};
use pitaya_tests::server::{self, config};
use pitaya_tests::ws::{PING, frame, upgrade};
use pitaya_tests::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

pitaya::link!(pitaya_tests);

/// An upgraded connection, with this request target.
async fn websocket(at: std::net::SocketAddr, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(at).await.unwrap();
    upgrade(&mut stream, target).await.unwrap_or_else(|error| panic!("{target}: {error}"));
    stream
}

#[tokio::test]
async fn upgrade_is_answered_for_any_target() {
    let server = server::start_with(config(), |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await;
    let at = server.app.socket_addrs()[1];
    for target in
        ["/", "/a/b?c=d", "[", "http://", "x:y:z", "/\"<>", "/^`", "/?q=\"", "*", "//", "%", "\u{e9}"]
    {
        let mut stream = websocket(at, target).await;
        stream.write_all(&frame(HANDSHAKE)).await.unwrap();
        assert_eq!(soon("the reply", stream.read_u8()).await.unwrap(), 0x82, "{target}");
    }
    server.app.stop().await;
}

/// Pings do not count as its progress.
#[tokio::test]
async fn trickling_websocket_message_is_cut_off() {
    let mut config = config();
    config.limit.packet_deadline = Duration::from_millis(300);
    let server = server::start_with(config, |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await;
    let at = server.app.socket_addrs()[1];

    let mut pinging = websocket(at, "/").await;
    pinging.write_all(&[frame(HANDSHAKE), frame(ACK)].concat()).await.unwrap();
    let mut dribbling = websocket(at, "/").await;
    dribbling.write_all(&[frame(HANDSHAKE), frame(ACK)].concat()).await.unwrap();
    until("both sessions", || server.app.app().sessions().count() == 2).await;

    let begun = tokio::time::Instant::now();
    let long = frame(&[4; 5000]);
    for byte in long {
        // It is cut off long before it is through.
        if dribbling.write_all(&[byte]).await.is_err() || server.app.app().sessions().count() == 1 {
            break;
        }
        pinging.write_all(PING).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(server.app.app().sessions().count(), 1);
    pinging.write_all(&frame(HEARTBEAT)).await.unwrap();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(server.app.app().sessions().count(), 1, "the one that pings is still there");
    server.app.stop().await;
}

#[tokio::test]
async fn message_begun_with_the_end_of_another_is_cut() {
    let mut config = config();
    config.limit.packet_deadline = Duration::from_millis(300);
    let server = server::start_with(config, |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await;
    let mut stream = websocket(server.app.socket_addrs()[1], "/").await;
    let begun = tokio::time::Instant::now();
    stream.write_all(&[&frame(HANDSHAKE), &frame(ACK), &frame(HEARTBEAT)[..7]].concat()).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon("the close", stream.read_to_end(&mut answer)).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "not by silence");
    until("the session to go", || server.app.app().sessions().count() == 0).await;
    server.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn steady_upload_is_never_cut() {
    let mut config = config();
    config.limit.packet_deadline = Duration::from_secs(30);
    let (acceptor, dialer) = memory_acceptor();
    let server = server::start_with(config, |b| b.acceptor(acceptor)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    let packet = notify("arena.raw", &[b'x'; 1000]);
    let stream = packet.repeat(100);
    // Each piece ends one packet and begins the next; each packet takes two seconds, all of them minutes.
    for piece in stream.chunks(packet.len() / 2 + 1) {
        client.send(piece).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(client.ask("arena.raw", "still here").await, "still here");
    server.app.stop().await;
}

#[tokio::test]
async fn queued_messages_are_bounded_in_bytes() {
    let memory = Arc::new(InMemoryReporter::new());
    let mut config = config();
    config.session.pending_bytes = 64 * 1024;
    config.metrics.period = Duration::from_millis(20);
    let reporter = Arc::clone(&memory);
    let server = server::start_with(config, |b| b.reporter(reporter)).await;
    let waiting = || memory.value("pending_messages", &[]).unwrap_or_default();

    // Large ones: seven make more than 64 KiB.
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.gated", r#"{"text":"large"}"#).await;
    server.recorder.wrote("begin large").await;
    let large = vec![b'x'; 10_000];
    let mut sent = Vec::new();
    for n in 0..40_u8 {
        let mut body = large.clone();
        body[0] = n;
        sent.push(client.request("arena.raw", &body).await);
    }
    until("seven to wait", || waiting() == 7.0).await;
    sleep(Duration::from_millis(100)).await;
    assert_eq!(waiting(), 7.0);
    server.recorder.open("large");
    assert!(matches!(client.next().await, Some(Got::Response { id: 1, .. })));
    for (n, id) in sent.into_iter().enumerate() {
        let Some(Got::Response { id: got, body, .. }) = client.next().await else {
            panic!("no answer to {n}")
        };
        assert_eq!((got, usize::from(body[0]), body.len()), (id, n, 10_000), "in their order");
    }

    // Small ones that inflate to much: all of them may wait, for they take little room until their turn comes.
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.gated", r#"{"text":"small"}"#).await;
    server.recorder.wrote("begin small").await;
    let much = vec![b'y'; 100_000];
    for id in 2..22 {
        let mut packet = bytes::BytesMut::new();
        let on = Compression::On { threshold: 1 };
        pitaya::wire::message::encode_request(&mut packet, id, "arena.raw", &much, &Default::default(), &on)
            .unwrap();
        assert!(packet.len() < 1000);
        client.send(&packet).await;
    }
    until("twenty to wait", || waiting() == 20.0).await;
    server.recorder.open("small");
    assert!(matches!(client.next().await, Some(Got::Response { id: 1, .. })));
    for id in 2..22 {
        let Some(Got::Response { id: got, body, .. }) = client.next().await else {
            panic!("no answer to {id}")
        };
        assert_eq!((got, &body[..]), (id, &much[..]));
    }

    // A message that does not inflate violates the protocol when its turn comes.
    client.request("arena.gated", r#"{"text":"bad"}"#).await;
    server.recorder.wrote("begin bad").await;
    assert!(zlib::inflate(b"not zlib", 10).is_err());
    let mut bad = notify("arena.raw", b"not zlib").to_vec();
    bad[4] |= 0x10;
    client.send(&bad).await;
    until("one to wait", || waiting() == 1.0).await;
    server.recorder.open("bad");
    assert!(matches!(&client.closed().await[..], [Got::Response { error: false, .. }]));
    server.app.stop().await;
}

struct Sieve;

impl Wrapper for Sieve {
    fn wrap(&self, _: &Peer) -> Box<dyn Filter> {
        Box::new(|packet: &mut FilterPacket<'_>, _: tokio::time::Instant| match packet.body() {
            [b'?', ..] => Verdict::Drop(DropReason::Filter),
            _ => Verdict::Pass,
        })
    }
}

#[tokio::test]
async fn drops_and_refusals_are_counted_by_reason() {
    let memory = Arc::new(InMemoryReporter::new());
    let mut config = Config::default();
    config.limit.connections = 2;
    let reporter = Arc::clone(&memory);
    let server = server::start_with(config, |b| {
        b.reporter(reporter)
            .acceptor(Tcp::new("127.0.0.1:0").wrap(Sieve))
            .acceptor(Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]))
    })
    .await;
    let [_, sieve, proxy] = server.app.socket_addrs()[..] else { panic!("three acceptors") };
    let mut client = RawClient::ready(sieve).await;
    for _ in 0..3 {
        client.send(b"\x03\0\0\x01?").await;
    }
    assert_eq!(client.ask("arena.raw", "on").await, "on");
    assert_eq!(memory.sum("filtered_packets", &[]), 3.0);

    let mut bad = RawClient::connect(proxy).await;
    bad.send(b"no header at all\r\n").await;
    bad.closed().await;
    let refused = |reason| memory.sum("rejected_connections", &[("reason", reason)]);
    until("the bad header to be counted", || refused("proxy") == 1.0).await;

    let _second = RawClient::ready(server.tcp).await;
    assert_eq!(RawClient::connect(server.tcp).await.closed().await, []);
    until("the third to be counted", || refused("limit") == 1.0).await;
    server.app.stop().await;
}
