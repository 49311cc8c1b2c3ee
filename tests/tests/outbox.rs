//! The outbox is bounded and ordered, and a slow client affects no other client.

use std::sync::Arc;
use std::time::Duration;

use pitaya::config::OutboxPolicy;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya_tests::raw_client::{Got, RawClient, notify};
use pitaya_tests::server::{self, OnText, config, text_json};
use pitaya_tests::{PATIENCE, until};

pitaya::link!(pitaya_tests);

#[tokio::test]
async fn thousand_pushes_of_a_handler_keep_order() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.push", r#"{"n":1000}"#).await;
    for n in 0..1000 {
        let Some(Got::Push { route, body }) = client.next().await else { panic!("push {n}") };
        assert_eq!((route.as_str(), &body[..]), ("onText", text_json(&n.to_string()).as_bytes()));
    }
    assert!(matches!(client.next().await, Some(Got::Response { error: false, .. })));
    server.app.stop().await;
}

/// No other session waits.
#[tokio::test]
async fn push_to_a_stuck_client_makes_handler_wait() {
    let mut config = config();
    config.agent.write_timeout = Duration::from_millis(400);
    let server = server::start(config).await;
    let mut stuck = RawClient::ready(server.tcp).await;
    stuck.ask("arena.bind", text_json("stuck")).await;
    stuck.request("arena.flood", "").await;
    let session = server.app.app().sessions().by_uid("stuck").unwrap();
    let mut healthy = RawClient::ready(server.tcp).await;
    for n in 0..50 {
        assert_eq!(healthy.ask("arena.raw", n.to_string()).await, n.to_string());
    }
    // The write deadline ends it, the waiting handler gets an error, the session goes.
    until("the stuck client to be closed", || session.is_closed()).await;
    assert_eq!(session.close_reason(), Some(CloseReason::TooSlow));
    until("the handler to end", || server.recorder.running.load(std::sync::atomic::Ordering::SeqCst) == 0)
        .await;
    assert_eq!(healthy.ask("arena.raw", "fine").await, "fine");
    server.app.stop().await;
}

/// Pushes outside of a call until the policy applies, or `limit` is reached.
async fn push_until_refused(session: &Session, limit: usize) -> usize {
    for n in 0..limit {
        if session.push(&OnText { text: format!("{n}-{}", "x".repeat(1000)) }).await.is_err() {
            return n;
        }
        // The writer gets its turn.
        tokio::task::yield_now().await;
    }
    limit
}

#[tokio::test]
async fn default_policy_disconnects_a_stuck_client() {
    let server = server::start(config()).await;
    let mut stuck = RawClient::ready(server.tcp).await;
    stuck.ask("arena.bind", text_json("stuck")).await;
    let session = server.app.app().sessions().by_uid("stuck").unwrap();
    assert!(push_until_refused(&session, 200_000).await < 200_000);
    assert_eq!(session.close_reason(), Some(CloseReason::TooSlow));
    assert!(server.app.app().sessions().by_uid("stuck").is_none());
    server.app.stop().await;
}

#[tokio::test]
async fn the_policy_drop_drops_pushes_and_keeps_the_client() {
    let mut config = config();
    config.session.outbox.policy = OutboxPolicy::Drop;
    let server = server::start(config).await;
    let mut slow = RawClient::ready(server.tcp).await;
    slow.ask("arena.bind", text_json("slow")).await;
    let session = server.app.app().sessions().by_uid("slow").unwrap();
    let sent = push_until_refused(&session, 200_000).await;
    assert!(sent < 200_000 && !session.is_closed());
    let refused = session.push(&OnText { text: "x".repeat(1000) }).await.unwrap_err();
    assert_eq!((refused.code(), refused.msg()), ("PIT-503", "the outbox of the client is full"));
    for n in 0..sent {
        let Some(got @ Got::Push { .. }) = slow.next().await else { panic!("push {n}") };
        assert!(
            got.text().starts_with(&format!(r#"{{"text":"{n}-"#)),
            "in order, none lost before the first drop"
        );
    }
    assert_eq!(slow.ask("arena.raw", "fine").await, "fine");
    server.app.stop().await;
}

#[tokio::test]
async fn the_policy_latest_keeps_the_newest_push() {
    let mut config = config();
    config.session.outbox.policy = OutboxPolicy::Latest;
    let server = server::start(config).await;
    let mut slow = RawClient::ready(server.tcp).await;
    slow.ask("arena.bind", text_json("slow")).await;
    let session = server.app.app().sessions().by_uid("slow").unwrap();
    assert_eq!(push_until_refused(&session, 20_000).await, 20_000, "no push is refused");
    slow.request("arena.raw", "end").await;
    let (mut pushes, mut last) = (0, String::new());
    loop {
        match slow.next().await {
            Some(got @ Got::Push { .. }) => {
                pushes += 1;
                last = got.text().to_owned();
            }
            Some(Got::Response { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(pushes < 20_000, "some gave way");
    assert!(last.starts_with(r#"{"text":"19999-"#), "the newest stays");
    server.app.stop().await;
}

#[tokio::test]
async fn broadcast_burst_disconnects_no_healthy_client() {
    let server = server::start(config()).await;
    let mut clients = Vec::new();
    for n in 0..20 {
        let mut client = RawClient::ready(server.tcp).await;
        client.ask("arena.bind", text_json(&format!("u{n}"))).await;
        client.ask("arena.enter", "").await;
        clients.push(client);
    }
    let burst: Vec<u8> =
        (0..150).flat_map(|n| notify("arena.say", text_json(&n.to_string()).as_bytes())).collect();
    clients[0].send(&burst).await;
    for client in &mut clients {
        for n in 0..150 {
            let Some(got @ Got::Push { .. }) = client.next().await else { panic!("push {n} is missing") };
            assert_eq!(got.text(), text_json(&n.to_string()));
        }
    }
    assert_eq!(server.app.app().sessions().count(), 20);
    server.app.stop().await;
}

async fn member(server: &server::TestServer, uid: &str) -> RawClient {
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", text_json(uid)).await;
    client.ask("arena.enter", "").await;
    client
}

/// It reaches members only.
#[tokio::test]
async fn broadcast_skips_a_stuck_member() {
    for policy in [OutboxPolicy::Drop, OutboxPolicy::Disconnect] {
        let metrics = Arc::new(InMemoryReporter::new());
        let reporter = Arc::clone(&metrics);
        let mut config = config();
        config.session.outbox.policy = policy;
        config.agent.write_timeout = PATIENCE * 10; // it is the full outbox that tells, not the time
        let server = server::start_with(config, |builder| builder.reporter(reporter)).await;
        let mut stuck = member(&server, "stuck").await;
        let mut healthy = [member(&server, "ann").await, member(&server, "bob").await];
        let mut outsider = RawClient::ready(server.tcp).await;
        let session = server.app.app().sessions().by_uid("stuck").unwrap();
        let lost = || metrics.sum("outbox_dropped_messages", &[("reason", "full")]);

        // Until its socket takes nothing more and its outbox is full, and on from there.
        let (mut said, mut beyond) = (0, 0);
        while beyond < 30 {
            let news = text_json(&format!("{said} {}", "x".repeat(50_000)));
            outsider.notify("arena.say", &news).await;
            for client in &mut healthy {
                assert_eq!(client.next().await.unwrap().text(), news, "before anything else is said");
            }
            said += 1;
            beyond += usize::from(lost() > 0.0);
            assert!(said < 5000, "it takes all of it");
        }
        assert_eq!(outsider.ask("arena.raw", "done").await, "done");
        outsider.request("arena.raw", "nothing else").await;
        assert_eq!(outsider.next().await.unwrap().text(), "nothing else", "nothing for who is no member");

        if policy == OutboxPolicy::Disconnect {
            assert_eq!((session.close_reason(), lost()), (Some(CloseReason::TooSlow), 1.0));
            assert_eq!(server.app.app().sessions().count(), 3);
        } else {
            // It has what found room, in order, and is served as before once it reads.
            let mut received = Vec::new();
            stuck.request("arena.raw", "at last").await;
            while let Some(Got::Push { body, .. }) = stuck.next().await {
                let body = String::from_utf8(body.to_vec()).unwrap();
                received.push(body[9..].split(' ').next().unwrap().parse::<usize>().unwrap());
            }
            assert!(
                received.is_sorted() && received.len() as f64 == said as f64 - lost(),
                "{received:?} of {said}"
            );
            assert_eq!(stuck.ask("arena.raw", "as before").await, "as before");
        }
        server.app.stop().await;
    }
}

#[tokio::test]
async fn what_was_sent_before_a_close_is_still_delivered() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.push", r#"{"n":200}"#).await;
    client.request("arena.close", "").await;
    let all = client.closed().await;
    assert_eq!(all.iter().filter(|got| matches!(got, Got::Push { .. })).count(), 200);
    server.app.stop().await;
}
