//! Servers that had no responder when they were called.
//!
//! A crashed server stays listed until its lease ends, and a server without a broker stays listed and comes back.
//! Randomly routed calls avoid both for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::Server;
use crate::util::sync::Mutex;

/// How long calls avoid a server. Then one call finds out whether it is back.
const SUSPECTED_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Usually false, and then no call takes the lock.
    some: AtomicBool,
    since: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Suspects {
    /// Records a server without a responder.
    pub(super) fn note(&self, id: &Arc<str>) {
        let mut since = self.recent();
        since.insert(Arc::clone(id), Instant::now());
        self.some.store(true, Relaxed);
    }

    /// Picks a server at random that is not suspect. Returns `None` if all are.
    pub(super) fn choose<'a>(&self, servers: &'a [Arc<Server>]) -> Option<&'a Arc<Server>> {
        if !self.some.load(Relaxed) {
            return random_of(servers);
        }
        let since = self.recent();
        self.some.store(!since.is_empty(), Relaxed);
        let present: Vec<_> = servers.iter().filter(|server| !since.contains_key(&server.id)).collect();
        random_of(&present).copied()
    }

    /// Locks the current suspects, without the expired ones.
    fn recent(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        let mut since = self.since.lock();
        since.retain(|_, since| since.elapsed() < SUSPECTED_FOR);
        since
    }
}

/// Picks an element uniformly at random.
pub(super) fn random_of<T>(all: &[T]) -> Option<&T> {
    all.get(fastrand::usize(..all.len().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn suspect_is_skipped_for_a_while() {
        let (suspects, all) = (Suspects::default(), ["a", "b"].map(|id| Arc::new(Server::new("room", id))));
        let chosen = || -> std::collections::BTreeSet<_> {
            (0..100).filter_map(|_| suspects.choose(&all)).map(|server| server.id.to_string()).collect()
        };
        assert_eq!(chosen().len(), 2);
        suspects.note(&all[0].id);
        assert_eq!(chosen(), ["b".to_owned()].into());
        suspects.note(&all[1].id);
        assert!(chosen().is_empty());
        tokio::time::advance(SUSPECTED_FOR).await;
        assert_eq!(chosen().len(), 2);
        assert!(!suspects.some.load(Relaxed) && suspects.choose(&[]).is_none());
        suspects.note(&all[0].id);
        tokio::time::advance(SUSPECTED_FOR).await;
        suspects.note(&all[1].id);
        assert_eq!(suspects.recent().len(), 1, "a server is forgotten after that time");
    }
}
