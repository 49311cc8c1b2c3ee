//! Texts in Redis that are no jobs, or jobs that cannot run.

use super::meta::*;
use super::*;

/// The set of dead jobs holds the reason.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn bad_job_is_dead_and_stops_nothing() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let bad: [(Vec<u8>, &str); 9] = [
        (b"\xff\xfe no text".to_vec(), "invalid JSON"),
        (b"{\"queue\":".to_vec(), "invalid JSON"),
        (b"[1,2]".to_vec(), "the job is no JSON object"),
        (b"null".to_vec(), "the job is no JSON object"),
        (b"{}".to_vec(), "`args` is no object"),
        (br#"{"args":{"Arg":{"text":"a"}}}"#.to_vec(), "`args` has no route"),
        (format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes(), "invalid JSON"),
        (format!("\"{}\"", "x".repeat(1 << 20)).into_bytes(), "the job is no JSON object"),
        (job("meta.meta.log", &json!({"text": 5})).to_string().into_bytes(), "PIT-400: invalid argument"),
    ];
    for (number, (text, reason)) in bad.into_iter().enumerate() {
        push(&redis, &text[..]).await;
        settled(&redis, Counts { dead: number + 1, ..Counts::default() }).await;
        let dead = dead_jobs(&redis).await;
        let found =
            dead.iter().filter(|job| job["error_message"].as_str().unwrap().starts_with(reason)).count();
        assert!(found > 0, "{reason}: {dead:?}");
    }
    server.enqueue("after").await;
    server.ran("after", 1).await;
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn unknown_route_is_retried_then_dead() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    for route in ["meta.meta.gone", "other.meta.log", "log", ""] {
        push(&redis, job(route, &Value::Null).to_string()).await;
    }
    settled(&redis, Counts { dead: 4, ..Counts::default() }).await;
    assert_eq!(stat(&redis, "failed").await, 4 * 4);
    for job in dead_jobs(&redis).await {
        assert!(job["error_message"].as_str().unwrap().starts_with("PIT-404"), "{job}");
    }
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn unknown_fields_and_big_jobs_run() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let mut odd =
        job("meta.meta.log", &json!({"text": "odd", "COUNT": 3, "unknown": {"a": [1]}, "data": "AP8="}));
    odd["surprise"] = json!({"deep": [{}]});
    odd["args"]["More"] = json!(1);
    push(&redis, odd.to_string()).await;
    server.ran("odd", 1).await;
    let big = "x".repeat(1 << 20);
    server.enqueue(&big).await;
    server.ran(&big, 1).await;
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}

/// Go's workers crash at such a text. It leaves the set, so that they live.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn text_in_a_sorted_set_that_is_no_job_is_dead() {
    let redis = Redis::start().await;
    for set in ["goretry", "schedule"] {
        let _: u32 = redis.ask(cmd("ZADD").arg(set).arg(1).arg("no JSON")).await;
        let _: u32 = redis.ask(cmd("ZADD").arg(set).arg(1).arg("[]")).await;
        let due = job("meta.meta.log", &json!({"text": set})).to_string();
        let _: u32 = redis.ask(cmd("ZADD").arg(set).arg(2).arg(due)).await;
    }
    let server = server(config(&redis, "")).await;
    for set in ["goretry", "schedule"] {
        server.ran(set, 1).await;
    }
    // Equal texts are one member of the set.
    settled(&redis, Counts { dead: dead_jobs(&redis).await.len(), ..Counts::default() }).await;
    assert!((2..=4).contains(&dead_jobs(&redis).await.len()));
    stop([server]).await;
}

#[tokio::test]
async fn invalid_address_keeps_the_app_from_starting() {
    for (address, reason) in [
        ("http://localhost:1", "unknown scheme `http`"),
        ("redis://user:secret@:x", "invalid address of Redis"),
        ("rediss://localhost:1", "TLS to Redis"),
    ] {
        let more = "pitaya.worker.redis.tls.cafile = \"/does/not/exist.pem\"";
        let error = builder(config_at(address, more), &std::sync::Arc::default()).start().await.unwrap_err();
        assert!(error.msg().contains(reason) && !error.msg().contains("secret"), "{}", error.msg());
    }
}

/// A key of another type refuses the commands of a job. No job is lost without an error.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn queue_of_another_type_refuses_jobs() {
    let redis = Redis::start().await;
    let _: () = redis.ask(cmd("SET").arg("queue:rpc").arg("text")).await;
    let app = idle(config(&redis, "")).await;
    let error = app.app().reliable_rpc(&MetaApiClient::LOG, &entry("a")).await.unwrap_err();
    assert!(error.code() == "PIT-503" && error.msg().contains("WRONGTYPE"), "{error}");
    app.stop().await;
}
