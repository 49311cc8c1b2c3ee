//! How sessions end: in bounded time and for good, whatever clients do and whatever users' code does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pitaya::acceptor::{Acceptor, FilterPacket, Peer, Tcp, Verdict, Wrapper};
use pitaya::pipeline::HookReply;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya::testing::memory_acceptor;
use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{Got, RawClient, notify, request};
use pitaya_tests::server::{self, OnText, config, text_json};
use pitaya_tests::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pitaya::link!(pitaya_tests);

/// The limit for events that must have happened. Events that must not happen would take far longer.
const WELL_BEFORE: Duration = Duration::from_secs(4);

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped, as it was meant to be");
    }
}

/// Handlers that end badly.
#[derive(Debug, Component)]
struct Ends;

#[handler(server = "test")]
impl Ends {
    /// Takes too long, and panics when it is cut off.
    #[concurrent]
    pub async fn grenade(&self) -> Result<()> {
        let _grenade = Grenade;
        std::future::pending().await
    }
}

/// No connection is served after the stop.
#[tokio::test]
async fn stop_ends_a_connection_in_setup() {
    let server = server::start_with(config(), |b| {
        b.acceptor(Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]))
    })
    .await;
    let at = server.app.socket_addrs()[1];
    let mut stalled = TcpStream::connect(at).await.unwrap();
    // It has been accepted: one after it is served.
    let mut other = RawClient::connect(at).await;
    other.send(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").await;
    other.handshake().await;
    let app = server.app.app().clone();
    tokio::time::timeout(WELL_BEFORE, server.app.stop())
        .await
        .expect("a stop does not wait for a stalled client");
    assert_eq!(app.sessions().count(), 0);
    let _ = stalled.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n\x01\0\0\x02{}").await;
    let mut answer = Vec::new();
    let _ = soon("the stalled one to be closed", stalled.read_to_end(&mut answer)).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_handler_that_outlives_the_stop_is_cut_off() {
    let mut config = config();
    config.stop_timeout = Duration::from_millis(200);
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.hang", "").await;
    until("the handler to run", || server.recorder.running.load(SeqCst) == 1).await;
    server.app.stop().await;
    assert_eq!(server.recorder.running.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn kicked_slow_reader_is_cut_at_write_deadline() {
    let mut config = config();
    config.agent.write_timeout = Duration::from_secs(10);
    let (acceptor, dialer) = memory_acceptor();
    let server = server::start_with(config, |b| b.acceptor(acceptor)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    client.ask("arena.bind", text_json("sipper")).await;
    client.request("arena.flood", "").await;
    let session = server.app.app().sessions().by_uid("sipper").unwrap();
    let mut chunk = vec![0; 8192];
    for _ in 0..50 {
        client.stream.read_exact(&mut chunk).await.unwrap();
    }
    session.kick().await.unwrap();
    // A megabyte waits for it. Each sip is more than counts as progress, and comes well before a deadline.
    let kicked = tokio::time::Instant::now();
    while let Ok(1..) = client.stream.read(&mut chunk).await {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(kicked.elapsed() < Duration::from_secs(30), "served for {:?} after the kick", kicked.elapsed());
    server.app.stop().await;
}

#[tokio::test]
async fn push_during_handshake_follows_its_reply() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let server = server::start_with(config(), |builder| {
        builder.authenticate(move |session, _| {
            let gate = Arc::clone(&opened);
            async move {
                session.bind("early").await.ok();
                gate.acquire().await.ok();
                Ok(())
            }
        })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, b"{}").await;
    until("the bind", || server.app.app().sessions().by_uid("early").is_some()).await;
    let users = server.app.app().users();
    for n in 0..3 {
        users.push(&["early"], &OnText { text: n.to_string() }).await.unwrap();
    }
    gate.add_permits(1);
    assert!(matches!(client.next().await, Some(Got::Handshake(_))));
    for n in 0..3 {
        let Some(Got::Push { body, .. }) = client.next().await else { panic!("push {n}") };
        assert_eq!(&body[..], text_json(&n.to_string()).as_bytes());
    }
    server.app.stop().await;
}

#[tokio::test]
async fn refused_handshake_sends_only_the_reply() {
    let server = server::start_with(config(), |builder| {
        builder.authenticate(|session, _| async move {
            session.bind("refused").await.ok();
            session.push(&OnText { text: "never seen".to_owned() }).await.ok();
            Err(pitaya::app::Refusal::new())
        })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, b"{}").await;
    let got = client.closed().await;
    assert!(matches!(&got[..], [Got::Handshake(reply)] if reply.starts_with(br#"{"code":400"#)), "{got:?}");
    server.app.stop().await;
}

#[tokio::test]
async fn queued_messages_are_dropped_after_close() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    let mut bytes = request(1, "arena.gated", text_json("gate").as_bytes()).to_vec();
    bytes.extend_from_slice(&request(2, "arena.kick", b""));
    for n in 0..10 {
        bytes.extend_from_slice(&notify("arena.note", text_json(&format!("note {n}")).as_bytes()));
    }
    client.send(&bytes).await;
    server.recorder.wrote("begin gate").await;
    server.recorder.open("gate");
    assert_eq!(client.closed().await.last(), Some(&Got::Kick));
    let mut next = RawClient::ready(server.tcp).await;
    next.ask("arena.raw", "what was to run has run").await;
    assert_eq!(server.recorder.lines(), ["begin gate", "end gate"]);
    server.app.stop().await;
}

struct Clumsy;

impl Wrapper for Clumsy {
    fn wrap(&self, _: &Peer) -> Box<dyn pitaya::acceptor::Filter> {
        Box::new(|packet: &mut FilterPacket<'_>, _: tokio::time::Instant| {
            assert_ne!(packet.body(), b"boom");
            Verdict::Pass
        })
    }
}

#[tokio::test]
async fn panic_in_wrapper_closes_its_connection_only() {
    let closed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&closed);
    let server = server::start_with(config(), |builder| {
        let builder = builder.on_session_close(move |_| {
            counted.fetch_add(1, SeqCst);
            std::future::ready(())
        });
        builder.acceptor(Tcp::new("127.0.0.1:0").wrap(Clumsy))
    })
    .await;
    let at = server.app.socket_addrs()[1];
    let mut healthy = RawClient::ready(at).await;
    for n in 1..=5 {
        let mut client = RawClient::ready(at).await;
        client.ask("arena.bind", text_json("clumsy")).await;
        client.packet(Kind::Heartbeat, b"boom").await;
        client.closed().await;
        until("the callback", || closed.load(SeqCst) == n).await;
        assert!(server.app.app().sessions().by_uid("clumsy").is_none());
    }
    assert_eq!(server.app.app().sessions().count(), 1);
    assert_eq!(healthy.ask("arena.raw", "fine").await, "fine");
    server.app.stop().await;
}

/// The next callback runs.
#[tokio::test]
async fn endless_close_callback_is_cut_off() {
    let mut config = config();
    config.handler_timeout = Duration::from_millis(100);
    let server =
        server::start_with(config, |builder| builder.on_session_close(|_| std::future::pending())).await;
    let recorder = Arc::clone(&server.recorder);
    server.app.app().sessions().on_close(move |session| {
        recorder.write(format!("closed {}", session.id()));
        std::future::ready(())
    });
    drop(RawClient::ready(server.tcp).await);
    server.recorder.wrote("closed 1").await;
    server.app.stop().await;
}

#[tokio::test]
async fn panic_of_cut_off_handler_is_answered() {
    let mut config = config();
    config.handler_timeout = Duration::from_millis(100);
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    let got = client.call("ends.grenade", "").await;
    assert_eq!(got.text(), r#"{"code":"PIT-408","msg":"handler timeout"}"#);
    server.app.stop().await;
}

#[tokio::test]
async fn hooks_after_see_calls_that_panic() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = server::start_with(config(), |builder| builder.after(Log(log))).await;
    let mut client = RawClient::ready(server.tcp).await;
    for route in ["arena.empty", "arena.panic", "arena.late_panic", "arena.fail"] {
        client.call(route, "").await;
    }
    assert_eq!(*seen.lock().unwrap(), ["ok", "PIT-000", "PIT-000", "T-1"]);
    server.app.stop().await;
}

struct Log(Arc<std::sync::Mutex<Vec<String>>>);

impl pitaya::pipeline::After for Log {
    fn after<'a>(&'a self, call: &'a mut HookReply) -> futures_util::future::BoxFuture<'a, ()> {
        let line = call.error().map_or("ok".to_owned(), |error| error.code().to_owned());
        self.0.lock().unwrap().push(line);
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn lost_client_is_noticed_with_messages_queued() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", text_json("gone")).await;
    let session = server.app.app().sessions().by_uid("gone").unwrap();
    for _ in 0..100 {
        client.notify("arena.hang", "").await;
    }
    until("the first to run", || server.recorder.running.load(SeqCst) == 1).await;
    drop(client);
    until("the session to be over", || session.is_closed()).await;
    assert_eq!(session.close_reason(), Some(CloseReason::Client));
}
