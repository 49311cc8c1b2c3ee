//! When a timer is due: pure arithmetic.

use std::time::Duration;

use tokio::time::Instant;

/// As far as anybody waits; the clock cannot count to every duration.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns `at + by`, or a time in the far future if that overflows.
pub(super) fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).unwrap_or_else(|| at + NEVER)
}

/// Due at whole multiples of an interval since the start, and at most once a tick while it is late.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    /// The least time between two runs: the tick, or the interval where that is shorter.
    gap: Duration,
    /// The multiple that is next.
    due: Instant,
    /// The last run.
    last: Option<Instant>,
}

impl Schedule {
    pub(super) fn new(start: Instant, interval: Duration, tick: Duration) -> Self {
        Self { interval, gap: tick.min(interval), due: later(start, interval), last: None }
    }

    /// When to run next: every missed multiple is made up for.
    pub(super) fn next(&self) -> Instant {
        match self.last {
            Some(last) => self.due.max(later(last, self.gap)),
            None => self.due,
        }
    }

    /// When to run next: multiples before `now` are skipped.
    pub(super) fn skip_to(&mut self, now: Instant) -> Instant {
        if self.due < now {
            let missed = (now - self.due).as_nanos().div_ceil(self.interval.as_nanos());
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            self.due = later(self.due, self.interval.checked_mul(missed).unwrap_or(NEVER));
        }
        self.due
    }

    /// A run begins.
    pub(super) fn ran(&mut self, now: Instant) {
        self.last = Some(now);
        self.due = later(self.due, self.interval);
    }
}
