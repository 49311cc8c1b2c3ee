//! Fetches jobs and runs them, as many at a time as the configuration allows.
//!
//! A job moves from the queue to this worker's own list before it runs, and leaves the list with the transaction that
//! records its outcome. So a job is always in one of the two.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{RedisResult, cmd};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{ANSWER, Address, Live, Shared};
use super::job::Job;
use super::keys::Keys;
use super::once::{self, Claim, Held};
use super::options::Options;
use super::run::Runner;
use super::settle::{Outcome, transaction};
use super::{date, heartbeat, poll};
use crate::error::Result;
use crate::util::panic::catch_panic_async;
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

/// How long Redis holds back its answer while the queue is empty, in whole seconds.
const BLOCK: u64 = 1;
/// Pauses between attempts to reach Redis.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// The state that the tasks of a worker share.
pub(crate) struct PoolState {
    /// The id of this worker, a random one, because a host name outlives the process.
    pub(crate) id: String,
    pub(crate) options: Options,
    pub(crate) keys: Keys,
    /// The list of the jobs that this worker runs.
    pub(crate) in_progress: String,
    pub(crate) redis: Shared,
    /// No job is fetched any more.
    pub(crate) stopping: CancellationToken,
    /// Jobs that still run go back to the queue.
    cut: CancellationToken,
    runner: Runner,
    /// How often each job is running here, by its text.
    running: Mutex<HashMap<Bytes, usize>>,
}

/// A worker that runs.
pub(crate) struct Pool {
    state: Arc<PoolState>,
    jobs: TaskTracker,
    fetching: JoinHandle<()>,
    beating: JoinHandle<()>,
    polling: JoinHandle<()>,
}

impl Pool {
    /// Starts a worker. Redis need not be reachable yet.
    ///
    /// # Errors
    /// `PIT-500` if the address of Redis is invalid.
    pub(crate) fn start(options: Options, runner: Runner) -> Result<Self> {
        let fetching = Address::new(&options.redis)?;
        let keys = Keys::new(&options.namespace);
        let id = uuid::Uuid::new_v4().to_string();
        let pool = Arc::new(PoolState {
            in_progress: keys.in_progress(&id),
            redis: Shared::new(Address::new(&options.redis)?),
            id,
            keys,
            options,
            stopping: CancellationToken::new(),
            cut: CancellationToken::new(),
            runner,
            running: Mutex::default(),
        });
        let jobs = TaskTracker::new();
        tracing::info!(worker = %pool.id, redis = %pool.redis.address(), "running jobs");
        Ok(Self {
            fetching: tokio::spawn(Fetcher::new(Arc::clone(&pool), fetching, jobs.clone()).run()),
            beating: tokio::spawn(heartbeat::run(Arc::clone(&pool))),
            polling: tokio::spawn(poll::run(Arc::clone(&pool))),
            state: pool,
            jobs,
        })
    }

    pub(crate) fn state(&self) -> &Arc<PoolState> {
        &self.state
    }

    /// Stops: fetches no more jobs, lets those that run finish within `limit`, and returns the others to the queue.
    ///
    /// # Cancel safety
    /// Jobs that are neither finished nor returned stay in the worker's list, from which other workers take them.
    pub(crate) async fn stop(self, limit: Duration) {
        let Self { state: pool, jobs, mut fetching, beating, polling } = self;
        let reserve = (limit / 4).min(Duration::from_secs(2));
        pool.stopping.cancel();
        jobs.close();
        let finished = async {
            let _ = (&mut fetching).await;
            jobs.wait().await;
        };
        let in_time = timeout(limit.saturating_sub(reserve), finished).await.is_ok();
        if !in_time {
            pool.cut.cancel();
            let _ = timeout(reserve / 2, jobs.wait()).await;
        }
        fetching.abort();
        polling.abort();
        beating.abort();
        match timeout(reserve / 2, heartbeat::leave(&pool, in_time)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                throttled!(GLOBAL, warn, "stopped workers", %error, "failed to remove a worker from Redis; another one will");
            }
            Err(_) => {
                throttled!(
                    GLOBAL,
                    warn,
                    "stopped workers",
                    "timed out removing a worker from Redis; another one will"
                );
            }
        }
    }
}

/// Fetches jobs, on a connection of its own because its command blocks.
struct Fetcher {
    pool: Arc<PoolState>,
    address: Address,
    live: Option<Live>,
    failures: u32,
    /// Jobs of the worker's own list that no task runs, oldest first.
    found: VecDeque<Bytes>,
    /// When the worker's own list was read.
    read: Option<Instant>,
    jobs: TaskTracker,
    places: Arc<Semaphore>,
}

impl Fetcher {
    fn new(pool: Arc<PoolState>, address: Address, jobs: TaskTracker) -> Self {
        let places = Arc::new(Semaphore::new(pool.options.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Self { pool, address, live: None, failures: 0, found: VecDeque::new(), read: None, jobs, places }
    }

    async fn run(mut self) {
        while let Some(place) = self.place().await {
            match self.fetch().await {
                Ok(Some(text)) => {
                    self.pool.begin(&text);
                    self.jobs.spawn(work(Arc::clone(&self.pool), text, place));
                    self.failures = 0;
                }
                Ok(None) => self.failures = 0,
                Err(error) => {
                    // Redis may have moved a job whose text was lost with the connection. The next one reads the list.
                    self.live = None;
                    self.read = None;
                    throttled!(GLOBAL, warn, "fetched jobs", %error, "failed to fetch a job from Redis");
                    let stopping = self.pool.stopping.clone();
                    tokio::select! {
                        () = stopping.cancelled() => {}
                        () = pause(self.failures) => {}
                    }
                    self.failures = self.failures.saturating_add(1);
                }
            }
        }
    }

    /// Waits for a free place; `None` if the worker stops.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            biased;
            () = self.pool.stopping.cancelled() => None,
            place = Arc::clone(&self.places).acquire_owned() => place.ok(),
        }
    }

    /// Fetches one job. Returns `None` if the queue stayed empty.
    async fn fetch(&mut self) -> RedisResult<Option<Bytes>> {
        let live = match self.live.take() {
            Some(live) => live,
            None => {
                // Other workers must know this one before it has a job.
                heartbeat::beat(&self.pool).await?;
                self.address.connect(ANSWER + Duration::from_secs(BLOCK)).await?
            }
        };
        let live = self.live.insert(live);
        if self.read.is_none_or(|read| read.elapsed() >= self.pool.options.heartbeat) {
            // Taken before the list is read, because a job may end in between.
            let running = self.pool.running.lock().clone();
            let mut list = cmd("LRANGE");
            list.arg(&self.pool.in_progress).arg(0).arg(-1);
            let listed: Vec<Vec<u8>> = live.query(&list.into()).await?;
            self.found = not_running(running, listed.into_iter().rev().map(Bytes::from));
            self.read = Some(Instant::now());
        }
        if let Some(found) = self.found.pop_front() {
            return Ok(Some(found));
        }
        let mut fetch = cmd("BRPOPLPUSH");
        fetch.arg(&self.pool.keys.queue).arg(&self.pool.in_progress).arg(BLOCK);
        let text: Option<Vec<u8>> = live.query(&fetch.into()).await?;
        Ok(text.map(Bytes::from))
    }
}

async fn pause(failures: u32) {
    let [shortest, longest] = BACKOFF;
    tokio::time::sleep(longest.min(shortest * 2_u32.saturating_pow(failures.min(8)))).await;
}

impl PoolState {
    fn begin(&self, text: &Bytes) {
        *self.running.lock().entry(text.clone()).or_default() += 1;
    }

    fn end(&self, text: &Bytes) {
        let mut running = self.running.lock();
        if let Some(times) = running.get_mut(text) {
            *times -= 1;
            if *times == 0 {
                running.remove(text);
            }
        }
    }
}

/// Returns the listed jobs that no task runs.
fn not_running(mut running: HashMap<Bytes, usize>, listed: impl Iterator<Item = Bytes>) -> VecDeque<Bytes> {
    listed
        .filter(|text| match running.get_mut(text) {
            Some(times) if *times > 0 => {
                *times -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

/// Runs one job from its text to the record of its outcome.
async fn work(pool: Arc<PoolState>, text: Bytes, _place: OwnedSemaphorePermit) {
    let job = Job::parse(&text);
    let mut held = None;
    let outcome = match &job {
        Err(error) => Outcome::Dead(error.clone()),
        Ok(job) => tokio::select! {
            biased;
            outcome = run(&pool, job, &mut held) => outcome,
            // The job stays in the worker's list, which goes back to the queue when the worker leaves.
            () = pool.cut.cancelled() => return,
        },
    };
    let job = job.ok();
    let id = job.as_ref().map_or("", Job::id);
    match &outcome {
        Outcome::Failed(error) => throttled!(GLOBAL, warn, "failed jobs", job = %id, %error, "a job failed"),
        Outcome::Dead(error) => throttled!(GLOBAL, error, "dead jobs", job = %id, %error, "a job is dead"),
        Outcome::Done | Outcome::Later => {}
    }
    // Made once: if an answer is lost, the transaction that is sent again must not enqueue a second retry.
    let settled = transaction(&pool, &text, job.as_ref(), held.as_ref(), &outcome, SystemTime::now());
    let mut failures = 0;
    loop {
        match pool.redis.transact(&settled).await {
            Ok(()) => break,
            Err(error) => {
                throttled!(GLOBAL, warn, "settled jobs", %error, "failed to record the outcome of a job in Redis");
                if pool.cut.is_cancelled() {
                    break;
                }
                tokio::select! {
                    () = pool.cut.cancelled() => {}
                    () = pause(failures) => {}
                }
                failures += 1;
            }
        }
    }
    pool.end(&text);
}

/// Runs one job.
async fn run(pool: &PoolState, job: &Job, held: &mut Option<Held>) -> Outcome {
    let call = match job.call() {
        Ok(call) => call,
        // No retry repairs such a job.
        Err(error) => return Outcome::Dead(error),
    };
    let mut limit = pool.options.timeout;
    if let Some(seconds) = job.timeout() {
        limit = Duration::try_from_secs_f64(seconds).unwrap_or(limit);
    }
    if let Some(deadline) = job.deadline() {
        let left = date::until(deadline, SystemTime::now());
        if left.is_zero() {
            return Outcome::Dead("the deadline of the job has passed".to_owned());
        }
        limit = limit.min(left);
    }
    if let Some(key) = once::key(job, pool.runner.is_idempotent(call.route)) {
        let claim = Held::new(key, &pool.id);
        match claimed(pool, &claim).await {
            Claim::Granted => *held = Some(claim),
            Claim::Done => return Outcome::Done,
            Claim::Busy => return Outcome::Later,
        }
    }
    // The choice of a server and the reader of an argument are code of the application.
    match catch_panic_async("a job", || pool.runner.run(&call, limit)).await.flatten() {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Claims an idempotency key, however long Redis is away.
async fn claimed(pool: &PoolState, held: &Held) -> Claim {
    let mut failures = 0;
    loop {
        match once::claim(pool, held).await {
            Ok(claim) => return claim,
            Err(error) => {
                throttled!(GLOBAL, warn, "claimed keys", %error, "failed to claim an idempotency key in Redis");
                pause(failures).await;
                failures += 1;
            }
        }
    }
}
