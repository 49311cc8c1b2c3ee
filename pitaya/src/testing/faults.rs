//! The faults of a simulation.

use std::ops::Range;
use std::time::Duration;

/// Random faults of messages between servers, from the seed of the [`Cluster`](super::Cluster).
///
/// No fault breaks the contract of a [`Transport`](crate::cluster::Transport), and all that it allows may happen:
///
/// | message | delayed | lost | twice | order |
/// |---|---|---|---|---|
/// | request of a server, or a client's forwarded message | yes | yes: its caller times out | never | none |
/// | answer | yes | yes: its caller times out | never | none |
/// | push, broadcast, kick | yes | yes | never | kept, from one server to one address |
/// | announcement of a bind | yes | yes | yes | kept, from one server to one address |
///
/// Even without a delay, only messages of one server to one address are ordered: each address has its own queue and
/// task, and the seed chooses the next one.
///
/// Delivery is at most once: no broker delivers a request or a push twice, so the simulation does not either.
/// Announcements of binds are the exception: servers announce binds again after an outage, so duplicates happen in
/// production too, and `duplicate` injects them.
///
/// Rules that depend on a message fail with its loss: with `drop`, announcements of binds are lost without notice, and
/// one user may have two sessions until the next bind. [`Cluster::isolate`](super::Cluster::isolate) and
/// [`Cluster::partition`](super::Cluster::partition) lose messages so that servers notice it in the end.
///
/// ```
/// use std::time::Duration;
/// use pitaya::testing::Faults;
///
/// let ms = Duration::from_millis;
/// let faults = Faults { delay: ms(1)..ms(20), drop: 0.01, ..Faults::default() };
/// assert_eq!(faults.duplicate, 0.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// The delay of each message. An empty range means its start. Zero means immediate delivery.
    pub delay: Range<Duration>,
    /// The probability that a message is lost, from 0 to 1.
    pub drop: f64,
    /// The probability that the announcement of a bind arrives twice, each with its own delay, from 0 to 1.
    pub duplicate: f64,
    /// The delay until another server sees that a server was added, changed or removed. These changes are never lost
    /// and keep their order.
    pub discovery_delay: Range<Duration>,
}

impl Default for Faults {
    /// No faults: everything arrives immediately.
    fn default() -> Self {
        let none = Duration::ZERO..Duration::ZERO;
        Self { delay: none.clone(), drop: 0.0, duplicate: 0.0, discovery_delay: none }
    }
}

/// Draws a duration of a range, in whole microseconds.
pub(super) fn sample(rng: &mut fastrand::Rng, range: &Range<Duration>) -> Duration {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (start, end) = (micros(range.start), micros(range.end));
    Duration::from_micros(if start < end { rng.u64(start..end) } else { start })
}

/// Draws whether an event of this probability happens. Probabilities 0 and 1 use no random number.
pub(super) fn happens(rng: &mut fastrand::Rng, likelihood: f64) -> bool {
    likelihood > 0.0 && (likelihood >= 1.0 || rng.f64() < likelihood)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_is_in_range_and_zero_never_happens() {
        let mut rng = fastrand::Rng::with_seed(1);
        let ms = Duration::from_millis;
        for _ in 0..1000 {
            assert!((ms(2)..ms(5)).contains(&sample(&mut rng, &(ms(2)..ms(5)))));
            assert!(!happens(&mut rng, 0.0) && happens(&mut rng, 1.0));
        }
        assert_eq!(sample(&mut rng, &(ms(7)..ms(7))), ms(7));
        let often = (0..10_000).filter(|_| happens(&mut rng, 0.3)).count();
        assert!((2700..3300).contains(&often), "{often}");
    }
}
