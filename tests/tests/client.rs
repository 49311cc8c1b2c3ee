//! The project's own client against its own server, over TCP and over WebSocket.

use pitaya::Bytes;
use pitaya::acceptor::WebSocket;
use pitaya::client::{Client, CloseReason};
use pitaya::config::Config;
use pitaya_tests::server::{self, Arena, Number, OnText, text};

pitaya::link!(pitaya_tests);

/// Each function of a client, once; it ends with a kick.
async fn tour(client: &Client) {
    assert_eq!((client.serializer_name(), client.is_connected()), ("json", true));
    for sent in [text("hi"), text("x".repeat(10_000))] {
        assert_eq!(client.request(&Arena::TYPED, &sent).await.unwrap(), sent);
    }
    client.request(&Arena::EMPTY, &()).await.unwrap();
    let bytes = Bytes::from_static(b"\x00\xff");
    assert_eq!(client.request(&Arena::RAW, &bytes).await.unwrap(), bytes);
    assert_eq!(client.request_raw("arena.raw", bytes.clone()).await.unwrap(), bytes);

    let error = client.request(&Arena::FAIL, &()).await.unwrap_err();
    assert_eq!((error.code(), error.msg(), &*error.metadata()["some"]), ("T-1", "as asked", "meta"));

    client.request(&Arena::PUSH, &Number { n: 100 }).await.unwrap();
    let mut pushes = client.pushes::<OnText>();
    for n in 0..100 {
        assert_eq!(pushes.next().await.unwrap().text, n.to_string());
    }

    // The kick may overtake the answer.
    let _ = client.request(&Arena::KICK, &()).await;
    assert_eq!(client.closed().await.reason, CloseReason::Kicked);
    assert_eq!(pushes.next().await.unwrap_err().code(), "PIT-499");
}

#[tokio::test]
async fn the_client_and_the_server_understand_each_other() {
    for compression in [false, true] {
        let mut config = Config::default();
        config.message_compression = compression;
        let server = server::start_with(config, |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await;
        let builder = Client::builder().compress(compression);
        tour(&builder.connect_tcp(server.tcp).await.unwrap()).await;
        let ws = server.app.socket_addrs()[1];
        tour(&builder.connect_ws(&format!("ws://{ws}/")).await.unwrap()).await;
        let over_ws = builder.connect_ws(&format!("ws://{ws}/")).await.unwrap();
        let over_tcp = builder.connect_tcp(server.tcp).await.unwrap();
        server.app.stop().await;
        for (client, reason) in [(over_ws, CloseReason::ServerStopped), (over_tcp, CloseReason::ServerClosed)]
        {
            let closed = client.closed().await;
            assert_eq!(closed.reason, reason, "{closed}");
        }
    }
}

#[tokio::test]
async fn a_disconnect_is_quick_and_delivers_what_was_sent() {
    let server = server::start_with(Config::default(), |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await;
    let ws = format!("ws://{}/", server.app.socket_addrs()[1]);
    for (name, client) in [
        ("tcp", Client::builder().connect_tcp(server.tcp).await.unwrap()),
        ("ws", Client::builder().connect_ws(&ws).await.unwrap()),
    ] {
        client.notify(&Arena::NOTE, &text(name)).await.unwrap();
        let closed = client.disconnect().await;
        assert_eq!((closed.reason, &*closed.detail), (CloseReason::Disconnected, ""), "{name}");
        server.recorder.wrote(name).await;
    }
    server.app.stop().await;
}
