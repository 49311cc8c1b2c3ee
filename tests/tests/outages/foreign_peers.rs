//! Users whose names would break subjects.

use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::text_json;
use pitaya_tests::soon;

use crate::callers::{code, pushed};
use crate::test_cluster::TestCluster;

fn uids(uids: &[&str]) -> String {
    serde_json::json!({ "uids": uids }).to_string()
}

async fn bound(cluster: &TestCluster, uid: &str) -> RawClient {
    let mut client = cluster.gate.client().await;
    assert_eq!(client.ask("gate.gate.bind", text_json(uid)).await, text_json(uid));
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn uid_that_breaks_a_subject_is_refused() {
    let cluster = TestCluster::start().await;
    let long = "x".repeat(300);
    let bad = [
        "",
        " ",
        "a b",
        "a\tb",
        "a\nb",
        "a\r\nPUB x 0",
        "a\0b",
        ".",
        "a.",
        ".a",
        "a..b",
        "*",
        ">",
        "a.*.b",
        "a.>.b",
        "a.>",
        &long,
    ];
    let mut asks = cluster.gate.client().await;
    for from in ["gate.gate", "hall.hall"] {
        for uid in bad {
            let said = asks.ask(&format!("{from}.bind"), text_json(uid)).await;
            assert_eq!(said, r#"{"code":"PIT-000","msg":"illegal uid"}"#, "{from} {uid:?}");
        }
    }
    // It has no uid yet, and may still be bound.
    assert_eq!(asks.ask("hall.hall.bind", text_json("asks")).await, text_json("asks"));

    let (mut ann, mut bob) = (bound(&cluster, "ann").await, bound(&cluster, "bob").await);
    let mut all = vec!["ann"];
    all.extend(bad);
    all.push("bob");
    for from in ["gate.gate", "hall.hall"] {
        assert_eq!(asks.ask(&format!("{from}.tell"), uids(&all)).await, uids(&bad), "{from}");
        for client in [&mut ann, &mut bob] {
            assert_eq!(soon("a push", pushed(client)).await, text_json("hello"));
        }
    }
    assert_eq!(asks.ask("hall.hall.ban", uids(&bad)).await, uids(&bad));
    assert_eq!(asks.ask("gate.gate.ban", uids(&bad)).await, uids(&bad));
    for client in [&mut ann, &mut bob] {
        assert_eq!(client.ask("hall.hall.raw", "still here").await, "still here");
    }
    cluster.stop().await;
}

/// At the start and in calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn server_type_that_breaks_a_subject_is_refused() {
    let cluster = TestCluster::start().await;
    for server_type in ["a.*.b", "a.>.b", "a b", "*", ">", "a/b"] {
        let app = pitaya::prelude::App::builder().server_type(server_type).backend().cluster();
        let error = app.start().await.unwrap_err().to_string();
        assert!(error.contains(&format!("server type `{server_type}`")), "{error}");
    }
    let long = "x".repeat(300);
    let app = pitaya::prelude::App::builder().server_type(&*long).backend().cluster();
    let error = app.start().await.unwrap_err().to_string();
    assert!(error.contains("longer than 256 bytes"), "{error}");
    let mut client = cluster.gate.client().await;
    let long = "x".repeat(200);
    for server_type in ["*", ">", "a b", "nobody", "a/b", &long] {
        let said = client.ask(&format!("{server_type}.hall.raw"), "hello").await;
        assert!(["PIT-400", "PIT-404", "PIT-500"].contains(&&*code(&said)), "{server_type}: {said}");
    }
    assert_eq!(client.ask("hall.hall.raw", "still here").await, "still here");
    cluster.stop().await;
}
