use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Level;

use super::*;
use crate::module::testing::capture;

fn sh(script: &str, grace: Duration) -> BinaryModule {
    BinaryModule::new("sh", ["-c", script], grace)
}

async fn start(module: &BinaryModule) {
    module.init(&Services::default()).await.unwrap();
}

type Logs = UnboundedReceiver<(Level, String)>;

/// The next line that the child itself said.
async fn said(logs: &mut Logs) -> (Level, String) {
    logs.recv().await.unwrap()
}

#[tokio::test]
async fn stdout_is_info_and_stderr_is_error() {
    let (_guard, mut logs) = capture();
    let module = sh("echo a; echo b >&2; printf last", BinaryModule::GRACE);
    start(&module).await;
    assert_eq!(module.exited().await.unwrap().code(), Some(0));
    let mut all: Vec<_> = std::iter::from_fn(|| logs.try_recv().ok()).collect();
    all.retain(|(level, _)| *level != Level::WARN);
    all.sort_by(|a, b| a.1.cmp(&b.1));
    let line = |level, text: &str| (level, text.to_owned());
    assert_eq!(all, [line(Level::INFO, "a"), line(Level::ERROR, "b"), line(Level::INFO, "last")]);
    assert_eq!(module.exited().await.unwrap().code(), Some(0), "asking again is fine");
    module.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_long_line_is_not_lost() {
    let (_guard, mut logs) = capture();
    let module = sh("head -c 200000 /dev/zero | tr '\\0' x; echo; echo end", BinaryModule::GRACE);
    start(&module).await;
    module.exited().await;
    let lines = std::iter::from_fn(|| logs.try_recv().ok()).filter(|(level, _)| *level == Level::INFO);
    let lines: Vec<_> = lines.map(|(_, line)| line).collect();
    assert_eq!(lines.last().unwrap(), "end");
    assert_eq!(lines.iter().map(|line| line.matches('x').count()).sum::<usize>(), 200_000);
}

#[tokio::test]
async fn shutdown_asks_the_program_to_end_and_waits_for_it() {
    let (_guard, mut logs) = capture();
    let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let module = sh(script, BinaryModule::GRACE);
    start(&module).await;
    assert_eq!(said(&mut logs).await.1, "ready");
    module.shutdown().await.unwrap();
    assert_eq!(module.exited().await.unwrap().code(), Some(3));
    assert_eq!(said(&mut logs).await, (Level::INFO, "bye".to_owned()));
}

#[tokio::test]
async fn program_that_ignores_the_signal_is_killed() {
    let (_guard, mut logs) = capture();
    let module = sh("trap '' TERM; echo ready; exec sleep 1000", Duration::from_millis(50));
    start(&module).await;
    assert_eq!(said(&mut logs).await.1, "ready");
    let error = module.shutdown().await.unwrap_err();
    assert_eq!(error.msg(), text::BINARY_TIMEOUT);
    assert_eq!(module.exited().await.unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_shutdown_that_is_cut_short_kills_the_program() {
    let (_guard, mut logs) = capture();
    let module = sh("trap '' TERM; echo ready; exec sleep 1000", Duration::from_secs(3600));
    start(&module).await;
    assert_eq!(said(&mut logs).await.1, "ready");
    let cut = timeout(Duration::ZERO, module.shutdown()).await;
    assert!(cut.is_err());
    assert_eq!(module.exited().await.unwrap().signal(), Some(9));
}

#[tokio::test]
async fn a_program_dies_with_its_module() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("alive");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let args = [OsString::from("-c"), "exec 3>\"$0\"; exec sleep 1000".into(), fifo.clone().into_os_string()];
    let module = BinaryModule::new("sh", args, BinaryModule::GRACE);
    start(&module).await;
    // Opens once the program has it open, and ends when the program does.
    let mut alive = std::fs::File::open(&fifo).unwrap();
    drop(module);
    tokio::task::spawn_blocking(move || alive.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_end_by_itself_is_seen_while_the_server_runs() {
    let module = Arc::new(sh("exit 7", BinaryModule::GRACE));
    let waiting = tokio::spawn({
        let module = Arc::clone(&module);
        async move { module.exited().await }
    });
    start(&module).await;
    assert_eq!(waiting.await.unwrap().unwrap().code(), Some(7));
}

#[tokio::test]
async fn output_that_others_keep_open_does_not_hold_the_end() {
    let (_guard, mut logs) = capture();
    let module = sh("sleep 3 & echo started", BinaryModule::GRACE);
    start(&module).await;
    assert_eq!(module.exited().await.unwrap().code(), Some(0));
    assert!(std::iter::from_fn(|| logs.try_recv().ok()).any(|(_, line)| line == "started"));
}

#[tokio::test]
async fn missing_program_is_an_error_that_names_it() {
    let module = BinaryModule::new("/no/such/program", [""; 0], BinaryModule::GRACE);
    let error = module.init(&Services::default()).await.unwrap_err();
    assert!(error.msg().starts_with("binary `/no/such/program`: "), "{error}");
    module.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_program_is_started_once() {
    let module = sh("exec sleep 1000", BinaryModule::GRACE);
    start(&module).await;
    assert!(module.init(&Services::default()).await.unwrap_err().msg().contains("started already"));
    module.shutdown().await.unwrap();
    assert_eq!(module.exited().await.unwrap().signal(), Some(15));
}
