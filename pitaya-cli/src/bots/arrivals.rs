//! The times at which runs begin, and the end of all of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The lag that is not counted. The timer has a resolution of a millisecond.
const TIMER_LAG: Duration = Duration::from_millis(2);

/// The schedule of the open loop. A free bot takes the next arrival.
#[derive(Debug)]
pub(super) struct Arrivals {
    began: Instant,
    /// No run begins from this time on.
    end: Instant,
    /// Runs a second.
    rate: f64,
    next: AtomicU64,
}

impl Arrivals {
    pub(super) fn new(began: Instant, end: Instant, rate: f64) -> Self {
        Self { began, end, rate, next: AtomicU64::new(0) }
    }

    /// Takes an arrival: the time at which it is due.
    fn take(&self) -> Instant {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.began + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// Waits for the next arrival. Returns the time from which its run is measured, or `None` at the end.
    ///
    /// If all bots were busy when the run was due, that is the time at which it was due. So a slow server cannot make its
    /// own latencies look better by keeping bots from sending.
    pub(super) async fn next(&self, stop: &Stop) -> Option<Instant> {
        let due = self.take();
        if due >= self.end {
            return stop.unless(std::future::pending()).await;
        }
        let free = Instant::now();
        if due > free {
            stop.unless(tokio::time::sleep_until(due)).await?;
        }
        if stop.is_set() {
            return None;
        }
        Some(measured_from(due, free, Instant::now()))
    }
}

/// Returns the time from which a run is measured whose bot was free at `free` and begins it at `now`.
fn measured_from(due: Instant, free: Instant, now: Instant) -> Instant {
    if free <= due && now.saturating_duration_since(due) <= TIMER_LAG { now } else { due.min(now) }
}

/// Ends all bots.
#[derive(Debug, Default)]
pub(super) struct Stop {
    set: AtomicBool,
    wake: Notify,
}

impl Stop {
    pub(super) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.wake.notify_waiters();
    }

    pub(super) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits for a future, or returns `None` at the end.
    pub(super) async fn unless<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut woken = std::pin::pin!(self.wake.notified());
        // Registered before the check, so that an end in between is not missed.
        woken.as_mut().enable();
        if self.is_set() {
            return None;
        }
        tokio::select! {
            biased;
            value = future => Some(value),
            () = woken => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_run_is_measured_from_when_it_was_due() {
        let due = Instant::now() + Duration::from_secs(10);
        let at = |millis: i64| match millis < 0 {
            true => due - Duration::from_millis(millis.unsigned_abs()),
            false => due + Duration::from_millis(millis.unsigned_abs()),
        };
        assert_eq!(measured_from(due, at(-5), at(1)), at(1), "the timer was late");
        assert_eq!(measured_from(due, at(-5), at(30)), due, "the generator was late");
        assert_eq!(measured_from(due, at(1), at(1)), due, "every bot was busy");
    }

    #[tokio::test]
    async fn arrivals_keep_their_rate_and_end() {
        let stop = Stop::default();
        let began = Instant::now();
        let hour = Duration::from_secs(3600);
        let arrivals = Arrivals::new(began, began + hour, 1000.0);
        let first = arrivals.next(&stop).await.unwrap();
        let tenth = {
            for _ in 1..9 {
                arrivals.next(&stop).await.unwrap();
            }
            arrivals.next(&stop).await.unwrap()
        };
        assert!(tenth - first >= Duration::from_millis(7), "{:?}", tenth - first);
        let late = Arrivals::new(began + hour, began + 2 * hour, 1.0);
        let over = Arrivals::new(began, began, 1.0);
        let (late, over, ()) = tokio::join!(late.next(&stop), over.next(&stop), async { stop.set() });
        assert_eq!((late, over), (None, None));
        assert_eq!(arrivals.next(&stop).await, None);
    }
}
