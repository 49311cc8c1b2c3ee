//! Servers that are known, and at which nobody was when they were called.
//!
//! A server that ends without a word is known until its lease ends; one that has lost the broker is known and comes
//! back. Calls that any server may take go to others for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::Server;
use crate::util::sync::Mutex;

/// How long a server is passed over. Then one call finds out whether it is there.
const SUSPECTED_FOR: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// Mostly there are none, and nothing is to be locked.
    some: AtomicBool,
    since: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Suspects {
    /// Nobody was there.
    pub(super) fn note(&self, id: &Arc<str>) {
        let mut since = self.recent();
        since.insert(Arc::clone(id), Instant::now());
        self.some.store(true, Relaxed);
    }

    /// By chance one of these servers that is not absent; `None` if all of them are.
    pub(super) fn choose<'a>(&self, servers: &'a [Arc<Server>]) -> Option<&'a Arc<Server>> {
        if !self.some.load(Relaxed) {
            return random_of(servers);
        }
        let since = self.recent();
        self.some.store(!since.is_empty(), Relaxed);
        let present: Vec<_> = servers.iter().filter(|server| !since.contains_key(&server.id)).collect();
        random_of(&present).copied()
    }

    /// Those that are still passed over; the others are forgotten.
    fn recent(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        let mut since = self.since.lock();
        since.retain(|_, since| since.elapsed() < SUSPECTED_FOR);
        since
    }
}

/// Any of these, all as likely.
pub(super) fn random_of<T>(all: &[T]) -> Option<&T> {
    all.get(fastrand::usize(..all.len().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_passed_over_for_a_while() {
        let (absent, all) = (Suspects::default(), ["a", "b"].map(|id| Arc::new(Server::new("room", id))));
        let chosen = || -> std::collections::BTreeSet<_> {
            (0..100).filter_map(|_| absent.choose(&all)).map(|server| server.id.to_string()).collect()
        };
        assert_eq!(chosen().len(), 2);
        absent.note(&all[0].id);
        assert_eq!(chosen(), ["b".to_owned()].into());
        absent.note(&all[1].id);
        assert!(chosen().is_empty());
        tokio::time::advance(SUSPECTED_FOR).await;
        assert_eq!(chosen().len(), 2);
        assert!(!absent.some.load(Relaxed) && absent.choose(&[]).is_none());
        absent.note(&all[0].id);
        tokio::time::advance(SUSPECTED_FOR).await;
        absent.note(&all[1].id);
        assert_eq!(absent.recent().len(), 1, "nobody is remembered for longer");
    }
}
