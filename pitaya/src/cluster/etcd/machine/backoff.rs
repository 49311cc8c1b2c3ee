//! When the next try is made, and where.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::Limits;

/// The pause after the first failure; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// No failure is followed by the next try sooner, however short the pauses are configured.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Backoff {
    rng: Rng,
    /// At least one.
    endpoints: u32,
    retry: Duration,
    /// The endpoint whose turn it is.
    endpoint: u32,
    /// When.
    at: Instant,
    /// Tries that failed since all was well.
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

    /// Whether every endpoint has failed in each of so many tries.
    pub(super) fn spent(&self, tries: u64) -> bool {
        u64::from(self.failures) >= tries.saturating_mul(u64::from(self.endpoints))
    }

    /// A try that began then has failed. If all had been well since `well`, its failure is the first of a row: unless
    /// it has not been well for long, for what breaks again and again soon after it was made is not mended by that.
    pub(super) fn failed(&mut self, began: Instant, well: Option<Instant>, now: Instant) {
        if well.is_some_and(|since| now.saturating_duration_since(since) > self.retry) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.endpoint = (self.endpoint + 1) % self.endpoints;
        if !self.failures.is_multiple_of(self.endpoints) {
            // Another endpoint may well be there.
            self.at = now;
            return;
        }
        let round = (self.failures / self.endpoints).saturating_sub(1).min(16);
        let longest = FIRST_PAUSE.saturating_mul(1 << round).min(self.retry);
        // Not all servers that lost etcd at one moment come back at one moment. Nine tenths at most leave the rest of
        // the time to the try itself.
        let pause = longest.mul_f64(0.5 + 0.4 * self.rng.f64());
        self.at = (began + pause).max(now + SHORTEST_PAUSE);
    }
}
