//! Reliable RPC.

use std::path::PathBuf;
use std::time::Duration;

use super::{at_least_one, secs, some_time};
use crate::config::key::{Key, Rule};
use crate::config::value_type::{Count, DurationValue, File, Flag, Text, ValueType};

keys! {
    /// Reliable RPC: `pitaya.worker`. It needs the feature `worker`.
    WorkerConfig (worker) [redis: RedisConfig, retry: RetryConfig] {
        /// The prefix of every key in Redis, without the colon after it.
        namespace: String as Text = String::new(), "pitaya.worker.namespace";

        /// Jobs that one server runs at the same time.
        concurrency: usize as Count<usize> = 1, "pitaya.worker.concurrency",
            allowed("at least 1", at_least_one);

        /// The longest that one run of a job may take, unless the job says otherwise.
        timeout: Duration as DurationValue = secs(30), "pitaya.worker.timeout",
            allowed("more than 0s", some_time);

        /// Pause between two searches for jobs that are due. Go Pitaya's is 15s.
        poll: Duration as DurationValue = secs(5), "pitaya.worker.poll",
            allowed("more than 0s", some_time);

        /// Pause between two heartbeats of a worker. A worker counts as dead after 4 to 7 pauses without a heartbeat.
        heartbeat: Duration as DurationValue = secs(5), "pitaya.worker.heartbeat",
            allowed("more than 0s", some_time);
    }

    /// The connection to Redis: `pitaya.worker.redis`.
    RedisConfig (worker.redis) [tls: RedisTlsConfig] {
        /// The address of Redis for reliable RPC: `host:port`, `redis://…`, or `rediss://…` for TLS. It needs the feature
        /// `worker`, as all keys of `pitaya.worker`.
        url: String as Text = "localhost:6379".to_owned(), "pitaya.worker.redis.serverurl",
            also(&["pitaya.worker.redis.url"]), allowed("an address", |v| !v.trim().is_empty()), addresses();

        /// The user for Redis, which needs a password. Empty for the default user.
        user: String as Text = String::new(), "pitaya.worker.redis.user";

        /// The password of the user for Redis.
        password: String as Text = String::new(), "pitaya.worker.redis.password", secret();

        /// The number of the database; -1 for that of the address, else 0.
        database: i64 as Count<i64> = -1, "pitaya.worker.redis.database",
            allowed("at least -1", |v| *v >= -1);
    }

    /// TLS to Redis: `pitaya.worker.redis.tls`.
    RedisTlsConfig (worker.redis.tls) [] {
        /// Uses TLS to Redis; so does the scheme `rediss://`.
        enabled: bool as Flag = false, "pitaya.worker.redis.tls.enabled";

        /// PEM file of CA certificates for Redis that replaces the system roots.
        ca_file: Option<PathBuf> as File = None, "pitaya.worker.redis.tls.cafile";
    }

    /// Retries of failed jobs: `pitaya.worker.retry`.
    RetryConfig (worker.retry) [] {
        /// Runs failed jobs again.
        enabled: bool as Flag = true, "pitaya.worker.retry.enabled";

        /// The limit of retries, as Go Pitaya counts: a job runs at most two times more. 0 stands for 25.
        max: u32 as Count<u32> = 2, "pitaya.worker.retry.max";

        /// The exponent by which the delay grows: retry `n`, from 0, waits `n` to this power, plus the minimum.
        exponential: u32 as Count<u32> = 5, "pitaya.worker.retry.exponential";

        /// The shortest delay before a retry, in seconds.
        min_delay: u32 as Count<u32> = 10, "pitaya.worker.retry.mindelay";

        /// The longest delay before a retry, in seconds.
        max_delay: u32 as Count<u32> = 10, "pitaya.worker.retry.maxdelay";

        /// The bound of the random part of the delay, in seconds.
        max_random: u32 as Count<u32> = 0, "pitaya.worker.retry.maxrandom";
    }
}
