//! The reported metrics: their labels, their units and their values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::app::Refusal;
use pitaya::cluster::EtcdDiscovery;
use pitaya::config::{Config, OutboxPolicy};
use pitaya::metrics::{InMemoryReporter, Sample};
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya::testing::memory_acceptor;
use pitaya::wire::packet::{self, Kind};
use pitaya_tests::etcd::{self, Etcd};
use pitaya_tests::nats::{self, Nats};
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{self, OnText, TestServer, config, text_json};
use pitaya_tests::{rest, until};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::time::{Instant, sleep};

pitaya::link!(pitaya_tests);

/// An arena that reports to memory.
async fn reported(config: Config) -> (TestServer, Arc<InMemoryReporter>) {
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    (server::start_with(config, |builder| builder.reporter(reporter)).await, metrics)
}

/// The label sets of a metric that have been used.
fn samples(metrics: &InMemoryReporter, name: &str) -> Vec<Sample> {
    metrics.all().into_iter().filter(|sample| sample.name == name && sample.count > 0).collect()
}

/// By route, status, type and code.
#[tokio::test]
async fn response_times_are_labelled_and_in_nanoseconds() {
    let mut config = config();
    config.handler_timeout = Duration::from_millis(300);
    config.metrics.game = "chess".into();
    let (server, metrics) = reported(config).await;
    let mut client = RawClient::ready(server.tcp).await;

    // One call waits for a time that is known from both sides.
    let asked = Instant::now();
    client.request("arena.gated", text_json("slow")).await;
    server.recorder.wrote("begin slow").await;
    let begun = Instant::now();
    sleep(Duration::from_millis(50)).await; // the time is what is measured
    let at_least = begun.elapsed();
    server.recorder.open("slow");
    assert_eq!(client.next().await.unwrap().text(), text_json("slow"));
    let at_most = asked.elapsed();

    for (route, body) in [
        ("arena.raw", "x"),
        ("arena.raw", "y"),
        ("test.arena.raw", "z"),
        ("arena.empty", ""),
        ("arena.fail", ""),
        ("arena.panic", ""),
        ("arena.late_panic", ""),
        ("arena.typed", "not JSON"),
        ("arena.note", r#"{"text":"a request"}"#),
        ("arena.none", ""),
        ("nobody.knows.this", ""),
    ] {
        client.call(route, body).await;
    }
    server.recorder.open("beside");
    client.call("arena.beside", text_json("beside")).await;
    client.notify("arena.note", text_json("a notify")).await;
    let asked_for_long = Instant::now();
    assert!(client.ask("arena.hang", "").await.contains("PIT-408"));
    let hung_at_most = asked_for_long.elapsed();

    let all = samples(&metrics, "pitaya_handler_response_time_ns");
    let mut counts = BTreeMap::new();
    for sample in &all {
        let labels: BTreeMap<_, _> = sample.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(labels.len(), sample.labels.len());
        assert_eq!(
            labels.keys().copied().collect::<Vec<_>>(),
            ["code", "game", "route", "serverType", "status", "type"]
        );
        assert_eq!((labels["game"], labels["serverType"], labels["type"]), ("chess", "test", "handler"));
        counts.insert((labels["route"], labels["status"], labels["code"]), sample.count);
        assert!(sample.sum > 0.0 && sample.sum < asked.elapsed().as_nanos() as f64, "{sample:?}");
    }
    let expected = [
        (("", "failed", "PIT-404"), 2),
        (("test.arena.beside", "ok", ""), 1),
        (("test.arena.empty", "ok", ""), 1),
        (("test.arena.fail", "failed", "T-1"), 1),
        (("test.arena.gated", "ok", ""), 1),
        (("test.arena.hang", "failed", "PIT-408"), 1),
        (("test.arena.late_panic", "failed", "PIT-000"), 1),
        (("test.arena.note", "failed", "PIT-400"), 1),
        (("test.arena.note", "ok", ""), 1),
        (("test.arena.panic", "failed", "PIT-000"), 1),
        (("test.arena.raw", "ok", ""), 3),
        (("test.arena.typed", "failed", "PIT-400"), 1),
    ];
    assert_eq!(counts, BTreeMap::from(expected));

    let took = |route| Duration::from_secs_f64(metrics.sum("response_time_ns", &[("route", route)]) / 1e9);
    let slow = took("test.arena.gated");
    assert!(at_least <= slow && slow <= at_most, "{at_least:?} to {at_most:?}, not {slow:?}");
    let hung = took("test.arena.hang");
    assert!(
        Duration::from_millis(300) <= hung && hung <= hung_at_most,
        "300ms to {hung_at_most:?}, not {hung:?}"
    );
    server.app.stop().await;
}

#[tokio::test]
async fn connected_clients_gauge_follows_each_client() {
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let server = server::start_with(config(), |builder| {
        builder.reporter(reporter).authenticate(|_, request| async move {
            if request.sys.platform == "unwanted" { Err(Refusal::new()) } else { Ok(()) }
        })
    })
    .await;
    let now = || metrics.value("connected_clients", &[]).unwrap_or(0.0);
    let goes_to = |level: f64| until("the level", move || now() == level);

    let mut clients = Vec::new();
    for level in 1..=5 {
        clients.push(RawClient::ready(server.tcp).await);
        assert_eq!(now(), f64::from(level), "it is there before its handshake is answered");
    }
    let mut unwanted = RawClient::connect(server.tcp).await;
    goes_to(6.0).await;
    unwanted.packet(Kind::Handshake, br#"{"sys":{"platform":"unwanted"}}"#).await;
    assert_eq!(unwanted.closed().await.len(), 1, "the refusal");
    goes_to(5.0).await;

    drop(clients.pop());
    goes_to(4.0).await;
    clients[0].packet(Kind::Data, b"\x00\x01").await;
    goes_to(3.0).await;
    clients[1].request("arena.kick", "").await;
    goes_to(2.0).await;
    clients[2].request("arena.close", "").await;
    goes_to(1.0).await;
    clients.push(RawClient::ready(server.tcp).await);
    assert_eq!(now(), 2.0);
    server.app.stop().await;
    goes_to(0.0).await;
    assert_eq!(samples(&metrics, "pitaya_acceptor_connected_clients").len(), 1, "one level for all");
}

#[tokio::test]
async fn free_outbox_places_are_reported() {
    let mut config = config();
    config.agent.messages = 40;
    let (server, metrics) = reported(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    // Each answer leaves as soon as its handler rests, with all that was pushed before.
    let mut free = 39.0; // the handshake's
    let mut expected = vec![free];
    for (pushes, left) in [(0, 39.0), (30, 9.0), (39, 0.0), (60, 0.0)] {
        client.call("arena.push", format!(r#"{{"n":{pushes}}}"#)).await;
        free += left;
        expected.push(left);
    }
    let [sample] = &samples(&metrics, "pitaya_channel_channel_capacity")[..] else { panic!("one queue") };
    assert!(sample.labels.contains(&("channel".to_owned(), "agent_chsend".to_owned())), "{sample:?}");
    assert_eq!((sample.count, sample.sum), (5, free));
    for (bound, count) in &sample.buckets {
        assert_eq!(*count, expected.iter().filter(|left| *left <= bound).count() as u64, "up to {bound}");
    }
    server.app.stop().await;
}

// ---- messages that do not leave

const DROPPED: &str = "outbox_dropped_messages";

/// How many messages were dropped: by a full outbox, for a newer one, with a closed session.
fn dropped(metrics: &InMemoryReporter) -> [f64; 3] {
    ["full", "replaced", "closed"].map(|reason| metrics.sum(DROPPED, &[("reason", reason)]))
}

/// A bound client over a link that holds little, with its session.
async fn over_little(
    change: impl FnOnce(&mut Config),
) -> (TestServer, Arc<InMemoryReporter>, RawClient<DuplexStream>, Session) {
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let mut config = config();
    change(&mut config);
    let (acceptor, dialer) = memory_acceptor();
    let server = server::start_with(config, |builder| builder.reporter(reporter).acceptor(acceptor)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    client.ask("arena.bind", text_json("ann")).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    (server, metrics, client, session)
}

/// Pushes `n` times outside of a call, and returns how many pushes were accepted.
async fn push(session: &Session, count: usize) -> usize {
    let mut taken = 0;
    for n in 0..count {
        taken +=
            usize::from(session.push(&OnText { text: format!("{n} {}", "x".repeat(1000)) }).await.is_ok());
        rest().await; // the writer writes what it can
    }
    taken
}

#[tokio::test(start_paused = true)]
async fn pushes_that_a_full_outbox_drops_are_counted() {
    let (server, metrics, mut client, session) =
        over_little(|config| config.session.outbox.policy = OutboxPolicy::Drop).await;
    let taken = push(&session, 400).await;
    assert!(taken < 400 && !session.is_closed());
    assert_eq!(dropped(&metrics), [(400 - taken) as f64, 0.0, 0.0]);
    for _ in 0..taken {
        assert!(matches!(client.next().await, Some(Got::Push { .. })));
    }
    assert_eq!(client.ask("arena.raw", "all came").await, "all came");
    server.app.stop().await;
    assert_eq!(dropped(&metrics), [(400 - taken) as f64, 0.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn call_with_delayed_answer_is_reported_once() {
    let (server, metrics, mut client, session) =
        over_little(|config| config.session.outbox.policy = OutboxPolicy::Drop).await;
    let taken = push(&session, 400).await;
    assert!(taken < 400);
    client.request("arena.fail", "").await;
    rest().await; // the call fails, and there is no room to say so
    for _ in 0..taken {
        assert!(matches!(client.next().await, Some(Got::Push { .. })));
    }
    assert!(matches!(client.next().await, Some(Got::Response { error: true, .. })));
    let count =
        |status| metrics.count("response_time_ns", &[("route", "test.arena.fail"), ("status", status)]);
    assert_eq!([count("failed"), count("ok")], [1, 0]);
    server.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pushes_lost_to_a_slow_client_are_counted() {
    let (server, metrics, mut client, session) = over_little(|_| {}).await;
    let taken = push(&session, 400).await;
    assert!(taken < 400);
    assert_eq!(session.close_reason(), Some(CloseReason::TooSlow));
    let received = whole_packets(&mut client.stream).await;
    assert_eq!(dropped(&metrics), [1.0, 0.0, (taken - received) as f64], "{received} of {taken} came");
    server.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pushes_that_give_way_to_newer_ones_are_counted() {
    let (server, metrics, mut client, session) =
        over_little(|config| config.session.outbox.policy = OutboxPolicy::Latest).await;
    assert_eq!(push(&session, 400).await, 400);
    client.request("arena.raw", "the end").await;
    let mut received = 0;
    while let Some(Got::Push { .. }) = client.next().await {
        received += 1;
    }
    assert!(received < 400);
    assert_eq!(dropped(&metrics), [0.0, (400 - received) as f64, 0.0], "{received} came");
    server.app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn unwritten_messages_of_a_session_are_counted() {
    for kick in [false, true] {
        let (server, metrics, mut client, session) = over_little(|_| {}).await;
        let taken = push(&session, 150).await;
        assert_eq!((taken, dropped(&metrics)), (150, [0.0; 3]), "there is room for all");
        if kick {
            session.kick().await.unwrap();
        } else {
            session.close();
        }
        assert_eq!(dropped(&metrics), [0.0; 3], "they have their time to leave");
        sleep(Duration::from_secs(60)).await;
        let received = whole_packets(&mut client.stream).await;
        let all = taken + usize::from(kick);
        assert!(received < all);
        assert_eq!(dropped(&metrics), [0.0, 0.0, (all - received) as f64], "{received} of {all} came");
        server.app.stop().await;
    }
}

#[tokio::test]
async fn pushes_to_a_refused_client_are_counted() {
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let server = server::start_with(config(), |builder| {
        builder.reporter(reporter).authenticate(|session, _| async move {
            for n in 0..3 {
                session.push(&OnText { text: n.to_string() }).await.expect("it waits");
            }
            Err(Refusal::new())
        })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, b"{}").await;
    assert!(matches!(&client.closed().await[..], [Got::Handshake(_)]), "nothing but the refusal");
    assert_eq!(dropped(&metrics), [0.0, 0.0, 3.0]);
    server.app.stop().await;
}

#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn broker_and_registry_events_are_counted() {
    let (mut nats, etcd) = (Nats::start().await, Etcd::shared().await);
    let (metrics, prefix) = (Arc::new(InMemoryReporter::new()), etcd::prefix());
    let mut client = etcd.client().await;
    client.put(format!("{prefix}servers/room/stranger"), "no server", None).await.unwrap();
    let mut config = config();
    config.metrics.period = Duration::from_millis(20);
    let discovery = EtcdDiscovery::new(etcd.options(&prefix));
    let app = App::builder()
        .config(config)
        .server_type("test")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .explicit_components()
        .reporter(Arc::clone(&metrics))
        .discovery(discovery)
        .transport(nats::transport(&nats));
    let app = app.start().await.unwrap();
    let count = |name| metrics.value(name, &[]);
    until("the registration", || count("discovery_registrations") == Some(1.0)).await;
    until("the stranger", || count("discovery_skipped_entries") == Some(1.0)).await;
    assert_eq!(count("discovery_failures"), Some(0.0));
    for times in [1.0, 2.0] {
        nats.kill();
        nats.restart().await;
        until("it is back", || count("transport_reconnects") == Some(times)).await;
    }
    assert_eq!(count("transport_moves"), Some(0.0));
    app.stop().await;
}

/// How many whole packets come before the end.
async fn whole_packets(stream: &mut DuplexStream) -> usize {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let (mut rest, mut packets) = (&bytes[..], 0);
    while let Some((_, used)) = packet::split(rest, packet::MAX_BODY).unwrap() {
        rest = &rest[used..];
        packets += 1;
    }
    packets
}
