//! The metrics of jobs, read from Redis.

use redis::{RedisResult, pipe};

use super::pool::PoolState;
use crate::metrics::{Metrics, WORKER_DEAD, WORKER_JOBS, WORKER_QUEUE, WORKER_RETRIES};

/// Reports the jobs of the namespace: those of all workers, Go Pitaya's as well.
///
/// # Errors
/// Redis's, if it does not answer.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) async fn report(pool: &PoolState, metrics: &Metrics) -> RedisResult<()> {
    let keys = &pool.keys;
    let mut counts = pipe();
    counts.cmd("GET").arg(keys.counter("processed")).cmd("GET").arg(keys.counter("failed"));
    counts.cmd("LLEN").arg(&keys.queue).cmd("ZCARD").arg(&keys.retry).cmd("ZCARD").arg(&keys.dead);
    type Counts = (Option<u64>, Option<u64>, u64, u64, u64);
    let (processed, failed, waiting, retries, dead): Counts = pool.redis.query(counts).await?;
    let queue = keys.queue_name();
    metrics.bind_or_log(&WORKER_JOBS, &[("status", "ok")]).record(processed.unwrap_or(0) as f64);
    metrics.bind_or_log(&WORKER_JOBS, &[("status", "failed")]).record(failed.unwrap_or(0) as f64);
    metrics.bind_or_log(&WORKER_QUEUE, &[("queue", &queue)]).record(waiting as f64);
    metrics.bind_or_log(&WORKER_RETRIES, &[]).record(retries as f64);
    metrics.bind_or_log(&WORKER_DEAD, &[]).record(dead as f64);
    Ok(())
}
