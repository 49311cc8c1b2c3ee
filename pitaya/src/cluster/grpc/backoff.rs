//! The pauses between attempts to connect.

use std::time::Duration;

use crate::util::backoff::doubled;

/// The first pause.
const FIRST: Duration = Duration::from_millis(50);
/// The longest pause. A server that comes back is connected within this time.
const LONGEST: Duration = Duration::from_secs(2);
/// A connection that lasted this long was good, so the next attempt follows without a pause.
pub(super) const GOOD: Duration = Duration::from_secs(1);

/// Pauses that double, each up to a fifth shorter at random, so that servers do not come all together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the pause after a failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = doubled(FIRST, LONGEST, self.failures);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(1.0 - fastrand::f64() / 5.0)
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..2000).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST * 4 / 5, "{:?}", pauses[0]);
        assert!(pauses[1] > FIRST, "{:?}", pauses[1]);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses[1999] >= LONGEST * 4 / 5);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
