//! The order of one session's messages, and what does not wait for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya::testing::memory_acceptor;
use pitaya_tests::arena::{self, Text, Witness, config};
use pitaya_tests::raw::{Got, Raw, notify, request};
use pitaya_tests::{rest, soon, until};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::time::timeout;

pitaya::link!(pitaya_tests);

fn text(text: &str) -> String {
    format!(r#"{{"text":"{text}"}}"#)
}

#[tokio::test]
async fn session_messages_are_handled_one_by_one() {
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

/// Writes down each time it is polled.
#[derive(Component)]
struct Polled {
    witness: State<Arc<Witness>>,
}

#[handler(server = "test")]
impl Polled {
    /// Goes on when the gate `polled` opens; before that it wakes itself once if it is told `again`.
    pub async fn wait(&self, msg: Text) -> Result<Text> {
        let gate = self.witness.gate("polled");
        let mut open = std::pin::pin!(gate.acquire());
        let mut again = msg.text == "again";
        poll_fn(|cx| {
            self.witness.write("polled");
            if std::mem::take(&mut again) {
                cx.waker().wake_by_ref();
            }
            open.as_mut().poll(cx).map(drop)
        })
        .await;
        Ok(msg)
    }
}

#[tokio::test(start_paused = true)]
async fn handler_is_polled_only_when_woken() {
    for (body, before) in [("once", 1), ("again", 2)] {
        let (acceptor, dialer) = memory_acceptor();
        let ring = arena::start_with(config(), |app| app.acceptor(acceptor)).await;
        let mut client = Raw::over(dialer.connect().unwrap());
        client.handshake().await;
        client.request("polled.wait", text(body)).await;
        rest().await;
        assert_eq!(ring.witness.lines(), vec!["polled"; before], "{body}");
        ring.witness.open("polled");
        assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text(body)));
        assert_eq!(ring.witness.lines(), vec!["polled"; before + 1], "{body}");
        ring.app.stop().await;
    }
}

/// How many messages a client sends to a connection that takes few: more bytes of them than any buffer on the way has.
const MANY: usize = 300;

/// The body of one of many: a text and nothing else, but long.
fn long(n: usize) -> String {
    text(&n.to_string()) + &" ".repeat(2000)
}

/// Sends what is taken before every task rests; gives how much that is.
async fn send_what_is_taken(stream: &mut DuplexStream, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while let Ok(wrote) = timeout(Duration::from_millis(1), stream.write(&bytes[taken..])).await {
        taken += wrote.expect("the server is there");
        if taken == bytes.len() {
            break;
        }
    }
    taken
}

/// The same client in two: one that reads, and what it writes to.
fn split(client: Raw<DuplexStream>) -> (Raw<impl AsyncRead + AsyncWrite + Unpin>, WriteHalf<DuplexStream>) {
    let (from, to) = tokio::io::split(client.stream);
    (Raw::over(tokio::io::join(from, tokio::io::sink())), to)
}

#[tokio::test(start_paused = true)]
async fn full_concurrent_calls_stop_reading() {
    const BOUND: usize = 4;
    let mut config = config();
    config.session_concurrent = BOUND;
    let (acceptor, dialer) = memory_acceptor();
    let ring = arena::start_with(config, |builder| builder.acceptor(acceptor)).await;
    let mut client = Raw::over(dialer.connect().unwrap());
    client.handshake().await;
    let all: Vec<u8> =
        (0..MANY).flat_map(|n| request(n as u64 + 1, "arena.beside", long(n).as_bytes())).collect();
    let begun = || ring.witness.lines().iter().filter(|line| line.starts_with("begin")).count();

    let sent = send_what_is_taken(&mut client.stream, &all).await;
    assert!(sent < all.len(), "nothing is read any more");
    assert_eq!((begun(), ring.witness.running.load(SeqCst)), (BOUND, BOUND));
    for n in 0..10 {
        // Each one that ends makes room for one more, and for no other.
        ring.witness.open(&n.to_string());
        rest().await;
        assert_eq!((begun(), ring.witness.running.load(SeqCst)), (BOUND + n + 1, BOUND));
    }

    let (mut client, mut to) = split(client);
    (10..MANY).for_each(|n| ring.witness.open(&n.to_string()));
    let answers = async {
        let mut answers = Vec::new();
        for _ in 0..MANY {
            let Some(Got::Response { id, error: false, body }) = client.next().await else {
                panic!("an answer is missing")
            };
            assert_eq!(body, text(&(id - 1).to_string()));
            answers.push(id);
        }
        answers
    };
    let (written, mut answers) = tokio::join!(to.write_all(&all[sent..]), answers);
    written.unwrap();
    answers.sort_unstable();
    assert_eq!(answers, (1..=MANY as u64).collect::<Vec<_>>(), "each is answered once");

    let lines = ring.witness.lines();
    let begins: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("begin ")).collect();
    assert_eq!(begins, (0..MANY).map(|n| n.to_string()).collect::<Vec<_>>(), "they begin in their order");
    let mut running = 0;
    for line in &lines {
        running = if line.starts_with("begin") { running + 1 } else { running - 1 };
        assert!(running <= BOUND, "never more than the bound at once");
    }
    ring.app.stop().await;
}

/// It reads on later.
#[tokio::test(start_paused = true)]
async fn full_message_queue_stops_reading() {
    const BOUND: usize = 4;
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let mut config = config();
    config.session_pending = BOUND;
    config.metrics_period = Duration::from_millis(1);
    let (acceptor, dialer) = memory_acceptor();
    let ring = arena::start_with(config, |builder| builder.acceptor(acceptor).reporter(reporter)).await;
    let mut client = Raw::over(dialer.connect().unwrap());
    client.handshake().await;
    client.notify("arena.gated", text("first")).await;
    ring.witness.wrote("begin first").await;
    let all: Vec<u8> = (0..MANY).flat_map(|n| notify("arena.note", long(n).as_bytes())).collect();

    let sent = send_what_is_taken(&mut client.stream, &all).await;
    assert!(sent < all.len(), "nothing is read any more");
    for _ in 0..10 {
        rest().await;
        assert_eq!(metrics.value("pending_messages", &[]), Some(BOUND as f64), "so many wait, and no more");
    }
    assert_eq!(send_what_is_taken(&mut client.stream, &all[sent..]).await, 0);
    assert_eq!(ring.witness.lines(), ["begin first"]);

    ring.witness.open("first");
    client.send(&all[sent..]).await;
    assert_eq!(client.ask("arena.raw", "after them").await, "after them");
    let lines = ring.witness.lines();
    let notes: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    assert_eq!(
        (&lines[..2], &lines[2..]),
        (&["begin first".to_owned(), "end first".to_owned()][..], &notes[..])
    );
    ring.app.stop().await;
}

#[tokio::test]
async fn a_kick_reaches_a_client_whose_handler_hangs() {
    let ring = arena::start(config()).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.ask("arena.bind", text("ann")).await;
    client.request("arena.hang", "").await;
    until("the handler to run", || ring.witness.running.load(SeqCst) == 1).await;
    ring.app.sessions().by_uid("ann").unwrap().kick().await.unwrap();
    assert_eq!(client.closed().await, [Got::Kick]);
}

/// Pushes and a kick are sent too, while the handler reads a channel that is never empty.
#[tokio::test]
async fn busy_handler_does_not_block_heartbeats() {
    let mut config = config();
    config.heartbeat_interval = Duration::from_secs(1);
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    client.ask("arena.bind", text("ann")).await;
    client.request("arena.busy", "").await;
    until("the handler to run", || ring.witness.running.load(SeqCst) == 1).await;
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

/// The close callbacks run after it.
#[tokio::test]
async fn handler_outlives_its_connection() {
    let ring = arena::start(config()).await;
    let witness = Arc::clone(&ring.witness);
    ring.app.sessions().on_close(move |session| {
        let witness = Arc::clone(&witness);
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

/// The next message is handled.
#[tokio::test]
async fn slow_handler_is_cut_off() {
    let mut config = config();
    config.handler_timeout = Duration::from_millis(200);
    let ring = arena::start(config).await;
    let mut client = Raw::ready(ring.tcp).await;
    assert_eq!(client.ask("arena.hang", "").await, r#"{"code":"PIT-408","msg":"handler timeout"}"#);
    assert_eq!(client.ask("arena.raw", "next").await, "next");
    assert_eq!(ring.witness.running.load(SeqCst), 0);
    soon("the stop", ring.app.stop()).await;
}
