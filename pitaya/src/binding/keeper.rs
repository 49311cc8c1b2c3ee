//! Stores the users of a frontend: runs the machine against a storage.

use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::machine::{Action, Machine, Replaced};
use super::{BindingError, BindingStorage, Kept, Put, limited};
use crate::cluster::Server;
use crate::error::Result;
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

/// The pause between two tries of a start.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Stores the users of this frontend.
pub(crate) struct Keeper {
    storage: Arc<dyn BindingStorage>,
    own: Arc<Server>,
    /// How long a bind waits.
    limit: Duration,
    machine: Mutex<Machine>,
    /// Wakes the task for new work.
    work: Notify,
    /// Whether the storage is available, for binds that wait.
    available: watch::Sender<bool>,
}

/// The result of a request.
enum Done {
    Kept(Result<Kept, BindingError>),
    Put(Arc<str>, Result<Put, BindingError>),
    Removed(Arc<str>, Result<(), BindingError>),
}

impl Keeper {
    pub(crate) fn new(storage: Arc<dyn BindingStorage>, own: Arc<Server>, limit: Duration) -> Arc<Self> {
        let machine = Machine::new(Arc::clone(&own.id), storage.keep_interval(), Instant::now());
        Arc::new(Self {
            storage,
            own,
            limit,
            machine: Mutex::new(machine),
            work: Notify::new(),
            available: watch::Sender::new(false),
        })
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock()
    }

    /// Waits until the storage answers.
    ///
    /// # Errors
    /// The storage refuses this server.
    pub(crate) async fn start(&self) -> Result<()> {
        loop {
            let result = limited(|| self.storage.keep(&self.own)).await;
            self.machine().kept(&result, Instant::now());
            self.publish_availability();
            match result {
                Ok(_) => return Ok(()),
                Err(refused @ BindingError::Refused(_)) => return Err(refused.into()),
                Err(error) => {
                    throttled!(GLOBAL, warn, "late binding storage", %error, "waiting for the binding storage");
                    tokio::time::sleep(START_PAUSE).await;
                }
            }
        }
    }

    /// Records that a session has a user. Its time orders the binds of the user.
    pub(crate) fn bind(&self, uid: &Arc<str>, session: u64, bound_at: i64) {
        self.machine().bind(uid, session, bound_at);
        self.work.notify_one();
    }

    /// Waits until the last bind of a user is stored, unless the storage is unavailable.
    pub(crate) async fn stored(&self, uid: &str) {
        let mut available = self.available.subscribe();
        let Some(done) = self.machine().wait(uid) else { return };
        let gone = async move { available.wait_for(|available| !available).await.map(drop) };
        let stored = async {
            tokio::select! {
                _ = done => {}
                _ = gone => {}
            }
        };
        if timeout(self.limit, stored).await.is_err() {
            self.machine().waited_too_long();
            throttled!(
                GLOBAL,
                warn,
                "slow binding storage",
                uid,
                limit = ?self.limit,
                "a bind did not wait any longer for the binding storage"
            );
        }
    }

    /// Records that a session has ended.
    pub(crate) fn leave(&self, uid: &str, session: u64) {
        self.machine().leave(uid, session);
        self.work.notify_one();
    }

    /// Stores a user again, because another server may have replaced the value.
    pub(crate) fn put_again(&self, uid: &str) {
        self.machine().put_again(uid);
        self.work.notify_one();
    }

    /// Stores and removes users until `stop`, then removes all bindings of this server. Calls `replaced` for each user
    /// who was stored for another server.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken, replaced: impl Fn(Replaced)) {
        let mut running = FuturesUnordered::<BoxFuture<'_, Done>>::new();
        loop {
            let wakes_at = {
                let mut machine = self.machine();
                let now = Instant::now();
                while let Some(action) = machine.next(now) {
                    running.push(Box::pin(self.perform(action)));
                }
                machine.wakes_at()
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(done) = running.next() => self.finish(done, &replaced),
                () = self.work.notified() => {}
                () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {}
            }
        }
        drop(running);
        self.machine().stop();
        self.publish_availability();
        if let Err(error) = limited(|| self.storage.close(&self.own)).await {
            throttled!(
                GLOBAL,
                warn,
                "kept bindings",
                %error,
                "failed to remove the bindings of this server: they stay until they expire"
            );
        }
    }

    async fn perform(&self, action: Action) -> Done {
        match action {
            Action::Keep => Done::Kept(limited(|| self.storage.keep(&self.own)).await),
            Action::Put(uid) => {
                let result = limited(|| self.storage.put(&self.own, &uid)).await;
                Done::Put(uid, result)
            }
            Action::Remove(uid, revision) => {
                let result = limited(|| self.storage.remove(&self.own, &uid, revision)).await;
                Done::Removed(uid, result)
            }
        }
    }

    fn finish(&self, done: Done, replaced: &impl Fn(Replaced)) {
        let now = Instant::now();
        let failed = match &done {
            Done::Kept(result) => result.as_ref().err(),
            Done::Put(_, result) => result.as_ref().err(),
            Done::Removed(_, result) => result.as_ref().err(),
        };
        if let Some(error) = failed {
            throttled!(GLOBAL, warn, "failed binding storage", %error, "failed to store the frontends of users");
        }
        let mut machine = self.machine();
        let was_available = machine.is_available();
        let other = match done {
            Done::Kept(result) => {
                machine.kept(&result, now);
                None
            }
            Done::Put(uid, result) => machine.put(&uid, result.as_ref().map(Clone::clone), now),
            Done::Removed(uid, result) => {
                machine.removed(&uid, result.as_ref().copied(), now);
                None
            }
        };
        let is_available = machine.is_available();
        drop(machine);
        if is_available && !was_available {
            tracing::info!("the binding storage answers again");
        }
        self.publish_availability();
        if let Some(other) = other {
            replaced(other);
        }
    }

    fn publish_availability(&self) {
        let now = self.machine().is_available();
        self.available.send_if_modified(|available| std::mem::replace(available, now) != now);
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("machine", &*self.machine()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
