//! Signals: an immediate stop in order, a drain, and the end of a drain.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use pitaya_tests::raw_client::RawClient;
use pitaya_tests::soon;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

struct Served {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    tcp: SocketAddr,
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
        let address = soon("the address", lines.next_line()).await.unwrap().expect("a line");
        Self { child, lines, tcp: address.parse().unwrap() }
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
}

const TERM: rustix::process::Signal = rustix::process::Signal::TERM;
const DRAIN: [(&str, &str); 2] =
    [("PITAYA_SESSION_DRAIN_ENABLED", "true"), ("PITAYA_SESSION_DRAIN_PERIOD", "10ms")];

#[tokio::test]
async fn signals_without_draining_stop_immediately() {
    for signal in [TERM, rustix::process::Signal::INT, rustix::process::Signal::QUIT] {
        let served = Served::start(&[]).await;
        let mut client = RawClient::ready(served.tcp).await;
        served.signal(signal);
        assert_eq!(client.closed().await, []);
        assert_eq!(served.ended().await, ["module shutdown", "stopped"]);
    }
}

/// For those of the pool and of the session modules.
#[tokio::test]
async fn sigterm_with_draining_waits_for_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let held = folder.path().join("held");
    std::fs::write(&held, "").unwrap();
    let env = [DRAIN[0], DRAIN[1], ("HELD", held.to_str().unwrap())];
    let mut served = Served::start(&env).await;
    let mut first = RawClient::ready(served.tcp).await;
    let second = RawClient::ready(served.tcp).await;
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
    let _client = RawClient::ready(served.tcp).await;
    served.signal(TERM);
    assert_eq!(served.ended().await.last().map(String::as_str), Some("stopped"));

    let mut served = Served::start(&DRAIN).await;
    let _client = RawClient::ready(served.tcp).await;
    served.signal(TERM);
    soon("draining", served.lines.next_line()).await.unwrap();
    served.signal(TERM);
    assert_eq!(served.ended().await.last().map(String::as_str), Some("stopped"));
}
