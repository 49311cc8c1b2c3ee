//! Keeps this worker's heartbeat, and takes over the jobs of workers that died.

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisResult, Value, cmd, pipe};
use tokio::time::Instant;

use super::adoption::Adoption;
use super::pool::PoolState;
use crate::util::throttle::{GLOBAL, throttled};

/// Moves the jobs of a dead worker to the head of the queue, oldest first. Does nothing if the worker is alive.
///
/// Keys: heartbeat, list of the jobs in progress, queue, set of workers. Argument: the id of the worker.
const ADOPT: &str = "
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local moved = 0
local job = redis.call('LPOP', KEYS[2])
while job do
    redis.call('RPUSH', KEYS[3], job)
    moved = moved + 1
    job = redis.call('LPOP', KEYS[2])
end
redis.call('SREM', KEYS[4], ARGV[1])
return moved";

/// How many heartbeats a worker may miss before its key expires.
const MISSED: u32 = 4;

/// The time after which a heartbeat expires.
pub(crate) fn expiry(heartbeat: Duration) -> Duration {
    heartbeat * MISSED
}

/// Writes this worker's heartbeat and returns the ids of all workers.
pub(crate) async fn beat(pool: &PoolState) -> RedisResult<Vec<String>> {
    let mut beat = pipe();
    beat.cmd("SET")
        .arg(pool.keys.heartbeat(&pool.id))
        .arg(1)
        .arg("PX")
        .arg(millis(expiry(pool.options.heartbeat)));
    beat.cmd("SADD").arg(&pool.keys.workers).arg(&pool.id);
    beat.cmd("SMEMBERS").arg(&pool.keys.workers);
    let (_, _, workers): (Value, Value, Vec<String>) = pool.redis.query(beat).await?;
    Ok(workers)
}

/// Removes this worker's heartbeat and returns its jobs to the queue.
///
/// The worker stays in the set unless `clean`, because Redis may still give it a job that it asked for. Another worker
/// then takes that job over.
pub(crate) async fn leave(pool: &PoolState, clean: bool) -> RedisResult<()> {
    let mut leave = pipe();
    leave.cmd("DEL").arg(pool.keys.heartbeat(&pool.id));
    leave.add_command(adopt(pool, &pool.id));
    if !clean {
        leave.cmd("SADD").arg(&pool.keys.workers).arg(&pool.id);
    }
    pool.redis.query::<Vec<Value>>(leave).await.map(drop)
}

/// Beats until the worker has stopped.
pub(crate) async fn run(pool: Arc<PoolState>) {
    let mut adoption = Adoption::new(pool.options.heartbeat * 2);
    let mut ticks = tokio::time::interval(pool.options.heartbeat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = look(&pool, &mut adoption).await {
            adoption.reset();
            throttled!(GLOBAL, warn, "worker heartbeats", %error, "failed to send the heartbeat of a worker to Redis");
        }
    }
}

async fn look(pool: &PoolState, adoption: &mut Adoption) -> RedisResult<()> {
    let mut others = beat(pool).await?;
    others.retain(|id| *id != pool.id);
    if others.is_empty() {
        adoption.reset();
        return Ok(());
    }
    let mut exist = pipe();
    for id in &others {
        exist.cmd("EXISTS").arg(pool.keys.heartbeat(id));
    }
    let alive: Vec<bool> = pool.redis.query(exist).await?;
    for id in adoption.look(others.into_iter().zip(alive), Instant::now()) {
        let moved: u64 = pool.redis.query(adopt(pool, &id)).await?;
        throttled!(GLOBAL, warn, "dead workers", worker = %id, jobs = moved, "took over the jobs of a worker that died");
    }
    Ok(())
}

fn adopt(pool: &PoolState, id: &str) -> redis::Cmd {
    let keys = &pool.keys;
    let mut adopt = cmd("EVAL");
    adopt
        .arg(ADOPT)
        .arg(4)
        .arg(keys.heartbeat(id))
        .arg(keys.in_progress(id))
        .arg(&keys.queue)
        .arg(&keys.workers)
        .arg(id);
    adopt
}

/// Whole milliseconds for Redis, at least one.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64)
}
