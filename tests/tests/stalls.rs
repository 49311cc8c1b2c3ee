//! A process that stood still for a while closes no client and cuts off no handler for it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::{
    Acceptor, BoxFuture, IncomingConnection, Link, ListenOptions, Listening, Peer, Tcp, WebSocket,
};
use pitaya::client::Client;
use pitaya::config::OutboxPolicy;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya_tests::arena::{self, OnText, Text, config};
use pitaya_tests::raw::{Got, Raw, request};
use pitaya_tests::{soon, until};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, mpsc};

pitaya::link!(pitaya_tests);

/// Hands out pipes as connections.
struct Pipes(mpsc::UnboundedReceiver<DuplexStream>);

impl Acceptor for Pipes {
    fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, std::io::Result<Listening>> {
        Box::pin(async { Ok(Listening::new("pipe", "pipe")) })
    }

    fn accept(&mut self) -> BoxFuture<'_, std::io::Result<IncomingConnection>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(stream) => Ok(IncomingConnection::ready(Peer::new("pipe"), Link::bytes(stream))),
                None => std::future::pending().await,
            }
        })
    }
}

#[derive(Component)]
struct Burst {
    signal: State<Arc<Notify>>,
}

#[handler(server = "burst")]
impl Burst {
    /// Binds the caller.
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }

    /// Takes half of the time that a handler has.
    pub async fn nap(&self) -> Result<()> {
        self.signal.notify_one();
        tokio::time::sleep(LIMIT / 2).await;
        Ok(())
    }

    /// Makes 200 small pushes to the caller: some 6 KiB. They use up the budget of the connection's task.
    pub async fn burst(&self, session: Session) -> Result<()> {
        for n in 0..200u64 {
            session.push(&OnText { text: n.to_string() }).await?;
            if n == 110 {
                self.signal.notify_one();
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_burst_of_a_handler_makes_no_client_slow() {
    let signal = Arc::new(Notify::new());
    let app = App::builder()
        .config(config())
        .server_type("burst")
        .state(Arc::clone(&signal))
        .acceptor(Tcp::bind("127.0.0.1:0"))
        .acceptor(WebSocket::bind("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let (at, builder) = (app.socket_addrs(), Client::builder().push_queue(300));
    let tcp = builder.connect_tcp(at[0]).await.unwrap();
    burst(&app, &signal, tcp, "ann").await;
    let ws = builder.connect_ws(&format!("ws://{}/", at[1])).await.unwrap();
    burst(&app, &signal, ws, "bob").await;
    app.stop().await;
}

/// The client gets all 200 pushes of its handler, and one push of somebody else that comes in between.
async fn burst(app: &pitaya::app::Running, signal: &Arc<Notify>, client: Client, uid: &str) {
    let mut pushes = client.pushes::<OnText>();
    client.request(&Burst::BIND, &Text { text: uid.to_owned() }).await.unwrap();
    let session = app.sessions().by_uid(uid).unwrap();
    let (other, signal) = (session.clone(), Arc::clone(signal));
    let other = tokio::spawn(async move {
        signal.notified().await;
        other.push(&OnText { text: "from another".into() }).await
    });
    client.request(&Burst::BURST, &()).await.unwrap();
    assert!(other.await.unwrap().is_ok(), "the push of another");
    for n in 0..201 {
        soon("a push", pushes.next()).await.unwrap_or_else(|error| panic!("push {n}: {error}"));
    }
    assert_eq!(session.close_reason(), None);
}

#[tokio::test]
async fn the_policy_latest_keeps_the_newest_pushes() {
    let mut config = config();
    config.session_outbox_policy = OutboxPolicy::Latest;
    let (connect, pipes) = mpsc::unbounded_channel();
    let signal = Arc::new(Notify::new());
    let app = App::builder()
        .config(config)
        .server_type("burst")
        .state(signal)
        .acceptor(Pipes(pipes))
        .start()
        .await
        .unwrap();
    let (theirs, ours) = tokio::io::duplex(1024);
    connect.send(theirs).unwrap();
    let mut client = Raw::over(ours);
    client.handshake().await;
    client.ask("burst.bind", r#"{"text":"ann"}"#).await;
    let session = app.sessions().by_uid("ann").unwrap();
    for n in 0..150 {
        session.push(&OnText { text: format!("old {n}") }).await.unwrap();
    }
    // The writer takes them all, and finds the pipe full.
    tokio::task::yield_now().await;
    for n in 0..50 {
        session.push_to("position", &Text { text: format!("{n}") }).await.unwrap();
        tokio::task::yield_now().await;
    }
    // The client reads on.
    client.request("burst.nothing", "").await;
    let mut positions = Vec::new();
    while let Some(got) = client.next().await {
        match &got {
            Got::Push { route, .. } if route == "position" => positions.push(got.text().to_owned()),
            Got::Push { .. } => {}
            _ => break,
        }
    }
    assert_eq!(positions.last().map(String::as_str), Some(r#"{"text":"49"}"#));
    app.stop().await;
}

/// The whole process stands still: the test blocks the only thread of the runtime.
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}

const LIMIT: Duration = Duration::from_millis(200);
const LONGER: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_packet_that_came_during_a_stall_is_in_time() {
    let mut config = config();
    config.limit_packet_deadline = LIMIT;
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    let packet = request(1, "arena.raw", b"hello");
    client.stream.write_all(&packet[..7]).await.unwrap();
    // The server has read the first half and waits for the rest.
    assert_eq!(Raw::ready(ring.tcp).await.ask("arena.raw", "other").await, "other");
    client.stream.write_all(&packet[7..]).await.unwrap();
    stand_still(LONGER);
    let Some(Got::Response { error: false, .. }) = client.next().await else {
        panic!("closed for its silence")
    };
    ring.app.stop().await;
}

#[tokio::test]
async fn a_handler_that_ended_during_a_stall_is_in_time() {
    let mut config = config();
    config.handler_timeout = LIMIT;
    let signal = Arc::new(Notify::new());
    let app = App::builder()
        .config(config)
        .server_type("burst")
        .state(Arc::clone(&signal))
        .acceptor(Tcp::bind("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let mut client = Raw::ready(app.socket_addrs()[0]).await;
    client.request("burst.nap", "").await;
    soon("the handler to begin", signal.notified()).await;
    stand_still(LONGER);
    let Some(Got::Response { error: false, .. }) = client.next().await else {
        panic!("the handler was cut off")
    };
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_read_during_a_stall_is_not_slow() {
    let mut config = config();
    config.agent_write_timeout = LIMIT;
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.ask("arena.bind", r#"{"text":"ann"}"#).await;
    let session = ring.app.sessions().by_uid("ann").unwrap();
    client.request("arena.flood", "").await;
    // The sockets fill until the writer is blocked, which starts its deadline.
    let mut blocking = client.stream.into_std().unwrap();
    until("the outbox to fill", || ring.witness.running.load(std::sync::atomic::Ordering::SeqCst) == 1).await;
    soon("the writer to be blocked", tokio::time::sleep(LIMIT / 4)).await;
    // While the server stands still the client reads all there is.
    let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(count @ 1..) = blocking.read(&mut buffer) {
        read += count;
    }
    assert!(read > 100_000, "{read}");
    stand_still(LONGER);
    tokio::task::yield_now().await;
    let reader = std::thread::spawn(move || {
        blocking.set_nonblocking(false).unwrap();
        let mut more = 0;
        while let Ok(count @ 1..) = blocking.read(&mut buffer)
            && more < 10_000_000
        {
            more += count;
        }
        more
    });
    until("ten megabytes to be read", || reader.is_finished()).await;
    assert!(reader.join().unwrap() >= 10_000_000, "closed: {:?}", session.close_reason());
    assert_ne!(session.close_reason(), Some(CloseReason::TooSlow));
    ring.app.stop().await;
}
