//! Jobs of generated clients.

use pitaya::component::ReliableRpc;
use pitaya::worker::Retry;

use super::meta::*;
use super::*;

#[tokio::test]
#[ignore = "needs redis-server"]
async fn typed_client_enqueues_jobs() {
    let redis = Redis::start().await;
    let server = server(config(&redis, "pitaya.worker.concurrency = 4")).await;
    let client: MetaApiClient = server.app.service().unwrap();
    let reliable: MetaApiClient<ReliableRpc> = client.reliable();
    let id = reliable.log(&entry("fail:2:a")).await.unwrap();
    assert_eq!(id.as_str().len(), 24);
    reliable.ping().await.unwrap();
    reliable.raw(&Bytes::from_static(b"raw")).await.unwrap();
    for (text, runs) in [("fail:2:a", 3), ("ping", 1), ("raw", 1)] {
        server.ran(text, runs).await;
    }
    settled(&redis, Counts::default()).await;
    stop([server]).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn typed_client_sets_the_options_of_jobs() {
    let redis = Redis::start().await;
    let app = idle(config(&redis, "")).await;
    let client: MetaApiClient = app.app().service().unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    client.with_timeout(3 * Duration::from_secs(1)).reliable().log(&entry("a")).await.unwrap();
    let all = client.reliable().with_timeout(1500 * MILLIS).with_deadline(time).once("order-1");
    all.with_retry(Retry::never()).with_metadata("server", "meta-1").log(&entry("b")).await.unwrap();
    let text: String = redis.ask(cmd("RPOP").arg("queue:rpc")).await;
    let job: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&job["timeout"], &job["retry"], &job.get("idempotency_key")),
        (&json!(3), &json!(true), &None)
    );
    let text: String = redis.ask(cmd("RPOP").arg("queue:rpc")).await;
    let job: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&job["timeout"], &job["deadline"], &job["idempotency_key"]),
        (&json!(1.5), &json!(4_000_000_000_u64), &json!("order-1"))
    );
    assert_eq!((job.get("retry"), &job["args"]["Metadata"]), (None, &json!({"server": "meta-1"})));
    client.reliable().at(time).log(&entry("c")).await.unwrap();
    client.reliable().after(Duration::MAX).log(&entry("d")).await.unwrap();
    settled(&redis, Counts { delayed: 2, ..Counts::default() }).await;
    app.stop().await;
}

#[tokio::test]
async fn job_cannot_choose_its_server() {
    let app = idle(config_at("127.0.0.1:1", "")).await;
    let client: MetaApiClient = app.app().service().unwrap();
    for client in [client.to_server("meta-1"), client.by_key("ann")] {
        let error = client.reliable().log(&entry("a")).await.unwrap_err();
        assert_eq!(error.code(), "PIT-400", "{error}");
        assert!(error.msg().contains("Worker::server_of"), "{error}");
    }
    app.stop().await;
}

/// Answers `ping` and fails otherwise.
struct StandIn;

impl MetaApi for StandIn {
    async fn log(&self, _: Entry) -> Result<Entry> {
        Err(Error::new("META-1", "as asked"))
    }

    async fn pay(&self, req: Entry) -> Result<Entry> {
        self.log(req).await
    }

    async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn fake_client_answers_reliable_calls() {
    let client = MetaApiClient::fake(StandIn).reliable();
    assert_eq!(client.after(MILLIS).ping().await.unwrap().as_str().len(), 24);
    assert_eq!(client.once("order-1").log(&entry("a")).await.unwrap_err().code(), "META-1");
}
