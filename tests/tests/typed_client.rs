//! Generated clients of handlers against a real server, also one that is stopped and started again.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use pitaya::acceptor::WebSocket;
use pitaya::client::{Away, Client, CloseReason, Connection, End, Event, Events, ReconnectingClient};
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, Schema, export};
use pitaya_tests::log::CapturedLog;
use pitaya_tests::server::{self, Arena, Number, OnText, Recorder, TestServer, text};
use pitaya_tests::soon;
use tracing::Level;

pitaya::link!(pitaya_tests);

pitaya::clients! {
    /// The handlers of the test server.
    struct Test {
        /// Does what a test asks for.
        arena: Arena,
    }
}

async fn start() -> TestServer {
    server::start_with(server::config(), |b| b.acceptor(WebSocket::new("127.0.0.1:0"))).await
}

/// Each kind of call, on any connection.
async fn calls<C: Connection>(test: &Test<C>, recorder: &Recorder, name: &str) {
    let arena = test.arena();
    assert_eq!(arena.typed(&text(name)).await.unwrap().text, name);
    arena.empty().await.unwrap();
    let bytes = Bytes::from_static(b"\x00\xff");
    assert_eq!(arena.raw(&bytes).await.unwrap(), bytes);
    arena.note(&text(name)).await.unwrap();
    recorder.wrote(name).await;
    let error = arena.fail().await.unwrap_err();
    assert_eq!((error.code(), error.msg(), &*error.metadata()["some"]), ("T-1", "as asked", "meta"));
}

#[tokio::test]
async fn typed_client_calls_over_tcp_and_websocket() {
    let server = start().await;
    let ws = format!("ws://{}/", server.app.socket_addrs()[1]);
    for (name, client) in [
        ("tcp", Client::builder().connect_tcp(server.tcp).await.unwrap()),
        ("ws", Client::builder().connect_ws(&ws).await.unwrap()),
    ] {
        let test = Test::new(client);
        let mut pushes = test.pushes::<OnText>();
        calls(&test, &server.recorder, name).await;
        test.arena().push(&Number { n: 3 }).await.unwrap();
        for n in ["0", "1", "2"] {
            assert_eq!(soon("the push", pushes.next()).await.unwrap().text, n, "{name}");
        }
        assert_eq!(test.disconnect().await.reason, CloseReason::Disconnected);
        assert_eq!(test.arena().empty().await.unwrap_err().code(), "PIT-499");
    }
    server.app.stop().await;
}

/// The address of the server that runs now.
type Address = Arc<Mutex<SocketAddr>>;

async fn reconnecting(address: &Address) -> (Test<ReconnectingClient>, Events) {
    let address = Arc::clone(address);
    let how = Client::builder().reconnecting(move |builder| {
        let address = *address.lock().unwrap();
        async move { builder.connect_tcp(address).await }
    });
    let how =
        how.on_connect(|client| async move { Test::new(client).arena().bind(&text("ann")).await.map(drop) });
    let (client, events) = how.connect().await.unwrap();
    (Test::new(client), events)
}

async fn away(events: &mut Events) -> Away {
    match soon("the event", events.next()).await {
        Some(Event::Away(away)) => away,
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn client_survives_a_server_that_starts_again() {
    let first = server::start(Config::default()).await;
    let address = Arc::new(Mutex::new(first.tcp));
    let (test, mut events) = reconnecting(&address).await;
    calls(&test, &first.recorder, "first").await;
    let id = test.arena().id().await.unwrap().n;

    first.app.stop().await;
    assert_eq!(away(&mut events).await.failures, 0);
    // The calls wait until there is a server again.
    let waiting = tokio::spawn({
        let test = test.clone();
        async move { test.arena().whoami().await }
    });
    let second = server::start(Config::default()).await;
    *address.lock().unwrap() = second.tcp;
    assert_eq!(soon("the answer", waiting).await.unwrap().unwrap().text, "ann");
    loop {
        match soon("the event", events.next()).await {
            Some(Event::Away(_)) => {} // an attempt before the second server listened
            Some(Event::Reset) => break,
            event => panic!("{event:?}"),
        }
    }
    calls(&test, &second.recorder, "second").await;
    test.arena().push(&Number { n: 1 }).await.unwrap();
    let Some(Event::Push(push)) = soon("the push", events.next()).await else { panic!("a push") };
    assert_eq!(push.read_as::<OnText>().unwrap().unwrap().text, "0");
    assert!(id > 0 && test.is_connected());

    // A kick is meant: the client stays away.
    drop(test.arena().kick().await);
    let end = soon("the end", events.next()).await;
    assert!(
        matches!(&end, Some(Event::Closed(End::Closed(it))) if it.reason == CloseReason::Kicked),
        "{end:?}"
    );
    assert_eq!(test.arena().empty().await.unwrap_err().code(), "PIT-499");
    second.app.stop().await;
}

fn schema(name: &str) -> Schema {
    export(&ExportOptions::new(name)).unwrap()
}

/// Without `schema` nothing is sent, so a server with one answers nothing.
#[tokio::test]
async fn other_schema_is_logged_once_for_each_builder() {
    let log = CapturedLog::start(Level::WARN);
    let warnings = || log.lines().iter().filter(|line| line.contains("schema of the server differs")).count();
    let mut other = schema("test");
    other.pushes.clear();
    for (of_server, of_client, matches) in [
        (Some(schema("test")), Some(schema("renamed")), Some(true)),
        (Some(schema("test")), Some(other), Some(false)),
        (Some(schema("test")), None, None),
        (None, Some(schema("test")), None),
    ] {
        let server = server::start_with(server::config(), |app| match &of_server {
            Some(schema) => app.schema(schema),
            None => app,
        });
        let server = server.await;
        let mut builder = Client::builder();
        if let Some(schema) = &of_client {
            builder = builder.schema(schema);
        }
        let before = warnings();
        for builder in [builder.clone(), builder] {
            let client = builder.connect_tcp(server.tcp).await.unwrap();
            assert_eq!(client.schema_matches(), matches);
            assert_eq!(Test::new(client).arena().typed(&text("hi")).await.unwrap().text, "hi");
        }
        assert_eq!(warnings() - before, usize::from(matches == Some(false)), "{matches:?}");
        server.app.stop().await;
    }
}
