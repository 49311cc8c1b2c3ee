//! Decides when the next try is made, and at which endpoint.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::Limits;
use crate::util::backoff::doubled;

/// The pause after the first failure; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The shortest pause before the next try, however short the configured pauses are.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Backoff {
    rng: Rng,
    /// At least one.
    endpoints: u32,
    retry: Duration,
    /// The endpoint of the next try.
    endpoint: u32,
    /// The time of the next try.
    at: Instant,
    /// Failed tries since the last stable connection.
    failures: u32,
}

impl Backoff {
    pub(super) fn new(limits: &Limits, mut rng: Rng, now: Instant) -> Self {
        let endpoints = u32::try_from(limits.endpoints.len()).unwrap_or(u32::MAX).max(1);
        // Not all servers begin with the first endpoint.
        let endpoint = rng.u32(..endpoints);
        Self { rng, endpoints, retry: limits.retry, endpoint, at: now, failures: 0 }
    }

    pub(super) fn endpoint(&self) -> usize {
        self.endpoint as usize
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether every endpoint has failed in each of `tries` tries.
    pub(super) fn spent(&self, tries: u64) -> bool {
        u64::from(self.failures) >= tries.saturating_mul(u64::from(self.endpoints))
    }

    /// Records a failed try that started at `began`.
    ///
    /// If the connection had been stable since `well`, for longer than the retry interval, this is the first failure of
    /// a row. A connection that breaks shortly after each connect does not reset the row.
    pub(super) fn failed(&mut self, began: Instant, well: Option<Instant>, now: Instant) {
        if well.is_some_and(|since| now.saturating_duration_since(since) > self.retry) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.endpoint = (self.endpoint + 1) % self.endpoints;
        if !self.failures.is_multiple_of(self.endpoints) {
            // Another endpoint may be reachable.
            self.at = now;
            return;
        }
        let round = (self.failures / self.endpoints).saturating_sub(1);
        let longest = doubled(FIRST_PAUSE, self.retry, round);
        // Jitter keeps servers that lost etcd together from reconnecting together. At most nine tenths of the pause
        // leave the rest for the try itself.
        let pause = longest.mul_f64(0.5 + 0.4 * self.rng.f64());
        self.at = (began + pause).max(now + SHORTEST_PAUSE);
    }
}
