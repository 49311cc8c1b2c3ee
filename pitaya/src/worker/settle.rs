//! The end of a run: one transaction that removes the job from the worker's list and records what comes next.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{Pipeline, pipe};

use super::job::{self, Job};
use super::once::Held;
use super::pool::PoolState;
use super::{date, once, retry};

/// Dead jobs that are kept.
const DEAD_JOBS: i64 = 10_000;
/// How long dead jobs are kept: 180 days.
const DEAD_AGE: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The outcome of a run.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The job succeeded, now or in an earlier run.
    Done,
    /// The run failed: the job runs again, or is dead if it has no retry left.
    Failed(String),
    /// No further run can succeed.
    Dead(String),
    /// Another run with the same idempotency key is in progress.
    Later,
}

/// Makes the commands of the transaction for an outcome.
///
/// It can be sent again if its answer is lost: only the counters count twice then.
pub(crate) fn transaction(
    pool: &PoolState,
    text: &Bytes,
    job: Option<&Job>,
    held: Option<&Held>,
    outcome: &Outcome,
    now: SystemTime,
) -> Pipeline {
    let mut pipeline = pipe();
    let keys = &pool.keys;
    match outcome {
        Outcome::Done => {
            if let Some(held) = held {
                once::done(&mut pipeline, pool, held);
            }
            count(&mut pipeline, pool, "processed", now);
        }
        Outcome::Failed(error) | Outcome::Dead(error) => {
            let last = matches!(outcome, Outcome::Dead(_));
            let (again, text) = failed(pool, text, job, error, last, now);
            match again {
                Some(at) => {
                    pipeline.cmd("ZADD").arg(&keys.retry).arg(at).arg(&text[..]).ignore();
                }
                None => bury(&mut pipeline, pool, &text, now),
            }
            if let Some(held) = held {
                once::release(&mut pipeline, pool, held);
            }
            count(&mut pipeline, pool, "failed", now);
        }
        Outcome::Later => {
            let at = date::seconds(now + pool.options.poll);
            pipeline.cmd("ZADD").arg(&keys.schedule).arg(at).arg(&text[..]).ignore();
        }
    }
    pipeline.cmd("LREM").arg(&pool.in_progress).arg(-1).arg(&text[..]).ignore();
    pipeline
}

/// Records a failure in a job. Returns when it runs again, if it does, and its new text.
#[expect(clippy::cast_precision_loss, reason = "seconds of a delay, far below 2^53")]
fn failed(
    pool: &PoolState,
    text: &Bytes,
    job: Option<&Job>,
    error: &str,
    last: bool,
    now: SystemTime,
) -> (Option<f64>, Bytes) {
    let queue = pool.keys.queue_name();
    let Some(job) = job else { return (None, job::unreadable(text, &queue, error, now)) };
    let mut job = job.clone();
    let delay = retry::fail(&mut job.fields, &queue, error, now, |below| fastrand::u64(..below));
    let at = delay.filter(|_| !last).map(|delay| date::seconds(now) + delay as f64);
    // A retry after the deadline would not run.
    let at = at.filter(|at| job.deadline().is_none_or(|deadline| *at < deadline));
    (at, job.encode())
}

/// Adds a job to the set of dead jobs, which is bounded.
pub(crate) fn bury(pipeline: &mut Pipeline, pool: &PoolState, text: &[u8], now: SystemTime) {
    let dead = &pool.keys.dead;
    pipeline.cmd("ZADD").arg(dead).arg(date::seconds(now)).arg(text).ignore();
    let oldest = date::seconds(now - DEAD_AGE);
    pipeline.cmd("ZREMRANGEBYSCORE").arg(dead).arg("-inf").arg(oldest).ignore();
    pipeline.cmd("ZREMRANGEBYRANK").arg(dead).arg(0).arg(-DEAD_JOBS - 1).ignore();
}

fn count(pipeline: &mut Pipeline, pool: &PoolState, outcome: &str, now: SystemTime) {
    for counter in pool.keys.counters(outcome, &date::day(now)) {
        pipeline.cmd("INCR").arg(counter).ignore();
    }
}
