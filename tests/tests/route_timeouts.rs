//! Timeouts of single routes: a key of a block, `#[timeout]` on a method, and the smaller of all limits.

use std::time::Duration;

use pitaya::config::Config;
use pitaya::pipeline::HookReply;
use pitaya::prelude::*;
use pitaya::testing::{Cluster, TestServer};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// How long a method works.
#[message]
struct Work {
    millis: u64,
}

async fn work(work: Work) -> Result<Work> {
    sleep(Duration::from_millis(work.millis)).await;
    Ok(work)
}

#[derive(Component)]
struct Desk {
    jobs: JobsApiClient,
}

#[handler(server = "desk", timeout = "2s")]
impl Desk {
    pub async fn block(&self, msg: Work) -> Result<Work> {
        work(msg).await
    }

    #[timeout("500ms")]
    pub async fn method(&self, msg: Work) -> Result<Work> {
        work(msg).await
    }

    #[concurrent]
    #[timeout("3s")]
    pub async fn concurrent(&self, msg: Work) -> Result<Work> {
        work(msg).await
    }

    #[timeout("1h")]
    pub async fn long(&self, msg: Work) -> Result<Work> {
        work(msg).await
    }

    #[timeout("1h")]
    pub async fn remote(&self, msg: Work) -> Result<Work> {
        self.jobs.run(&msg).await
    }
}

#[remote(server = "jobs", timeout = "4s")]
trait JobsApi {
    async fn run(&self, req: Work) -> Result<Work>;
    #[timeout("1h")]
    async fn long(&self, req: Work) -> Result<Work>;
}

#[derive(Component)]
struct Jobs;

#[remote]
impl JobsApi for Jobs {
    async fn run(&self, req: Work) -> Result<Work> {
        work(req).await
    }

    async fn long(&self, req: Work) -> Result<Work> {
        work(req).await
    }
}

/// `pitaya.handler.timeout` of these tests.
const LIMIT: Duration = Duration::from_secs(10);

async fn servers(cluster: &Cluster) -> (TestServer, TestServer) {
    let limited = |mut config: Config| {
        config.handler_timeout = LIMIT;
        config.cluster_request_timeout = LIMIT * 6;
        config
    };
    let jobs = cluster.backend("jobs", |app| app.config(limited(Config::default()))).await.unwrap();
    let desk = cluster.frontend("desk", |app| app.config(limited(Config::default()))).await.unwrap();
    (desk, jobs)
}

/// Checks that a call ends with the error of a timeout, and after which time.
async fn assert_times_out<T: std::fmt::Debug>(call: impl Future<Output = Result<T>>, after: Duration) {
    let began = Instant::now();
    let error = call.await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("PIT-408", "handler timeout"));
    assert_eq!(began.elapsed().as_millis() / 100, after.as_millis() / 100);
}

#[tokio::test(start_paused = true)]
async fn handler_ends_after_the_timeout_of_its_route() {
    let cluster = Cluster::seeded(7);
    let (desk, _jobs) = servers(&cluster).await;
    let client = desk.client().await.unwrap();
    let minute = Work { millis: 60_000 };
    assert_times_out(client.request(&Desk::BLOCK, &minute), 2 * SECOND).await;
    assert_times_out(client.request(&Desk::METHOD, &minute), SECOND / 2).await;
    assert_times_out(client.request(&Desk::CONCURRENT, &minute), 3 * SECOND).await;
    // The next message of the session is handled as ever.
    let quick = client.request(&Desk::METHOD, &Work { millis: 400 }).await.unwrap();
    assert_eq!(quick.millis, 400);
}

#[tokio::test(start_paused = true)]
async fn configured_timeout_wins_if_it_is_smaller() {
    let cluster = Cluster::seeded(7);
    let (desk, jobs) = servers(&cluster).await;
    let client = desk.client().await.unwrap();
    let minute = Work { millis: 60_000 };
    assert_times_out(client.request(&Desk::LONG, &minute), LIMIT).await;
    let own: JobsApiClient = jobs.app().service::<JobsApiClient>().unwrap().by_key("key");
    for remotes in [desk.app().service::<JobsApiClient>().unwrap(), own] {
        assert_times_out(remotes.long(&minute), LIMIT).await;
    }
}

#[tokio::test(start_paused = true)]
async fn remote_ends_after_the_timeout_of_its_route() {
    let cluster = Cluster::seeded(7);
    let (desk, jobs) = servers(&cluster).await;
    let minute = Work { millis: 60_000 };
    let own: JobsApiClient = jobs.app().service::<JobsApiClient>().unwrap().by_key("key");
    for remotes in [desk.app().service::<JobsApiClient>().unwrap(), own, JobsApiClient::fake(Jobs)] {
        assert_times_out(remotes.run(&minute), 4 * SECOND).await;
        // The timeout of the caller is smaller.
        let began = Instant::now();
        let error = remotes.with_timeout(SECOND).run(&minute).await.unwrap_err();
        assert_eq!((error.code(), began.elapsed().as_secs()), ("PIT-408", 1));
    }
    // The client of the handler gets the error of the remote.
    let client = desk.client().await.unwrap();
    assert_times_out(client.request(&Desk::REMOTE, &minute), 4 * SECOND).await;
}

async fn replace_error(call: &mut HookReply) {
    if let Some(error) = call.error() {
        call.fail(Error::new("HOOK-1", error.code().to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn after_hook_sees_the_timeout() {
    let cluster = Cluster::seeded(7);
    let _jobs = cluster.backend("jobs", |app| app).await.unwrap();
    let desk = cluster.frontend("desk", |app| app.after(replace_error)).await.unwrap();
    let client = desk.client().await.unwrap();
    let error = client.request(&Desk::METHOD, &Work { millis: 60_000 }).await.unwrap_err();
    assert_eq!((error.code(), error.msg()), ("HOOK-1", "PIT-408"));
}
