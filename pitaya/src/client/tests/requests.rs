use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;

use super::*;
use crate::route::{Handler, Route};

static ECHO: Route<Say, Say, Handler> = Route::new("room.room.echo");

#[tokio::test]
async fn a_typed_request_gets_a_typed_answer() {
    let (client, mut server) = connected().await;
    let message = say("hi");
    let (answer, ()) = tokio::join!(client.request(&ECHO, &message), async {
        let got = server.message().await;
        assert_eq!((got.kind, got.id, &*got.route), (message::Kind::Request, 1, "room.room.echo"));
        assert_eq!(got.body, br#"{"text":"hi"}"#);
        server.respond(got.id, &got.body).await;
    });
    assert_eq!(answer.unwrap(), say("hi"));
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let (client, mut server) = connected().await;
    let bodies: Vec<_> = (0..200).map(|n| Bytes::from(n.to_string())).collect();
    let requests = join_all(bodies.iter().map(|body| client.request_raw("a.b", body.clone())));
    let (answers, ()) = tokio::join!(requests, async {
        let mut got = Vec::new();
        for _ in 0..200 {
            got.push(server.message().await);
        }
        for got in got.iter().rev() {
            server.respond(got.id, &got.body).await;
        }
    });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, bodies);
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn an_error_response_is_the_error() {
    let (client, mut server) = connected().await;
    for (body, code, text, pairs) in [
        (
            &br#"{"code":"PIT-433","msg":"no","metadata":{"some":"meta"}}"#[..],
            "PIT-433",
            "no",
            &[("some", "meta")][..],
        ),
        (br#"{"code":"X"}"#, "X", "", &[]),
        (b"oops", "PIT-000", "the server answered with an error of unknown form: oops", &[]),
        (b"", "PIT-000", "the server answered with an error of unknown form: ", &[]),
    ] {
        let (answer, ()) = tokio::join!(client.request_raw("a.b", Bytes::new()), async {
            let id = server.message().await.id;
            server.fail(id, body).await;
        });
        let error = answer.unwrap_err();
        assert_eq!((error.code(), error.msg(), error.metadata()), (code, text, &metadata(pairs)));
    }
}

#[tokio::test]
async fn an_answer_of_another_type_is_told() {
    let (client, mut server) = connected().await;
    let message = say("hi");
    let (answer, ()) = tokio::join!(client.request(&ECHO, &message), async {
        let id = server.message().await.id;
        server.respond(id, b"[]").await;
    });
    let error = answer.unwrap_err();
    assert_eq!(error.code(), "PIT-400");
    assert!(error.msg().starts_with("cannot read the answer of room.room.echo: "), "{error}");
}

/// A late answer does no harm.
#[tokio::test(start_paused = true)]
async fn unanswered_request_times_out() {
    let (client, mut server) = connected().await;
    let error = client.request_raw("a.b", Bytes::new()).await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("PIT-504", "request timeout"));
    assert_eq!(client.in_flight(), 0);
    let late = server.message().await.id;
    server.respond(late, b"late").await;
    round_trip(&client, &mut server).await;

    let before = tokio::time::Instant::now();
    let hasty = client.with_request_timeout(Duration::from_millis(10));
    assert_eq!(hasty.request_raw("a.b", Bytes::new()).await.unwrap_err().code(), "PIT-504");
    assert!(before.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_nothing_behind() {
    let (client, mut server) = connected().await;
    {
        let mut request = std::pin::pin!(client.request_raw("a.b", Bytes::new()));
        assert!(poll!(&mut request).is_pending());
        assert_eq!(client.in_flight(), 1);
    }
    assert_eq!(client.in_flight(), 0);
    let id = server.message().await.id;
    server.respond(id, b"").await;
    round_trip(&client, &mut server).await;
}

#[tokio::test]
async fn routes_of_the_dictionary_travel_as_codes_both_ways() {
    let said = Reply { dictionary: dictionary(&[("a.b", 1), ("onSay", 2)]), ..reply() };
    let (client, mut server) = connected_with(&Client::builder(), said).await;
    client.notify_route("a.b", &()).await.unwrap();
    client.notify_route("a.c", &()).await.unwrap();
    let got = server.message().await;
    assert_eq!((got.kind, &*got.route, got.coded), (message::Kind::Notify, "a.b", true));
    assert_eq!(got.body, b"{}");
    assert!(!server.message().await.coded);
    assert!(server.pushed("onSay", b"")[4] & 1 == 1);
    server.push("onSay", br#"{"text":"hi"}"#).await;
    assert_eq!(client.pushes::<Say>().next().await.unwrap(), say("hi"));
}

#[tokio::test]
async fn bodies_are_deflated_both_ways_where_it_helps() {
    let (client, mut server) = connected_with(&Client::builder().compress(true), reply()).await;
    server.compression = Compression::default();
    for (body, deflated) in [(long_json(), true), (b"{}".to_vec(), false)] {
        let (answer, got) = tokio::join!(client.request_raw("a.b", body.clone().into()), async {
            let got = server.message().await;
            server.respond(got.id, &got.body).await;
            got
        });
        assert_eq!((got.compressed, &got.body), (deflated, &body));
        assert_eq!(answer.unwrap(), body);
    }
    assert!(server.pushed("onSay", &long_json()).len() < 100);
    server.push("onSay", &long_json()).await;
    assert_eq!(client.pushes::<Say>().next().await.unwrap().text.len(), 1000);
}

#[tokio::test]
async fn a_client_compresses_only_if_told() {
    let (client, mut server) = connected().await;
    client.notify_raw("a.b", long_json().into()).await.unwrap();
    assert!(!server.message().await.compressed);
}

#[tokio::test]
async fn split_and_coalesced_packets_are_the_same_packets() {
    let (client, mut server) = connected().await;
    let mut says = client.pushes::<Say>();
    let mut stream = BytesMut::new();
    for n in 0..10 {
        stream.extend_from_slice(&server.pushed("onSay", format!(r#"{{"text":"{n}"}}"#).as_bytes()));
        stream.extend_from_slice(&packet::HEARTBEAT);
    }
    for size in [1, 3, stream.len()] {
        for part in stream.chunks(size) {
            server.send(part).await;
            tokio::task::yield_now().await;
        }
        for n in 0..10 {
            assert_eq!(says.next().await.unwrap(), say(&n.to_string()));
        }
    }
}

#[tokio::test]
async fn large_bodies_travel_both_ways() {
    let (client, mut server) = connected().await;
    let body = Bytes::from(vec![b'x'; 3_000_000]);
    let (answer, ()) = tokio::join!(client.request_raw("a.b", body.clone()), server.echo_one());
    assert_eq!(answer.unwrap(), body);
}

/// Requests in flight fail, and so do later ones.
#[tokio::test]
async fn requests_fail_when_the_connection_ends() {
    let (client, mut server) = connected().await;
    let requests = join_all((0..100).map(|_| client.request_raw("a.b", Bytes::new())));
    let (answers, ()) = tokio::join!(requests, async {
        for _ in 0..100 {
            server.message().await;
        }
        server.send(&packet::KICK).await;
    });
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-499", "the connection is over: kicked by the server"));
    }
    assert_eq!(client.request_raw("a.b", Bytes::new()).await.unwrap_err().code(), "PIT-499");
    assert_eq!(client.notify_route("a.b", &()).await.unwrap_err().code(), "PIT-499");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_here() {
    let (client, mut server) = connected().await;
    let long = "x".repeat(256);
    assert_eq!(client.notify_route(&long, &()).await.unwrap_err().code(), "PIT-400");
    let huge = Bytes::from(vec![0; MAX_BODY]);
    assert_eq!(client.request_raw("a.b", huge).await.unwrap_err().code(), "PIT-400");
    assert_eq!(client.in_flight(), 0);
    round_trip(&client, &mut server).await;
}

#[tokio::test(start_paused = true)]
async fn unread_requests_time_out_in_bounded_memory() {
    let (client, _server) = connected().await;
    let body = Bytes::from(vec![0; 10_000]);
    let mut sent = 0;
    let error = loop {
        match client.notify_raw("a.b", body.clone()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "PIT-504");
    assert!(sent < 100, "{sent} messages were taken");
    assert_eq!(client.request_raw("a.b", body).await.unwrap_err().code(), "PIT-504");
}
