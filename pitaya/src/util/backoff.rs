//! Pauses between tries.

use std::time::Duration;

/// Returns the pause after a failure: `first`, doubled for each earlier failure of the row, up to `longest`.
pub(crate) fn doubled(first: Duration, longest: Duration, earlier: u32) -> Duration {
    first.saturating_mul(1 << earlier.min(16)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_limit() {
        let (first, longest) = (Duration::from_millis(5), Duration::from_secs(1));
        let pauses: Vec<_> = (0..10).map(|earlier| doubled(first, longest, earlier).as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(doubled(first, longest, u32::MAX), longest);
    }
}
