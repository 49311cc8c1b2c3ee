//! Users on one frontend at a time: binds are told to the other frontends of the type, and heard from them
//! (`docs/cluster.md`, "Users anywhere").
//!
//! Each bind has a time and the id of its server; of two binds of one user the later pair wins, on both sides. Times
//! are those of a clock that never goes back and is never behind what was heard from others: so a bind that comes after
//! the news of another is later than that one, whatever the machines' clocks say, and of two binds that cross, both
//! sides judge by the same two pairs. News that are lost are told again: all of them by who was cut off, and by who has
//! the later bind to whoever tells of an earlier one, since that one has not heard of it.

//!
//! A bind is answered when the frontends that had the user have ended its sessions there. Those of this library are asked
//! ([`sys::BOUND`]) besides being told; from others no answer can be had.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use prost::Message as _;
use tokio::time::Instant;

use super::node::Node;
use super::protos::BindMsg;
use super::request::sys;
use super::router::Selection;
use super::server::BROADCASTS;
use super::{Address, Server};
use crate::context::Current;
use crate::error::{Error, Result, code};
use crate::session::{CloseReason, Core, Directory};
use crate::util::sync::Mutex;

/// The last time that moves the clock, in the year 2116. A later one is no server's: it would leave the clock no room to
/// go on, and from then on all binds would be of one moment.
const MAX_TIME: i64 = 1 << 62;

/// How much longer than its own wait the answer of another frontend may take.
const REPLY_MARGIN: Duration = Duration::from_millis(500);
/// How long a frontend that did not answer is not waited for.
const UNRESPONSIVE_FOR: Duration = Duration::from_secs(10);

/// The binds of this frontend, with their times. One lock over all of it: a bind takes its time and is entered in one
/// step, or news that came between would be judged by neither.
#[derive(Debug, Default)]
pub(super) struct BindTable(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The latest time that was taken or heard, in nanoseconds since 1970.
    clock: i64,
    /// The session of each user and when it was bound. Sessions that are over are not in here.
    bound: HashMap<Arc<str>, Bound>,
    /// Frontends that did not answer, and when that was.
    unresponsive: HashMap<Arc<str>, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    session: u64,
    at: i64,
}

/// What news of a bind on another server mean here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemoteBind {
    /// Nothing.
    NotHere,
    /// This session has to go.
    Newer(u64),
    /// The bind here, of this time, is the later one: whoever told does not know of it.
    Older(i64),
}

impl BindTable {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// A user was bound here: gives when.
    fn insert(&self, uid: &Arc<str>, session: u64, now: i64) -> i64 {
        let mut state = self.lock();
        state.clock = now.max(state.clock.saturating_add(1));
        let at = state.clock;
        state.bound.insert(Arc::clone(uid), Bound { session, at });
        at
    }

    /// A session is over.
    fn remove(&self, uid: &str, session: u64) {
        let mut state = self.lock();
        if state.bound.get(uid).is_some_and(|bound| bound.session == session) {
            state.bound.remove(uid);
        }
    }

    /// A user was bound on another server.
    fn apply_remote(&self, own: &str, news: &BindMsg) -> RemoteBind {
        let mut state = self.lock();
        if news.bound_at <= MAX_TIME {
            state.clock = state.clock.max(news.bound_at);
        }
        let Some(bound) = state.bound.get(&*news.uid).copied() else { return RemoteBind::NotHere };
        // Servers that do not say when are obeyed, as they obey each other.
        if news.bound_at != 0 && (news.bound_at, &*news.fid) < (bound.at, own) {
            return RemoteBind::Older(bound.at);
        }
        state.bound.remove(&*news.uid);
        RemoteBind::Newer(bound.session)
    }

    /// Whether a frontend has failed to answer a short time ago.
    fn is_unresponsive(&self, server: &str) -> bool {
        self.lock().unresponsive.get(server).is_some_and(|since| since.elapsed() < UNRESPONSIVE_FOR)
    }

    /// A frontend has answered, or has not.
    fn record_answer(&self, server: &Arc<str>, answered: bool) {
        let mut state = self.lock();
        if answered {
            state.unresponsive.remove(server);
        } else {
            state.unresponsive.retain(|_, since| since.elapsed() < UNRESPONSIVE_FOR);
            state.unresponsive.insert(Arc::clone(server), Instant::now());
        }
    }

    /// All binds, sorted by user.
    fn all(&self) -> Vec<(Arc<str>, i64)> {
        let mut all: Vec<_> =
            self.lock().bound.iter().map(|(uid, bound)| (Arc::clone(uid), bound.at)).collect();
        all.sort_unstable();
        all
    }
}

impl Node {
    /// Ends the session of a user that was bound on another frontend. Returns the session, if there was one.
    ///
    /// # Errors
    /// The bind here, if it is the later one: its session stays.
    pub(super) fn apply_remote_bind(self: &Arc<Self>, news: &BindMsg) -> Result<Option<Arc<Core>>, BindMsg> {
        let own = self.own();
        if *news.fid == *own.id || !self.limits.unique {
            return Ok(None);
        }
        match self.binds.apply_remote(&own.id, news) {
            RemoteBind::NotHere => Ok(None),
            RemoteBind::Older(at) => {
                // After a broker was lost, frontends are back one after the other: news of this bind may have been for
                // nobody yet. They are told again until the older bind has heard them, and nobody answers those.
                let (node, uid) = (Arc::clone(self), news.uid.clone());
                self.spawn(async move { node.announce_bind(&uid, at).await });
                Err(BindMsg { uid: news.uid.clone(), fid: own.id.to_string(), bound_at: at })
            }
            RemoteBind::Newer(session) => Ok(self.kick_replaced(session, &news.fid)),
        }
    }

    /// Kicks a session whose user was bound on another server.
    fn kick_replaced(&self, session: u64, server: &str) -> Option<Arc<Core>> {
        let core = self.pool.by_id(session)?;
        tracing::info!(session, server, "the user was bound on another server: kicked");
        core.kick(CloseReason::Replaced);
        Some(core)
    }

    async fn announce_bind(&self, uid: &str, bound_at: i64) {
        if !self.limits.unique {
            return; // others would kick a session that may stay
        }
        let own = self.own();
        let news = BindMsg { uid: uid.to_owned(), fid: own.id.to_string(), bound_at };
        let to = Address::Bindings { server_type: &own.server_type };
        if let Err(error) = self.transport.publish(to, Bytes::from(news.encode_to_vec())).await {
            // It is told when the connection is back.
            tracing::debug!(uid, %error, "a bind could not be told to the others");
        }
    }

    /// Waits until the other frontends have ended their sessions of a user.
    async fn wait_for_remote_sessions(&self, uid: &str, bound_at: i64) {
        if !self.limits.unique {
            return;
        }
        let own = self.own();
        let others: Vec<_> = self.servers.look(|view| {
            let of_type = view.of_type(&own.server_type).iter();
            let asked = |server: &&Arc<Server>| {
                server.frontend && server.id != own.id && server.metadata.contains_key(BROADCASTS)
            };
            of_type.filter(asked).map(Arc::clone).collect()
        });
        let news = BindMsg { uid: uid.to_owned(), fid: own.id.to_string(), bound_at };
        let news = Bytes::from(news.encode_to_vec());
        let limit = self.pool.settings().replace + REPLY_MARGIN;
        let asked = others.into_iter().filter(|server| !self.binds.is_unresponsive(&server.id)).map(|server| {
            let news = news.clone();
            async move {
                let id = Arc::clone(&server.id);
                let current = Current::default();
                let to = Selection::fixed(server);
                let answer = self.call(&to, sys::BOUND, &news, &current, limit).await;
                let silent = answer.as_ref().is_err_and(|error| error.code() == code::TIMEOUT);
                self.binds.record_answer(&id, !silent);
                match answer.map(BindMsg::decode) {
                    // A later bind over there: the session that was bound here ends now, before its bind is answered.
                    Ok(Ok(later)) if !later.uid.is_empty() => {
                        if let RemoteBind::Newer(session) = self.binds.apply_remote(&self.own().id, &later) {
                            self.kick_replaced(session, &later.fid);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(uid, server = %id, %error, "a frontend did not say that a session has ended");
                    }
                }
            }
        });
        join_all(asked).await;
    }

    /// Tells the others of all users here: after a time in which they heard nothing.
    pub(super) async fn reannounce_binds(&self) {
        for (uid, at) in self.binds.all() {
            self.announce_bind(&uid, at).await;
        }
    }
}

impl Directory for Node {
    fn entering<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.transport
                .serve_user(uid)
                .await
                .map_err(|error| Error::new(code::UNKNOWN, error.to_string()).with_source(error))
        })
    }

    fn bind(&self, uid: &Arc<str>, core: &Core) -> i64 {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.binds.insert(uid, core.id(), i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
    }

    fn entered<'a>(&'a self, uid: &'a Arc<str>, bound_at: i64) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.announce_bind(uid, bound_at).await;
            self.wait_for_remote_sessions(uid, bound_at).await;
        })
    }

    fn server_id(&self) -> Arc<str> {
        Arc::clone(&self.own().id)
    }

    fn left(&self, uid: &str, core: &Core) {
        self.binds.remove(uid, core.id());
        self.transport.forget_user(uid);
    }

    fn kicks(&self) -> bool {
        self.limits.unique
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn news(uid: &str, fid: &str, bound_at: i64) -> BindMsg {
        BindMsg { uid: uid.to_owned(), fid: fid.to_owned(), bound_at }
    }

    /// A peer that does not send a time is obeyed.
    #[test]
    fn the_later_bind_stays_and_a_peer_that_does_not_say_when_is_obeyed() {
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
    fn a_bind_is_later_than_all_that_was_heard_before_whatever_the_clock_says() {
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
    fn a_session_that_ends_late_does_not_remove_the_one_that_came_after() {
        let binds = BindTable::default();
        let uid: Arc<str> = "ann".into();
        binds.insert(&uid, 1, 10);
        binds.insert(&uid, 2, 20);
        binds.remove("ann", 1);
        assert_eq!(binds.all(), [("ann".into(), 20)]);
        binds.remove("ann", 2);
        assert!(binds.all().is_empty());
    }

    /// Two frontends; of each, whether its session is there and whether it hears the other.
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

        /// The news of a bind at `from` come to the other, if that hears them.
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
        /// Two frontends with clocks that differ, a bind of one user on each, and the news of both in every order; some do
        /// not hear them, because they have lost the broker. They are back one after the other, and tell of their binds
        /// again. Exactly one session stays.
        #[test]
        fn exactly_one_of_two_binds_stays(
            clocks in (0i64..4, 0i64..4), order in Just([0, 1, 2, 3]).prop_shuffle(), hears: [bool; 2], first in 0usize..2,
        ) {
            let fronts = [("f1", BindTable::default()), ("f2", BindTable::default())];
            let mut pair = Pair { fronts, bound_at: [None; 2], alive: [false; 2], hears };
            // Steps 0 and 1: a bind on each; 2 and 3: the news of it on the other, once there is any.
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
