//! Pushes of other servers, and what becomes of bodies that cannot be recoded.

use std::sync::Arc;
use std::time::Duration;

use pitaya::client::Client;
use pitaya::cluster::{Discovery as _, Server, Servers};
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya::testing::{Cluster, TestServer, memory_acceptor};
use pitaya_tests::cluster::MemoryCluster;
use pitaya_tests::log::CapturedLog;
use tokio::time::timeout;
use tracing::Level;

use crate::cluster::{Board, Hall, enter, failures, stranger};
use crate::messages::{Move, OnMove, Point, SERIALIZERS, step};

/// A hall that counts what it could not recode.
async fn counted(cluster: &Cluster, serializer: Serializer) -> (TestServer, Arc<InMemoryReporter>) {
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let hall = cluster.frontend("hall", |app| {
        app.serializer(serializer).client_serializers(SERIALIZERS).reporter(reporter)
    });
    (hall.await.unwrap(), metrics)
}

#[tokio::test(start_paused = true)]
async fn raw_pushes_of_backends_stay_as_they_are() {
    for server in SERIALIZERS {
        let cluster = Cluster::seeded(1);
        let board = cluster.backend("board", |app| app.serializer(server.clone())).await.unwrap();
        let (hall, metrics) = counted(&cluster, server.clone()).await;
        for serializer in SERIALIZERS {
            let client = enter(&hall, &serializer).await;
            let mut pushes = client.pushes_raw("onShout");
            // The first is no JSON, the second is.
            for body in [&b"\x00{\xff"[..], br#"{"a":1}"#] {
                let body = Bytes::from(body);
                client.request(&Board::SHOUT, &body).await.unwrap();
                for _ in 0..2 {
                    assert_eq!(pushes.next().await.unwrap(), body, "{serializer:?} at {server:?}");
                }
            }
        }
        assert_eq!(failures(&metrics), [0.0; 3]);
        hall.stop().await;
        board.stop().await;
    }
}

/// With a frontend of Go Pitaya in the cluster, all pushes use the subjects of users.
#[tokio::test(start_paused = true)]
async fn raw_push_on_a_users_subject_stays_as_it_is() {
    let cluster = MemoryCluster::default();
    let (acceptor, dialer) = memory_acceptor();
    let hall = cluster.server("hall", "hall-1").client_serializers(SERIALIZERS).acceptor(acceptor);
    let hall = hall.start().await.unwrap();
    let board = cluster.server("board", "board-1").backend().start().await.unwrap();
    let foreign = cluster.registry.discovery();
    let own = Arc::new(Server::new("hall", "foreign").frontend(true));
    foreign.join(own, Arc::new(Servers::default())).await.unwrap();
    for serializer in SERIALIZERS {
        let client = Client::builder().serializer(serializer.clone());
        let client = client.connect_stream(dialer.connect().unwrap()).await.unwrap();
        client.request(&Hall::ENTER, &step(&format!("{serializer:?}"))).await.unwrap();
        let mut pushes = client.pushes_raw("onShout");
        for body in [&b"\x00{\xff"[..], br#"{"a":1}"#] {
            let body = Bytes::from(body);
            client.request(&Board::SHOUT, &body).await.unwrap();
            for _ in 0..2 {
                let push = timeout(Duration::from_secs(1), pushes.next()).await.expect("a push");
                assert_eq!(push.unwrap(), body, "{serializer:?}");
            }
        }
        // A message is recoded.
        let mut moves = client.pushes::<OnMove>();
        client.request(&Board::PLAY, &step("ann")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(moves.next().await.unwrap().by, "ann", "{serializer:?}");
        }
    }
    foreign.close().await;
    hall.stop().await;
    board.stop().await;
}

#[tokio::test(start_paused = true)]
async fn lost_pushes_are_logged_and_counted() {
    let log = CapturedLog::start(Level::WARN);
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let (hall, metrics) = counted(&cluster, Serializer::Json).await;
    let client = enter(&hall, &Serializer::Protobuf).await;
    client.request(&Board::NOTE, &step("ann")).await.unwrap();
    // The next push comes, so the others will not.
    let mut moves = client.pushes::<OnMove>();
    client.notify(&Board::HEAR, &step("bob")).await.unwrap();
    assert_eq!(moves.next().await.unwrap().by, "bob");
    assert_eq!(failures(&metrics), [0.0, 0.0, 2.0]);
    let lines = log.lines();
    let line = lines.iter().find(|line| line.contains("failed to encode a push")).expect("a line");
    assert!(line.contains("onUnknown") && line.contains("link the crate"), "{line}");
    hall.stop().await;
    board.stop().await;
}

#[tokio::test(start_paused = true)]
async fn call_of_unknown_types_is_logged_and_counted() {
    let log = CapturedLog::start(Level::WARN);
    let cluster = Cluster::seeded(1);
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let (hall, metrics) = counted(&cluster, Serializer::Json).await;
    let client = enter(&hall, &Serializer::Protobuf).await;
    let error = client.request_raw("stranger.it.play", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-415");
    assert_eq!(failures(&metrics), [1.0, 0.0, 0.0]);
    let lines = log.lines();
    let line = lines.iter().find(|line| line.contains("refused a call")).expect("a line");
    for part in ["WARN", "link the crate", "stranger.it.play", "protobuf"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    hall.stop().await;
    it.unwrap().stop().await;
}

/// JSON would have `null`, which no reader of a number takes.
#[tokio::test(start_paused = true)]
async fn nan_of_a_msgpack_server_never_reaches_json() {
    let cluster = Cluster::seeded(1);
    let msgpack = || Serializer::MessagePack;
    let board = cluster.backend("board", |app| app.serializer(msgpack())).await.unwrap();
    let (hall, metrics) = counted(&cluster, msgpack()).await;
    for (serializer, comes) in
        [(Serializer::MessagePack, true), (Serializer::Protobuf, true), (Serializer::Json, false)]
    {
        let client = enter(&hall, &serializer).await;
        let mut lost = client.pushes_route::<Point>("onLost");
        let mut moves = client.pushes::<OnMove>();
        let reply = client.request(&Board::LOSE, &()).await;
        assert_eq!(
            reply.as_ref().map_err(Error::code).map(|point| point.at[0].is_nan()).ok(),
            comes.then_some(true)
        );
        if let Err(error) = reply {
            assert_eq!(error.code(), "PIT-000", "{error}");
        }
        client.notify(&Board::HEAR, &step("bob")).await.unwrap();
        assert_eq!(moves.next().await.unwrap().by, "bob");
        // A push without a linked type needs one in Protobuf.
        let known = !matches!(serializer, Serializer::Protobuf);
        assert_eq!(lost.try_next().unwrap().is_some(), comes && known, "{serializer:?}");
    }
    assert_eq!(failures(&metrics), [0.0, 1.0, 2.0]);
    hall.stop().await;
    board.stop().await;
}

/// With its comma, 1 has one byte in Protobuf and two in JSON; -1 has ten and three.
#[tokio::test(start_paused = true)]
async fn message_that_grows_over_the_limit_is_refused() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let mut config = pitaya::config::Config::default();
    config.limit.inflated = 1000;
    let hall = cluster.frontend("hall", |app| app.config(config).client_serializers(SERIALIZERS));
    let hall = hall.await.unwrap();
    let client = enter(&hall, &Serializer::Protobuf).await;
    for (number, count, taken) in [(1, 400, true), (1, 600, false), (-1, 600, true)] {
        let message = Move { by: "ann".into(), to: vec![number; count] };
        let played = client.request(&Board::PLAY, &message).await;
        assert_eq!(played.is_ok(), taken, "{count} times {number}: {played:?}");
        if let Err(error) = played {
            assert_eq!((error.code(), &*error.metadata()["limit"]), ("PIT-400", "1000"));
            assert!(error.msg().contains("in the server's serializer"), "{error}");
        }
    }
    // A client with the server's serializer has no such limit.
    let json = enter(&hall, &Serializer::Json).await;
    assert!(json.request(&Board::PLAY, &Move { by: "eve".into(), to: vec![1; 600] }).await.is_ok());
    hall.stop().await;
    board.stop().await;
}

/// Whatever a client sends, its connection stays usable.
#[tokio::test(start_paused = true)]
async fn hostile_bodies_are_errors_of_their_calls() {
    let cluster = Cluster::seeded(1);
    let board = cluster.backend("board", |app| app).await.unwrap();
    let it = cluster.backend("stranger", |app| app.explicit_components().register(stranger::One)).await;
    let (hall, metrics) = counted(&cluster, Serializer::Json).await;
    let claims = b"\xdd\xff\xff\xff\xff".repeat(20);
    let nested = [&[0x91; 5000][..], &[0xc0]].concat();
    let own_group = [0x0b; 500]; // a Protobuf group in a group, without an end
    let length = b"\x0a\xff\xff\xff\xff\x0f";
    let mut sent = 0;
    for serializer in [Serializer::MessagePack, Serializer::Protobuf] {
        let client = enter(&hall, &serializer).await;
        for body in [&claims[..], &nested, &own_group, length, b"\xc1", b"\x81\xa2by"] {
            for route in ["board.board.play", "stranger.it.play"] {
                let error = client.request_raw(route, Bytes::copy_from_slice(body)).await.unwrap_err();
                assert!(matches!(error.code(), "PIT-400" | "PIT-415"), "{serializer:?}, {route}: {error}");
                sent += 1;
            }
        }
        assert_eq!(client.request(&Board::PLAY, &step("ann")).await.unwrap(), step("ann"));
    }
    assert_eq!(failures(&metrics)[0], f64::from(sent));
    for server in [hall, board, it.unwrap()] {
        server.stop().await;
    }
}
