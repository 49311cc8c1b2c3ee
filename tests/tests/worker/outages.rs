//! Workers that die, Redis that dies, freezes, restarts or demands credentials, and stops in the middle of jobs.

use std::path::Path;

use pitaya_tests::{soon, until};

use super::meta::*;
use super::*;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn jobs_of_a_dead_worker_are_taken_over() {
    let redis = Redis::start().await;
    for (worker, text) in [("dead", "orphan"), ("live", "kept"), ("gohost", "of go")] {
        let list = format!("queue:rpc:{worker}:inprogress");
        let _: u32 = redis
            .ask(cmd("LPUSH").arg(list).arg(job("meta.meta.log", &json!({"text": text})).to_string()))
            .await;
    }
    // A worker of Go Pitaya has no heartbeat and is not in the set.
    let _: u32 = redis.ask(cmd("SADD").arg("pitaya:workers").arg("dead").arg("live")).await;
    let _: () = redis.ask(cmd("SET").arg("pitaya:worker:live").arg(1)).await;
    let (one, two) = (server(config(&redis, "")).await, server(config(&redis, "")).await);
    until("the orphan", || one.runs("orphan") + two.runs("orphan") == 1).await;
    settled(&redis, Counts { running: 2, ..Counts::default() }).await;
    for text in ["kept", "of go"] {
        assert_eq!(one.runs(text) + two.runs(text), 0, "{text}");
    }
    stop([one, two]).await;
    // A worker that stops leaves nothing.
    let mut workers: Vec<String> = redis.ask(cmd("SMEMBERS").arg("pitaya:workers")).await;
    workers.sort();
    assert_eq!(workers, ["live"]);
    let heartbeats: Vec<String> = redis.ask(cmd("KEYS").arg("pitaya:worker:*")).await;
    assert_eq!(heartbeats, ["pitaya:worker:live"]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_killed_during_a_job_loses_nothing() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "pitaya.worker.timeout = \"1m\"")).await;
    server.enqueue("wait:a").await;
    server.ran("wait:a", 1).await;
    redis.kill();
    // The job ends while Redis is away: between BRPOPLPUSH and LREM.
    server.recorder.gate("jobs").add_permits(1);
    let refused = server.app.reliable_rpc(&MetaApiClient::LOG, &entry("lost")).await.unwrap_err();
    assert_eq!(refused.code(), "PIT-503");
    tokio::time::sleep(500 * MILLIS).await;
    redis.restart().await;
    settled(&redis, Counts::default()).await;
    assert_eq!((server.runs("wait:a"), stat(&redis, "processed").await), (1, 1));
    soon("a connection", async {
        while server.app.reliable_rpc(&MetaApiClient::LOG, &entry("back")).await.is_err() {}
    })
    .await;
    server.ran("back", 1).await;
    stop([server]).await;
}

/// The worker died with Redis: only the list holds the job.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn killed_worker_and_redis_lose_no_job() {
    let redis = Redis::start().await;
    // What a worker leaves that is killed between BRPOPLPUSH and LREM.
    server(config(&redis, "")).await.running.stop().await;
    let list = "queue:rpc:0b0e:inprogress";
    let _: u32 = redis
        .ask(cmd("LPUSH").arg(list).arg(job("meta.meta.log", &json!({"text": "orphan"})).to_string()))
        .await;
    let _: u32 = redis.ask(cmd("SADD").arg("pitaya:workers").arg("0b0e")).await;
    redis.restart().await;
    let server = server(config(&redis, "")).await;
    server.ran("orphan", 1).await;
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}

/// Heartbeats expire during an outage, but no worker counts as dead.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn frozen_redis_stops_nothing_for_good() {
    let redis = Redis::start().await;
    let (one, two) = (server(config(&redis, "")).await, server(config(&redis, "")).await);
    one.enqueue("wait:a").await;
    until("a run", || one.runs("wait:a") + two.runs("wait:a") == 1).await;
    redis.freeze();
    tokio::time::sleep(8 * Duration::from_secs(1)).await;
    let began = std::time::Instant::now();
    let refused = one.app.reliable_rpc(&MetaApiClient::LOG, &entry("lost")).await;
    assert_eq!(refused.unwrap_err().code(), "PIT-503");
    assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
    redis.thaw();
    one.recorder.gate("jobs").add_permits(1);
    two.recorder.gate("jobs").add_permits(1);
    settled(&redis, Counts::default()).await;
    assert_eq!(one.runs("wait:a") + two.runs("wait:a"), 1, "no worker counted as dead");
    soon("an answer", async {
        while one.app.reliable_rpc(&MetaApiClient::LOG, &entry("back")).await.is_err() {}
    })
    .await;
    // Redis may have executed commands whose answers came too late.
    until("a run", || one.runs("back") + two.runs("back") >= 1).await;
    stop([one, two]).await;
}

/// Redis executes the transaction, but its answer comes after the worker has given up and sent it again.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn lost_answer_enqueues_no_second_retry() {
    let redis = Redis::start().await;
    let server =
        server(config(&redis, "pitaya.worker.retry.mindelay = 1000\npitaya.worker.retry.maxdelay = 1000"))
            .await;
    server.enqueue("fail-late:a").await;
    server.ran("fail-late:a", 1).await;
    redis.freeze();
    server.recorder.gate("jobs").add_permits(1);
    tokio::time::sleep(Duration::from_secs(7)).await;
    redis.thaw();
    settled(&redis, Counts { retries: 1, ..Counts::default() }).await;
    // The stop waits for the transaction that was sent again.
    stop([server]).await;
    assert_eq!(counts(&redis).await, Counts { retries: 1, ..Counts::default() });
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn worker_starts_before_redis() {
    let redis = Redis::start().await;
    redis.kill();
    let server = server(config(&redis, "")).await;
    tokio::time::sleep(200 * MILLIS).await;
    redis.restart().await;
    push(&redis, job("meta.meta.log", &json!({"text": "a"})).to_string()).await;
    server.ran("a", 1).await;
    redis.kill();
    // A stop does not wait for Redis either.
    soon("a stop", server.running.stop()).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn stop_finishes_jobs_or_returns_them() {
    let redis = Redis::start().await;
    let more = "pitaya.worker.concurrency = 2\npitaya.worker.timeout = \"1m\"\npitaya.stop.timeout = \"4s\"";
    let server = server(config(&redis, more)).await;
    server.enqueue("wait:a").await;
    server.enqueue("wait:b").await;
    server.ran("wait:a", 1).await;
    server.ran("wait:b", 1).await;
    server.enqueue("never begun").await;
    let Server { running, recorder, .. } = server;
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(200 * MILLIS).await;
    recorder.gate("jobs").add_permits(1);
    soon("a stop", stopping).await.unwrap();
    // One finished, one went back to the head of the queue.
    assert_eq!(counts(&redis).await, Counts { waiting: 2, ..Counts::default() });
    assert_eq!((stat(&redis, "processed").await, runs(&recorder, "never begun")), (1, 0));
    let next: String = redis.ask(cmd("LINDEX").arg("queue:rpc").arg(-1)).await;
    assert!(next.contains("wait:"), "{next}");
}

#[tokio::test]
async fn app_without_jobs_needs_no_redis() {
    let app = idle(config_at("127.0.0.1:1", "")).await;
    let error = app.app().reliable_rpc(&MetaApiClient::LOG, &entry("a")).await.unwrap_err();
    assert_eq!(error.code(), "PIT-503");
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_may_demand_a_user_and_a_database() {
    let acl = ["--user", "ann", "on", ">secret", "~*", "+@all", "--requirepass", "pass"];
    let redis = Redis::start_with(&acl, "ann:secret@").await;
    for (more, code) in [
        ("pitaya.worker.redis.user = \"ann\"\npitaya.worker.redis.password = \"secret\"", None),
        ("pitaya.worker.redis.password = \"pass\"", None),
        ("pitaya.worker.redis.password = \"wrong\"", Some("PIT-503")),
        ("", Some("PIT-503")),
    ] {
        let app = idle(config(&redis, more)).await;
        let enqueued = app.app().reliable_rpc(&MetaApiClient::LOG, &entry("a")).await;
        assert_eq!(enqueued.as_ref().err().map(Error::code), code, "{more}: {enqueued:?}");
        app.stop().await;
    }
    let address = format!("redis://ann:secret@{}/3", redis.address());
    let server = server(config_at(&address, "")).await;
    server.enqueue("in database 3").await;
    server.ran("in database 3", 1).await;
    let databases: String = redis.ask(cmd("INFO").arg("keyspace")).await;
    assert!(databases.contains("db3:"), "{databases}");
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn redis_over_tls_needs_a_trusted_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let text = |path: &Path| path.display().to_string();
    let (cert, key) = (text(&cert), text(&key));
    let args =
        ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let redis = Redis::start_with(&args, "").await;
    let trusting = format!("pitaya.worker.redis.tls.cafile = \"{cert}\"");
    let server = server(config_at(&format!("rediss://127.0.0.1:{port}"), &trusting)).await;
    server.enqueue("over TLS").await;
    server.ran("over TLS", 1).await;
    stop([server]).await;
    let strangers = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = dir.path().join("other.pem");
    std::fs::write(&other, strangers.cert.pem()).unwrap();
    let wary = format!(
        "pitaya.worker.redis.tls.enabled = true\npitaya.worker.redis.tls.cafile = \"{}\"",
        text(&other)
    );
    let app = idle(config_at(&format!("127.0.0.1:{port}"), &wary)).await;
    let error = app.app().reliable_rpc(&MetaApiClient::LOG, &entry("a")).await.unwrap_err();
    assert!(error.msg().contains("certificate"), "{error}");
    app.stop().await;
    drop(redis);
}
