//! Checks the number of commands a job, and prints how many jobs a second run.

use std::time::Instant;

use super::meta::*;
use super::*;

/// Go Pitaya's worker needs 12 commands a job: SADD, LPUSH, BRPOPLPUSH, LREM, MULTI with two INCR and EXEC, and a PING
/// before each of the four uses of its pool.
const OF_GO: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn a_job_costs_no_more_commands_than_in_go() {
    const JOBS: usize = 2000;
    let redis = Redis::start().await;
    let more =
        "pitaya.worker.concurrency = 16\npitaya.worker.heartbeat = \"5s\"\npitaya.worker.poll = \"5s\"";
    let server = server(config(&redis, more)).await;
    server.enqueue("first").await;
    server.ran("first", 1).await;
    settled(&redis, Counts::default()).await;
    let _: () = redis.ask(cmd("CONFIG").arg("RESETSTAT")).await;
    let began = Instant::now();
    let enqueue = async |part: usize| {
        for _ in 0..JOBS / 4 {
            server.enqueue(&format!("job {part}")).await;
        }
    };
    tokio::join!(enqueue(0), enqueue(1), enqueue(2), enqueue(3));
    let enqueued = began.elapsed();
    for part in 0..4 {
        server.ran(&format!("job {part}"), JOBS / 4).await;
    }
    let ran = began.elapsed();
    settled(&redis, Counts::default()).await;
    let stats: String = redis.ask(cmd("INFO").arg("commandstats")).await;
    let calls = |name: &str| -> usize {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.and_then(|rest| rest.split(',').next()).and_then(|count| count.parse().ok()).unwrap_or(0)
    };
    let names = ["multi", "exec", "sadd", "lpush", "brpoplpush", "lrem", "incr", "eval", "ping"];
    let all: usize = names.iter().map(|name| calls(name)).sum();
    #[expect(clippy::cast_precision_loss, reason = "small numbers, for people")]
    let rate = |time: Duration| JOBS as f64 / time.as_secs_f64();
    println!(
        "{JOBS} jobs: enqueued {:.0}/s, enqueued and run {:.0}/s, {:.2} commands a job",
        rate(enqueued),
        rate(ran),
        all as f64 / JOBS as f64
    );
    // A little more for heartbeats and blocking fetches that found nothing.
    assert!(all <= OF_GO * JOBS, "{stats}");
    stop([server]).await;
}
