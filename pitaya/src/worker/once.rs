//! Runs jobs with an idempotency key once: the record of a run, kept in Redis for 24 hours.
//!
//! A worker claims the key before it runs the job. A run that succeeds leaves `done`, a run that fails removes the
//! claim. A claim holds the id of its worker, so that the claim of a worker that died can be taken over.

use redis::{Pipeline, RedisResult, cmd};

use super::job::{self, Job};
use super::pool::PoolState;

/// How long the record of a run is kept, in seconds.
const WINDOW: u32 = 24 * 60 * 60;

/// The value of a key whose job succeeded.
const DONE: &str = "done";

/// Claims a key for a run.
///
/// Keys: the record. Arguments: the claim, the window, what a heartbeat's key begins with.
/// Returns 0 if the job succeeded before, 1 if the run may begin, 2 if another run is in progress.
const CLAIM: &str = "
local held = redis.call('GET', KEYS[1])
if held == 'done' then return 0 end
if held and held ~= ARGV[1] then
    local worker = string.match(held, '^[^:]*')
    if redis.call('EXISTS', ARGV[3] .. worker) == 1 then return 2 end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1";

/// Removes a claim that is still held.
///
/// Keys: the record. Argument: the claim.
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0";

/// Returns the idempotency key of a job: its own, or its id if its remote is marked `#[idempotent]`.
pub(crate) fn key(job: &Job, is_idempotent: bool) -> Option<String> {
    let own = job.key().map(str::to_owned);
    own.or_else(|| Some(job.id()).filter(|id| is_idempotent && !id.is_empty()).map(|id| format!("job:{id}")))
}

/// An idempotency key and the claim of one run to it.
#[derive(Debug)]
pub(crate) struct Held {
    key: String,
    /// The id of the worker and of the run.
    claim: String,
}

impl Held {
    pub(crate) fn new(key: String, worker: &str) -> Self {
        Self { key, claim: format!("{worker}:{}", job::new_id()) }
    }
}

/// Whether a job with an idempotency key may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The job runs now.
    Granted,
    /// A job with this key succeeded before.
    Done,
    /// A job with this key runs elsewhere.
    Busy,
}

/// Claims a key. The query can be asked again if its answer is lost.
pub(crate) async fn claim(pool: &PoolState, held: &Held) -> RedisResult<Claim> {
    let mut claim = cmd("EVAL");
    claim
        .arg(CLAIM)
        .arg(1)
        .arg(pool.keys.once(&held.key))
        .arg(&held.claim)
        .arg(WINDOW)
        .arg(pool.keys.heartbeat(""));
    let answer: u8 = pool.redis.query(claim).await?;
    Ok(match answer {
        0 => Claim::Done,
        1 => Claim::Granted,
        _ => Claim::Busy,
    })
}

/// Records that a job succeeded.
pub(crate) fn done(pipeline: &mut Pipeline, pool: &PoolState, held: &Held) {
    pipeline.cmd("SET").arg(pool.keys.once(&held.key)).arg(DONE).arg("EX").arg(WINDOW).ignore();
}

/// Removes the claim of a run that failed.
pub(crate) fn release(pipeline: &mut Pipeline, pool: &PoolState, held: &Held) {
    pipeline.cmd("EVAL").arg(RELEASE).arg(1).arg(pool.keys.once(&held.key)).arg(&held.claim).ignore();
}
