//! The vectors of reliable RPC: keys, jobs and delays as Go Pitaya has them.

use std::time::Duration;

use pitaya::Route;
use pitaya::app::Running;
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::worker::Retry;
use pitaya_tests::redis::Redis;
use pitaya_tests::vectors::{self, Case, Checked, run};
use redis::cmd;
use serde_json::Value;

#[message(proto)]
struct Said {
    #[tag(1)]
    msg: String,
    #[tag(2)]
    empty: String,
}

/// The shape of `protos.Session`.
#[message(proto)]
struct User {
    #[tag(1)]
    id: i64,
    #[tag(2)]
    uid: String,
    #[tag(3)]
    data: Bytes,
}

#[derive(Component)]
struct Nothing;

#[remote(server = "vectors")]
impl Nothing {
    pub async fn nothing(&self) {}

    pub async fn hang(&self) {
        std::future::pending::<()>().await;
    }
}

#[test]
#[ignore = "needs redis-server"]
fn every_kind_of_worker_vectors_is_run() {
    vectors::complete(
        "worker_vectors",
        &[
            ("redis_keys", vectors_redis_keys),
            ("redis_jobs", vectors_redis_jobs),
            ("retry_delay", vectors_retry_delay),
        ],
    );
}

#[test]
fn vectors_retry_delay() {
    run("retry_delay", |case| {
        let number = |name| case.u64(name).and_then(|n| u32::try_from(n).map_err(|error| error.to_string()));
        let mut retry = Retry::default();
        (retry.exponent, retry.min_delay) = (number("exp")?, number("min_delay")?);
        (retry.max_delay, retry.max_random) = (number("max_delay")?, number("max_rand")?);
        let delay = retry.delay(number("retry_count_after_increment")?);
        case.same("delay", &delay.as_secs(), &case.u64("delay_s")?)
    });
}

/// Starts an app that enqueues jobs under this namespace.
async fn app(redis: &Redis, namespace: &str) -> Running {
    let config = format!(
        "[pitaya.worker]\nnamespace = \"{namespace}\"\n[pitaya.worker.redis]\nserverurl = \"{}\"",
        redis.address()
    );
    let app = App::builder().config(Config::parse(&config).unwrap()).server_type("vectors").backend();
    app.explicit_components().register(Nothing).start().await.unwrap()
}

fn with_redis(check: impl AsyncFnOnce(&Redis) -> Checked) -> Checked {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { check(&Redis::start().await).await })
}

#[test]
#[ignore = "needs redis-server"]
fn vectors_redis_jobs() {
    run("redis_jobs", |case| with_redis(async |redis| job(case, redis).await));
}

async fn job(case: &Case<'_>, redis: &Redis) -> Checked {
    let app = app(redis, "").await;
    let reliable = app.app().reliable();
    let mut zero = Retry::never();
    (zero.exponent, zero.min_delay, zero.max_delay) = (0, 0, 0);
    let name = case.str("case")?;
    let id = if name.starts_with("default options") {
        let said = Said { msg: "job".to_owned(), empty: String::new() };
        let reliable = reliable.with_metadata("x", "<&>").with_metadata("stack", "a");
        reliable.call(&Route::<Said, Said>::new("room.r.echo"), &said).await
    } else if name.starts_with("zero EnqueueOpts") {
        reliable.with_retry(zero).call(&Route::<(), ()>::new("room.r.echo"), &()).await
    } else if name.starts_with("Enabled with Max 0") {
        zero.enabled = true;
        let user = User { id: 5, uid: "u".to_owned(), data: Bytes::from("xyz") };
        reliable.with_retry(zero).call(&Route::<User, Said>::new("room.r.echo"), &user).await
    } else {
        return Err(format!("no test for the case `{name}`"));
    };
    let id = id.map_err(|error| error.to_string())?;
    let got: Vec<String> = redis.ask(cmd("LRANGE").arg("queue:rpc").arg(0).arg(-1)).await;
    let [got] = &got[..] else { return Err(format!("not one job: {got:?}")) };
    let want = case.str("json")?;
    let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
    let (ours, theirs) = (read(got)?, read(want)?);
    case.same("jid", &ours["jid"].as_str(), &Some(id.as_str()))?;
    // The id and the time are each job's own. All other bytes are the same.
    let own = |job: &Value, text: &str| {
        let time =
            text.split("\"enqueued_at\":").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_default();
        text.replacen(job["jid"].as_str().unwrap_or_default(), "ID", 1).replacen(time, "TIME", 1)
    };
    case.same("job", &own(&ours, got), &own(&theirs, want))?;
    app.stop().await;
    Ok(())
}

#[test]
#[ignore = "needs redis-server"]
fn vectors_redis_keys() {
    run("redis_keys", |case| with_redis(async |redis| keys(case, redis).await));
}

/// Every key that a job can be under exists after it was there.
async fn keys(case: &Case<'_>, redis: &Redis) -> Checked {
    let config = format!(
        "[pitaya.worker]\nnamespace = \"{}\"\npoll = \"1h\"\ntimeout = \"1h\"\n[pitaya.stop]\ntimeout = \"4s\"\n[pitaya.worker.redis]\nserverurl = \"{}\"\n\
         [pitaya.worker.retry]\nmindelay = 1000\nmaxdelay = 1000",
        case.str("namespace")?,
        redis.address()
    );
    let config = Config::parse(&config).map_err(|error| error.to_string())?;
    let app = App::builder()
        .config(config)
        .server_type("vectors")
        .backend()
        .explicit_components()
        .register(Nothing);
    let app = app.worker(pitaya::worker::Worker::new()).start().await.map_err(|error| error.to_string())?;
    let reliable = app.app().reliable();
    let known = Route::<(), ()>::new("vectors.nothing.nothing");
    let unknown = Route::<(), ()>::new("vectors.nothing.else");
    let later = reliable.after(Duration::from_secs(1000));
    for (reliable, route) in [(&reliable, &known), (&reliable, &unknown), (&later, &known)] {
        reliable.call(route, &()).await.map_err(|error| error.to_string())?;
    }
    let day: String = {
        let now: Vec<u64> = redis.ask(&mut cmd("TIME")).await;
        let output =
            std::process::Command::new("date").args(["-u", "+%F", "-d", &format!("@{}", now[0])]).output();
        String::from_utf8(output.map_err(|error| error.to_string())?.stdout).unwrap().trim().to_owned()
    };
    let counters = case.get("stat_keys")?.as_array().ok_or("no list")?.iter().filter_map(Value::as_str);
    let mut wanted: Vec<String> = counters.map(|key| key.replace("YYYY-MM-DD", &day)).collect();
    for name in ["queue_set", "retry_zset", "schedule_zset"] {
        wanted.push(case.str(name)?.to_owned());
    }
    for key in &wanted {
        let mut exists = 0;
        for _ in 0..500 {
            exists = redis.ask(cmd("EXISTS").arg(key)).await;
            if exists == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        case.same(key, &exists, &1)?;
    }
    let workers = format!("{}pitaya:workers", prefix(case)?);
    let worker: Vec<String> = redis.ask(cmd("SMEMBERS").arg(workers)).await;
    let [worker] = &worker[..] else { return Err(format!("not one worker: {worker:?}")) };
    let list = case.str("inprogress_list")?.replace("<hostname>", worker);
    let hangs = Route::<(), ()>::new("vectors.nothing.hang");
    reliable.call(&hangs, &()).await.map_err(|error| error.to_string())?;
    let mut running = 0;
    for _ in 0..500 {
        running = redis.ask(cmd("LLEN").arg(&list)).await;
        if running == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    case.same(&list, &running, &1)?;
    // The job does not end in time, so it goes back to the queue.
    app.stop().await;
    let waiting: u32 = redis.ask(cmd("LLEN").arg(case.str("queue_list")?)).await;
    case.same("jobs in the queue", &waiting, &1)
}

fn prefix(case: &Case<'_>) -> Checked<String> {
    let namespace = case.str("namespace")?;
    Ok(if namespace.is_empty() { String::new() } else { format!("{namespace}:") })
}
