//! Decides what a frontend stores next. No I/O, and no clock of its own.
//!
//! Each user has a wanted and a stored state. A user whose states differ is in the queue, once. At most [`PARALLEL`]
//! requests run at a time, and one for each user. After a failure nothing but [`Action::Keep`] runs until that succeeds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{BindingError, Kept, Put};
use crate::util::backoff::doubled;

/// The most requests that run at a time.
pub(super) const PARALLEL: usize = 64;

/// The most users that wait for their removal during an outage. The bindings of further users stay in the storage until
/// they expire, or until their users bind again.
const LEFTOVERS: usize = 64 * 1024;

/// The pause after the first failure. It doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A request to the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Keep,
    Put(Arc<str>),
    /// Removes a user; with a revision, only the value of that revision.
    Remove(Arc<str>, Option<i64>),
}

/// A user of this server who was stored for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) uid: Arc<str>,
    /// The time of the bind on this server.
    pub(crate) bound_at: i64,
    /// The id of the other frontend.
    pub(crate) previous: String,
}

/// The stored state of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    No,
    /// The answer to a request was lost.
    Maybe,
    /// Stored with this revision.
    At(i64),
}

#[derive(Debug)]
struct User {
    /// The session that has the user, with the time of its bind. `None` if the user has left.
    bound: Option<(u64, i64)>,
    stored: Stored,
    /// The user is to be put although the user is stored: another server may have replaced the value.
    again: bool,
    /// The storage refuses the user.
    refused: bool,
    /// The ticket of its place in the queue.
    queued: Option<u64>,
    running: bool,
    /// The time of the bind that runs as a put.
    putting: i64,
    waiting: Vec<oneshot::Sender<()>>,
}

impl User {
    fn new() -> Self {
        Self {
            bound: None,
            stored: Stored::No,
            again: false,
            refused: false,
            queued: None,
            running: false,
            putting: 0,
            waiting: Vec::new(),
        }
    }

    fn is_settled(&self) -> bool {
        match self.bound {
            Some(_) => self.refused || !self.again && matches!(self.stored, Stored::At(_)),
            None => self.stored == Stored::No,
        }
    }
}

/// The state of a frontend's bindings.
#[derive(Debug)]
pub(super) struct Machine {
    own: Arc<str>,
    users: HashMap<Arc<str>, User>,
    /// The users with a session.
    bound: usize,
    /// Users with the ticket of their place. A place whose user has another ticket, or none, is skipped.
    queue: VecDeque<(u64, Arc<str>)>,
    ticket: u64,
    running: usize,
    /// Whether the last request that finished has succeeded.
    available: bool,
    /// Whether a bind waits until the user is stored.
    waits: bool,
    keeping: bool,
    keep_at: Instant,
    interval: Duration,
    /// Failed requests since the last success.
    failures: u32,
}

impl Machine {
    /// Makes the state of the server `own`, which begins with [`Action::Keep`].
    pub(super) fn new(own: Arc<str>, interval: Duration, now: Instant) -> Self {
        Self {
            own,
            users: HashMap::new(),
            bound: 0,
            queue: VecDeque::new(),
            ticket: 0,
            running: 0,
            available: false,
            waits: true,
            keeping: false,
            keep_at: now,
            interval,
            failures: 0,
        }
    }

    /// Records that a session has a user.
    pub(super) fn bind(&mut self, uid: &Arc<str>, session: u64, at: i64) {
        let user = self.users.entry(Arc::clone(uid)).or_insert_with(User::new);
        if user.bound.replace((session, at)).is_none() {
            self.bound += 1;
        }
        (user.again, user.refused) = (true, false);
        self.enqueue(uid);
    }

    /// Records that a session has ended, if it has the user.
    pub(super) fn leave(&mut self, uid: &str, session: u64) {
        let leftovers = self.users.len() - self.bound;
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.bound.is_none_or(|(of, _)| of != session) {
            return;
        }
        user.bound = None;
        user.again = false;
        user.waiting.clear();
        self.bound -= 1;
        if !self.available && leftovers >= LEFTOVERS && !user.running {
            user.stored = Stored::No;
        }
        let uid = self.users.get_key_value(uid).map(|(uid, _)| Arc::clone(uid));
        uid.inspect(|uid| self.settle(uid));
    }

    /// Stores a user again, because another server may have replaced the value.
    pub(super) fn put_again(&mut self, uid: &str) {
        let Some((uid, user)) = self.users.get_key_value(uid) else { return };
        if user.bound.is_some() {
            let uid = Arc::clone(uid);
            if let Some(user) = self.users.get_mut(&uid) {
                (user.again, user.refused) = (true, false);
            }
            self.enqueue(&uid);
        }
    }

    /// Returns a signal for the time when the user is stored. `None` if a bind must not wait.
    pub(super) fn wait(&mut self, uid: &str) -> Option<oneshot::Receiver<()>> {
        if !self.available || !self.waits {
            return None;
        }
        let user = self.users.get_mut(uid).filter(|user| !user.is_settled())?;
        let (done, wait) = oneshot::channel();
        user.waiting.push(done);
        Some(wait)
    }

    /// Records that a bind has waited too long. No bind waits until the next success.
    pub(super) fn waited_too_long(&mut self) {
        self.waits = false;
    }

    pub(super) fn is_available(&self) -> bool {
        self.available
    }

    /// Ends all requests: none starts any more.
    pub(super) fn stop(&mut self) {
        self.available = false;
        self.keeping = true;
        self.users.clear();
        self.queue.clear();
        self.bound = 0;
    }

    /// Returns the time of the next [`Action::Keep`], unless it runs.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        (!self.keeping).then_some(self.keep_at)
    }

    /// Returns the next request to start.
    pub(super) fn next(&mut self, now: Instant) -> Option<Action> {
        if !self.keeping && now >= self.keep_at {
            self.keeping = true;
            return Some(Action::Keep);
        }
        while self.available && self.running < PARALLEL {
            let (ticket, uid) = self.queue.pop_front()?;
            let user = self.users.get_mut(&uid).filter(|user| user.queued == Some(ticket));
            let Some(user) = user else { continue };
            user.queued = None;
            if user.running || user.is_settled() {
                continue;
            }
            user.running = true;
            self.running += 1;
            return Some(match (user.bound, user.stored) {
                (Some((_, at)), _) => {
                    (user.again, user.putting) = (false, at);
                    Action::Put(uid)
                }
                (None, Stored::At(revision)) => Action::Remove(uid, Some(revision)),
                (None, _) => Action::Remove(uid, None),
            });
        }
        None
    }

    /// Records the result of [`Action::Keep`].
    pub(super) fn kept(&mut self, result: &Result<Kept, BindingError>, now: Instant) {
        self.keeping = false;
        let Ok(kept) = result else {
            self.available = false;
            self.retry_later(now);
            return;
        };
        // After an outage the first stored user proves that it is over.
        if self.available {
            self.failures = 0;
        }
        self.available = true;
        self.keep_at = now + self.interval;
        if *kept == Kept::Nothing {
            self.store_all();
        }
    }

    /// Records that nothing is stored any more.
    fn store_all(&mut self) {
        let all: Vec<_> = self.users.keys().cloned().collect();
        for uid in &all {
            if let Some(user) = self.users.get_mut(uid) {
                // A running put may still use what was lost.
                user.stored = if user.running { Stored::Maybe } else { Stored::No };
                (user.again, user.refused) = (user.bound.is_some(), false);
            }
            self.settle(uid);
        }
    }

    /// Records the result of [`Action::Put`].
    pub(super) fn put(
        &mut self,
        uid: &Arc<str>,
        result: Result<Put, &BindingError>,
        now: Instant,
    ) -> Option<Replaced> {
        self.finished(&result, now);
        let user = self.users.get_mut(uid)?;
        user.running = false;
        let mut replaced = None;
        match result {
            Ok(Put { previous, revision }) => {
                user.stored = Stored::At(revision);
                let previous = previous.filter(|previous| **previous != *self.own);
                replaced = previous.map(|previous| Replaced {
                    uid: Arc::clone(uid),
                    bound_at: user.putting,
                    previous,
                });
            }
            Err(BindingError::Refused(_)) => (user.stored, user.refused) = (Stored::No, true),
            Err(BindingError::Unavailable(_)) => user.stored = Stored::Maybe,
        }
        if user.is_settled() {
            for done in user.waiting.drain(..) {
                let _ = done.send(());
            }
        }
        self.settle(uid);
        replaced
    }

    /// Records the result of [`Action::Remove`].
    pub(super) fn removed(&mut self, uid: &Arc<str>, result: Result<(), &BindingError>, now: Instant) {
        self.finished(&result, now);
        let Some(user) = self.users.get_mut(uid) else { return };
        user.running = false;
        if !matches!(result, Err(BindingError::Unavailable(_))) {
            user.stored = Stored::No;
        }
        self.settle(uid);
    }

    fn finished<T>(&mut self, result: &Result<T, &BindingError>, now: Instant) {
        self.running = self.running.saturating_sub(1);
        if !matches!(result, Err(BindingError::Unavailable(_))) {
            (self.waits, self.failures) = (true, 0);
        } else if self.available {
            self.available = false;
            self.retry_later(now);
        }
    }

    fn retry_later(&mut self, now: Instant) {
        self.keep_at = now + doubled(FIRST_PAUSE, LONGEST_PAUSE, self.failures);
        self.failures = self.failures.saturating_add(1);
    }

    /// Queues a user whose states differ, and drops one who has gone.
    fn settle(&mut self, uid: &Arc<str>) {
        let Some(user) = self.users.get(uid) else { return };
        if !user.is_settled() {
            self.enqueue(uid);
        } else if user.bound.is_none() && !user.running {
            self.users.remove(uid);
        }
    }

    fn enqueue(&mut self, uid: &Arc<str>) {
        let Some(user) = self.users.get_mut(uid) else { return };
        if user.queued.is_some() || user.running {
            return;
        }
        self.ticket += 1;
        user.queued = Some(self.ticket);
        self.queue.push_back((self.ticket, Arc::clone(uid)));
        // During an outage users come and go, and leave places behind.
        if self.queue.len() > 2 * self.users.len() + PARALLEL {
            let users = &self.users;
            self.queue
                .retain(|(ticket, uid)| users.get(uid).is_some_and(|user| user.queued == Some(*ticket)));
        }
    }
}

#[cfg(test)]
mod tests;
