//! Jobs that Go Pitaya's workers wrote, recorded from one.

use super::meta::*;
use super::*;

/// As Go's worker enqueues it, and as it writes it after a failure, with the namespace in the name of the queue.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn jobs_recorded_from_go_run() {
    let redis = Redis::start().await;
    let fresh = r#"{"queue":"rpc","class":"","args":{"Route":"meta.meta.log","Metadata":{"stack":"a"},"Arg":{"text":"fresh","data":"eHl6"},"Reply":{}},"jid":"d9d9170c6716165fdf83a36c","enqueued_at":1796011182.2513134,"retry":true,"retry_max":2,"retry_options":{"exp":5,"min_delay":1,"max_delay":1,"max_rand":0},"connection_options":{"Address":"","Password":"","Database":"","ProcessID":"","Namespace":"","PoolSize":0,"PoolInterval":0,"DialOptions":null}}"#;
    let lower = r#"{"queue":"rpc","class":"","args":{"route":"meta.meta.log","arg":{"TEXT":"lower"},"metadata":null},"jid":"1","enqueued_at":1.5}"#;
    let failed = r#"{"args":{"Arg":{"text":"fail:1:failed"},"Metadata":null,"Reply":{},"Route":"meta.meta.log"},"class":"","connection_options":{"Address":"","Database":"","DialOptions":null,"Namespace":"","Password":"","PoolInterval":0,"PoolSize":0,"ProcessID":""},"enqueued_at":1796011184.378709,"error_message":"fails","failed_at":"2026-11-30 03:59:42 UTC","jid":"d9d9170c6716165fdf83a36c","queue":"game:rpc","retry":true,"retry_count":0,"retry_max":2,"retry_options":{"exp":5,"max_delay":1,"max_rand":0,"min_delay":1}}"#;
    let _: u32 = redis.ask(cmd("LPUSH").arg("game:queue:rpc").arg(fresh).arg(lower)).await;
    let _: u32 = redis.ask(cmd("ZADD").arg("game:goretry").arg(1_796_011_185.5).arg(failed)).await;
    let server = server(config(&redis, "pitaya.worker.namespace = \"game\"")).await;
    for text in ["fresh", "lower", "fail:1:failed"] {
        server.ran(text, 1).await;
    }
    // It failed again, so it waits as Go's worker would write it.
    let waiting = async {
        loop {
            let jobs: Vec<String> = redis.ask(cmd("ZRANGE").arg("game:goretry").arg(0).arg(-1)).await;
            if let Some(job) = jobs.first() {
                return job.clone();
            }
            tokio::time::sleep(MILLIS).await;
        }
    };
    let again: Value = serde_json::from_str(&pitaya_tests::soon("a retry", waiting).await).unwrap();
    assert_eq!((&again["queue"], &again["retry_count"]), (&json!("game:rpc"), &json!(1)));
    assert_eq!(
        (&again["failed_at"], &again["error_message"]),
        (&json!("2026-11-30 03:59:42 UTC"), &json!("META-1: as asked"))
    );
    assert_ne!(again["enqueued_at"], json!(1_796_011_184.378_709));
    server.ran("fail:1:failed", 2).await;
    stop([server]).await;
}

/// Runs only with a program of Go Pitaya's worker library: `PITAYA_GO_WORKER` names it. With `put ADDRESS ""` it enqueues
/// the jobs `go 0` to `go 4`, with `run ADDRESS ""` it runs jobs, prints each, and fails those whose text begins with `fail`.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn go_and_rust_run_each_others_jobs() {
    let Some(program) = std::env::var_os("PITAYA_GO_WORKER") else {
        eprintln!("`PITAYA_GO_WORKER` names no program: nothing is tested");
        return;
    };
    let redis = Redis::start().await;
    let go = |what: &str| {
        let mut command = tokio::process::Command::new(&program);
        command.args([what, &redis.address(), ""]).stdout(std::process::Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    };
    assert!(go("put").wait().await.unwrap().success());
    let server = server(config(&redis, "")).await;
    for n in 0..5 {
        server.ran(&format!("go {n}"), 1).await;
    }
    settled(&redis, Counts::default()).await;
    stop([server]).await;

    let app = idle(config(&redis, "")).await;
    let reliable = app.app().reliable();
    let key = reliable.once("order-1").with_metadata("stack", "a");
    for text in ["<rust>", "fail in go"] {
        key.call(&MetaApiClient::LOG, &entry(text)).await.unwrap();
    }
    reliable.after(1500 * MILLIS).call(&MetaApiClient::LOG, &entry("delayed")).await.unwrap();
    let mut running = go("run");
    let mut lines = {
        use tokio::io::AsyncBufReadExt as _;
        tokio::io::BufReader::new(running.stdout.take().unwrap()).lines()
    };
    let mut seen: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
    pitaya_tests::soon("Go's runs", async {
        while seen.values().sum::<u32>() < 6 {
            let line = lines.next_line().await.unwrap().expect("a line");
            if let Some(text) =
                ["<rust>", "fail in go", "delayed"].into_iter().find(|text| line.contains(text))
            {
                assert!(line.contains("meta.meta.log"), "{line}");
                *seen.entry(text.to_owned()).or_default() += 1;
            }
        }
    })
    .await;
    // The same retries as here: four runs.
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [("<rust>".into(), 1), ("delayed".into(), 1), ("fail in go".into(), 4)]
    );
    running.kill().await.unwrap();

    // A job that failed in Go goes on here.
    let failing = app.app().reliable();
    failing.call(&MetaApiClient::LOG, &entry("fail:0:moves")).await.unwrap();
    let mut running = go("run");
    pitaya_tests::soon("a failure in Go", async {
        while redis.ask::<u32>(cmd("ZCARD").arg("goretry")).await == 0 {
            tokio::time::sleep(MILLIS).await;
        }
    })
    .await;
    running.kill().await.unwrap();
    let server = self::server(config(&redis, "")).await;
    server.ran("fail:0:moves", 1).await;
    stop([server]).await;
    app.stop().await;
}
