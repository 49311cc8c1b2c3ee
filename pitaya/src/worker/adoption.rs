//! Decides when another worker counts as dead, so that its jobs can be taken over.
//!
//! A worker refreshes a key that expires, its heartbeat. After an outage of Redis the heartbeats of all workers may have
//! expired, although the workers live. So a heartbeat must be missing for some time in which Redis answered.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// The workers whose heartbeats are missing, with the time since when.
#[derive(Debug)]
pub(crate) struct Adoption {
    grace: Duration,
    missing: HashMap<String, Instant>,
}

impl Adoption {
    /// Waits `grace` after the first look that misses a heartbeat.
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, missing: HashMap::new() }
    }

    /// Records one look at all other workers and returns those that count as dead.
    pub(crate) fn look(
        &mut self,
        workers: impl IntoIterator<Item = (String, bool)>,
        now: Instant,
    ) -> Vec<String> {
        let mut before = std::mem::take(&mut self.missing);
        let mut dead = Vec::new();
        for (id, _) in workers.into_iter().filter(|(_, alive)| !alive) {
            let since = before.remove(&id).unwrap_or(now);
            if now.duration_since(since) >= self.grace {
                dead.push(id.clone());
            }
            self.missing.insert(id, since);
        }
        dead
    }

    /// Forgets all looks, because Redis did not answer.
    pub(crate) fn reset(&mut self) {
        self.missing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    fn see(adoption: &mut Adoption, workers: &[(&str, bool)], now: Instant) -> Vec<String> {
        adoption.look(workers.iter().map(|(id, alive)| ((*id).to_owned(), *alive)), now)
    }

    #[test]
    fn a_worker_is_dead_after_the_grace_period() {
        let (mut adoption, start) = (Adoption::new(GRACE), Instant::now());
        let workers = [("a", false), ("b", true)];
        assert!(see(&mut adoption, &workers, start).is_empty());
        assert!(see(&mut adoption, &workers, start + GRACE / 2).is_empty());
        assert_eq!(see(&mut adoption, &workers, start + GRACE), ["a"]);
        // The adoption may have failed.
        assert_eq!(see(&mut adoption, &workers, start + 2 * GRACE), ["a"]);
    }

    #[test]
    fn a_worker_that_comes_back_is_alive() {
        let (mut adoption, start) = (Adoption::new(GRACE), Instant::now());
        see(&mut adoption, &[("a", false)], start);
        see(&mut adoption, &[("a", true)], start + GRACE / 2);
        assert!(see(&mut adoption, &[("a", false)], start + GRACE).is_empty());
        assert_eq!(see(&mut adoption, &[("a", false)], start + 2 * GRACE), ["a"]);
    }

    #[test]
    fn an_outage_of_redis_kills_no_worker() {
        let (mut adoption, start) = (Adoption::new(GRACE), Instant::now());
        see(&mut adoption, &[("a", false)], start);
        adoption.reset();
        assert!(see(&mut adoption, &[("a", false)], start + 2 * GRACE).is_empty());
        assert!(see(&mut adoption, &[("a", true)], start + 3 * GRACE).is_empty());
    }

    #[test]
    fn a_worker_that_left_is_forgotten() {
        let (mut adoption, start) = (Adoption::new(GRACE), Instant::now());
        see(&mut adoption, &[("a", false)], start);
        assert!(see(&mut adoption, &[], start + GRACE).is_empty());
        assert!(adoption.missing.is_empty());
    }
}
