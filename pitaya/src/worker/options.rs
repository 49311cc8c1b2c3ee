//! The settings of reliable RPC.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::retry;
use crate::util::redact;

/// When a failed job runs again.
///
/// Go Pitaya's formula gives the delay before retry `n` (from 0):
/// `min(n^exponent + min_delay + random × (n + 1), max_delay)` seconds, where `random` is below `max_random`.
/// Workers move due jobs to the queue every `pitaya.worker.poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// Whether a failed job runs again.
    pub enabled: bool,
    /// The limit in Go Pitaya's format: a job runs at most `max + 2` times. 0 stands for 25.
    pub max: u32,
    /// The exponent of the formula.
    pub exponent: u32,
    /// The fixed part of the delay, in seconds.
    pub min_delay: u32,
    /// The longest delay, in seconds.
    pub max_delay: u32,
    /// The bound of the random part, in seconds. 0 for none.
    pub max_random: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { enabled: true, max: 2, exponent: 5, min_delay: 10, max_delay: 10, max_random: 0 }
    }
}

impl Retry {
    /// Returns the delay before retry `count`, from 0, without its random part.
    ///
    /// ```
    /// let mut retry = pitaya::worker::Retry::default();
    /// (retry.exponent, retry.max_delay) = (2, 60);
    /// assert_eq!([0, 1, 3].map(|count| retry.delay(count).as_secs()), [10, 11, 19]);
    /// ```
    #[must_use]
    pub fn delay(&self, count: u32) -> Duration {
        let Self { exponent, min_delay, max_delay, .. } = *self;
        let options = serde_json::json!({
            "exp": exponent, "min_delay": min_delay, "max_delay": max_delay, "max_rand": 0,
        });
        let seconds = retry::delay(count.into(), options.as_object(), |_| 0);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// Runs a job once: a failure makes it a dead job.
    #[must_use]
    pub fn never() -> Self {
        Self { enabled: false, max: 0, ..Self::default() }
    }
}

/// How Redis is reached.
#[derive(Clone, Default)]
pub(crate) struct RedisOptions {
    /// `host:port`, `redis://…` or `rediss://…`.
    pub(crate) url: String,
    /// The user of the access control list. Empty for the default user.
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: Option<u32>,
    /// Whether to use TLS without `rediss://` in the address.
    pub(crate) tls: bool,
    /// Certificates of authorities, in PEM. None for those of the system.
    pub(crate) ca_file: Option<PathBuf>,
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("url", &redact::address(&self.url))
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// Everything that the configuration says of reliable RPC.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) redis: RedisOptions,
    pub(crate) namespace: String,
    /// Jobs that run at the same time in this process.
    pub(crate) concurrency: usize,
    /// The retries of new jobs.
    pub(crate) retry: Retry,
    /// The longest that one run of a job may take.
    pub(crate) timeout: Duration,
    /// Pause between two heartbeats.
    pub(crate) heartbeat: Duration,
    /// Pause between two looks at the delayed jobs.
    pub(crate) poll: Duration,
}
