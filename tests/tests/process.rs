//! A server as a process: signals, draining, and what it holds after every kind of bad input.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use pitaya_tests::arena::Stats;
use pitaya_tests::raw::{ACK, Got, HANDSHAKE, Raw, request};
use pitaya_tests::soon;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Served {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    tcp: SocketAddr,
    ws: SocketAddr,
    proxy: SocketAddr,
}

impl Served {
    async fn start(env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_served"))
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon("the addresses", lines.next_line()).await.unwrap().expect("a line");
        let at: Vec<SocketAddr> = line.split(' ').map(|address| address.parse().unwrap()).collect();
        Self { child, lines, tcp: at[0], ws: at[1], proxy: at[2] }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id().unwrap()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    async fn ended(mut self) -> Vec<String> {
        assert!(soon("the end", self.child.wait()).await.unwrap().success());
        let mut rest = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            rest.push(line);
        }
        rest
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id().unwrap())).unwrap().count()
    }
}

const TERM: rustix::process::Signal = rustix::process::Signal::TERM;
const DRAIN: [(&str, &str); 2] =
    [("PITAYA_SESSION_DRAIN_ENABLED", "true"), ("PITAYA_SESSION_DRAIN_PERIOD", "10ms")];

#[tokio::test]
async fn without_draining_sigterm_sigint_and_sigquit_stop_at_once_and_in_order() {
    for signal in [TERM, rustix::process::Signal::INT, rustix::process::Signal::QUIT] {
        let served = Served::start(&[]).await;
        let mut client = Raw::ready(served.tcp).await;
        served.signal(signal);
        assert_eq!(client.closed().await, []);
        assert_eq!(served.ended().await, ["module shutdown", "stopped"]);
    }
}

#[tokio::test]
async fn with_draining_sigterm_waits_for_the_last_session_of_the_pool_and_of_the_modules() {
    let folder = tempfile::tempdir().unwrap();
    let held = folder.path().join("held");
    std::fs::write(&held, "").unwrap();
    let env = [DRAIN[0], DRAIN[1], ("HELD", held.to_str().unwrap())];
    let mut served = Served::start(&env).await;
    let mut first = Raw::ready(served.tcp).await;
    let second = Raw::ready(served.tcp).await;
    served.signal(TERM);
    assert_eq!(soon("draining", served.lines.next_line()).await.unwrap().as_deref(), Some("draining"));
    soon("the acceptors to close", async {
        while tokio::net::TcpStream::connect(served.tcp).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(second);
    assert_eq!(first.ask("arena.raw", "still served").await, "still served");
    drop(first);
    // The module's session is left.
    assert!(tokio::time::timeout(Duration::from_millis(200), served.child.wait()).await.is_err());
    std::fs::remove_file(&held).unwrap();
    assert_eq!(served.ended().await, ["module shutdown", "stopped"]);
}

#[tokio::test]
async fn a_drain_ends_at_its_timeout_and_at_a_second_signal() {
    let served = Served::start(&[DRAIN[0], DRAIN[1], ("PITAYA_SESSION_DRAIN_TIMEOUT", "300ms")]).await;
    let _client = Raw::ready(served.tcp).await;
    served.signal(TERM);
    assert_eq!(served.ended().await.last().map(String::as_str), Some("stopped"));

    let mut served = Served::start(&DRAIN).await;
    let _client = Raw::ready(served.tcp).await;
    served.signal(TERM);
    soon("draining", served.lines.next_line()).await.unwrap();
    served.signal(TERM);
    assert_eq!(served.ended().await.last().map(String::as_str), Some("stopped"));
}

async fn stats(client: &mut Raw) -> Stats {
    serde_json::from_str(&client.ask("arena.stats", "").await).unwrap()
}

#[tokio::test]
async fn a_hundred_repetitions_of_every_bad_input_leave_no_descriptor_session_or_task_behind() {
    let served = Served::start(&[
        ("PITAYA_HANDLER_TIMEOUT", "1s"),
        ("PITAYA_LIMIT_HANDSHAKE_DEADLINE", "1s"),
        ("PITAYA_LIMIT_HEADER_DEADLINE", "1s"),
        ("PITAYA_LIMIT_PACKET_DEADLINE", "1s"),
        ("PITAYA_BUFFER_AGENT_CONNTIMEOUT", "1s"),
        ("PITAYA_HANDLER_MESSAGES_COMPRESSION", "false"),
    ])
    .await;
    let mut watcher = Raw::ready(served.tcp).await;
    soon("a warm server", async {
        for _ in 0..50 {
            stats(&mut watcher).await;
        }
    })
    .await;
    let (before, descriptors) = (stats(&mut watcher).await, served.descriptors());

    let ready = [HANDSHAKE, ACK].concat();
    let after = |bytes: &[u8]| [&ready[..], bytes].concat();
    let cases: Vec<(&str, SocketAddr, Vec<u8>)> = vec![
        ("silent", served.tcp, vec![]),
        ("half a header", served.tcp, vec![1, 0]),
        ("a wrong type", served.tcp, vec![9, 0, 0, 0]),
        ("a bad handshake", served.tcp, b"\x01\x00\x00\x03abc".to_vec()),
        ("an oversized packet", served.tcp, vec![1, 0xff, 0xff, 0xff]),
        ("a second handshake", served.tcp, [HANDSHAKE, HANDSHAKE].concat()),
        ("an undecodable message", served.tcp, after(b"\x04\x00\x00\x02\x00\x01")),
        ("half a packet", served.tcp, after(b"\x04\x00\x01\x00abc")),
        ("a handler that panics", served.tcp, after(&request(1, "arena.panic", b""))),
        ("a handler that never returns", served.tcp, after(&request(1, "arena.hang", b""))),
        ("a flood nobody reads", served.tcp, after(&request(1, "arena.flood", b""))),
        ("no upgrade", served.ws, b"GET / HTTP/1.1\r\n".to_vec()),
        ("a bad upgrade", served.ws, b"POST / HTTP/1.1\r\n\r\n".to_vec()),
        ("a missing PROXY header", served.proxy, ready.clone()),
        ("half a PROXY header", served.proxy, b"PROXY TCP4".to_vec()),
    ];
    for (name, address, bytes) in cases {
        let mut clients = Vec::new();
        for _ in 0..100 {
            clients.push(Raw::connect(address).await);
        }
        // Each case is seen to hold something first.
        soon(name, async {
            while stats(&mut watcher).await.tasks < before.tasks + 100
                || served.descriptors() < descriptors + 100
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        for client in &mut clients {
            client.send(&bytes).await;
        }
        drop(clients);
        soon(name, async {
            loop {
                let now = stats(&mut watcher).await;
                if now == before && served.descriptors() <= descriptors {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    assert!(matches!(watcher.call("arena.raw", "alive").await, Got::Response { error: false, .. }));
}
