//! What is to be done about etcd: a state machine without I/O.
//!
//! It says which request comes next, is told what came of it, and knows when time is up. At most one request is on its
//! way. What comes next follows from what is known alone, so that every way back after a failure is the way that was
//! taken at first: connect, lease, key, list, watch, each only where it is not known to be there.

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
    /// To be registered for the first time, and to have the list.
    Join,
    /// To stay so.
    Stay,
    /// Not to be registered any more.
    Leave,
    /// The first registration failed for good.
    GiveUp(Fault),
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    id: i64,
    ttl: Duration,
    /// When it is to be kept alive next.
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
    /// Failures since the beginning: whoever waits for an answer has waited in vain when it changes.
    failed: u64,
    /// Since when all has been well.
    well_since: Option<Instant>,
    /// The request on its way, and until when it may be.
    busy: Option<(Request, Instant)>,
    lease: Option<Lease>,
    /// What the own server says of itself, by number.
    version: u64,
    /// Which of these the registry has, as far as is known; none if it may have nothing.
    told: Option<u64>,
    /// Which of these is on its way.
    telling: u64,
    /// Since which revision the registry has it.
    put_at: i64,
    /// The last revision at which the own key was deleted.
    own_deleted_at: i64,
    /// The revision of the list that is known, if changes can be followed from there.
    listed: Option<i64>,
    watching: bool,
    sync_at: Option<Instant>,
    /// When etcd was last heard of.
    heard: Instant,
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
            told: None,
            telling: 0,
            put_at: 0,
            own_deleted_at: 0,
            listed: None,
            watching: false,
            sync_at: None,
            heard: now,
            revision: 0,
            registrations: 0,
        }
    }

    /// What to ask etcd now. To be called again after whatever happened.
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
            Request::Put(_) => self.telling = self.version,
            _ => {}
        }
        if self.told.is_none() && self.stays() {
            // A try that takes too long is begun anew, perhaps with another endpoint.
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
            (true, Some(lease)) if self.told != Some(self.version) => return Some(Request::Put(lease.id)),
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

    /// When [`next`](Self::next) is to be called even if nothing happens.
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

    /// What came of the request on its way.
    pub(super) fn answered(&mut self, answer: Answer, now: Instant) {
        if self.busy.take().is_none() {
            return;
        }
        match answer {
            Answer::Connected => {
                self.connected = true;
                // Whether a lease of an earlier connection still lives is to be seen first.
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
                self.untold(now);
            }
            Answer::Put(revision) => {
                self.put_at = revision;
                // It may have been deleted before the answer was here.
                if revision > self.own_deleted_at {
                    self.told = Some(self.telling);
                } else {
                    self.untold(now);
                }
                self.registrations += 1;
            }
            Answer::Listed { revision, own } => {
                self.listed = Some(revision);
                self.sync_at = self.limits.sync.map(|interval| now + interval);
                match own {
                    Some(entry) => self.found(entry, now),
                    None => self.untold(now),
                }
            }
            Answer::Watching => self.watching = true,
        }
        if self.watching {
            self.well_since.get_or_insert(now);
            if self.goal == Goal::Join && self.told.is_some() {
                self.goal = Goal::Stay;
            }
        }
    }

    /// The watch brought something.
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
                    self.untold(now);
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

    /// The own server says something else of itself.
    pub(super) fn announce(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// The own server is to be known no more. What is on its way is dropped, but for a connection that is needed.
    pub(super) fn leave(&mut self) {
        if !self.stays() {
            return;
        }
        self.goal = Goal::Leave;
        if self.connected {
            self.busy = None;
        }
    }

    /// Which of the versions of the own server the registry has.
    pub(super) fn told(&self) -> Option<u64> {
        self.told
    }

    /// Whether it has been registered with the list known once.
    pub(super) fn joined(&self) -> bool {
        matches!(self.goal, Goal::Stay)
    }

    /// Why it will not be registered.
    pub(super) fn gave_up(&self) -> Option<&Fault> {
        // The lease is given back first.
        match &self.goal {
            Goal::GiveUp(fault) if self.lease.is_none() || !self.connected => Some(fault),
            _ => None,
        }
    }

    /// Whether it was to leave and did.
    pub(super) fn left(&self) -> bool {
        self.goal == Goal::Leave && self.lease.is_none()
    }

    pub(super) fn connected(&self) -> bool {
        self.connected
    }

    /// Whether a request is on its way.
    pub(super) fn busy(&self) -> bool {
        self.busy.is_some()
    }

    /// Whether there is a watch to be kept. While the list is read what it brings has to wait: an answer that is older
    /// would undo it.
    pub(super) fn watching(&self) -> bool {
        self.watching
    }

    /// Whether the watch is to be read now.
    pub(super) fn reads_watch(&self) -> bool {
        self.watching && !matches!(self.busy, Some((Request::List, _)))
    }

    /// How often something has failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// How often the own key was put.
    pub(super) fn registrations(&self) -> u64 {
        self.registrations
    }

    /// Something came from etcd. To be said before it is used. If others may seem to be gone because of etcd and not
    /// because of them, gives how long it was silent: as long as their leases last, or for any time if it has forgotten
    /// what it knew.
    pub(super) fn hear(&mut self, sign: Sign, now: Instant) -> Option<Duration> {
        let silence = now.saturating_duration_since(self.heard);
        let silent = now >= self.silent_at();
        self.heard = now;
        let forgetful = match sign {
            Sign::Any => false,
            // After a loss of the connection. While changes are followed, somebody has revoked this one lease.
            Sign::LeaseGone => self.stays() && !self.watching,
            Sign::List(revision) => {
                let anew = revision < std::mem::replace(&mut self.revision, revision).max(self.put_at);
                if anew {
                    // What was known of revisions is of another time.
                    self.own_deleted_at = 0;
                    self.put_at = 0;
                }
                anew
            }
        };
        (silent || forgetful).then_some(silence)
    }

    /// From when on leases may have run out because of etcd, unless it is heard of.
    pub(super) fn silent_at(&self) -> Instant {
        // Etcd may have made the lease longer than it was asked for, and is heard of as much more seldom.
        let ttl = self.lease.map_or(self.limits.ttl, |lease| lease.ttl.max(self.limits.ttl));
        // Kept alive three times in their time, leases have at least two thirds of it left when etcd falls silent.
        self.heard + ttl * 2 / 3
    }

    /// How long others need to come back after such a loss.
    pub(super) fn grace(&self) -> Duration {
        self.limits.retry + self.limits.request
    }

    /// Whether the own server is to be registered.
    pub(super) fn stays(&self) -> bool {
        matches!(self.goal, Goal::Join | Goal::Stay)
    }

    fn keep_again(&mut self, now: Instant) {
        if let Some(lease) = &mut self.lease {
            lease.keep_at = now + lease.ttl / 3;
        }
    }

    /// The registry may not have the own server: a try to register begins.
    fn untold(&mut self, now: Instant) {
        if self.told.take().is_some() {
            self.try_began = now;
        }
    }

    /// Something is under the own key that may not be what was put there last.
    fn found(&mut self, entry: OwnEntry, now: Instant) {
        if self.lease.is_none_or(|own| own.id != entry.lease) {
            // To put ours again would make two servers do so by turns. When theirs goes, ours comes back.
            throttled!(
                GLOBAL,
                warn,
                "registered twice",
                "another server is registered under the id and type of this one; ids have to be unique"
            );
        } else if !entry.same {
            // An earlier request, given up as lost, was carried out after a later one.
            self.untold(now);
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
            tracing::warn!(error = %fault.text, "the registry is lost; what is known stays");
        } else if self.goal == Goal::Join {
            let (failed, tries) = (self.failed, u64::from(self.limits.max_retries) + 1);
            tracing::warn!(error = %fault.text, failed, tries, "cannot join the cluster yet: trying again");
        } else {
            tracing::debug!(error = %fault.text, "the registry is not there");
        }
        self.backoff.failed(self.try_began, well, now);
        let spent = self.backoff.spent(u64::from(self.limits.max_retries) + 1);
        if self.goal == Goal::Join && (fault.refused || spent) {
            self.goal = Goal::GiveUp(fault);
            // The lease is given back where that is possible, so that nobody sees a server that never was.
            self.connected = keep_connection && self.lease.is_some();
        }
    }
}
