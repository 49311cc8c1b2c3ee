//! Runs, retries, dead jobs, delays and metrics.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::metrics::InMemoryReporter;
use pitaya::worker::{Retry, Worker};
use pitaya_tests::until;

use super::meta::*;
use super::*;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn reliable_rpc_retries_and_returns_job_id() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let id = server.enqueue("fail:2:a").await;
    assert!(id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert!(server.runs("fail:2:a") < 3, "the caller does not wait for the runs");
    server.ran("fail:2:a", 3).await;
    settled(&redis, Counts::default()).await;
    assert_eq!((stat(&redis, "processed").await, stat(&redis, "failed").await), (1, 2));
    assert_eq!(server.runs("fail:2:a"), 3);
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn exhausted_job_is_dead_with_its_error() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let id = server.enqueue("fail:99:a").await;
    settled(&redis, Counts { dead: 1, ..Counts::default() }).await;
    // Go Pitaya's limit of 2 means four runs.
    assert_eq!((server.runs("fail:99:a"), stat(&redis, "failed").await), (4, 4));
    let dead = &dead_jobs(&redis).await[0];
    assert_eq!((&dead["jid"], &dead["error_message"]), (&json!(id), &json!("META-1: as asked")));
    assert_eq!((&dead["args"]["Route"], &dead["retry_count"]), (&json!("meta.meta.log"), &json!(2)));
    assert!(
        dead["failed_at"].as_str().unwrap().ends_with(" UTC") && dead["retried_at"].is_string(),
        "{dead}"
    );
    // Without retries the first failure is the last.
    let once = server.app.reliable().with_retry(Retry::never());
    once.call(&MetaApiClient::LOG, &entry("fail:99:b")).await.unwrap();
    settled(&redis, Counts { dead: 2, ..Counts::default() }).await;
    assert_eq!(server.runs("fail:99:b"), 1);
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn arguments_of_every_kind_arrive() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let reliable: pitaya::worker::Reliable = server.app.service().unwrap();
    reliable.call(&MetaApiClient::RAW, &Bytes::from_static(b"raw \0 bytes")).await.unwrap();
    reliable.call(&MetaApiClient::PING, &()).await.unwrap();
    reliable.call_json("meta.meta.log", &json!({"text": "by json"})).await.unwrap();
    let own = Entry { text: "<&>".into(), count: -7, data: Bytes::from_static(&[0, 255]) };
    reliable.call(&MetaApiClient::LOG, &own).await.unwrap();
    for text in ["raw \0 bytes", "ping", "by json", "<&>"] {
        server.ran(text, 1).await;
    }
    let error = reliable.call_json("log", &json!({})).await.unwrap_err();
    assert_eq!(error.code(), "PIT-400");
    let error = reliable.call_json("meta.log", &json!({})).await.unwrap_err();
    assert!(error.msg().contains("no server type chosen"), "{error}");
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn delayed_job_runs_no_earlier() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let began = SystemTime::now();
    let later = server.app.reliable().after(400 * MILLIS);
    later.call(&MetaApiClient::LOG, &entry("later")).await.unwrap();
    assert_eq!(counts(&redis).await, Counts { delayed: 1, ..Counts::default() });
    // A delay beyond the range of the clock is not taken as none.
    let never = server.app.reliable().after(Duration::MAX);
    never.call(&MetaApiClient::LOG, &entry("never")).await.unwrap();
    let at = server.app.reliable().at(began);
    at.call(&MetaApiClient::LOG, &entry("due")).await.unwrap();
    server.ran("due", 1).await;
    server.ran("later", 1).await;
    assert!(began.elapsed().unwrap() >= 400 * MILLIS);
    settled(&redis, Counts { delayed: 1, ..Counts::default() }).await;
    assert_eq!(server.runs("never"), 0);
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn job_has_a_time_limit_and_a_deadline() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "")).await;
    let reliable = server.app.reliable().with_retry(Retry::never());
    let short = reliable.with_timeout(100 * MILLIS);
    short.call(&MetaApiClient::LOG, &entry("wait:limit")).await.unwrap();
    settled(&redis, Counts { dead: 1, ..Counts::default() }).await;
    assert!(dead_jobs(&redis).await[0]["error_message"].as_str().unwrap().starts_with("PIT-408"));
    // The deadline passes before the job is due.
    let soon = SystemTime::now() + 100 * MILLIS;
    reliable
        .with_deadline(soon)
        .after(200 * MILLIS)
        .call(&MetaApiClient::LOG, &entry("expired"))
        .await
        .unwrap();
    settled(&redis, Counts { dead: 2, ..Counts::default() }).await;
    let dead = dead_jobs(&redis).await;
    assert!(dead.iter().any(|job| job["error_message"] == "the deadline of the job has passed"), "{dead:?}");
    assert_eq!(server.runs("expired"), 0);
    // No retry would be in time.
    let mut slow = Retry::default();
    (slow.min_delay, slow.max_delay) = (1000, 1000);
    let retried = server.app.reliable().with_retry(slow).with_deadline(SystemTime::now() + 60_000 * MILLIS);
    retried.call(&MetaApiClient::LOG, &entry("fail:99:late")).await.unwrap();
    settled(&redis, Counts { dead: 3, ..Counts::default() }).await;
    assert_eq!(server.runs("fail:99:late"), 1);
    // The remote goes on after its caller's time.
    server.recorder.gate("jobs").add_permits(1);
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn worker_metrics_count_jobs() {
    let redis = Redis::start().await;
    let (memory, recorder) = (Arc::new(InMemoryReporter::new()), Arc::new(Recorder::default()));
    let config = config(&redis, "pitaya.metrics.period = \"50ms\"");
    let app =
        builder(config, &recorder).worker(Worker::new()).reporter(memory.clone()).start().await.unwrap();
    let value = |name: &str, labels: &[(&str, &str)]| memory.value(name, labels);
    let mut slow = Retry::default();
    (slow.min_delay, slow.max_delay) = (1000, 1000);
    let reliable = app.app().reliable().with_retry(slow);
    // One job fails, one succeeds, one is dead, one runs, and two wait behind it.
    for text in ["fail:99:a", "works", "wait:a", "b", "c"] {
        reliable.call(&MetaApiClient::LOG, &entry(text)).await.unwrap();
        if text == "works" {
            push(&redis, "{}").await;
        }
    }
    let wanted = [
        ("worker_jobs_retry_total", None, 1.0),
        ("worker_jobs_total", Some(("status", "ok")), 1.0),
        ("worker_jobs_total", Some(("status", "failed")), 2.0),
        ("worker_queue_size", Some(("queue", "rpc")), 2.0),
        ("worker_jobs_dead", None, 1.0),
    ];
    for (name, label, want) in wanted {
        let labels: Vec<_> = label.into_iter().collect();
        until(&format!("{name} {labels:?}"), || value(name, &labels) == Some(want)).await;
    }
    recorder.gate("jobs").add_permits(1);
    until("all jobs", || value("worker_jobs_total", &[("status", "ok")]) == Some(4.0)).await;
    until("no job waits", || value("worker_queue_size", &[("queue", "rpc")]) == Some(0.0)).await;
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn worker_runs_several_jobs_at_a_time() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "pitaya.worker.concurrency = 3")).await;
    for text in ["wait:a", "wait:b", "wait:c", "wait:d"] {
        server.enqueue(text).await;
    }
    settled(&redis, Counts { waiting: 1, running: 3, ..Counts::default() }).await;
    server.recorder.gate("jobs").add_permits(4);
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}

/// The id of a server does not name its worker, so two servers with one id do not share a list.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn servers_with_one_id_share_no_jobs() {
    let redis = Redis::start().await;
    let mut servers = Vec::new();
    for _ in 0..2 {
        let recorder = Arc::new(Recorder::default());
        let app = builder(config(&redis, ""), &recorder).server_id("twin");
        servers.push(start(app, recorder).await);
    }
    for n in 0..20 {
        servers[0].enqueue(&format!("job {n}")).await;
    }
    settled(&redis, Counts::default()).await;
    for n in 0..20 {
        let runs = servers.iter().map(|server| server.runs(&format!("job {n}"))).sum::<usize>();
        assert_eq!(runs, 1, "job {n}");
    }
    assert_eq!(stat(&redis, "processed").await, 20);
    stop(servers).await;
}

/// A panic of the application's code fails the run, as an error does.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn panic_of_server_of_fails_the_run() {
    let redis = Redis::start().await;
    let recorder = Arc::new(Recorder::default());
    let worker = Worker::new().server_of(|_, _| panic!("no server"));
    let app = builder(config(&redis, ""), &recorder).worker(worker).start().await.unwrap();
    app.app().reliable_rpc(&MetaApiClient::LOG, &entry("a")).await.unwrap();
    settled(&redis, Counts { dead: 1, ..Counts::default() }).await;
    assert_eq!(stat(&redis, "failed").await, 4);
    app.stop().await;
}

#[tokio::test]
async fn second_worker_is_an_error() {
    let app = builder(config_at("127.0.0.1:1", ""), &Arc::default());
    let error = app.worker(Worker::new()).worker(Worker::new()).start().await.unwrap_err();
    assert_eq!(error.msg(), "rpc job was already registered");
}

/// In a cluster, a worker of one server type runs the jobs for another, on the server that it chooses.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn worker_calls_remotes_of_other_servers() {
    let redis = Redis::start().await;
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let mut metas = Vec::new();
    for n in 0..2 {
        let recorder = Arc::new(Recorder::default());
        let app = builder(config(&redis, ""), &recorder).server_id(format!("meta-{n}"));
        let app = app.discovery(registry.discovery()).transport(broker.transport());
        let running = app.start().await.unwrap();
        metas.push(Server { app: running.app().clone(), running, recorder });
    }
    let worker = Worker::new()
        .route(&MetaApiClient::LOG)
        .server_of(|_, metadata| metadata.get("server").and_then(Value::as_str).map(str::to_owned));
    let porter = App::builder()
        .config(config(&redis, ""))
        .server_type("porter")
        .backend()
        .explicit_components()
        .worker(worker);
    let porter = porter.discovery(registry.discovery()).transport(broker.transport()).start().await.unwrap();
    let reliable = porter.app().reliable();
    for n in [0, 1] {
        let chosen = reliable.with_metadata("server", format!("meta-{n}"));
        chosen.call(&MetaApiClient::LOG, &entry(&format!("for {n}"))).await.unwrap();
    }
    reliable.call(&MetaApiClient::LOG, &entry("for any")).await.unwrap();
    settled(&redis, Counts::default()).await;
    let runs = |n: usize, text: &str| metas[n].runs(text);
    assert_eq!((runs(0, "for 0"), runs(1, "for 1"), runs(0, "for any") + runs(1, "for any")), (1, 1, 1));
    porter.stop().await;
    stop(metas).await;
}
