//! The order of one session's messages, and what does not wait for it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya::testing::memory_acceptor;
use pitaya_tests::raw_client::{Got, RawClient, notify, request};
use pitaya_tests::server::{self, Recorder, Text, config, text_json};
use pitaya_tests::{rest, soon, until};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, WriteHalf};
use tokio::time::timeout;

pitaya::link!(pitaya_tests);

#[tokio::test]
async fn session_messages_are_handled_one_by_one() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.notify("arena.gated", text_json("a")).await;
    client.notify("arena.gated", text_json("b")).await;
    client.notify("arena.note", text_json("c")).await;
    server.recorder.wrote("begin a").await;
    server.recorder.open("b");
    server.recorder.open("a");
    server.recorder.wrote("c").await;
    assert_eq!(server.recorder.lines(), ["begin a", "end a", "begin b", "end b", "c"]);
    server.app.stop().await;
}

#[tokio::test]
async fn sessions_never_wait_for_each_other() {
    let server = server::start(config()).await;
    let mut stuck = Vec::new();
    for _ in 0..50 {
        let mut client = RawClient::ready(server.tcp).await;
        client.request("arena.hang", "").await;
        stuck.push(client);
    }
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.raw", "free").await, "free");
    drop(stuck);
    drop(client);
}

#[tokio::test]
async fn concurrent_routes_neither_wait_nor_hold() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.gated", text_json("lane")).await;
    server.recorder.wrote("begin lane").await;
    client.request("arena.beside", text_json("one")).await;
    client.request("arena.beside", text_json("two")).await;
    server.recorder.wrote("begin one").await;
    server.recorder.wrote("begin two").await;
    server.recorder.open("two");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text_json("two")));
    server.recorder.open("one");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text_json("one")));
    server.recorder.open("lane");
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text_json("lane")));
    server.app.stop().await;
}

/// Writes down each time it is polled.
#[derive(Component)]
struct Polled {
    recorder: State<Arc<Recorder>>,
}

#[handler(server = "test")]
impl Polled {
    /// Continues when the gate `polled` opens; before that it wakes itself once if the text is `again`.
    pub async fn wait(&self, msg: Text) -> Result<Text> {
        let gate = self.recorder.gate("polled");
        let mut open = std::pin::pin!(gate.acquire());
        let mut again = msg.text == "again";
        poll_fn(|cx| {
            self.recorder.write("polled");
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
        let server = server::start_with(config(), |app| app.acceptor(acceptor)).await;
        let mut client = RawClient::over(dialer.connect().unwrap());
        client.handshake().await;
        client.request("polled.wait", text_json(body)).await;
        rest().await;
        assert_eq!(server.recorder.lines(), vec!["polled"; before], "{body}");
        server.recorder.open("polled");
        assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some(text_json(body)));
        assert_eq!(server.recorder.lines(), vec!["polled"; before + 1], "{body}");
        server.app.stop().await;
    }
}

/// How many messages a client sends to a connection that takes few: more bytes of them than any buffer on the way has.
const MANY: usize = 300;

/// The body of one of many: a text and nothing else, but long.
fn long(n: usize) -> String {
    text_json(&n.to_string()) + &" ".repeat(2000)
}

/// Sends what is taken before every task rests. Returns how much that is.
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
fn split(
    client: RawClient<DuplexStream>,
) -> (RawClient<impl AsyncRead + AsyncWrite + Unpin>, WriteHalf<DuplexStream>) {
    let (from, to) = tokio::io::split(client.stream);
    (RawClient::over(tokio::io::join(from, tokio::io::sink())), to)
}

#[tokio::test(start_paused = true)]
async fn full_concurrent_calls_stop_reading() {
    const BOUND: usize = 4;
    let mut config = config();
    config.session.concurrent = BOUND;
    let (acceptor, dialer) = memory_acceptor();
    let server = server::start_with(config, |builder| builder.acceptor(acceptor)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    let all: Vec<u8> =
        (0..MANY).flat_map(|n| request(n as u64 + 1, "arena.beside", long(n).as_bytes())).collect();
    let begun = || server.recorder.lines().iter().filter(|line| line.starts_with("begin")).count();

    let sent = send_what_is_taken(&mut client.stream, &all).await;
    assert!(sent < all.len(), "nothing is read any more");
    assert_eq!((begun(), server.recorder.running.load(SeqCst)), (BOUND, BOUND));
    for n in 0..10 {
        // Each call that ends lets exactly one more begin.
        server.recorder.open(&n.to_string());
        rest().await;
        assert_eq!((begun(), server.recorder.running.load(SeqCst)), (BOUND + n + 1, BOUND));
    }

    let (mut client, mut to) = split(client);
    (10..MANY).for_each(|n| server.recorder.open(&n.to_string()));
    let answers = async {
        let mut answers = Vec::new();
        for _ in 0..MANY {
            let Some(Got::Response { id, error: false, body }) = client.next().await else {
                panic!("an answer is missing")
            };
            assert_eq!(body, text_json(&(id - 1).to_string()));
            answers.push(id);
        }
        answers
    };
    let (written, mut answers) = tokio::join!(to.write_all(&all[sent..]), answers);
    written.unwrap();
    answers.sort_unstable();
    assert_eq!(answers, (1..=MANY as u64).collect::<Vec<_>>(), "each is answered once");

    let lines = server.recorder.lines();
    let begins: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("begin ")).collect();
    assert_eq!(begins, (0..MANY).map(|n| n.to_string()).collect::<Vec<_>>(), "they begin in their order");
    let mut running = 0;
    for line in &lines {
        running = if line.starts_with("begin") { running + 1 } else { running - 1 };
        assert!(running <= BOUND, "never more than the bound run");
    }
    server.app.stop().await;
}

/// It reads on later.
#[tokio::test(start_paused = true)]
async fn full_message_queue_stops_reading() {
    const BOUND: usize = 4;
    let metrics = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&metrics);
    let mut config = config();
    config.session.pending = BOUND;
    config.metrics.period = Duration::from_millis(1);
    let (acceptor, dialer) = memory_acceptor();
    let server = server::start_with(config, |builder| builder.acceptor(acceptor).reporter(reporter)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    client.notify("arena.gated", text_json("first")).await;
    server.recorder.wrote("begin first").await;
    let all: Vec<u8> = (0..MANY).flat_map(|n| notify("arena.note", long(n).as_bytes())).collect();

    let sent = send_what_is_taken(&mut client.stream, &all).await;
    assert!(sent < all.len(), "nothing is read any more");
    for _ in 0..10 {
        rest().await;
        assert_eq!(metrics.value("pending_messages", &[]), Some(BOUND as f64), "so many wait, and no more");
    }
    assert_eq!(send_what_is_taken(&mut client.stream, &all[sent..]).await, 0);
    assert_eq!(server.recorder.lines(), ["begin first"]);

    server.recorder.open("first");
    client.send(&all[sent..]).await;
    assert_eq!(client.ask("arena.raw", "after them").await, "after them");
    let lines = server.recorder.lines();
    let notes: Vec<_> = (0..MANY).map(|n| n.to_string()).collect();
    assert_eq!(
        (&lines[..2], &lines[2..]),
        (&["begin first".to_owned(), "end first".to_owned()][..], &notes[..])
    );
    server.app.stop().await;
}

#[tokio::test]
async fn a_kick_reaches_a_client_whose_handler_hangs() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", text_json("ann")).await;
    client.request("arena.hang", "").await;
    until("the handler to run", || server.recorder.running.load(SeqCst) == 1).await;
    server.app.app().sessions().by_uid("ann").unwrap().kick().await.unwrap();
    assert_eq!(client.closed().await, [Got::Kick]);
}

/// Pushes and a kick are sent too, while the handler reads a channel that is never empty.
#[tokio::test]
async fn busy_handler_does_not_block_heartbeats() {
    let mut config = config();
    config.heartbeat_interval = Duration::from_secs(1);
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", text_json("ann")).await;
    client.request("arena.busy", "").await;
    until("the handler to run", || server.recorder.running.load(SeqCst) == 1).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    session.push(&server::OnText { text: "through".into() }).await.unwrap();
    let push = client.next().await.unwrap();
    assert_eq!(push.text(), text_json("through"));
    while !matches!(client.any().await, Some(Got::Heartbeat)) {}
    session.kick().await.unwrap();
    let rest = client.closed().await;
    assert!(rest.contains(&Got::Kick), "{rest:?}");
    server.app.stop().await;
}

/// The close callbacks run after it.
#[tokio::test]
async fn handler_outlives_its_connection() {
    let server = server::start(config()).await;
    let recorder = Arc::clone(&server.recorder);
    server.app.app().sessions().on_close(move |session| {
        let recorder = Arc::clone(&recorder);
        async move { recorder.write(format!("closed {:?}", session.close_reason().unwrap())) }
    });
    let mut client = RawClient::ready(server.tcp).await;
    client.request("arena.gated", text_json("slow")).await;
    client.request("arena.beside", text_json("beside")).await;
    client.request("arena.note", text_json("dropped")).await;
    server.recorder.wrote("begin slow").await;
    server.recorder.wrote("begin beside").await;
    drop(client);
    until("the session to go", || server.app.app().sessions().count() == 0).await;
    server.recorder.open("slow");
    server.recorder.wrote("end slow").await;
    assert!(!server.recorder.lines().iter().any(|line| line.starts_with("closed")));
    server.recorder.open("beside");
    server.recorder.wrote(&format!("closed {:?}", CloseReason::Client)).await;
    let lines = server.recorder.lines();
    assert_eq!(lines.last().map(String::as_str), Some("closed Client"));
    assert!(!lines.contains(&"dropped".to_owned()));
    server.app.stop().await;
}

/// The next message is handled.
#[tokio::test]
async fn slow_handler_is_cut_off() {
    let mut config = config();
    config.handler_timeout = Duration::from_millis(200);
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.hang", "").await, r#"{"code":"PIT-408","msg":"handler timeout"}"#);
    assert_eq!(client.ask("arena.raw", "next").await, "next");
    assert_eq!(server.recorder.running.load(SeqCst), 0);
    soon("the stop", server.app.stop()).await;
}
