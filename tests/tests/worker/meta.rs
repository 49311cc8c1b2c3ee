//! A server whose remote follows the text of a job, and a view of Redis.

use std::sync::Arc;

use pitaya::app::{Builder, Running};
use pitaya::worker::Worker;
pub(crate) use pitaya_tests::server::Recorder;
use pitaya_tests::soon;

use super::*;

/// The argument of a job. `fail:2:a` fails twice, `wait:a` ends when the test opens the gate, `fail-late:a` fails then.
#[message(proto)]
#[derive(PartialEq)]
pub(crate) struct Entry {
    #[tag(1)]
    pub(crate) text: String,
    #[tag(2)]
    pub(crate) count: i32,
    #[tag(3)]
    pub(crate) data: Bytes,
}

/// How often a job with this text began.
pub(crate) fn runs(recorder: &Recorder, text: &str) -> usize {
    recorder.lines().iter().filter(|line| *line == text).count()
}

#[remote(server = "meta")]
pub(crate) trait MetaApi {
    async fn log(&self, req: Entry) -> Result<Entry>;
    #[idempotent]
    async fn pay(&self, req: Entry) -> Result<Entry>;
    async fn raw(&self, body: Bytes) -> Result<Bytes>;
    async fn ping(&self) -> Result<()>;
}

#[derive(Component)]
pub(crate) struct Meta {
    recorder: State<Arc<Recorder>>,
}

#[remote]
impl MetaApi for Meta {
    async fn log(&self, req: Entry) -> Result<Entry> {
        self.recorder.write(&req.text);
        match req.text.split(':').collect::<Vec<_>>()[..] {
            ["fail", limit, _] if runs(&self.recorder, &req.text) <= limit.parse().unwrap_or(usize::MAX) => {
                Err(Error::new("META-1", "as asked"))
            }
            ["wait", _] => {
                self.recorder.gate("jobs").acquire().await.internal()?.forget();
                Ok(req)
            }
            ["fail-late", _] => {
                self.recorder.gate("jobs").acquire().await.internal()?.forget();
                Err(Error::new("META-1", "as asked"))
            }
            _ => Ok(req),
        }
    }

    async fn pay(&self, req: Entry) -> Result<Entry> {
        self.log(req).await
    }

    async fn raw(&self, body: Bytes) -> Result<Bytes> {
        self.recorder.write(String::from_utf8_lossy(&body));
        Ok(body)
    }

    async fn ping(&self) -> Result<()> {
        self.recorder.write("ping");
        Ok(())
    }
}

/// A configuration with fast retries, and lines of its own.
pub(crate) fn config(redis: &Redis, more: &str) -> Config {
    config_at(&redis.address(), more)
}

pub(crate) fn config_at(address: &str, more: &str) -> Config {
    let mut text = format!("pitaya.worker.redis.serverurl = \"{address}\"\n{more}\n");
    for (key, value) in [
        ("pitaya.worker.poll", "\"20ms\""),
        ("pitaya.worker.heartbeat", "\"500ms\""),
        ("pitaya.worker.retry.mindelay", "0"),
        ("pitaya.worker.retry.maxdelay", "0"),
    ] {
        if !more.contains(key) {
            text += &format!("{key} = {value}\n");
        }
    }
    Config::parse(&text).unwrap()
}

/// A server that runs jobs, with the record of its runs.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) running: Running,
    pub(crate) recorder: Arc<Recorder>,
}

pub(crate) fn builder(config: Config, recorder: &Arc<Recorder>) -> Builder {
    App::builder().config(config).server_type("meta").backend().state(Arc::clone(recorder))
}

pub(crate) async fn server(config: Config) -> Server {
    let recorder = Arc::new(Recorder::default());
    start(builder(config, &recorder), recorder).await
}

/// Starts a server that runs jobs.
pub(crate) async fn start(builder: Builder, recorder: Arc<Recorder>) -> Server {
    let running = builder.worker(Worker::new()).start().await.unwrap();
    Server { app: running.app().clone(), running, recorder }
}

/// A server that enqueues and runs nothing.
pub(crate) async fn idle(config: Config) -> Running {
    builder(config, &Arc::default()).start().await.unwrap()
}

pub(crate) fn entry(text: &str) -> Entry {
    Entry { text: text.to_owned(), count: 0, data: Bytes::new() }
}

impl Server {
    pub(crate) async fn enqueue(&self, text: &str) -> String {
        self.app.reliable_rpc(&MetaApiClient::LOG, &entry(text)).await.unwrap().to_string()
    }

    /// How often a job with this text began.
    pub(crate) fn runs(&self, text: &str) -> usize {
        runs(&self.recorder, text)
    }

    /// Waits until a job with this text began so often.
    pub(crate) async fn ran(&self, text: &str, times: usize) {
        pitaya_tests::until(&format!("run {times} of {text}"), || self.runs(text) >= times).await;
    }
}

/// The state of Redis in numbers: waiting, in the list of a worker, to be retried, delayed, dead.
#[derive(Debug, Default, PartialEq, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) retries: usize,
    pub(crate) delayed: usize,
    pub(crate) dead: usize,
}

pub(crate) async fn counts(redis: &Redis) -> Counts {
    let lists: Vec<String> = redis.ask(cmd("KEYS").arg("queue:rpc:*:inprogress")).await;
    let mut running = 0;
    for list in lists {
        running += redis.ask::<usize>(cmd("LLEN").arg(list)).await;
    }
    Counts {
        waiting: redis.ask(cmd("LLEN").arg("queue:rpc")).await,
        running,
        retries: redis.ask(cmd("ZCARD").arg("goretry")).await,
        delayed: redis.ask(cmd("ZCARD").arg("schedule")).await,
        dead: redis.ask(cmd("ZCARD").arg("godead")).await,
    }
}

/// Waits for a state of Redis.
pub(crate) async fn settled(redis: &Redis, want: Counts) {
    let mut seen = Counts::default();
    for _ in 0..1000 {
        seen = counts(redis).await;
        if seen == want {
            return;
        }
        tokio::time::sleep(10 * MILLIS).await;
    }
    assert_eq!(seen, want);
}

/// The counter of runs.
pub(crate) async fn stat(redis: &Redis, outcome: &str) -> u32 {
    let count: Option<u32> = redis.ask(cmd("GET").arg(format!("stat:{outcome}"))).await;
    count.unwrap_or(0)
}

pub(crate) async fn dead_jobs(redis: &Redis) -> Vec<Value> {
    let jobs: Vec<String> = redis.ask(cmd("ZRANGE").arg("godead").arg(0).arg(-1)).await;
    jobs.iter().map(|job| serde_json::from_str(job).unwrap()).collect()
}

/// Puts a text into the queue, as another program would.
pub(crate) async fn push(redis: &Redis, text: impl redis::ToRedisArgs) {
    let _: u32 = redis.ask(cmd("LPUSH").arg("queue:rpc").arg(text)).await;
}

/// A job as Go Pitaya writes it, for a route and an argument.
pub(crate) fn job(route: &str, arg: &Value) -> Value {
    json!({
        "queue": "rpc", "class": "", "jid": "d9d9170c6716165fdf83a36c", "enqueued_at": 1_796_011_182.251_313_4,
        "args": {"Route": route, "Metadata": null, "Arg": arg, "Reply": {}},
        "retry": true, "retry_max": 2,
        "retry_options": {"exp": 5, "min_delay": 0, "max_delay": 0, "max_rand": 0},
    })
}

pub(crate) async fn stop(servers: impl IntoIterator<Item = Server>) {
    for server in servers {
        soon("a stop", server.running.stop()).await;
    }
}
