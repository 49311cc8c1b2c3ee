//! Bad input: each case closes or is answered as the protocol says, and costs a healthy client nothing.

use std::future::Future;
use std::time::Duration;

use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{ACK, Got, HANDSHAKE, HEARTBEAT, RawClient, request};
use pitaya_tests::server::{self, TestServer, config};
use pitaya_tests::{soon, until};

pitaya::link!(pitaya_tests);

/// Runs a case beside a healthy client, and looks that nothing stays behind.
async fn case<F: Future<Output = ()>>(name: &str, run: impl FnOnce(std::net::SocketAddr) -> F) {
    let mut config = config();
    config.limit.handshake_deadline = Duration::from_millis(1500);
    config.limit.packet_deadline = Duration::from_millis(800);
    let server: TestServer = server::start(config).await;
    let mut healthy = RawClient::ready(server.tcp).await;
    assert_eq!(healthy.ask("arena.raw", "before").await, "before", "{name}");
    soon(name, run(server.tcp)).await;
    assert_eq!(healthy.ask("arena.raw", "after").await, "after", "{name}");
    until(name, || server.app.app().sessions().count() == 1).await;
    server.app.stop().await;
}

#[tokio::test]
async fn wrong_packet_type_closes_before_its_body() {
    for kind in [0u8, 6, 7, 0x42, 0xff] {
        case("wrong type", |address| async move {
            let mut client = RawClient::connect(address).await;
            client.send(&[kind, 0, 0, 1]).await;
            assert_eq!(client.closed().await, []);
        })
        .await;
    }
}

#[tokio::test]
async fn short_packets_and_early_close_do_no_harm() {
    for bytes in [&b"\x01"[..], b"\x01\x00", b"\x01\x00\x00", b"\x01\x00\x00\x05{", b"\x04\x00"] {
        case("cut off", |address| async move {
            let mut client = RawClient::connect(address).await;
            client.send(bytes).await;
            drop(client);
        })
        .await;
    }
}

#[tokio::test]
async fn undecodable_messages_close() {
    for message in [
        &b"\x00\x01"[..],
        b"",
        b"\x00",
        b"\x00\x81",
        b"\x00\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x01a",
        b"\x08\x00\x00",
        b"\x0e\x00\x00",
        b"\x00\x01\x05ab",
        b"\x02\xffa",
        b"\x03\x00\x09",
        b"\x03\x00",
        b"\x12\x01a\xde\xad\xbe\xef",
        b"\x12\x01a",
    ] {
        case("undecodable", |address| async move {
            let mut client = RawClient::ready(address).await;
            client.packet(Kind::Data, message).await;
            assert_eq!(client.closed().await, [], "{message:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn pushes_and_responses_of_a_client_close() {
    for message in [&b"\x04\x01x"[..], b"\x06\x09arena.raw"] {
        case("push or response", |address| async move {
            let mut client = RawClient::ready(address).await;
            client.packet(Kind::Data, message).await;
            assert_eq!(client.closed().await, []);
        })
        .await;
    }
}

#[tokio::test]
async fn an_empty_route_and_one_of_255_bytes_are_answered() {
    case("routes", |address| async move {
        let mut client = RawClient::ready(address).await;
        client.send(&request(1, "", b"")).await;
        assert!(client.next().await.unwrap().text().contains("route field can not be empty"));
        client.send(&request(2, &"x".repeat(255), b"")).await;
        assert!(client.next().await.unwrap().text().contains("invalid route"));
        client.packet(Kind::Data, b"\x00\x03\x03a.\xff").await;
        assert!(client.next().await.unwrap().text().contains("PIT-400"));
    })
    .await;
}

#[tokio::test]
async fn an_inflation_bomb_closes() {
    // 16 MiB of zeros, deflated to some 16 KiB.
    let mut out = bytes::BytesMut::new();
    assert!(pitaya::wire::zlib::deflate(&vec![0; 16 << 20], &mut out));
    let mut message = b"\x10\x01\x09arena.raw".to_vec();
    message.extend_from_slice(&out);
    case("bomb", |address| async move {
        let mut client = RawClient::ready(address).await;
        client.packet(Kind::Data, &message).await;
        assert_eq!(client.closed().await, []);
    })
    .await;
}

/// Before the ack and after it.
#[tokio::test]
async fn oversized_packet_closes_at_its_header() {
    case("before the ack", |address| async move {
        let mut client = RawClient::connect(address).await;
        client.send(&[1, 1, 0, 1]).await; // 65537
        assert_eq!(client.closed().await, []);
    })
    .await;
    case("after the ack", |address| async move {
        let mut client = RawClient::ready(address).await;
        client.send(&[4, 0x10, 0, 1]).await; // 1 MiB + 1
        assert_eq!(client.closed().await, []);
    })
    .await;
}

#[tokio::test]
async fn the_order_of_handshake_ack_and_data_is_enforced() {
    let data = request(1, "arena.raw", b"x");
    let second = [HANDSHAKE, HANDSHAKE].concat();
    let after_ack = [HANDSHAKE, ACK, HANDSHAKE].concat();
    let early = [HANDSHAKE, &data].concat();
    for (name, bytes, replies) in [
        ("data first", &data[..], 0),
        ("an ack first", ACK, 0),
        ("data before the ack", &early, 1),
        ("a second handshake", &second, 1),
        ("a handshake after the ack", &after_ack, 1),
    ] {
        case(name, |address| async move {
            let mut client = RawClient::connect(address).await;
            client.send(bytes).await;
            let got = client.closed().await;
            assert_eq!(got.len(), replies, "{name}: {got:?}");
            assert!(got.iter().all(|got| matches!(got, Got::Handshake(_))), "{name}");
        })
        .await;
    }
}

/// A client that only sends heartbeats is closed too.
#[tokio::test]
async fn silent_client_is_closed_at_the_deadline() {
    for beats in [false, true] {
        case("silent", |address| async move {
            let mut client = RawClient::connect(address).await;
            if beats {
                client.send(HEARTBEAT).await;
                client.send(HANDSHAKE).await;
            }
            let got = client.closed().await;
            assert!(got.len() <= 1, "{got:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn trickling_packet_is_closed_at_its_deadline() {
    case("dribble", |address| async move {
        let mut client = RawClient::ready(address).await;
        client.send(&[4, 0, 1, 0]).await;
        for _ in 0..40 {
            client.send(b"x").await;
            tokio::time::sleep(Duration::from_millis(50)).await; // the client is slow: that is the case
        }
        assert_eq!(client.closed().await, []);
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_everything_random_hurts_nobody() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let garbage: Vec<Vec<u8>> = (0..60)
        .map(|n| {
            let mut bytes = if n % 2 == 0 { [HANDSHAKE, ACK].concat() } else { Vec::new() };
            for _ in 0..(next() % 300) {
                bytes.push(if next() % 4 == 0 {
                    next().to_le_bytes()[0] % 6
                } else {
                    next().to_le_bytes()[0]
                });
            }
            bytes
        })
        .collect();
    case("random", |address| async move {
        for bytes in garbage {
            let mut client = RawClient::connect(address).await;
            client.send(&bytes).await;
        }
    })
    .await;
}

#[tokio::test]
async fn connection_limit_refuses_and_recovers() {
    let mut config = config();
    config.limit.connections = 2;
    let server = server::start(config).await;
    let first = RawClient::ready(server.tcp).await;
    let _second = RawClient::ready(server.tcp).await;
    let mut third = RawClient::connect(server.tcp).await;
    assert_eq!(third.closed().await, []);
    drop(first);
    until("room", || server.app.app().sessions().count() == 1).await;
    soon("another client", async {
        loop {
            let mut client = RawClient::connect(server.tcp).await;
            client.send(HANDSHAKE).await;
            if client.next().await.is_some() {
                break;
            }
        }
    })
    .await;
    server.app.stop().await;
}
