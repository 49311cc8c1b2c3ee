//! Peers that do not speak gRPC, or do not stop. None of them delays the others.

mod frames;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pitaya::cluster::{GrpcOptions, GrpcTransport, Server, Servers, Transport, TransportError};
use pitaya_tests::soon;
use pitaya_tests::transport::Peer;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use self::frames::{END_STREAM, Frame, Http2};

/// The time in which a server closes a connection that says nothing, and some more.
const SILENCE: Duration = Duration::from_secs(8);

fn transport(options: GrpcOptions) -> GrpcTransport {
    let options = GrpcOptions { advertised_host: "127.0.0.1".into(), ..options };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    GrpcTransport::with_listener(options, listener).expect("the options are valid")
}

/// Two servers that call each other.
struct Pair {
    victim: Peer<GrpcTransport>,
    other: Peer<GrpcTransport>,
    servers: Arc<Servers>,
}

impl Pair {
    async fn start(options: GrpcOptions) -> Self {
        let servers = Arc::default();
        let victim = Peer::start_among(&servers, Server::new("room", "victim"), transport(options)).await;
        let other = Server::new("room", "other");
        let other = Peer::start_among(&servers, other, transport(GrpcOptions::default())).await;
        Self { victim, other, servers }
    }

    fn address(&self) -> SocketAddr {
        let port = self.victim.server.metadata["grpcPort"].parse().expect("a port");
        ([127, 0, 0, 1], port).into()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.expect("it listens")
    }

    /// Adds a server to the list that serves its connections as [`frames::stranger`] does.
    async fn stranger(&self, what: &'static str) -> (Server, JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(frames::stranger(stream, what));
            }
        });
        let to = Server::new("room", what.replace(' ', "-"))
            .with_metadata("grpcHost", "127.0.0.1")
            .with_metadata("grpcPort", port.to_string());
        self.servers.put(to.clone());
        (to, server)
    }

    async fn works(&self) {
        let began = Instant::now();
        assert_eq!(self.other.ask(&self.victim.server, "hello").await, Ok("hello".into()));
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

/// Waits until the other side has closed the connection.
async fn closed(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    let end = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(SILENCE, end).await.expect("the connection is closed");
}

#[tokio::test]
async fn garbage_closes_its_connection_only() {
    let pair = Pair::start(GrpcOptions::default()).await;
    let random: Vec<u8> = (0..4096).map(|_| fastrand::u8(..)).collect();
    let huge_frame = [frames::PREFACE, &[0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..], &random, &huge_frame] {
        let mut stream = pair.connect().await;
        // The server may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        closed(&mut stream).await;
        pair.works().await;
    }
}

#[tokio::test]
async fn silent_connections_are_closed_in_time() {
    let pair = Pair::start(GrpcOptions::default()).await;
    let mut streams = Vec::new();
    for begun in [&[][..], &frames::PREFACE[..1], &frames::PREFACE[..23], frames::PREFACE] {
        let mut stream = pair.connect().await;
        stream.write_all(begun).await.unwrap();
        streams.push(stream);
    }
    for mut stream in streams {
        closed(&mut stream).await;
    }
    pair.works().await;
}

#[tokio::test]
async fn two_thousand_connections_delay_no_call() {
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("each connection is two open files of this process");
    let pair = Pair::start(GrpcOptions::default()).await;
    let mut streams = Vec::new();
    for _ in 0..2000 {
        streams.push(pair.connect().await);
    }
    pair.works().await;
    let last = streams.last_mut().expect("2000 connections");
    closed(last).await;
    pair.works().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let pair = Pair::start(GrpcOptions { max_connections: 10, ..GrpcOptions::default() }).await;
    pair.works().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(pair.connect().await);
    }
    let began = Instant::now();
    closed(streams.last_mut().expect("20 connections")).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    pair.works().await;
}

/// The stream of the first request never ends, the second has half a message, the third none.
#[tokio::test]
async fn request_that_never_ends_is_answered_with_an_error() {
    let pair = Pair::start(GrpcOptions::default()).await;
    let mut http = Http2::connect(pair.address()).await;
    http.begin(1, "/protos.Pitaya/Call").await;
    http.data(1, &[0, 0, 0, 0, 2, b'h', b'i'], 0).await;
    http.begin(3, "/protos.Pitaya/Call").await;
    http.data(3, &[0, 0, 0, 0, 100, b'h'], 0).await;
    http.begin(5, "/protos.Pitaya/Call").await;
    pair.works().await;
    let began = Instant::now();
    let mut ended = Vec::new();
    while ended.len() < 3 {
        let Frame { kind, flags, stream, .. } = soon("the errors", http.next()).await.expect("a frame");
        if kind == frames::HEADERS && flags & END_STREAM != 0 {
            ended.push(stream);
        }
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    ended.sort_unstable();
    assert_eq!(ended, [1, 3, 5]);
    assert!(pair.victim.recorder.recorded("request hi").is_empty(), "it was not whole");
}

/// A connection has one stream of messages, which may wait between two messages.
#[tokio::test]
async fn message_that_never_ends_ends_its_stream() {
    const MESSAGES: &str = "/protos.Peer/Messages";
    let pair = Pair::start(GrpcOptions::default()).await;
    let (mut idle, mut partial) =
        (Http2::connect(pair.address()).await, Http2::connect(pair.address()).await);
    idle.begin(1, MESSAGES).await;
    idle.data(1, &[0; 5], 0).await;
    partial.begin(1, MESSAGES).await;
    partial.data(1, &[0, 0, 0, 0, 100, b'h'], 0).await;
    let began = Instant::now();
    partial.ends(1).await;
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    // The place of the first stream is taken, so that one is open.
    idle.begin(3, MESSAGES).await;
    idle.ends(3).await;
    partial.begin(3, MESSAGES).await;
    partial.data(3, &[0; 5], END_STREAM).await;
    partial.ends(3).await;
    pair.works().await;
}

#[tokio::test]
async fn oversized_message_and_headers_are_refused() {
    let pair = Pair::start(GrpcOptions { max_message: 1000, ..GrpcOptions::default() }).await;
    let mut http = Http2::connect(pair.address()).await;
    http.begin(1, "/protos.Pitaya/Call").await;
    http.data(1, &[0, 0xff, 0xff, 0xff, 0xff, b'x'], 0).await;
    http.ends(1).await;
    http.begin(3, &format!("/{}", "x".repeat(12_000))).await;
    http.ends(3).await;
    http.begin(5, "/protos.Pitaya/Unknown").await;
    http.ends(5).await;
    let mut compressed = Http2::connect(pair.address()).await;
    compressed.begin(1, "/protos.Pitaya/Call").await;
    compressed.data(1, &[1, 0, 0, 0, 1, b'x'], END_STREAM).await;
    compressed.ends(1).await;
    pair.works().await;
    assert_eq!(pair.victim.recorder.recorded("request").len(), 1);
}

#[tokio::test]
async fn flood_of_resets_delays_no_call() {
    let pair = Pair::start(GrpcOptions::default()).await;
    let mut http = Http2::connect(pair.address()).await;
    for n in 0..20_000 {
        if http.begin_and_reset(1 + 2 * n).await.is_err() {
            break; // the server has closed the connection
        }
    }
    pair.works().await;
}

/// The most bytes of address space that this process ever had.
#[cfg(target_os = "linux")]
fn peak_address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the state of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// The callee announces answers of 1 GiB, and sends the heads only.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn announced_length_of_an_answer_reserves_nothing() {
    const CALLS: u64 = 32;
    let pair = Pair::start(GrpcOptions { max_message: 1 << 30, ..GrpcOptions::default() }).await;
    let (to, server) = pair.stranger("announces").await;
    let before = peak_address_space();
    let call = || pair.victim.transport.request(&to, "hello".into(), Duration::from_secs(1));
    let answers = futures_util::future::join_all((0..CALLS).map(|_| call())).await;
    assert!(answers.iter().all(|answer| *answer == Err(TransportError::Timeout)), "{answers:?}");
    let grown = peak_address_space() - before;
    assert!(grown < (CALLS << 30) / 4, "{grown} bytes");
    pair.works().await;
    server.abort();
}

/// The callee closes, sends garbage, stays silent, or answers without data.
#[tokio::test]
async fn call_to_a_stranger_fails_within_its_deadline() {
    let pair = Pair::start(GrpcOptions::default()).await;
    for what in ["closes", "garbage", "silence", "no answer", "no data", "empty"] {
        let (to, server) = pair.stranger(what).await;
        let (began, limit) = (Instant::now(), Duration::from_secs(1));
        let answer = pair.other.transport.request(&to, "hello".into(), limit).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{what}: {:?}", began.elapsed());
        match what {
            "empty" => assert_eq!(answer, Ok(Bytes::new())),
            "silence" | "no answer" => assert_eq!(answer, Err(TransportError::Timeout), "{what}"),
            "no data" => assert!(matches!(answer, Err(TransportError::Other(_))), "{what}: {answer:?}"),
            _ => assert!(answer.is_err(), "{what}: {answer:?}"),
        }
        pair.works().await;
        server.abort();
    }
}
