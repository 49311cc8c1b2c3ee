//! What may go wrong.

use std::ops::Range;
use std::time::Duration;

/// What happens to messages between servers, by chance. All chance comes from the seed of the
/// [`Cluster`](super::Cluster).
///
/// None of it breaks what a [`Transport`](crate::cluster::Transport) promises; it does all that one may do:
///
/// | message | delayed | lost | twice | order |
/// |---|---|---|---|---|
/// | request of a server, or a client's message passed on | yes | yes: its caller waits until its time is over | never | none |
/// | answer | yes | yes: the same | never | none |
/// | push, broadcast, kick | yes | yes | never | kept, from one server to one address |
/// | news of a bind | yes | yes | yes | kept, from one server to one address |
///
/// Also without a delay, nothing has an order but what one server sends to one address: each address has a queue and a
/// task, and the seed chooses whose turn it is.
///
/// Everything happens at most once: no broker hands a request or a push over twice, so this one does not, and what is written
/// for it need not expect it. News of binds are the exception: servers tell them again when they have been cut off,
/// so each of them is heard twice in life, and here with `duplicate`.
///
/// Rules that rest on a message are gone with it: with `drop`, news of binds are lost with nobody noticing, and one user
/// may have two sessions until the next bind. [`Cluster::isolate`](super::Cluster::isolate) and
/// [`Cluster::partition`](super::Cluster::partition) lose messages so that it is noticed in the end.
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
    /// How long each message is under way. An empty range is its start. With none it arrives at once.
    pub delay: Range<Duration>,
    /// How likely it is for each message to be lost, from 0 to 1.
    pub drop: f64,
    /// How likely it is for news of a bind to arrive twice, each with a delay of its own, from 0 to 1.
    pub duplicate: f64,
    /// How long the news that a server has come, changed or gone is under way to each of the others. Such news are never
    /// lost and keep their order.
    pub discovery_delay: Range<Duration>,
}

impl Default for Faults {
    /// None: everything arrives at once.
    fn default() -> Self {
        let none = Duration::ZERO..Duration::ZERO;
        Self { delay: none.clone(), drop: 0.0, duplicate: 0.0, discovery_delay: none }
    }
}

/// One of a range, in whole microseconds.
pub(super) fn sample(rng: &mut fastrand::Rng, range: &Range<Duration>) -> Duration {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (start, end) = (micros(range.start), micros(range.end));
    Duration::from_micros(if start < end { rng.u64(start..end) } else { start })
}

/// Whether something of this likelihood happens. What never or always happens takes no chance from the generator.
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
