//! Jobs with an idempotency key.

use std::sync::Arc;

use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::worker::Worker;
use pitaya_tests::server::Recorder;

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
    let mut twice = job("meta.meta.log", &json!({"text": "wait:a"}));
    twice["idempotency_key"] = json!("order-1");
    runs_once(&redis, &twice).await;
}

/// A job without a key: its id is the key.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn job_of_idempotent_remote_succeeds_once() {
    let redis = Redis::start().await;
    runs_once(&redis, &job("meta.meta.pay", &json!({"text": "wait:a"}))).await;
    // Another job is another payment.
    let server = server(config(&redis, "")).await;
    for _ in 0..2 {
        server.app.reliable_rpc(&MetaApiClient::PAY, &entry("fail:1:b")).await.unwrap();
    }
    settled(&redis, Counts::default()).await;
    // The first run failed, and a failure frees the key.
    assert_eq!(server.runs("fail:1:b"), 3);
    stop([server]).await;
}

/// The worker serves no remotes: the constant of the route carries the mark.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn idempotent_route_marks_remote_of_another_server() {
    assert!(MetaApiClient::PAY.is_idempotent() && !MetaApiClient::LOG.is_idempotent());
    let redis = Redis::start().await;
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let recorder = Arc::new(Recorder::default());
    let meta = builder(config(&redis, ""), &recorder).discovery(registry.discovery());
    let meta = meta.transport(broker.transport()).start().await.unwrap();
    let worker = App::builder().config(config(&redis, "")).server_type("porter").backend();
    let worker = worker.explicit_components().discovery(registry.discovery()).transport(broker.transport());
    let worker = worker.worker(Worker::new().route(&MetaApiClient::PAY)).start().await.unwrap();
    let twice = job("meta.meta.pay", &json!({"text": "a"})).to_string();
    push(&redis, twice.clone()).await;
    settled(&redis, Counts::default()).await;
    push(&redis, twice).await;
    settled(&redis, Counts::default()).await;
    assert_eq!((runs(&recorder, "a"), stat(&redis, "processed").await), (1, 2));
    worker.stop().await;
    meta.stop().await;
}

/// Delivers a job with the text `wait:a` twice to two workers, and checks that one run begins.
async fn runs_once(redis: &Redis, twice: &Value) {
    let (one, two) = (server(config(redis, "")).await, server(config(redis, "")).await);
    push(redis, twice.to_string()).await;
    push(redis, twice.to_string()).await;
    // The second delivery waits while the first one runs.
    settled(redis, Counts { running: 1, delayed: 1, ..Counts::default() }).await;
    tokio::time::sleep(100 * MILLIS).await;
    assert_eq!(one.runs("wait:a") + two.runs("wait:a"), 1);
    one.recorder.gate("jobs").add_permits(1);
    two.recorder.gate("jobs").add_permits(1);
    settled(redis, Counts::default()).await;
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
