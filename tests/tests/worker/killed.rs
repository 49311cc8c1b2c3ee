//! Workers as processes of their own, which are killed while a job runs.

use std::process::Stdio;

use pitaya_tests::soon;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::meta::*;
use super::*;

/// A worker in a process. It is killed when this is dropped.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(redis: &Redis, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_jobs"))
            .env_clear()
            .env("PITAYA_WORKER_REDIS_SERVERURL", redis.address())
            .env("PITAYA_WORKER_HEARTBEAT", "200ms")
            .env("PITAYA_WORKER_POLL", "20ms")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that it prints.
    async fn says(&mut self) -> String {
        soon("a line of the worker", self.lines.next_line()).await.unwrap().unwrap()
    }
}

async fn push_work(redis: &Redis, text: &str) {
    push(redis, job("killed.runs.run", &json!({"text": text})).to_string()).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn job_of_a_killed_process_runs_elsewhere() {
    let redis = Redis::start().await;
    let mut first = Process::start(&redis, &[("HANG", "1")]);
    push_work(&redis, "a").await;
    assert_eq!(first.says().await, "began a");
    let mut second = Process::start(&redis, &[]);
    // A later job shows that the second worker runs, and that it leaves the job of a live worker alone.
    let other = job("killed.runs.run", &json!({"text": "b"})).to_string().replace("d9d9", "0000");
    push(&redis, other).await;
    assert_eq!(second.says().await, "began b");
    settled(&redis, Counts { running: 1, ..Counts::default() }).await;
    // SIGKILL.
    first.child.kill().await.unwrap();
    assert_eq!(second.says().await, "began a");
    settled(&redis, Counts::default()).await;
    assert_eq!(stat(&redis, "processed").await, 2);
    // The remote is idempotent: the run that ended counts, the run that was killed does not.
    push_work(&redis, "a").await;
    settled(&redis, Counts::default()).await;
    assert_eq!(stat(&redis, "processed").await, 3);
    second.child.kill().await.unwrap();
    let rest = soon("the end of the output", second.lines.next_line()).await.unwrap();
    assert_eq!(rest, None, "the job ran a second time");
}
