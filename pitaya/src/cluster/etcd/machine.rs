//! Decides which request to etcd comes next: a state machine without I/O.
//!
//! Its owner reports the answer of each request and the time. At most one request is in flight. The next request
//! follows from the known state alone, so reconnecting takes the same path as the first connect: connect, lease, key,
//! list, watch, each only where it is missing.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

mod backoff;
mod kinds;
#[cfg(test)]
mod tests;

use crate::util::throttle::{GLOBAL, throttled};
use backoff::Backoff;
pub(super) use kinds::{Answer, Fault, Limits, OwnEntry, Request, Seen, Sign};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    /// Register for the first time, and read the list.
    Join,
    /// Stay registered.
    Stay,
    /// Remove the registration.
    Leave,
    /// The first registration failed, and is not tried again.
    GiveUp(Fault),
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    id: i64,
    ttl: Duration,
    /// When the next keep-alive is due.
    keep_at: Instant,
}

#[derive(Debug)]
pub(super) struct Machine {
    limits: Limits,
    backoff: Backoff,
    goal: Goal,
    connected: bool,
    /// When the last try to connect or, with a connection, to register began.
    try_began: Instant,
    /// Failures since the start. A change means that the answer a caller waits for will not arrive.
    failed: u64,
    /// Since when the watch has been running without a failure.
    well_since: Option<Instant>,
    /// The request in flight, and its deadline.
    busy: Option<(Request, Instant)>,
    lease: Option<Lease>,
    /// The version of the own server's entry.
    version: u64,
    /// The version that the registry has, as far as is known. `None` if it may have no entry.
    registered: Option<u64>,
    /// The version that is in flight.
    registering: u64,
    /// The revision at which the registry stored it.
    put_at: i64,
    /// The last revision at which the own key was deleted.
    own_deleted_at: i64,
    /// The revision of the list that is known, if changes can be followed from there.
    listed: Option<i64>,
    watching: bool,
    sync_at: Option<Instant>,
    /// When etcd answered last.
    last_answer: Instant,
    /// The revision of the last list.
    revision: i64,
    registrations: u64,
}

impl Machine {
    pub(super) fn new(limits: Limits, rng: Rng, now: Instant) -> Self {
        Self {
            backoff: Backoff::new(&limits, rng, now),
            limits,
            goal: Goal::Join,
            connected: false,
            try_began: now,
            failed: 0,
            well_since: None,
            busy: None,
            lease: None,
            version: 1,
            registered: None,
            registering: 0,
            put_at: 0,
            own_deleted_at: 0,
            listed: None,
            watching: false,
            sync_at: None,
            last_answer: now,
            revision: 0,
            registrations: 0,
        }
    }

    /// Returns the next request to etcd. The owner calls it again after each event.
    pub(super) fn next(&mut self, now: Instant) -> Option<Request> {
        if let Some((_, by)) = self.busy {
            if now < by {
                return None;
            }
            self.fail(now, Fault { text: self.silence(), refused: false });
        }
        let request = self.wanted(now)?;
        let mut by = now + self.limits.request;
        match request {
            Request::Connect(_) => self.try_began = now,
            Request::Keep(_) => self.keep_again(now),
            Request::Put(_) => self.registering = self.version,
            _ => {}
        }
        if self.registered.is_none() && self.stays() {
            // A try that takes too long is restarted, perhaps with another endpoint.
            by = by.min((self.try_began + self.limits.try_).max(now));
        }
        self.busy = Some((request, by));
        Some(request)
    }

    fn wanted(&self, now: Instant) -> Option<Request> {
        if !self.connected {
            let ended = matches!(self.goal, Goal::GiveUp(_));
            return (!ended && now >= self.backoff.at()).then_some(Request::Connect(self.backoff.endpoint()));
        }
        match (self.stays(), self.lease) {
            (false, Some(lease)) => return Some(Request::Revoke(lease.id)),
            (true, None) => return Some(Request::Grant),
            (true, Some(lease)) if now >= lease.keep_at => return Some(Request::Keep(lease.id)),
            (true, Some(lease)) if self.registered != Some(self.version) => {
                return Some(Request::Put(lease.id));
            }
            _ => {}
        }
        if matches!(self.goal, Goal::GiveUp(_)) {
            return None;
        }
        match self.listed {
            Some(_) if self.sync_at.is_some_and(|at| now >= at) => Some(Request::List),
            Some(revision) if !self.watching => Some(Request::Watch(revision + 1)),
            Some(_) => None,
            None => Some(Request::List),
        }
    }

    /// When [`next`](Self::next) is due without another event.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if let Some((_, by)) = self.busy {
            return Some(by);
        }
        if !self.connected {
            return (!matches!(self.goal, Goal::GiveUp(_))).then_some(self.backoff.at());
        }
        let keep_at = self.lease.filter(|_| self.stays()).map(|lease| lease.keep_at);
        [keep_at, self.sync_at].into_iter().flatten().min()
    }

    /// Handles the answer to the request in flight.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant) {
        if self.busy.take().is_none() {
            return;
        }
        match answer {
            Answer::Connected => {
                self.connected = true;
                // First check whether the lease of an earlier connection still exists.
                if let Some(lease) = &mut self.lease {
                    lease.keep_at = now;
                }
            }
            Answer::Granted(id, ttl) => {
                self.lease = Some(Lease { id, ttl, keep_at: now });
                self.keep_again(now);
            }
            Answer::Kept => {}
            Answer::Failed(fault) => return self.fail(now, fault),
            Answer::LeaseGone | Answer::Revoked => {
                self.lease = None;
                self.mark_unregistered(now);
            }
            Answer::Put(revision) => {
                self.put_at = revision;
                // The key may have been deleted before the answer arrived.
                if revision > self.own_deleted_at {
                    self.registered = Some(self.registering);
                } else {
                    self.mark_unregistered(now);
                }
                self.registrations += 1;
            }
            Answer::Listed { revision, own } => {
                self.listed = Some(revision);
                self.sync_at = self.limits.sync.map(|interval| now + interval);
                match own {
                    Some(entry) => self.found(entry, now),
                    None => self.mark_unregistered(now),
                }
            }
            Answer::Watching => self.watching = true,
        }
        if self.watching {
            self.well_since.get_or_insert(now);
            if self.goal == Goal::Join && self.registered.is_some() {
                self.goal = Goal::Stay;
            }
        }
    }

    /// Handles an event of the watch.
    pub(super) fn seen(&mut self, seen: Seen, now: Instant) {
        match seen {
            Seen::Broken(fault) => self.fail(now, fault),
            Seen::Compacted => {
                self.watching = false;
                self.listed = None;
            }
            Seen::OwnDeleted(revision) => {
                self.own_deleted_at = self.own_deleted_at.max(revision);
                if revision > self.put_at {
                    self.mark_unregistered(now);
                }
            }
            Seen::OwnPut(revision, entry) => {
                if revision > self.put_at {
                    self.found(entry, now);
                }
            }
            Seen::Others => {}
        }
    }

    /// Starts a new version of the own server's entry, and returns its number.
    pub(super) fn announce(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Starts to remove the registration. A request in flight is dropped, except one that connects.
    pub(super) fn leave(&mut self) {
        if !self.stays() {
            return;
        }
        self.goal = Goal::Leave;
        if self.connected {
            self.busy = None;
        }
    }

    /// Returns the version of the own server's entry that the registry has.
    pub(super) fn registered(&self) -> Option<u64> {
        self.registered
    }

    /// Whether the first registration and the first list have succeeded.
    pub(super) fn joined(&self) -> bool {
        matches!(self.goal, Goal::Stay)
    }

    /// Returns why the first registration failed, once it is not tried again.
    pub(super) fn gave_up(&self) -> Option<&Fault> {
        // The lease is revoked first.
        match &self.goal {
            Goal::GiveUp(fault) if self.lease.is_none() || !self.connected => Some(fault),
            _ => None,
        }
    }

    /// Whether it has left.
    pub(super) fn left(&self) -> bool {
        self.goal == Goal::Leave && self.lease.is_none()
    }

    pub(super) fn connected(&self) -> bool {
        self.connected
    }

    /// Whether a request is in flight.
    pub(super) fn busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether a watch runs. Its events wait while the list is read, because an older answer would undo them.
    pub(super) fn watching(&self) -> bool {
        self.watching
    }

    /// Whether the owner reads the watch now.
    pub(super) fn reads_watch(&self) -> bool {
        self.watching && !matches!(self.busy, Some((Request::List, _)))
    }

    /// Returns the number of failures.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// Returns how often the own key was put.
    pub(super) fn registrations(&self) -> u64 {
        self.registrations
    }

    /// Notes that etcd answered. The owner calls this before it uses the answer.
    ///
    /// Returns the length of the silence if other servers may seem to be gone only because of etcd: their leases may
    /// have expired during the silence, or etcd has lost its data.
    pub(super) fn record_answer(&mut self, sign: Sign, now: Instant) -> Option<Duration> {
        let silence = now.saturating_duration_since(self.last_answer);
        let silent = now >= self.silence_limit();
        self.last_answer = now;
        let lost_data = match sign {
            Sign::Any => false,
            // This means a loss only after a reconnect. While changes are followed, an operator has revoked this one
            // lease.
            Sign::LeaseGone => self.stays() && !self.watching,
            Sign::List(revision) => {
                let is_older = revision < std::mem::replace(&mut self.revision, revision).max(self.put_at);
                if is_older {
                    // Revisions of the earlier data mean nothing now.
                    self.own_deleted_at = 0;
                    self.put_at = 0;
                }
                is_older
            }
        };
        (silent || lost_data).then_some(silence)
    }

    /// When leases may have expired because of etcd's silence.
    pub(super) fn silence_limit(&self) -> Instant {
        // etcd may have granted a longer lease, which is kept alive less often.
        let ttl = self.lease.map_or(self.limits.ttl, |lease| lease.ttl.max(self.limits.ttl));
        // Leases are kept alive three times per TTL, so two thirds of it are left when etcd falls silent.
        self.last_answer + ttl * 2 / 3
    }

    /// How long other servers need to register again after such a loss.
    pub(super) fn grace(&self) -> Duration {
        self.limits.retry + self.limits.request
    }

    /// Whether the own server stays registered.
    pub(super) fn stays(&self) -> bool {
        matches!(self.goal, Goal::Join | Goal::Stay)
    }

    fn keep_again(&mut self, now: Instant) {
        if let Some(lease) = &mut self.lease {
            lease.keep_at = now + lease.ttl / 3;
        }
    }

    /// Starts a try to register, because the registry may not have the own server.
    fn mark_unregistered(&mut self, now: Instant) {
        if self.registered.take().is_some() {
            self.try_began = now;
        }
    }

    /// Handles an entry under the own key that this server may not have put.
    fn found(&mut self, entry: OwnEntry, now: Instant) {
        if self.lease.is_none_or(|own| own.id != entry.lease) {
            // Two servers that overwrite each other would alternate forever. When the other one leaves, this server
            // registers again.
            throttled!(
                GLOBAL,
                warn,
                "registered twice",
                "another server is registered under the id and type of this one; ids have to be unique"
            );
        } else if !entry.same {
            // A request that had timed out was carried out after a later one.
            self.mark_unregistered(now);
        }
    }

    fn silence(&self) -> String {
        let endpoint = self.limits.endpoints.get(self.backoff.endpoint()).map_or("", String::as_str);
        format!(
            "etcd at {endpoint} did not answer within {:?}: it may be overloaded or frozen, or something between \
             swallows what is sent",
            self.limits.request
        )
    }

    fn fail(&mut self, now: Instant, fault: Fault) {
        let keep_connection = self.goal == Goal::Join && fault.refused && self.connected;
        self.busy = None;
        self.connected = false;
        self.watching = false;
        self.listed = None;
        self.failed += 1;
        let well = self.well_since.take();
        if well.is_some() {
            tracing::warn!(error = %fault.text, "lost etcd: keeping the known servers");
        } else if self.goal == Goal::Join {
            let (failed, tries) = (self.failed, u64::from(self.limits.max_retries) + 1);
            tracing::warn!(error = %fault.text, failed, tries, "failed to join the cluster: retrying");
        } else {
            tracing::debug!(error = %fault.text, "cannot reach etcd");
        }
        self.backoff.failed(self.try_began, well, now);
        let spent = self.backoff.spent(u64::from(self.limits.max_retries) + 1);
        if self.goal == Goal::Join && (fault.refused || spent) {
            self.goal = Goal::GiveUp(fault);
            // The lease is revoked if possible, so that no other server sees one that never started.
            self.connected = keep_connection && self.lease.is_some();
        }
    }
}
