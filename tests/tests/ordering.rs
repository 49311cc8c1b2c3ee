//! The order of one session's messages, and what does not wait for it.

use pitaya::session::CloseReason;
use pitaya_tests::arena::{self, config};
use pitaya_tests::raw::{Got, Raw};
use pitaya_tests::{soon, until};

pitaya::link!(pitaya_tests);

fn text(text: &str) -> String {
    format!(r#"{{"text":"{text}"}}"#)
}

#[tokio::test]
async fn messages_of_one_session_are_handled_one_at_a_time_in_their_order() {
    let ring = arena::start(config()).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.notify("arena.gated", text("a")).await;
    client.notify("arena.gated", text("b")).await;
    client.notify("arena.note", text("c")).await;
    ring.witness.wrote("begin a").await;
    ring.witness.open("b");
    ring.witness.open("a");
    ring.witness.wrote("c").await;
    assert_eq!(ring.witness.lines(), ["begin a", "end a", "begin b", "end b", "c"]);
    ring.app.stop().await;
}

#[tokio::test]
async fn sessions_never_wait_for_each_other() {
    let ring = arena::start(config()).await;
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let mut client = Raw::ready(ring.tcp).await;
        client.request("arena.hang", "").await;
        stuck.push(client);
    }
    let mut client = Raw::ready(ring.tcp).await;
    assert_eq!(client.ask("arena.raw", "free").await, "free");
    drop(stuck);
    drop(client);
}

#[tokio::test]
async fn concurrent_routes_neither_wait_nor_hold() {
    let ring = arena::start(config()).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.request("arena.gated", text("lane")).await;
    ring.witness.wrote("begin lane").await;
    client.request("arena.beside", text("one")).await;
    client.request("arena.beside", text("two")).await;
    ring.witness.wrote("begin one").await;
    ring.witness.wrote("begin two").await;
    ring.witness.open("two");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text("two")));
    ring.witness.open("one");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text("one")));
    ring.witness.open("lane");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text("lane")));
    ring.app.stop().await;
}

#[tokio::test]
async fn at_the_bound_of_concurrent_calls_the_connection_stops_reading_until_one_ends() {
    let mut config = config();
    config.session_concurrent = 2;
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    for name in ["a", "b", "c"] {
        client.request("arena.beside", text(name)).await;
    }
    ring.witness.wrote("begin b").await;
    client.request("arena.raw", "later").await;
    assert!(!ring.witness.lines().contains(&"begin c".to_owned()));
    ring.witness.open("a");
    ring.witness.wrote("begin c").await;
    ring.witness.open("b");
    ring.witness.open("c");
    let mut bodies = Vec::new();
    for _ in 0..4 {
        bodies.push(client.next().await.unwrap().text().to_owned());
    }
    bodies.sort();
    assert_eq!(
        bodies,
        [&*text("a"), &*text("b"), &*text("c"), "later"]
            .map(ToOwned::to_owned)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
    ring.app.stop().await;
}

#[tokio::test]
async fn at_the_bound_of_waiting_messages_the_connection_stops_reading_and_goes_on_later() {
    let mut config = config();
    config.session_pending = 4;
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.notify("arena.gated", text("first")).await;
    ring.witness.wrote("begin first").await;
    for n in 0..100 {
        client.notify("arena.note", text(&n.to_string())).await;
    }
    ring.witness.open("first");
    ring.witness.wrote("99").await;
    let notes: Vec<_> =
        ring.witness.lines().into_iter().filter_map(|line| line.parse::<u32>().ok()).collect();
    assert_eq!(notes, (0..100).collect::<Vec<_>>());
    ring.app.stop().await;
}

#[tokio::test]
async fn a_kick_reaches_a_client_whose_handler_hangs() {
    let ring = arena::start(config()).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.ask("arena.bind", text("ann")).await;
    client.request("arena.hang", "").await;
    until("the handler to run", || ring.witness.running.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    ring.app.sessions().by_uid("ann").unwrap().kick().await.unwrap();
    assert_eq!(client.closed().await, [Got::Kick]);
}

#[tokio::test]
async fn heartbeats_pushes_and_a_kick_get_through_a_handler_that_never_empties_a_busy_channel() {
    let mut config = config();
    config.heartbeat_interval = std::time::Duration::from_secs(1);
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.ask("arena.bind", text("ann")).await;
    client.request("arena.busy", "").await;
    until("the handler to run", || ring.witness.running.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    let session = ring.app.sessions().by_uid("ann").unwrap();
    session.push(&arena::OnText { text: "through".into() }).await.unwrap();
    let push = client.next().await.unwrap();
    assert_eq!(push.text(), text("through"));
    while !matches!(client.any().await, Some(Got::Heartbeat)) {}
    session.kick().await.unwrap();
    let rest = client.closed().await;
    assert!(rest.contains(&Got::Kick), "{rest:?}");
    ring.app.stop().await;
}

#[tokio::test]
async fn a_handler_outlives_its_connection_and_close_callbacks_run_after_it() {
    let ring = arena::start(config()).await;
    let witness = std::sync::Arc::clone(&ring.witness);
    ring.app.sessions().on_close(move |session| {
        let witness = std::sync::Arc::clone(&witness);
        async move { witness.write(format!("closed {:?}", session.close_reason().unwrap())) }
    });
    let mut client = Raw::ready(ring.tcp).await;
    client.request("arena.gated", text("slow")).await;
    client.request("arena.beside", text("beside")).await;
    client.request("arena.note", text("dropped")).await;
    ring.witness.wrote("begin slow").await;
    ring.witness.wrote("begin beside").await;
    drop(client);
    until("the session to go", || ring.app.sessions().count() == 0).await;
    ring.witness.open("slow");
    ring.witness.wrote("end slow").await;
    assert!(!ring.witness.lines().iter().any(|line| line.starts_with("closed")));
    ring.witness.open("beside");
    ring.witness.wrote(&format!("closed {:?}", CloseReason::Client)).await;
    let lines = ring.witness.lines();
    assert_eq!(lines.last().map(String::as_str), Some("closed Client"));
    assert!(!lines.contains(&"dropped".to_owned()));
    ring.app.stop().await;
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_cut_off_and_the_next_message_is_handled() {
    let mut config = config();
    config.handler_timeout = std::time::Duration::from_millis(200);
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    assert_eq!(client.ask("arena.hang", "").await, r#"{"code":"PIT-408","msg":"handler timeout"}"#);
    assert_eq!(client.ask("arena.raw", "next").await, "next");
    assert_eq!(ring.witness.running.load(std::sync::atomic::Ordering::SeqCst), 0);
    soon("the stop", ring.app.stop()).await;
}
