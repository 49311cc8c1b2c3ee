use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::*;
use crate::client::CloseReason;

const T: Duration = Duration::from_secs(30);

/// A server that is silent for three intervals is closed.
#[tokio::test(start_paused = true)]
async fn heartbeats_are_sent_and_silence_closes() {
    let (client, mut server) = connected().await;
    let begun = Instant::now();
    for n in 1..=2 {
        assert_eq!(server.packet().await.unwrap(), (Kind::Heartbeat, Bytes::new()));
        assert_eq!(begun.elapsed().as_secs(), n * 30);
    }
    let closed = client.closed().await;
    assert_eq!((closed.reason, begun.elapsed().as_secs()), (CloseReason::Timeout, 90));
    assert!(!client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn any_packet_counts_as_a_heartbeat() {
    let (client, mut server) = connected().await;
    for _ in 0..5 {
        tokio::time::advance(2 * T).await;
        server.push("onSay", b"").await;
        round_trip_through_heartbeats(&client, &mut server).await;
    }
    assert!(client.is_connected());
}

async fn round_trip_through_heartbeats(client: &Client, server: &mut Server) {
    let (answer, ()) = tokio::join!(client.request_raw("a.b", Bytes::new()), async {
        loop {
            let (kind, body) = server.packet().await.unwrap();
            if kind == Kind::Data {
                let id = message::decode(&body).unwrap().id;
                return server.respond(id, b"").await;
            }
        }
    });
    answer.unwrap();
}

#[tokio::test(start_paused = true)]
async fn any_interval_of_a_server_is_survived() {
    for seconds in [0, u64::MAX, 1 << 40] {
        let said = Reply { heartbeat_seconds: seconds, ..reply() };
        let (client, mut server) = connected_with(&Client::builder(), said).await;
        assert_eq!(client.heartbeat().is_none(), seconds == 0);
        tokio::time::advance(Duration::from_secs(7200)).await;
        round_trip(&client, &mut server).await;
    }
}

#[tokio::test]
async fn a_kick_is_told_from_a_close_and_a_cut() {
    for (bytes, reason) in [
        (&packet::KICK[..], CloseReason::Kicked),
        (b"", CloseReason::ServerClosed),
        (b"\x04\0", CloseReason::Io),
        (b"\x04\0\0\x05a", CloseReason::Io),
    ] {
        let (client, mut server) = connected().await;
        server.send(bytes).await;
        drop(server);
        assert_eq!(client.closed().await.reason, reason, "{bytes:?}");
        assert_eq!(client.disconnect().await.reason, reason, "the first reason stays");
    }
}

#[tokio::test]
async fn protocol_violation_closes_the_connection() {
    let bomb = {
        let mut out = BytesMut::new();
        let compression = Compression::default();
        let body = vec![0; 1 << 20];
        message::encode_push(&mut out, "a", &body, &Dictionary::default(), &compression).unwrap();
        out
    };
    for bytes in [
        &b"\x00\0\0\0"[..],
        b"GET / HTTP/1.1\r\n",
        b"\x01\0\0\x0e{\"code\":200}  ",
        b"\x02\0\0\0",
        b"\x04\0\0\0",
        b"\x04\0\0\x01\x06",
        b"\x04\0\0\x02\x04\x81",
        b"\x04\0\0\x03\x06\x05a",
        b"\x04\0\0\x03\x07\0\x09",
        b"\x04\0\0\x03\x08\x01a",
        b"\x04\0\0\x04\x00\x01\x01a",
        b"\x04\0\0\x03\x02\x01a",
        b"\x04\0\0\x04\x14\x01xx",
        b"\x04\xff\xff\xff",
        &bomb,
    ] {
        let builder = Client::builder().max_packet(100_000).max_inflated(1000);
        let (client, mut server) = connected_with(&builder, reply()).await;
        server.send(bytes).await;
        let closed = client.closed().await;
        assert_eq!(closed.reason, CloseReason::Protocol, "{bytes:?}: {closed}");
        assert!(!closed.detail.is_empty());
        assert_eq!(server.packet().await, None);
    }
}

#[tokio::test]
async fn answers_to_nobody_are_ignored() {
    let (client, mut server) = connected().await;
    for id in [0, 77, u64::from(u32::MAX), u64::from(u32::MAX) + 2, u64::MAX] {
        server.respond(id, b"x").await;
    }
    round_trip(&client, &mut server).await;
}

#[tokio::test]
async fn disconnect_flushes_and_ends_every_handle() {
    let (client, mut server) = connected().await;
    let other = client.clone();
    for _ in 0..50 {
        client.notify_route("a.b", &()).await.unwrap();
    }
    let (closed, ()) = tokio::join!(client.disconnect(), async {
        for _ in 0..50 {
            server.message().await;
        }
        assert_eq!(server.packet().await, None);
        drop(server);
    });
    assert_eq!(closed.reason, CloseReason::Disconnected);
    assert_eq!(other.notify_route("a.b", &()).await.unwrap_err().code(), "PIT-499");
}

/// A server that does not read delays the end only for a bounded time.
#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_unread_bytes() {
    for disconnect in [true, false] {
        let (client, server) = connected().await;
        let mut says = client.pushes::<Say>();
        while client.notify_raw("a.b", vec![0; 10_000].into()).await.is_ok() {}
        let begun = Instant::now();
        if disconnect {
            assert_eq!(client.disconnect().await.reason, CloseReason::Disconnected);
        } else {
            drop(client);
        }
        assert_eq!(says.next().await.unwrap_err().code(), "PIT-499");
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        drop(server);
    }
}

/// A server that does not close delays the end only for a bounded time.
#[tokio::test(start_paused = true)]
async fn close_does_not_wait_for_the_server() {
    let (client, mut server) = connected().await;
    let begun = Instant::now();
    assert_eq!(client.disconnect().await.reason, CloseReason::Disconnected);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(server.packet().await, None);
}

#[tokio::test]
async fn the_last_handle_takes_the_connection_with_it() {
    let (client, mut server) = connected().await;
    let mut says = client.pushes::<Say>();
    let other = client.clone();
    drop(client);
    other.notify_route("a.b", &()).await.unwrap();
    drop(other);
    server.message().await;
    assert_eq!(server.packet().await, None);
    drop(server);
    assert_eq!(says.next().await.unwrap_err().code(), "PIT-499");
}

#[test]
fn a_runtime_that_goes_away_leaves_nobody_waiting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, _server) = runtime.block_on(connected());
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = other.block_on(client.request_raw("a.b", Bytes::new())).unwrap_err();
    assert_eq!(error.code(), "PIT-499");
}

fn server_bytes() -> impl Strategy<Value = Vec<u8>> {
    let packet = (1u8..6, prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(kind, body)| {
        let mut out = vec![kind, 0, 0, u8::try_from(body.len()).unwrap()];
        out.extend(body);
        out
    });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(packet, 0..4).prop_map(|p| p.concat())
    ]
}

proptest! {
    #[test]
    fn no_bytes_of_a_server_stop_the_task_itself(bytes in server_bytes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let closed = runtime.block_on(async {
            let (client, mut server) = connected().await;
            server.send(&bytes).await;
            drop(server);
            client.closed().await
        });
        prop_assert!(!closed.detail.contains("stopped"), "{closed}");
    }
}
