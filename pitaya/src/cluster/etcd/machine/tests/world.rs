//! A simulated registry: it answers, refuses, freezes, loses its data, and reorders earlier requests.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::super::*;

pub(super) const LATENCY: Duration = Duration::from_millis(3);
pub(super) const TTL: Duration = Duration::from_secs(9);

pub(super) fn limits(endpoints: usize, max_retries: u32) -> Limits {
    Limits {
        endpoints: (0..endpoints).map(|number| format!("http://etcd-{number}")).collect(),
        request: Duration::from_secs(5),
        try_: Duration::from_secs(60),
        retry: Duration::from_secs(5),
        max_retries,
        sync: Some(Duration::from_secs(120)),
        ttl: TTL,
    }
}

pub(super) fn fault(refused: bool) -> Fault {
    Fault { text: "played".into(), refused }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Answers,
    /// Every request fails immediately.
    Gone,
    /// Requests hang. The registry carries them out when it answers again, although they have timed out.
    Frozen,
}

/// One thing that happens to the registry.
#[derive(Debug, Clone)]
pub(super) enum Blow {
    Mode(Mode),
    LeaseLost,
    KeyDeleted,
    Compacted,
    WatchBroken,
    Announce,
    /// It comes back without data.
    Emptied,
}

/// A request in flight.
struct Asked {
    request: Request,
    /// The version of the server's entry at that time.
    version: u64,
    /// When it is carried out or, after that, when its answer arrives.
    at: Instant,
    /// The answer in flight, and the entry under the own key.
    done: Option<(Answer, Option<(i64, u64)>)>,
}

/// A registry with one server.
pub(super) struct World {
    pub(super) now: Instant,
    mode: Mode,
    pub(super) revision: i64,
    leases: Vec<(i64, Instant)>,
    next_lease: i64,
    /// The lease and the version of the own key.
    pub(super) key: Option<(i64, u64)>,
    asked: Option<Asked>,
    /// Requests that have timed out.
    late: Vec<(Request, u64)>,
    /// The history of the own key, by revision: put with a lease and a version, or deleted.
    history: Vec<(i64, Option<(i64, u64)>)>,
    /// The next revision of the watch.
    watched: i64,
    pub(super) machine: Machine,
    version: u64,
    pub(super) log: Vec<(Instant, Request)>,
}

impl World {
    pub(super) fn new(limits: Limits, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            now,
            mode: Mode::Answers,
            revision: 10,
            leases: Vec::new(),
            next_lease: 1,
            key: None,
            asked: None,
            late: Vec::new(),
            history: Vec::new(),
            watched: 0,
            machine: Machine::new(limits, Rng::with_seed(seed), now),
            version: 1,
            log: Vec::new(),
        }
    }

    pub(super) fn strike(&mut self, blow: &Blow) {
        match blow {
            Blow::Mode(mode) => {
                if *mode == Mode::Gone && self.machine.connected() {
                    self.lose_connection();
                }
                if *mode != Mode::Frozen {
                    for (request, version) in std::mem::take(&mut self.late) {
                        self.expire();
                        self.carry_out(request, version);
                    }
                }
                if *mode == Mode::Answers
                    && let Some(asked) = &mut self.asked
                {
                    asked.at = self.now + LATENCY;
                }
                self.mode = *mode;
            }
            Blow::LeaseLost => {
                self.leases.clear();
                self.delete_key();
            }
            Blow::KeyDeleted => self.delete_key(),
            Blow::Compacted if self.machine.watching() => self.machine.seen(Seen::Compacted, self.now),
            Blow::WatchBroken if self.machine.watching() => self.lose_connection(),
            Blow::Compacted | Blow::WatchBroken => {}
            Blow::Announce => self.version = self.machine.announce(),
            Blow::Emptied => {
                self.lose_connection();
                self.revision = 1;
                self.leases.clear();
                self.key = None;
                self.history.clear();
            }
        }
    }

    fn lose_connection(&mut self) {
        self.asked = None;
        self.machine.seen(Seen::Broken(fault(false)), self.now);
    }

    fn delete_key(&mut self) {
        if self.key.take().is_some() {
            self.revision += 1;
            self.history.push((self.revision, None));
        }
    }

    fn expire(&mut self) {
        // A frozen one ends leases when it wakes up.
        if self.mode == Mode::Frozen {
            return;
        }
        self.leases.retain(|(_, ends)| *ends > self.now);
        if self.key.is_some_and(|(lease, _)| !self.leases.iter().any(|(id, _)| *id == lease)) {
            self.delete_key();
        }
    }

    fn carry_out(&mut self, request: Request, version: u64) -> Answer {
        match request {
            Request::Connect(_) => Answer::Connected,
            Request::Grant => {
                self.next_lease += 1;
                self.leases.push((self.next_lease, self.now + TTL));
                Answer::Granted(self.next_lease, TTL)
            }
            Request::Keep(lease) => match self.leases.iter_mut().find(|(id, _)| *id == lease) {
                Some((_, ends)) => {
                    *ends = self.now + TTL;
                    Answer::Kept
                }
                None => Answer::LeaseGone,
            },
            Request::Put(lease) => {
                if !self.leases.iter().any(|(id, _)| *id == lease) {
                    return Answer::LeaseGone;
                }
                self.revision += 1;
                self.key = Some((lease, version));
                self.history.push((self.revision, self.key));
                Answer::Put(self.revision)
            }
            Request::List => Answer::Listed { revision: self.revision, own: None },
            Request::Watch(_) => Answer::Watching,
            Request::Revoke(lease) => {
                self.leases.retain(|(id, _)| *id != lease);
                if self.key.is_some_and(|(of, _)| of == lease) {
                    self.delete_key();
                }
                Answer::Revoked
            }
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..100_000 {
            self.expire();
            self.watch();
            let begun = self.machine.next(self.now);
            let dropped = if begun.is_some() || !self.machine.busy() { self.asked.take() } else { None };
            if let Some(Asked { request, version, done: None, .. }) = dropped {
                self.late.push((request, version));
            }
            if let Some(request) = begun {
                self.check(request);
                self.log.push((self.now, request));
                let at = self.now + LATENCY;
                self.asked = Some(Asked { request, version: self.version, at, done: None });
            }
            let answer_at = self.asked.as_ref().filter(|_| self.mode != Mode::Frozen).map(|asked| asked.at);
            let lease_at =
                self.leases.iter().map(|(_, ends)| *ends).filter(|_| self.mode != Mode::Frozen).min();
            let next = [answer_at, lease_at, self.machine.deadline()].into_iter().flatten().min();
            let next = next.unwrap_or(end).max(self.now);
            if next > end {
                break;
            }
            if next == end && self.now == end && begun.is_none() {
                break;
            }
            self.now = next;
            if answer_at.is_some_and(|at| at <= self.now) {
                self.answer();
            }
        }
        self.now = end;
    }

    /// Delivers the events of the watch, as long as the watch is read.
    fn watch(&mut self) {
        while self.mode == Mode::Answers && self.machine.reads_watch() {
            let next = self.history.iter().find(|(revision, _)| *revision >= self.watched);
            let Some(&(revision, became)) = next else { return };
            self.watched = revision + 1;
            // Events older than the list are in it.
            if Some(revision) <= self.machine.listed {
                continue;
            }
            self.machine.record_answer(Sign::Any, self.now);
            let seen = match became {
                Some((lease, version)) => {
                    Seen::OwnPut(revision, OwnEntry { lease, same: version == self.version })
                }
                None => Seen::OwnDeleted(revision),
            };
            self.machine.seen(seen, self.now);
        }
    }

    /// Carries out a request or, later, delivers its answer. The watch may deliver events in between.
    fn answer(&mut self) {
        self.expire();
        let Some(asked) = self.asked.take() else { return };
        let Some((mut answer, key)) = asked.done else {
            let answer = match self.mode {
                Mode::Gone => Answer::Failed(fault(false)),
                _ => self.carry_out(asked.request, asked.version),
            };
            self.asked = Some(Asked { at: self.now + LATENCY, done: Some((answer, self.key)), ..asked });
            return;
        };
        match &mut answer {
            Answer::Failed(_) => return self.machine.answered(answer, self.now),
            Answer::Listed { revision, own } => {
                *own = key.map(|(lease, version)| OwnEntry { lease, same: version == self.version });
                self.machine.record_answer(Sign::List(*revision), self.now);
            }
            Answer::Watching => {
                let Request::Watch(from) = asked.request else { unreachable!("{:?}", asked.request) };
                self.watched = from;
            }
            _ => {}
        }
        self.machine.record_answer(Sign::Any, self.now);
        self.machine.answered(answer, self.now);
    }

    /// Checks the invariants of every request.
    fn check(&self, request: Request) {
        let connecting = matches!(request, Request::Connect(_));
        assert_eq!(connecting, !self.machine.connected(), "{request:?}");
        match request {
            Request::Keep(lease) | Request::Put(lease) => {
                assert!(self.machine.stays(), "{request:?} after it left");
                assert_eq!(self.machine.lease.map(|lease| lease.id), Some(lease));
            }
            Request::Grant => assert!(self.machine.stays() && self.machine.lease.is_none()),
            Request::Revoke(_) => assert!(!self.machine.stays()),
            // Nothing is left out between the list and the watch.
            Request::Watch(from) => assert_eq!(Some(from - 1), self.machine.listed),
            _ => {}
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.machine.registered() == Some(self.version)
            && self.machine.watching()
            && self.key.is_some_and(|(lease, version)| {
                version == self.version && self.leases.iter().any(|(id, _)| *id == lease)
            })
    }

    pub(super) fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.log.iter().filter(|(_, request)| wanted(request)).count()
    }
}
