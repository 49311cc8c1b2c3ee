//! A signal that comes while a server starts ends it cleanly.
#![cfg(unix)]

use std::process::Stdio;
use std::time::Duration;

use pitaya::Lifecycle;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::prelude::*;
use pitaya_tests::programs::free_port;
use pitaya_tests::soon;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A server whose NATS and etcd are unreachable.
fn command(program: &str) -> Command {
    let (nats, etcd) = (format!("nats://127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", etcd)
        .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", &nats)
        .env("PITAYA_CLUSTER_RPC_SERVER_NATS_CONNECT", &nats)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Waits for a line of the log that has this text.
async fn says(child: &mut Child, text: &str) {
    let stdout = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines();
    soon(text, async {
        while let Some(line) = lines.next_line().await.expect("a readable pipe") {
            if line.contains(text) {
                return;
            }
        }
        panic!("the server ended before it said: {text}");
    })
    .await;
    // Something reads the pipe, so that the server is never held up by it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
}

fn terminate(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a process id")).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("the server runs");
}

const WAITING: &str = "failed to connect to NATS: retrying";

#[tokio::test]
async fn sigterm_ends_a_server_that_waits_for_nats() {
    let mut child = command(env!("CARGO_BIN_EXE_waiting")).spawn().expect("the server starts");
    says(&mut child, WAITING).await;
    terminate(child.id().expect("it runs"));
    let status = soon("the end", child.wait()).await.expect("a status");
    assert_eq!(status.code(), Some(0), "{status}");
}

/// The kernel drops signals to process 1 of a PID namespace that it does not listen to.
#[tokio::test]
#[ignore = "needs PID namespaces"]
async fn sigterm_ends_a_starting_server_that_is_process_1() {
    let mut unshare = command("unshare");
    unshare.args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_waiting")]);
    let mut child = unshare.spawn().expect("unshare is installed");
    let pid = child.id().expect("it runs");
    if soon("unshare to start", async {
        loop {
            if let Ok(Some(_)) = child.try_wait() {
                return true; // it may not make namespaces here
            }
            if children(pid).is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    {
        eprintln!("\n*** SKIPPED: this user may not create PID namespaces ***\n");
        return;
    }
    says(&mut child, WAITING).await;
    terminate(children(pid).expect("the server"));
    let status = soon("the end", child.wait()).await.expect("a status");
    assert_eq!(status.code(), Some(0), "{status}");
}

/// The first child of a process.
fn children(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Never gets ready.
#[derive(Component)]
struct Stuck;

impl Lifecycle for Stuck {
    async fn after_init(&self) {
        std::future::pending::<()>().await;
    }
}

#[handler(server = "stuck")]
impl Stuck {
    /// Nothing.
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn slow_start_fails_and_leaves_nothing() {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::new());
    let mut config = pitaya_tests::server::config();
    config.start_timeout = Duration::from_secs(3);
    let error = App::builder()
        .config(config)
        .server_type("stuck")
        .backend()
        .discovery(registry.discovery())
        .transport(broker.transport())
        .start()
        .await
        .unwrap_err();
    assert!(error.msg().contains("`pitaya.start.timeout`") && error.msg().contains("after_init"), "{error}");
    assert!(registry.servers().is_empty(), "the server has left: {:?}", registry.servers());
}
