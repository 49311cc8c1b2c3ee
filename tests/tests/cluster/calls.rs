//! Forwarded messages, and calls between servers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pitaya::cluster::Router;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya_tests::log::CapturedLog;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{config, text};

use crate::test_cluster::{HallApiClient, TestCluster};

#[tokio::test]
async fn forwarded_message_returns_answer_unchanged() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    assert_eq!(client.ask("hall.hall.say", r#"{"text":"hi"}"#).await, r#"{"text":"hall-1 hi"}"#);
    assert_eq!(client.ask("hall.hall.raw", " any bytes \u{0}").await, " any bytes \u{0}");
    client.notify("hall.hall.note", r#"{"text":"this"}"#).await;
    cluster.recorder.wrote("noted this").await;
    for (route, answer) in [
        ("hall.hall.fail", r#"{"code":"H-1","msg":"as asked","metadata":{"some":"meta"}}"#),
        ("hall.hall.null", r#"{"code":"PIT-000","msg":"reply must not be null"}"#),
        ("hall.hall.panic", r#"{"code":"PIT-000","msg":"internal error"}"#),
        ("hall.hall.nothing", r#"{"code":"PIT-404","msg":"pitaya/handler: hall.hall.nothing not found"}"#),
        ("hall.hall.note", r#"{"code":"PIT-400","msg":"tried to request a notify route"}"#),
        ("hall.hall.echo", r#"{"code":"PIT-404","msg":"pitaya/handler: hall.hall.echo not found"}"#),
        // What servers ask of each other no client can ask.
        ("hall.sys.kick", r#"{"code":"PIT-404","msg":"pitaya/handler: hall.sys.kick not found"}"#),
        ("gate.sys.kick", r#"{"code":"PIT-404","msg":"pitaya/handler: gate.sys.kick not found"}"#),
        ("attic.attic.say", r#"{"code":"PIT-404","msg":"pitaya/handler: attic.attic.say not found"}"#),
    ] {
        let got = client.call(route, "{}").await;
        assert!(matches!(got, Got::Response { error: true, .. }), "{route}: {got:?}");
        assert_eq!(got.text(), answer, "{route}");
    }
    let Got::Response { error: true, .. } = client.call("hall.hall.say", "no json").await else { panic!() };
    assert_eq!(client.ask("gate.gate.say", r#"{"text":"here"}"#).await, r#"{"text":"here"}"#);
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn session_messages_keep_order_across_servers() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    client.request("hall.hall.slow", r#"{"text":"one"}"#).await;
    client.notify("hall.hall.note", r#"{"text":"two"}"#).await;
    client.request("gate.gate.say", r#"{"text":"three"}"#).await;
    cluster.recorder.wrote("begin one").await;
    // Another session does not wait for this one.
    let mut other = RawClient::of(&gate).await;
    assert_eq!(other.ask("hall.hall.say", r#"{"text":"hi"}"#).await, r#"{"text":"hall-1 hi"}"#);
    assert_eq!(cluster.recorder.lines(), ["begin one"]);
    cluster.recorder.open("one");
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"one"}"#);
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"three"}"#);
    assert_eq!(cluster.recorder.lines(), ["begin one", "end one", "noted two"]);
    gate.stop().await;
    hall.stop().await;
}

/// Where the configuration says so.
#[tokio::test]
async fn forwarded_messages_may_start_on_arrival() {
    let cluster = TestCluster::default();
    let hall = cluster.hall("hall-1").await;
    let mut config = config();
    config.session.concurrent_forward = true;
    let gate = cluster.server("gate", "gate-1", config).acceptor(pitaya::acceptor::Tcp::new("127.0.0.1:0"));
    let gate = gate.start().await.unwrap();
    let mut client = RawClient::of(&gate).await;
    client.request("hall.hall.slow", r#"{"text":"one"}"#).await;
    client.request("hall.hall.say", r#"{"text":"two"}"#).await;
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"hall-1 two"}"#);
    cluster.recorder.open("one");
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"one"}"#);
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn servers_call_each_other_by_typed_clients() {
    let cluster = TestCluster::default();
    let (one, two) = (cluster.hall("hall-1").await, cluster.hall("hall-2").await);
    let gate = cluster.gate("gate-1").await;
    let mut client = RawClient::of(&gate).await;
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        seen.insert(client.ask("gate.gate.ask", r#"{"text":"hi"}"#).await);
    }
    assert_eq!(seen.len(), 2, "any of them is called: {seen:?}");
    assert_eq!(client.ask("gate.gate.ask_on", r#"{"text":"hall-2"}"#).await, r#"{"text":"hall-2 hall-2"}"#);
    let first = client.ask("gate.gate.ask_by", r#"{"text":"player-9"}"#).await;
    for _ in 0..10 {
        assert_eq!(
            client.ask("gate.gate.ask_by", r#"{"text":"player-9"}"#).await,
            first,
            "one key, one server"
        );
    }
    assert_eq!(
        client.ask("gate.gate.ask_fail", "{}").await,
        r#"{"code":"H-1","msg":"as asked","metadata":{"some":"meta"}}"#
    );
    assert_eq!(client.ask("gate.gate.ask_panic", "{}").await, r#"{"code":"PIT-000","msg":"internal error"}"#);
    for (route, answer) in [
        (
            "hall.hall.nothing",
            r#"{"code":"PIT-404","msg":"route not found","metadata":{"route":"hall.nothing"}}"#,
        ),
        ("hall.hall.say", r#"{"code":"PIT-404","msg":"route not found","metadata":{"route":"hall.say"}}"#),
        (
            "attic.attic.say",
            r#"{"code":"PIT-500","msg":"no servers available of this type","metadata":{"route":"attic.attic.say","type":"attic"}}"#,
        ),
        (
            "gate.gate.say",
            r#"{"code":"PIT-000","msg":"you are making a rpc that may be processed locally, either specify a different server type or specify a server id"}"#,
        ),
        (
            "hall",
            r#"{"code":"PIT-400","msg":"invalid route","metadata":{"form":"service.method or server.service.method","route":"hall"}}"#,
        ),
    ] {
        assert_eq!(
            client.ask("gate.gate.ask_raw", format!(r#"{{"text":"{route}"}}"#)).await,
            answer,
            "{route}"
        );
    }
    let unknown = client.ask("gate.gate.ask_on", r#"{"text":"hall-3"}"#).await;
    assert!(unknown.starts_with(r#"{"code":"PIT-000","msg":"server not found""#), "{unknown}");
    for app in [gate, one, two] {
        app.stop().await;
    }
}

#[tokio::test]
async fn a_call_has_the_callers_context_and_what_it_put_in() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    assert_eq!(
        client.ask("gate.gate.ask_context", "{}").await,
        r#"{"text":"Some(\"gate-1\") Some(\"gate\") Some(7) true true"}"#
    );
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn late_call_fails_and_its_remote_finishes() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    let late = client.ask("gate.gate.ask_late", r#"{"text":"x"}"#).await;
    assert!(late.contains(r#""msg":"rpc client: request timeout""#), "{late}");
    assert!(late.contains("PIT-408") || late.contains("PIT-500"), "{late}");
    assert_eq!(cluster.recorder.lines(), ["waits x"]);
    cluster.recorder.open("x");
    cluster.recorder.wrote("waited x").await;
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn nested_call_gets_only_the_remaining_time() {
    let cluster = TestCluster::default();
    let hall = cluster.hall("hall-1").await;
    let other = cluster.hall("hall-2").await;
    // From within a call of a remote, whose caller waits for 300 ms, a call that would wait for 5 s.
    let gate = cluster.gate("gate-1").await;
    let rpc: HallApiClient = gate.app().service().unwrap();
    let started = tokio::time::Instant::now();
    let error = rpc
        .to_server("hall-1")
        .with_timeout(Duration::from_millis(300))
        .relay(&text("hall-2"))
        .await
        .unwrap_err();
    assert_eq!(error.msg(), "rpc client: request timeout");
    assert!(started.elapsed() < Duration::from_secs(3));
    cluster.recorder.wrote("relay ended").await;
    let waited = cluster.recorder.lines();
    assert!(waited.contains(&"relayed PIT-408".to_owned()), "{waited:?}");
    cluster.recorder.open("hall-2");
    for app in [gate, hall, other] {
        app.stop().await;
    }
}

#[tokio::test]
async fn custom_router_chooses_for_messages_and_calls() {
    let cluster = TestCluster::default();
    let halls = [cluster.hall("hall-1").await, cluster.hall("hall-2").await, cluster.hall("hall-3").await];
    let last = Router::custom(|_, servers| {
        servers.last().cloned().ok_or_else(|| Error::new("R-1", "there is none"))
    });
    let by_user = Router::by_key(|call| Some(call.session?.uid()?.to_string()));
    let tcp = || pitaya::acceptor::Tcp::new("127.0.0.1:0");
    let gate =
        cluster.server("gate", "g", config()).router("hall", last).acceptor(tcp()).start().await.unwrap();
    let mut client = RawClient::of(&gate).await;
    for _ in 0..10 {
        assert_eq!(client.ask("hall.hall.say", r#"{"text":""}"#).await, r#"{"text":"hall-3 "}"#);
        assert_eq!(client.ask("gate.gate.ask", r#"{"text":""}"#).await, r#"{"text":"hall-3 "}"#);
    }
    gate.stop().await;
    let gate =
        cluster.server("gate", "h", config()).router("hall", by_user).acceptor(tcp()).start().await.unwrap();
    for uid in ["ann", "bob", "cid", "dan"] {
        let mut client = RawClient::of(&gate).await;
        client.ask("gate.gate.bind", format!(r#"{{"text":"{uid}"}}"#)).await;
        let mut seen = BTreeSet::new();
        for _ in 0..10 {
            seen.insert(client.ask("hall.hall.say", r#"{"text":""}"#).await);
        }
        assert_eq!(seen.len(), 1, "{uid}: {seen:?}");
    }
    gate.stop().await;
    for hall in halls {
        hall.stop().await;
    }
}

#[tokio::test]
async fn new_server_is_called_and_gone_one_is_not() {
    let cluster = TestCluster::default();
    let gate = cluster.gate("gate-1").await;
    let mut client = RawClient::of(&gate).await;
    assert_eq!(
        client.ask("hall.hall.say", "{}").await,
        r#"{"code":"PIT-404","msg":"pitaya/handler: hall.hall.say not found"}"#,
        "no server of the type was ever there"
    );
    let one = cluster.hall("hall-1").await;
    assert_eq!(client.ask("hall.hall.say", r#"{"text":"a"}"#).await, r#"{"text":"hall-1 a"}"#);
    let two = cluster.hall("hall-2").await;
    one.stop().await;
    for _ in 0..20 {
        assert_eq!(client.ask("hall.hall.say", r#"{"text":"b"}"#).await, r#"{"text":"hall-2 b"}"#);
    }
    assert_eq!(gate.app().servers().unwrap().view().count_by_type(), [("gate", 1), ("hall", 1)].into());
    assert!(gate.app().is_ready().await);
    two.stop().await;
    assert_eq!(
        client.ask("hall.hall.say", "{}").await,
        r#"{"code":"PIT-500","msg":"no servers available of this type","metadata":{"route":"hall.hall.say","type":"hall"}}"#,
        "there were servers of the type"
    );
    gate.stop().await;
}

/// Servers by type, calls on both sides.
#[tokio::test]
async fn servers_are_counted_and_calls_are_timed() {
    let cluster = TestCluster::default();
    let (front, back) = (Arc::new(InMemoryReporter::new()), Arc::new(InMemoryReporter::new()));
    let hall = cluster
        .server("hall", "hall-1", config())
        .backend()
        .reporter(Arc::clone(&back))
        .start()
        .await
        .unwrap();
    let gate = cluster
        .server("gate", "gate-1", config())
        .reporter(Arc::clone(&front))
        .acceptor(pitaya::acceptor::Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let other = cluster.hall("hall-2").await;
    assert_eq!(front.value("count_servers", &[("type", "hall")]), Some(2.0));
    assert_eq!(front.value("count_servers", &[("type", "gate")]), Some(1.0));
    other.stop().await;
    assert_eq!(front.value("count_servers", &[("type", "hall")]), Some(1.0));

    let mut client = RawClient::of(&gate).await;
    client.ask("hall.hall.say", r#"{"text":"x"}"#).await;
    client.ask("hall.hall.fail", "{}").await;
    client.ask("gate.gate.ask", r#"{"text":"x"}"#).await;
    client.ask("hall.hall.made_up", "{}").await;
    let times = |memory: &InMemoryReporter, route: &str, kind: &str, status: &str, code: &str| {
        let labels = [("route", route), ("type", kind), ("status", status), ("code", code)];
        memory.count("response_time_ns", &labels)
    };
    assert_eq!(times(&front, "hall.hall.say", "rpc", "ok", ""), 1);
    assert_eq!(times(&front, "hall.hall.fail", "rpc", "failed", "H-1"), 1);
    assert_eq!(times(&front, "hall.hall.echo", "rpc", "ok", ""), 1);
    assert_eq!(
        times(&front, "", "rpc", "failed", "PIT-404"),
        1,
        "what clients make up has no label of its own"
    );
    assert_eq!(times(&front, "hall.hall.say", "handler", "ok", ""), 1, "as its client sees it");
    assert_eq!(times(&front, "hall.hall.fail", "handler", "failed", "H-1"), 1);
    assert_eq!(times(&front, "", "handler", "failed", "PIT-404"), 1);
    assert_eq!(front.count("response_time_ns", &[("route", "hall.hall.made_up")]), 0);
    assert_eq!(times(&front, "gate.gate.ask", "handler", "ok", ""), 1);
    assert_eq!(times(&back, "hall.hall.say", "handler", "ok", ""), 1);
    assert_eq!(times(&back, "hall.hall.fail", "handler", "failed", "H-1"), 1);
    assert_eq!(times(&back, "hall.hall.echo", "remote", "ok", ""), 1);
    gate.stop().await;
    hall.stop().await;
}

#[tokio::test]
async fn failed_forward_is_logged_with_its_route() {
    let log = CapturedLog::start(tracing::Level::DEBUG);
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    RawClient::of(&gate).await.ask("hall.hall.fail", "{}").await;
    let log = log.lines();
    let failed = |line: &String| line.contains("a call failed") && line.contains(r#"route="hall.hall.fail""#);
    assert!(log.iter().any(failed), "{log:?}");
    gate.stop().await;
    hall.stop().await;
}

/// It gets no new calls.
#[tokio::test]
async fn draining_server_serves_sessions_to_the_end() {
    let cluster = TestCluster::default();
    let (one, two) = (cluster.hall("hall-1").await, cluster.hall("hall-2").await);
    let gate = cluster.gate("gate-1").await;
    let mut client = RawClient::of(&gate).await;
    client.request("hall.hall.slow", r#"{"text":"first"}"#).await;
    cluster.recorder.wrote("begin first").await;
    one.drain().await;
    for _ in 0..20 {
        let mut other = RawClient::of(&gate).await;
        assert_eq!(other.ask("hall.hall.say", r#"{"text":"x"}"#).await, r#"{"text":"hall-2 x"}"#);
    }
    cluster.recorder.open("first");
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"first"}"#);
    for app in [gate, one, two] {
        app.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_stops_answers_what_it_has_taken_in() {
    let cluster = TestCluster::default();
    let (hall, gate) = (cluster.hall("hall-1").await, cluster.gate("gate-1").await);
    let mut client = RawClient::of(&gate).await;
    client.request("hall.hall.slow", r#"{"text":"last"}"#).await;
    cluster.recorder.wrote("begin last").await;
    let stopping = tokio::spawn(hall.stop());
    pitaya_tests::until("it has left", || gate.app().servers().unwrap().view().of_type("hall").is_empty())
        .await;
    cluster.recorder.open("last");
    assert_eq!(client.next().await.unwrap().text(), r#"{"text":"last"}"#);
    stopping.await.unwrap();
    gate.stop().await;
}
