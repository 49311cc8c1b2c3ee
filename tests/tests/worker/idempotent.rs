//! Jobs with an idempotency key.

use super::meta::*;
use super::*;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn job_with_key_succeeds_once() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "pitaya.worker.concurrency = 4")).await;
    let once = server.app.reliable().once("order-1");
    for _ in 0..5 {
        once.call(&MetaApiClient::LOG, &entry("a")).await.unwrap();
    }
    settled(&redis, Counts::default()).await;
    assert_eq!(server.runs("a"), 1);
    // The window is 24 hours.
    let left: u64 = redis.ask(cmd("TTL").arg("pitaya:once:order-1")).await;
    assert!((86_000..=86_400).contains(&left), "{left}");
    // Another key is another job.
    once.once("order-2").call(&MetaApiClient::LOG, &entry("a")).await.unwrap();
    server.ran("a", 2).await;
    stop([server]).await;
}

/// The same job, twice in the queue, as after an adoption.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn job_delivered_twice_succeeds_once() {
    let redis = Redis::start().await;
    let (one, two) = (server(config(&redis, "")).await, server(config(&redis, "")).await);
    let mut twice = job("meta.meta.log", &json!({"text": "wait:a"}));
    twice["idempotency_key"] = json!("order-1");
    push(&redis, twice.to_string()).await;
    push(&redis, twice.to_string()).await;
    // The second delivery waits while the first one runs.
    settled(&redis, Counts { running: 1, delayed: 1, ..Counts::default() }).await;
    tokio::time::sleep(100 * MILLIS).await;
    assert_eq!(one.runs("wait:a") + two.runs("wait:a"), 1);
    one.recorder.gate("jobs").add_permits(1);
    two.recorder.gate("jobs").add_permits(1);
    settled(&redis, Counts::default()).await;
    assert_eq!(one.runs("wait:a") + two.runs("wait:a"), 1);
    stop([one, two]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn failed_job_with_key_runs_again() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let once = server.app.reliable().once("order-1");
    once.call(&MetaApiClient::LOG, &entry("fail:2:a")).await.unwrap();
    server.ran("fail:2:a", 3).await;
    settled(&redis, Counts::default()).await;
    once.call(&MetaApiClient::LOG, &entry("fail:2:a")).await.unwrap();
    settled(&redis, Counts::default()).await;
    assert_eq!(server.runs("fail:2:a"), 3);
    // A dead job frees its key.
    let dead = once.once("order-2");
    dead.call(&MetaApiClient::LOG, &entry("fail:99:b")).await.unwrap();
    settled(&redis, Counts { dead: 1, ..Counts::default() }).await;
    let held: u32 = redis.ask(cmd("EXISTS").arg("pitaya:once:order-2")).await;
    assert_eq!(held, 0);
    stop([server]).await;
}

/// No server knows whether the first run succeeded, so the job runs again.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn key_of_a_dead_worker_is_taken_over() {
    let redis = Redis::start().await;
    let _: () = redis.ask(cmd("SET").arg("pitaya:once:order-1").arg("dead-worker:run")).await;
    let _: () = redis.ask(cmd("SET").arg("pitaya:once:order-2").arg("live-worker:run")).await;
    let _: () = redis.ask(cmd("SET").arg("pitaya:worker:live-worker").arg(1)).await;
    let server = server(config(&redis, "")).await;
    let reliable = server.app.reliable();
    for (key, text) in [("order-1", "a"), ("order-2", "b")] {
        reliable.once(key).call(&MetaApiClient::LOG, &entry(text)).await.unwrap();
    }
    server.ran("a", 1).await;
    settled(&redis, Counts { delayed: 1, ..Counts::default() }).await;
    assert_eq!(server.runs("b"), 0);
    let _: u32 = redis.ask(cmd("DEL").arg("pitaya:worker:live-worker")).await;
    server.ran("b", 1).await;
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}
