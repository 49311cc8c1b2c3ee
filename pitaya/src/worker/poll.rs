//! Moves jobs whose time has come from the sorted sets to their queues.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use redis::{Cmd, RedisResult, cmd, pipe};

use super::date;
use super::job::{self, Job};
use super::pool::PoolState;
use crate::util::throttle::{GLOBAL, throttled};

/// Jobs that are moved with one request.
const BATCH: usize = 100;

/// Moves one job to a list, if it is still in the sorted set: another worker may have moved it.
///
/// Keys: sorted set, list. Arguments: the job as it is, the job as it becomes.
const MOVE: &str = "
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1";

/// Moves one text that is no job to the set of dead jobs.
///
/// Keys: sorted set, set of dead jobs. Arguments: the text, the dead job, its time.
const BURY: &str = "
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
return 1";

/// Polls until the worker stops.
pub(crate) async fn run(pool: Arc<PoolState>) {
    let mut ticks = tokio::time::interval(pool.options.poll);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = pool.stopping.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for set in [&pool.keys.retry, &pool.keys.schedule] {
            if let Err(error) = move_due(&pool, set).await {
                throttled!(GLOBAL, warn, "delayed jobs", %error, "failed to move delayed jobs to their queue");
            }
        }
    }
}

async fn move_due(pool: &PoolState, set: &str) -> RedisResult<()> {
    loop {
        let now = SystemTime::now();
        let mut due = cmd("ZRANGEBYSCORE");
        due.arg(set).arg("-inf").arg(date::seconds(now)).arg("LIMIT").arg(0).arg(BATCH);
        let jobs: Vec<Vec<u8>> = pool.redis.query(due).await?;
        if jobs.is_empty() {
            return Ok(());
        }
        let mut moves = pipe();
        for job in &jobs {
            moves.add_command(one(pool, set, job, now));
        }
        pool.redis.query::<Vec<u64>>(moves).await?;
        if jobs.len() < BATCH {
            return Ok(());
        }
    }
}

fn one(pool: &PoolState, set: &str, text: &[u8], now: SystemTime) -> Cmd {
    let mut script = cmd("EVAL");
    match Job::parse(text) {
        Ok(mut job) => {
            let list = pool.keys.list_of(job.queue());
            job.fields.insert("enqueued_at".into(), date::seconds(now).into());
            script.arg(MOVE).arg(2).arg(set).arg(list).arg(text).arg(&job.encode()[..]);
        }
        Err(error) => {
            let dead: Bytes = job::unreadable(text, &pool.keys.queue_name(), &error, now);
            script
                .arg(BURY)
                .arg(2)
                .arg(set)
                .arg(&pool.keys.dead)
                .arg(text)
                .arg(&dead[..])
                .arg(date::seconds(now));
        }
    }
    script
}
