//! Finds the frontends of users.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{BindingError, BindingStorage, Keeper, limited};
use crate::cluster::Server;
use crate::util::sync::Mutex;

/// The most users of one generation of [`Known`].
const GENERATION: usize = 32 * 1024;

/// How long a failed storage is not asked.
const AWAY: Duration = Duration::from_secs(1);

/// Finds the frontends of users in a binding storage. Clones share what they remember.
///
/// Each call reads the storage. While the storage is unavailable, a call returns the last known frontend of the user.
#[derive(Clone)]
pub struct Lookup(Arc<Inner>);

struct Inner {
    storage: Arc<dyn BindingStorage>,
    /// The longest time that a call or a bind waits.
    limit: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Known,
    /// When the storage failed last, and why.
    failed: Option<(Instant, String)>,
}

/// The users that were found last: at least [`GENERATION`], at most twice as many.
#[derive(Default)]
struct Known {
    new: HashMap<Box<str>, Arc<str>>,
    old: HashMap<Box<str>, Arc<str>>,
}

impl Known {
    fn insert(&mut self, key: Box<str>, server: Arc<str>) {
        if self.new.len() == GENERATION {
            self.old = mem::take(&mut self.new);
        }
        self.new.insert(key, server);
    }

    fn get(&self, key: &str) -> Option<Arc<str>> {
        self.new.get(key).or_else(|| self.old.get(key)).cloned()
    }

    fn remove(&mut self, key: &str) {
        self.new.remove(key);
        self.old.remove(key);
    }
}

impl Lookup {
    pub(crate) fn new(storage: Arc<dyn BindingStorage>, limit: Duration) -> Self {
        Self(Arc::new(Inner { storage, limit, state: Mutex::default() }))
    }

    /// Makes the keeper of the users of a frontend.
    pub(crate) fn keeper(&self, own: Arc<Server>) -> Arc<Keeper> {
        Keeper::new(Arc::clone(&self.0.storage), own, self.0.limit)
    }

    /// Returns the id of the frontend of a type that has a user. `None` if no frontend of the type has the user.
    ///
    /// Cancel safe: it changes nothing.
    ///
    /// # Errors
    /// The storage failed, and the user's last frontend is not known.
    pub async fn find(&self, frontend_type: &str, uid: &str) -> Result<Option<Arc<str>>, BindingError> {
        let inner = &*self.0;
        let key = format!("{frontend_type}/{uid}").into_boxed_str();
        if let Some(why) = self.recent_failure() {
            let known = inner.state.lock().known.get(&key);
            return known.map(Some).ok_or_else(|| BindingError::Unavailable(why.into()));
        }
        let found = match timeout(inner.limit, self.ask(frontend_type, uid)).await {
            Ok(found) => found,
            Err(_) => Err(BindingError::Unavailable(format!("no answer within {:?}", inner.limit).into())),
        };
        let mut state = inner.state.lock();
        match found {
            Ok(found) => {
                state.failed = None;
                let found: Option<Arc<str>> = found.map(Into::into);
                match &found {
                    Some(server) => state.known.insert(key, Arc::clone(server)),
                    None => state.known.remove(&key),
                }
                Ok(found)
            }
            Err(BindingError::Unavailable(why)) => {
                state.failed = Some((Instant::now(), why.to_string()));
                state.known.get(&key).map(Some).ok_or(BindingError::Unavailable(why))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Asks the storage in a task of its own. So a storage that needs longer than this lookup waits, for example to change
    /// to another server of etcd, is not interrupted.
    async fn ask(&self, frontend_type: &str, uid: &str) -> Result<Option<String>, BindingError> {
        let storage = Arc::clone(&self.0.storage);
        let (frontend_type, uid) = (frontend_type.to_owned(), uid.to_owned());
        let asked = tokio::spawn(async move { limited(|| storage.find(&frontend_type, &uid)).await });
        asked.await.unwrap_or_else(|aborted| Err(BindingError::Unavailable(aborted.into())))
    }

    /// Returns why the storage failed less than [`AWAY`] ago.
    fn recent_failure(&self) -> Option<String> {
        let state = self.0.state.lock();
        state.failed.as_ref().filter(|(at, _)| at.elapsed() < AWAY).map(|(_, why)| why.clone())
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").field("limit", &self.0.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::testing::{Mode, Moody};

    const LIMIT: Duration = Duration::from_millis(500);

    async fn storage() -> (Arc<Moody>, Lookup) {
        let storage = Arc::<Moody>::default();
        storage.put(&Server::new("connector", "f1"), "ann").await.unwrap();
        (Arc::clone(&storage), Lookup::new(storage, LIMIT))
    }

    #[tokio::test(start_paused = true)]
    async fn known_user_is_found_during_an_outage() {
        let (storage, lookup) = storage().await;
        let find =
            async |uid: &str| lookup.find("connector", uid).await.map(|found| found.map(|id| id.to_string()));
        assert_eq!(find("ann").await.unwrap().as_deref(), Some("f1"));
        assert_eq!(find("bob").await.unwrap(), None);
        storage.set(Mode::Silent);
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(find("ann").await.unwrap().as_deref(), Some("f1"));
            let error = find("bob").await.unwrap_err();
            assert_eq!(error.to_string(), "the binding storage is unavailable: no answer within 500ms");
        }
        assert_eq!(began.elapsed(), LIMIT, "one call waits");
        storage.set(Mode::Up);
        tokio::time::sleep(AWAY).await;
        storage.remove(&Server::new("connector", "f1"), "ann", None).await.unwrap();
        assert_eq!(find("ann").await.unwrap(), None);
        storage.set(Mode::Down);
        assert!(find("ann").await.is_err(), "forgotten with the last answer");
    }

    #[tokio::test(start_paused = true)]
    async fn request_outlives_a_lookup_that_gave_up() {
        let (storage, lookup) = storage().await;
        storage.set_delay(4 * LIMIT);
        assert!(lookup.find("connector", "ann").await.is_err());
        assert_eq!(storage.running(), 1);
        tokio::time::sleep(4 * LIMIT).await;
        assert_eq!(storage.running(), 0, "it was not cancelled");
        storage.set_delay(Duration::ZERO);
        storage.set(Mode::Broken);
        let error = lookup.find("connector", "bob").await.unwrap_err();
        assert!(matches!(error, BindingError::Unavailable(_)), "{error}");
    }

    #[test]
    fn known_users_are_bounded() {
        let mut known = Known::default();
        for n in 0..5 * GENERATION {
            known.insert(n.to_string().into(), "f1".into());
        }
        assert!(known.new.len() + known.old.len() <= 2 * GENERATION);
        let is_known = |n: usize| known.get(&n.to_string()).is_some();
        assert!(is_known(5 * GENERATION - 1) && is_known(4 * GENERATION) && !is_known(0));
    }
}
