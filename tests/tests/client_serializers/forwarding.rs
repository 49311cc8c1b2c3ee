//! Messages that a frontend forwards, and their replies.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pitaya::client::Client;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya::testing::Cluster;

use crate::cluster::{Board, enter, failures, stranger};
use crate::messages::{Move, NOTED, Note, OnMove, Point, SERIALIZERS, step};

#[tokio::test(start_paused = true)]
async fn forwarded_messages_are_recoded_by_their_types() {
    for server in SERIALIZERS {
        let cluster = Cluster::seeded(1);
        let board = cluster.backend("board", |app| app.serializer(server.clone())).await.unwrap();
        let hall =
            cluster.frontend("hall", |app| app.serializer(server.clone()).client_serializers(SERIALIZERS));
        let hall = hall.await.unwrap();
        for serializer in SERIALIZERS {
            let client = enter(&hall, &serializer).await;
            let mut pushes = client.pushes::<OnMove>();
            assert_eq!(client.request(&Board::PLAY, &step("ann")).await.unwrap(), step("ann"));
            client.notify(&Board::HEAR, &step("bob")).await.unwrap();
            for by in ["ann", "ann", "bob"] {
                assert_eq!(pushes.next().await.unwrap().by, by, "{serializer:?} at {server:?}");
            }
            let refused = Move { by: "eve".into(), to: Vec::new() };
            let error = client.request(&Board::PLAY, &refused).await.unwrap_err();
            assert_eq!((error.code(), &*error.metadata()["by"]), ("BOARD-1", "eve"));
            let body = Bytes::from_static(b"\x00{\xff");
            assert_eq!(client.request_raw("board.board.raw", body.clone()).await.unwrap(), body);
            let error = client.request_raw("board.board.play", "\u{1}".into()).await.unwrap_err();
            assert_eq!(error.code(), "PIT-400", "{serializer:?} at {server:?}: {error}");
        }
        hall.stop().await;
        board.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_types_are_forwarded_except_in_protobuf() {
    let cluster = Cluster::seeded(1);
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let note = Note { text: "hi".into() };
    let client = enter(&hall, &Serializer::MessagePack).await;
    let mut pushes = client.pushes_route::<Note>("onStrange");
    assert_eq!(client.request_route::<_, Note>("stranger.it.play", &note).await.unwrap(), note);
    assert_eq!(pushes.next().await.unwrap(), note);
    let deep = [&[0x91; 1000][..], &[0xc0]].concat();
    let error = client.request_raw("stranger.it.play", deep.into()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");

    let client = enter(&hall, &Serializer::Protobuf).await;
    let error = client.request_raw("stranger.it.play", Bytes::new()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.msg()),
        ("PIT-415", "route `stranger.it.play` cannot be called with the serializer `protobuf`")
    );
    assert_eq!(tokio::time::timeout(Duration::from_secs(1), client.closed()).await.ok(), None);
    hall.stop().await;
    it.unwrap().stop().await;
}

/// Its side effects would happen, and the client would read that it failed.
#[tokio::test(start_paused = true)]
async fn call_whose_reply_cannot_be_encoded_never_runs() {
    let cluster = Cluster::seeded(1);
    let vault = cluster.backend("vault", |app| app).await.unwrap();
    let reader = cluster.frontend("reader", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let client = async |serializer| reader.client_with(&Client::builder().serializer(serializer)).await;
    let proto = client(Serializer::Protobuf).await.unwrap();
    let msgpack = client(Serializer::MessagePack).await.unwrap();
    for route in ["reader.reader.noted", "vault.vault.noted"] {
        let before = NOTED.load(Relaxed);
        let error = proto.request_raw(route, Bytes::from_static(b"\x0a\x03ann")).await.unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-400", "the reply `Note` has no Protobuf form"));
        assert_eq!(NOTED.load(Relaxed), before, "{route}");
        let note: Note = msgpack.request_route(route, &step("ann")).await.unwrap();
        assert_eq!((&*note.text, NOTED.load(Relaxed)), ("ann", before + 1), "{route}");
    }
    reader.stop().await;
    vault.stop().await;
}

#[tokio::test(start_paused = true)]
async fn panic_while_recoding_is_an_error_of_the_call() {
    let cluster = Cluster::seeded(1);
    let vault = cluster.backend("vault", |app| app).await.unwrap();
    for concurrent in [false, true] {
        let metrics = Arc::new(InMemoryReporter::new());
        let configure = |app: pitaya::app::Builder| {
            let mut config = pitaya::config::Config::default();
            config.session.concurrent_forward = concurrent;
            app.config(config).client_serializers(SERIALIZERS).reporter(Arc::clone(&metrics))
        };
        let hall = cluster.frontend("hall", configure).await.unwrap();
        let client = enter(&hall, &Serializer::MessagePack).await;
        for (route, body, counted) in
            [("vault.vault.explode", "\u{1}", [1.0, 0.0, 0.0]), ("vault.vault.mine", "", [1.0, 1.0, 0.0])]
        {
            let error = client.request_raw(route, body.into()).await.unwrap_err();
            assert_eq!((error.code(), error.msg()), ("PIT-000", "internal error"), "{route}");
            assert_eq!(failures(&metrics), counted, "{route}");
        }
        let note: Note = client.request_route("vault.vault.noted", &step("ann")).await.unwrap();
        assert_eq!(note.text, "ann");
        hall.stop().await;
    }
    vault.stop().await;
}

/// The server type `elsewhere` is of another program, for all that the frontend knows.
#[tokio::test(start_paused = true)]
async fn types_of_every_server_serve_linked_types_only() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let elsewhere = cluster.backend("elsewhere", |app| app).await.unwrap();
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    let client = enter(&hall, &Serializer::Protobuf).await;
    let looked: Move = client.request_route("board.anywhere.look", &step("ann")).await.unwrap();
    assert_eq!(looked, step("ann"));
    let error = client.request_route::<_, Move>("elsewhere.anywhere.look", &step("ann")).await.unwrap_err();
    assert_eq!(error.code(), "PIT-415");
    let client = enter(&hall, &Serializer::MessagePack).await;
    let looked: Move = client.request_route("elsewhere.anywhere.look", &step("ann")).await.unwrap();
    assert_eq!(looked, step("ann"));
    for server in [hall, elsewhere, board] {
        server.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn float_that_is_not_finite_is_never_forwarded() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let hall = cluster.frontend("hall", |app| app.client_serializers(SERIALIZERS)).await.unwrap();
    for serializer in [Serializer::Protobuf, Serializer::MessagePack] {
        let client = enter(&hall, &serializer).await;
        for (x, taken) in [(5.0, true), (f64::NAN, false), (f64::NEG_INFINITY, false)] {
            let aimed = client.request(&Board::AIM, &Point { at: vec![x] }).await;
            assert_eq!(aimed.is_ok(), taken, "{serializer:?}: {aimed:?}");
            assert!(aimed.is_ok_and(|point| point.at == [x]) || !taken, "{serializer:?}");
        }
        if matches!(serializer, Serializer::MessagePack) {
            // The frontend does not know the type.
            let nan = [&b"\x81\xa4text\xcb"[..], &f64::NAN.to_be_bytes()].concat();
            let error = client.request_raw("stranger.it.play", nan.into()).await.unwrap_err();
            assert_eq!(error.code(), "PIT-400");
            assert!(error.msg().contains("not finite"), "{error}");
        }
    }
    hall.stop().await;
    board.stop().await;
    it.unwrap().stop().await;
}
