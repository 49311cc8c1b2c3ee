//! The serializer of a session: that of the server, of its acceptor, or of its client.

use pitaya::acceptor::{Acceptor, Tcp, WebSocket};
use pitaya::client::{Client, ConnectError};
use pitaya::prelude::*;
use pitaya::serialize::{Body, NarrowJson, Serializer};
use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{ACK, Got, RawClient};
use pitaya_tests::until;

use crate::messages::{Note, OnMove, step};
use crate::table::{Table, seated, table};

/// The reply to a handshake.
async fn reply(running: &pitaya::app::Running, acceptor: usize, handshake: &str) -> String {
    let mut raw = RawClient::connect(running.socket_addrs()[acceptor]).await;
    raw.packet(Kind::Handshake, handshake.as_bytes()).await;
    match raw.next().await {
        Some(Got::Handshake(reply)) => String::from_utf8(reply.to_vec()).unwrap(),
        got => panic!("{got:?}"),
    }
}

#[tokio::test]
async fn unknown_serializer_gets_that_of_the_server() {
    let mut config = pitaya::config::Config::default();
    config.message_compression = false;
    let running = table(NarrowJson, Tcp::new("127.0.0.1:0")).config(config).start().await.unwrap();
    let same = reply(&running, 0, "{}").await;
    assert_eq!(same, r#"{"code":200,"sys":{"dict":{},"heartbeat":30,"serializer":"json"}}"#);
    let long = format!(r#""{}""#, "x".repeat(60_000));
    for name in ["null", "7", "{}", r#"["json"]"#, r#""""#, r#""xml""#, r#""JSON""#, r#""json""#, &long] {
        let asked = reply(&running, 0, &format!(r#"{{"sys":{{"serializer":{name}}}}}"#)).await;
        assert_eq!(asked, same, "{name:.40}");
    }
    let asked = reply(&running, 0, r#"{"sys":{"serializer":"msgpack"}}"#).await;
    assert_eq!(asked, same.replace("json", "msgpack"));
    // Longer than a packet may be before the handshake.
    let mut raw = RawClient::connect(running.socket_addrs()[0]).await;
    let huge = format!(r#"{{"sys":{{"serializer":"{}"}}}}"#, "x".repeat(1 << 20));
    raw.packet(Kind::Handshake, huge.as_bytes()).await;
    assert_eq!(raw.next().await, None, "closed");
    running.stop().await;
}

/// Every serializer could be named by a client for which the author of the handlers did not write them.
#[tokio::test]
async fn client_chooses_only_among_what_the_author_offers() {
    let mut config = pitaya::config::Config::default();
    config.message_compression = false;
    let running = App::builder()
        .server_type("table")
        .config(config)
        .acceptor(Tcp::new("127.0.0.1:0"))
        .acceptor(Tcp::new("127.0.0.1:0").serializer(Serializer::Protobuf))
        .start()
        .await
        .unwrap();
    let same = reply(&running, 0, "{}").await;
    for name in ["json", "protobuf", "msgpack"] {
        let asked = reply(&running, 0, &format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#)).await;
        assert_eq!(asked, same, "{name}");
        for _ in 0..2 {
            let fixed = reply(&running, 1, &format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#)).await;
            assert_eq!(fixed, same.replace("json", "protobuf"), "{name}");
        }
    }
    let at = running.socket_addrs()[0];
    let refused = Client::builder().serializer(Serializer::MessagePack).connect_tcp(at).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Serializer { server, .. } if server == "json"));
    running.stop().await;
}

#[tokio::test]
async fn acceptor_fixes_the_serializer() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0").serializer(Serializer::Protobuf))
        .acceptor(WebSocket::new("127.0.0.1:0").serializer(Serializer::Json))
        .acceptor(Tcp::new("127.0.0.1:0").serializer(NarrowJson))
        .start()
        .await
        .unwrap();
    let addresses = running.socket_addrs();
    let (native, mut first) = seated(Client::builder().connect_tcp(addresses[0]).await.unwrap()).await;
    let (page, mut second) =
        seated(Client::builder().connect_ws(&format!("ws://{}/", addresses[1])).await.unwrap()).await;
    assert_eq!((native.serializer_name(), page.serializer_name()), ("protobuf", "json"));
    page.request(&Table::PLAY, &step("\u{1f389}")).await.unwrap();
    let move_of =
        |serializer: Serializer, body: Bytes| serializer.decode::<OnMove>(&Body::shared(&body)).unwrap();
    let (first, second) = (first.next().await.unwrap(), second.next().await.unwrap());
    assert_eq!(move_of(Serializer::Protobuf, first), move_of(Serializer::Json, second));
    let narrow = Client::builder().connect_tcp(addresses[2]).await.unwrap();
    let body = narrow.request_raw("table.table.play", r#"{"by":"🎉","to":[1]}"#.into()).await.unwrap();
    assert_eq!(body, r#"{"by":"\ud83c\udf89","to":[1]}"#);
    let refused = Client::builder().serializer(Serializer::Json).connect_tcp(addresses[0]).await.unwrap_err();
    assert!(matches!(refused, ConnectError::Serializer { server, .. } if server == "protobuf"));
    running.stop().await;
}

/// The session has no serializer yet, so the client would misread the push.
#[tokio::test]
async fn push_before_another_format_is_chosen_is_dropped() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0")).start().await.unwrap();
    for (name, kept) in [("json", true), ("msgpack", false)] {
        let mut raw = RawClient::connect(running.socket_addrs()[0]).await;
        let sessions = running.app().sessions();
        until("the session", || sessions.count() == 1).await;
        sessions.all()[0].push(&Note { text: "early".into() }).await.unwrap();
        raw.packet(Kind::Handshake, format!(r#"{{"sys":{{"serializer":"{name}"}}}}"#).as_bytes()).await;
        assert!(matches!(raw.next().await, Some(Got::Handshake(_))));
        raw.send(ACK).await;
        raw.request("table.table.raw", "x").await;
        let Some(Got::Push { route, .. }) = raw.next().await else { panic!("a push") };
        assert_eq!(route == "onNote", kept, "{name}: {route}");
        drop(raw);
        until("the end", || sessions.count() == 0).await;
    }
    running.stop().await;
}
