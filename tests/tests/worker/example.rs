//! The example `worker`: a client's message becomes a job, which fails once and succeeds then.

use pitaya::acceptor::Tcp;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya_tests::raw_client::RawClient;

use super::meta::*;
use super::*;

pitaya::link!(worker);

#[tokio::test]
#[ignore = "needs redis-server"]
async fn worker_example_logs_by_jobs() {
    let redis = Redis::start().await;
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || {
        let app = App::builder().config(config(&redis, ""));
        app.discovery(registry.discovery()).transport(broker.transport())
    };
    let metagame = worker::metagame(app()).start().await.unwrap();
    let runs = worker::worker(app()).start().await.unwrap();
    let room = worker::room(app().acceptor(Tcp::new("127.0.0.1:0"))).start().await.unwrap();
    let mut client = RawClient::ready(room.socket_addrs()[0]).await;
    let answer: Value =
        serde_json::from_str(&client.ask("room.room.calllog", r#"{"msg":"hi"}"#).await).unwrap();
    assert_eq!((&answer["code"], answer["msg"].as_str().unwrap().len()), (&json!(200), 24));
    pitaya_tests::soon("two runs", async {
        while (stat(&redis, "failed").await, stat(&redis, "processed").await) != (1, 1) {
            tokio::time::sleep(10 * MILLIS).await;
        }
    })
    .await;
    settled(&redis, Counts::default()).await;
    for app in [room, runs, metagame] {
        app.stop().await;
    }
}
