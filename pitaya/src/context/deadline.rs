//! How much time a call has left.

use std::time::Duration;

use tokio::time::Instant;

/// When the caller of a call stops waiting; perhaps never.
///
/// What it tells is a span of time, counted from when the call came in: clocks of two servers are never compared. So
/// a call that is made while this one is handled is given what remains, not the whole.
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
    /// The caller waits for ever, or there is none.
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

    /// What is left of it now; nothing once it is over. `None` is for ever.
    #[must_use]
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    /// Whether nobody waits any more.
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
