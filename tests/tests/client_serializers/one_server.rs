//! Clients with different serializers on one server.

use pitaya::acceptor::Tcp;
use pitaya::client::Client;
use pitaya::prelude::*;
use pitaya::serialize::{Body, NarrowJson, Serializer};
use pitaya_tests::soon;

use crate::messages::{Move, Note, OnMove, Point, SERIALIZERS, step};
use crate::table::{Table, seated, table};

#[tokio::test]
async fn each_client_of_a_group_has_its_serializer() {
    for server in SERIALIZERS {
        let running = table(server.clone(), Tcp::new("127.0.0.1:0")).start().await.unwrap();
        let at = running.socket_addrs()[0];
        let mut seats = Vec::new();
        for serializer in SERIALIZERS {
            let client = Client::builder().serializer(serializer.clone()).connect_tcp(at).await.unwrap();
            assert_eq!(client.serializer_name(), serializer.name(), "a {server:?} server");
            seats.push((serializer, seated(client).await));
        }
        for player in 0..seats.len() {
            let (serializer, (client, _)) = &seats[player];
            let played = client.request(&Table::PLAY, &step("ann")).await.unwrap();
            assert_eq!(played, step("ann"), "{serializer:?}");
            for (serializer, (_, pushes)) in &mut seats {
                let body = soon("the push", pushes.next()).await.unwrap();
                let pushed: OnMove = serializer.decode(&Body::shared(&body)).unwrap();
                assert_eq!((&*pushed.by, &*pushed.to), ("ann", &[-1, 300][..]), "{serializer:?}");
                if matches!(serializer, Serializer::Json) {
                    assert_eq!(body, r#"{"by":"ann","to":[-1,300]}"#);
                }
            }
        }
        for (serializer, (client, _)) in &seats {
            let refused = Move { by: "bob".into(), to: Vec::new() };
            let error = client.request(&Table::PLAY, &refused).await.unwrap_err();
            assert_eq!(
                (error.code(), error.msg(), &*error.metadata()["by"]),
                ("TABLE-1", "no move", "bob"),
                "{serializer:?}"
            );
            let mut pushes = client.pushes_raw("onRaw");
            let body = Bytes::from_static(b"\x00{\xff");
            assert_eq!(client.request_raw("table.table.raw", body.clone()).await.unwrap(), body);
            assert_eq!(soon("the push", pushes.next()).await.unwrap(), body);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn message_without_protobuf_skips_those_clients() {
    let running = table(Serializer::Json, Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let at = running.socket_addrs()[0];
    let (json, _) = seated(Client::builder().connect_tcp(at).await.unwrap()).await;
    let (proto, _) =
        seated(Client::builder().serializer(Serializer::Protobuf).connect_tcp(at).await.unwrap()).await;
    let mut notes = json.pushes::<Note>();
    let noted = proto.request(&Table::NOTE, &step("hello")).await.unwrap();
    assert_eq!(noted.to, [1], "the client with JSON");
    assert_eq!(soon("the push", notes.next()).await.unwrap().text, "hello");
    running.stop().await;
    let running =
        table(Serializer::Json, Tcp::new("127.0.0.1:0")).server_type("reader").start().await.unwrap();
    let builder = Client::builder().serializer(Serializer::Protobuf);
    let proto = builder.connect_tcp(running.socket_addrs()[0]).await.unwrap();
    let error = proto.request_raw("reader.reader.read", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");
    assert!(error.msg().contains("has no Protobuf form"), "{error}");
    assert!(proto.is_connected());
    running.stop().await;
}

/// JSON would have `null`, which no reader of a number takes.
#[tokio::test]
async fn json_server_refuses_floats_that_are_not_finite() {
    let point = |x: f64| Point { at: vec![0.5, x] };
    for serializer in [Serializer::Protobuf, Serializer::MessagePack] {
        for (server, taken) in
            [(Serializer::Json, false), (NarrowJson.into(), false), (serializer.clone(), true)]
        {
            let running = table(server.clone(), Tcp::new("127.0.0.1:0")).start().await.unwrap();
            let builder = Client::builder().serializer(serializer.clone());
            let client = builder.connect_tcp(running.socket_addrs()[0]).await.unwrap();
            assert_eq!(client.request(&Table::AIM, &point(5.0)).await.unwrap(), point(5.0));
            for x in [f64::NAN, f64::INFINITY] {
                let aimed = client.request(&Table::AIM, &point(x)).await;
                assert_eq!(aimed.is_ok(), taken, "{serializer:?} at {server:?}: {aimed:?}");
                if let Err(error) = aimed {
                    assert_eq!(
                        (error.code(), error.msg()),
                        ("PIT-400", "a number is not finite, which JSON cannot express")
                    );
                }
            }
            running.stop().await;
        }
    }
}
