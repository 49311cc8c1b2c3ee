//! The binds of this frontend, and which of two binds of one user is the later one.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::protos::BindMsg;
use crate::util::sync::Mutex;

/// The largest time that moves the clock, in the year 2116. A later one is invalid: it would leave the clock no room,
/// and all later binds would have the same time.
const MAX_TIME: i64 = 1 << 62;

/// How long an unresponsive frontend is not asked.
const UNRESPONSIVE_FOR: Duration = Duration::from_secs(10);

/// The binds of this frontend, with their times. One lock makes the time of a bind and its entry one step, so that a
/// bind of another server cannot come between.
#[derive(Debug, Default)]
pub(super) struct BindTable(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The latest time that was assigned or received, in nanoseconds since 1970.
    clock: i64,
    /// The open session of each user, with the time of its bind.
    bound: HashMap<Arc<str>, BoundSession>,
    /// Unresponsive frontends, and since when.
    unresponsive: HashMap<Arc<str>, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct BoundSession {
    session: u64,
    at: i64,
}

/// The meaning of another server's bind for this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemoteBind {
    /// The user has no session here.
    NotHere,
    /// The remote bind is newer: this session must end.
    Newer(u64),
    /// The remote bind is older than the local one of this time, which its server does not know.
    Older(i64),
}

impl BindTable {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Records a local bind, and returns its time.
    pub(super) fn insert(&self, uid: &Arc<str>, session: u64, now: i64) -> i64 {
        let mut state = self.lock();
        state.clock = now.max(state.clock.saturating_add(1));
        let at = state.clock;
        state.bound.insert(Arc::clone(uid), BoundSession { session, at });
        at
    }

    /// Removes the bind of an ended session.
    pub(super) fn remove(&self, uid: &str, session: u64) {
        let mut state = self.lock();
        if state.bound.get(uid).is_some_and(|bound| bound.session == session) {
            state.bound.remove(uid);
        }
    }

    /// Applies a bind of another server.
    pub(super) fn apply_remote(&self, own: &str, news: &BindMsg) -> RemoteBind {
        let mut state = self.lock();
        if news.bound_at <= MAX_TIME {
            state.clock = state.clock.max(news.bound_at);
        }
        let Some(bound) = state.bound.get(&*news.uid).copied() else { return RemoteBind::NotHere };
        // A bind without a time wins, as between Go Pitaya servers.
        if news.bound_at != 0 && (news.bound_at, &*news.fid) < (bound.at, own) {
            return RemoteBind::Older(bound.at);
        }
        state.bound.remove(&*news.uid);
        RemoteBind::Newer(bound.session)
    }

    /// Whether a frontend has recently failed to answer.
    pub(super) fn is_unresponsive(&self, server: &str) -> bool {
        self.lock().unresponsive.get(server).is_some_and(|since| since.elapsed() < UNRESPONSIVE_FOR)
    }

    /// Records whether a frontend has answered.
    pub(super) fn record_answer(&self, server: &Arc<str>, answered: bool) {
        let mut state = self.lock();
        if answered {
            state.unresponsive.remove(server);
        } else {
            state.unresponsive.retain(|_, since| since.elapsed() < UNRESPONSIVE_FOR);
            state.unresponsive.insert(Arc::clone(server), Instant::now());
        }
    }

    /// Returns all binds, sorted by user.
    pub(super) fn all(&self) -> Vec<(Arc<str>, i64)> {
        let mut all: Vec<_> =
            self.lock().bound.iter().map(|(uid, bound)| (Arc::clone(uid), bound.at)).collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn news(uid: &str, fid: &str, bound_at: i64) -> BindMsg {
        BindMsg { uid: uid.to_owned(), fid: fid.to_owned(), bound_at }
    }

    /// A bind without a time wins.
    #[test]
    fn later_bind_stays() {
        let binds = BindTable::default();
        let uid: Arc<str> = "ann".into();
        assert_eq!(binds.insert(&uid, 1, 100), 100);
        assert_eq!(binds.apply_remote("f1", &news("ann", "f2", 99)), RemoteBind::Older(100), "older");
        assert_eq!(
            binds.apply_remote("f1", &news("ann", "f0", 100)),
            RemoteBind::Older(100),
            "as old, from a smaller id"
        );
        assert_eq!(binds.apply_remote("f1", &news("bob", "f2", 500)), RemoteBind::NotHere, "another user");
        assert_eq!(
            binds.apply_remote("f1", &news("ann", "f2", 100)),
            RemoteBind::Newer(1),
            "as old, from a greater id"
        );
        assert_eq!(binds.apply_remote("f1", &news("ann", "f2", 100)), RemoteBind::NotHere, "it has gone");
        binds.insert(&uid, 2, 0);
        assert_eq!(binds.apply_remote("f1", &news("ann", "f0", 0)), RemoteBind::Newer(2));
    }

    /// Whatever the clock says.
    #[test]
    fn bind_is_later_than_all_known_binds() {
        let binds = BindTable::default();
        let uid: Arc<str> = "ann".into();
        binds.apply_remote("f1", &news("ann", "f2", 1_000_000));
        assert_eq!(binds.insert(&uid, 1, 5), 1_000_001);
        assert_eq!(binds.insert(&uid, 2, 5), 1_000_002);
        binds.apply_remote("f1", &news("bob", "f2", MAX_TIME));
        assert_eq!(binds.insert(&uid, 3, 5), MAX_TIME + 1);
    }

    #[test]
    fn a_time_that_no_server_has_leaves_the_clock_room() {
        let binds = BindTable::default();
        let uid: Arc<str> = "ann".into();
        for none in [i64::MAX, MAX_TIME + 1] {
            assert_eq!(binds.apply_remote("f1", &news("bob", "f2", none)), RemoteBind::NotHere);
            assert!(binds.insert(&uid, 1, 5) < 10);
        }
    }

    #[test]
    fn late_session_end_keeps_the_newer_session() {
        let binds = BindTable::default();
        let uid: Arc<str> = "ann".into();
        binds.insert(&uid, 1, 10);
        binds.insert(&uid, 2, 20);
        binds.remove("ann", 1);
        assert_eq!(binds.all(), [("ann".into(), 20)]);
        binds.remove("ann", 2);
        assert!(binds.all().is_empty());
    }

    /// Two frontends. For each, whether its session is open and whether it receives the other's binds.
    struct Pair {
        fronts: [(&'static str, BindTable); 2],
        bound_at: [Option<i64>; 2],
        alive: [bool; 2],
        hears: [bool; 2],
    }

    impl Pair {
        fn bind(&mut self, at: usize, now: i64) {
            self.bound_at[at] = Some(self.fronts[at].1.insert(&"ann".into(), 1, now));
            self.alive[at] = true;
        }

        /// Sends the bind of `from` to the other frontend, if that is connected.
        fn tell(&mut self, from: usize) {
            let to = 1 - from;
            let Some(at) = self.bound_at[from].filter(|_| self.hears[to]) else { return };
            match self.fronts[to].1.apply_remote(self.fronts[to].0, &news("ann", self.fronts[from].0, at)) {
                RemoteBind::NotHere => {}
                RemoteBind::Newer(_) => self.alive[to] = false,
                RemoteBind::Older(_) => self.tell(to),
            }
        }
    }

    proptest! {
        /// Two frontends with different clocks bind one user each. Their announcements arrive in any order, and some
        /// are lost because a frontend is disconnected. The frontends reconnect one after the other, and announce their
        /// binds again. Exactly one session stays.
        #[test]
        fn exactly_one_of_two_binds_stays(
            clocks in (0i64..4, 0i64..4), order in Just([0, 1, 2, 3]).prop_shuffle(), hears: [bool; 2], first in 0usize..2,
        ) {
            let fronts = [("f1", BindTable::default()), ("f2", BindTable::default())];
            let mut pair = Pair { fronts, bound_at: [None; 2], alive: [false; 2], hears };
            // Steps 0 and 1: a bind on each. Steps 2 and 3: its announcement to the other.
            let mut steps: Vec<usize> = order.to_vec();
            while !steps.is_empty() {
                let at = steps.iter().position(|step| *step < 2 || pair.bound_at[step - 2].is_some()).unwrap();
                match steps.remove(at) {
                    step @ (0 | 1) => pair.bind(step, [clocks.0, clocks.1][step]),
                    step => pair.tell(step - 2),
                }
            }
            for back in [first, 1 - first] {
                if !std::mem::replace(&mut pair.hears[back], true) && pair.alive[back] {
                    pair.tell(back);
                }
            }
            prop_assert_eq!(pair.alive.iter().filter(|alive| **alive).count(), 1);
        }
    }
}
