use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::client::{CloseReason, End, Event, Events, Reconnect, ReconnectingClient};
use crate::wire::packet::KICK;

/// A server that connects again and again: each attempt of the client is a stream, or fails if the test takes none.
struct Door {
    streams: mpsc::UnboundedReceiver<DuplexStream>,
    attempts: Arc<AtomicU32>,
}

fn door(open: Arc<AtomicU32>) -> (Reconnect, Door) {
    let (sender, streams) = mpsc::unbounded_channel();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let how = Client::builder().reconnecting(move |builder| {
        counted.fetch_add(1, Relaxed);
        let (near, far) = tokio::io::duplex(64 * 1024);
        let refused = open.load(Relaxed) == 0 || sender.send(far).is_err();
        async move {
            if refused {
                return Err(ConnectError::Io(std::io::ErrorKind::ConnectionRefused.into()));
            }
            builder.connect_stream(near).await
        }
    });
    (how, Door { streams, attempts })
}

impl Door {
    /// Welcomes the next attempt. Returns the user data of its handshake.
    async fn welcome(&mut self) -> (Server, Option<String>) {
        let mut server = Server::new(self.streams.recv().await.unwrap());
        let request = server.welcome(&reply(), false).await;
        server.acked().await;
        (server, request.user_json().map(str::to_owned))
    }
}

async fn open(how: Reconnect, door: &mut Door) -> (ReconnectingClient, Events, Server) {
    let (connected, (server, _)) = tokio::join!(how.connect(), door.welcome());
    let (client, events) = connected.unwrap();
    (client, events, server)
}

fn body(n: usize) -> Bytes {
    n.to_string().into()
}

#[tokio::test(start_paused = true)]
async fn calls_wait_in_order_and_within_bounds() {
    let (how, mut door) = door(Arc::new(AtomicU32::new(1)));
    let (client, mut events, server) = open(how.queue(3, 10), &mut door).await;
    drop(server);
    let Some(Event::Away(away)) = events.next().await else { panic!("away") };
    assert_eq!((away.failures, away.retry_in <= Duration::from_millis(250)), (0, true));
    let calls: Vec<_> = (0..3)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move { client.request_raw("a.b", body(n)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(client.waiting(), 3);
    let full = client.request_raw("a.b", body(3)).await.unwrap_err();
    assert_eq!((full.code(), &*full.metadata()["route"]), ("PIT-503", "a.b"));
    let (mut server, _) = door.welcome().await;
    for n in 0..3 {
        let got = server.message().await;
        assert_eq!(got.body, body(n));
        server.respond(got.id, &got.body).await;
    }
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), body(n));
    }
    assert!(client.is_connected());
}

#[tokio::test(start_paused = true)]
async fn waiting_calls_are_bounded_in_bytes_and_time() {
    let open_door = Arc::new(AtomicU32::new(1));
    let (how, mut door) = door(Arc::clone(&open_door));
    let (client, mut events, server) = open(how.queue(64, 10), &mut door).await;
    open_door.store(0, Relaxed);
    drop(server);
    assert!(matches!(events.next().await, Some(Event::Away(_))));
    client.notify_raw("a.b", Bytes::from_static(b"123456")).await.unwrap();
    assert_eq!(client.notify_raw("a.b", Bytes::from_static(b"12345")).await.unwrap_err().code(), "PIT-503");
    let begun = Instant::now();
    let late = client.request_raw("a.b", Bytes::from_static(b"1234")).await.unwrap_err();
    assert_eq!((late.code(), begun.elapsed().as_secs()), ("PIT-504", 5));
    // Its place is free again.
    client.notify_raw("a.b", Bytes::from_static(b"1234")).await.unwrap();
    assert_eq!(client.waiting(), 2);
    client.close();
    while !matches!(events.next().await, Some(Event::Closed(End::Closed(_)))) {}
    assert!(events.next().await.is_none());
    assert_eq!(client.notify_raw("a.b", Bytes::new()).await.unwrap_err().code(), "PIT-499");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_asked_before_each_attempt() {
    let (how, mut door) = door(Arc::new(AtomicU32::new(1)));
    let asked = Arc::new(AtomicU32::new(0));
    let how = how.credentials(move || {
        let n = asked.fetch_add(1, Relaxed);
        async move { if n == 1 { Err("no token".into()) } else { Ok(json!({ "token": n })) } }
    });
    let (connected, (server, user)) = tokio::join!(how.connect(), door.welcome());
    let (_client, mut events) = connected.unwrap();
    assert_eq!(user.unwrap(), r#"{"token":0}"#);
    drop(server);
    assert!(matches!(events.next().await, Some(Event::Away(_))));
    let Some(Event::Away(away)) = events.next().await else { panic!("away") };
    assert_eq!((&*away.reason, away.failures), ("no credentials: no token", 1));
    let (_server, user) = door.welcome().await;
    assert_eq!(user.unwrap(), r#"{"token":2}"#);
    assert!(matches!(events.next().await, Some(Event::Reset)));
}

/// The session begins with the greeting, and the calls that waited come after it.
#[tokio::test(start_paused = true)]
async fn pushes_and_events_keep_their_order() {
    let (how, mut door) = door(Arc::new(AtomicU32::new(1)));
    let how =
        how.on_connect(|client| async move { client.request_raw("log.in", Bytes::new()).await.map(drop) });
    let greeted = async |door: &mut Door| {
        let (mut server, _) = door.welcome().await;
        let got = server.message().await;
        assert_eq!(got.route, "log.in");
        server.push("onSay", br#"{"text":"early"}"#).await;
        server.respond(got.id, b"").await;
        server
    };
    let (connected, mut server) = tokio::join!(how.connect(), greeted(&mut door));
    let (client, mut events) = connected.unwrap();
    server.push("onSay", br#"{"text":"last"}"#).await;
    drop(server);
    let said = |event: Option<Event>| match event {
        Some(Event::Push(push)) => push.read_as::<Say>().unwrap().unwrap().text,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(events.next().await), "early");
    assert_eq!(said(events.next().await), "last");
    assert!(matches!(events.next().await, Some(Event::Away(_))));
    client.notify_raw("a.b", Bytes::new()).await.unwrap();
    let mut server = greeted(&mut door).await;
    assert_eq!(server.message().await.route, "a.b");
    assert!(matches!(events.next().await, Some(Event::Reset)));
    assert_eq!(said(events.next().await), "early");
}

#[tokio::test(start_paused = true)]
async fn kick_and_refusal_are_final() {
    let (how, mut door) = door(Arc::new(AtomicU32::new(1)));
    let (client, mut events, mut server) = open(how, &mut door).await;
    server.send(&KICK).await;
    drop(server);
    let Some(Event::Closed(End::Closed(closed))) = events.next().await else { panic!("closed") };
    assert_eq!((closed.reason, door.attempts.load(Relaxed)), (CloseReason::Kicked, 1));
    assert_eq!(client.request_raw("a.b", Bytes::new()).await.unwrap_err().code(), "PIT-499");

    let (how, mut door) = self::door(Arc::new(AtomicU32::new(1)));
    let (client, mut events, server) = open(how, &mut door).await;
    drop(server);
    assert!(matches!(events.next().await, Some(Event::Away(_))));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.request_raw("a.b", Bytes::new()).await }
    });
    let mut server = Server::new(door.streams.recv().await.unwrap());
    server.welcome(&Reply { code: 401, ..reply() }, false).await;
    let Some(Event::Closed(End::Refused(error))) = events.next().await else { panic!("refused") };
    assert!(matches!(*error, ConnectError::Refused { code: 401, .. }));
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "PIT-400");
}

/// An hour of attempts leaves one event.
#[tokio::test(start_paused = true)]
async fn server_that_is_down_costs_little() {
    let open_door = Arc::new(AtomicU32::new(1));
    let (how, mut door) = door(Arc::clone(&open_door));
    let (client, mut events, server) = open(how, &mut door).await;
    open_door.store(0, Relaxed);
    drop(server);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let attempts = door.attempts.load(Relaxed);
    assert!((360..1500).contains(&attempts), "{attempts}");
    let Some(Event::Away(away)) = events.next().await else { panic!("away") };
    assert!(away.failures + 2 >= attempts, "{away:?} of {attempts}");
    open_door.store(1, Relaxed);
    let (_server, _) = door.welcome().await;
    while !matches!(events.next().await, Some(Event::Reset)) {}
    assert!(client.is_connected());
}
