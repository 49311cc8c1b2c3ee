//! The deadline of a call.

use std::time::Duration;

use tokio::time::Instant;

/// The time at which the caller of a call stops waiting.
///
/// A caller sends a span of time, counted from the arrival of the call, so clocks of two servers are never compared. A
/// call that is made while this one is handled gets the time that remains.
///
/// ```
/// use std::time::Duration;
/// use pitaya::context::Deadline;
/// use tokio::time::Instant;
///
/// let arrived = Instant::now();
/// let deadline = Deadline::after(Some(Duration::from_secs(5)), arrived);
/// let later = arrived + Duration::from_secs(3);
/// assert_eq!(deadline.within(Duration::from_secs(4), later), Some(Duration::from_secs(2)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const NEVER: Self = Self(None);

    /// So long after the call came in. A time that the clock cannot count to is never.
    #[must_use]
    pub fn after(timeout: Option<Duration>, arrived: Instant) -> Self {
        Self(timeout.and_then(|timeout| arrived.checked_add(timeout)))
    }

    /// The moment; `None` is never.
    #[must_use]
    pub fn at(self) -> Option<Instant> {
        self.0
    }

    /// Returns the time that is left, which is zero once it is over; `None` without a deadline.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    /// Whether the deadline is over.
    #[must_use]
    pub fn is_over(self, now: Instant) -> bool {
        self.remaining(now).is_some_and(|left| left.is_zero())
    }

    /// The time for a call that wants `timeout`: no more than is left. `None` if there is no time at all, so that
    /// the call need not be made.
    #[must_use]
    pub fn within(self, timeout: Duration, now: Instant) -> Option<Duration> {
        let time = self.remaining(now).map_or(timeout, |left| left.min(timeout));
        (!time.is_zero()).then_some(time)
    }
}
