//! One frontend per user: announces binds to the other frontends of the type, and applies theirs
//! (`docs/cluster.md`, "Users anywhere").
//!
//! Each bind has a time and the id of its server. Of two binds of one user, the later pair wins on both sides. The
//! clock never goes back, and is never behind a received bind. So a bind after a received one is later than it,
//! whatever the machines' clocks say, and of two concurrent binds both sides compare the same two pairs. A frontend
//! that was disconnected announces all its binds again. A frontend that receives a bind older than its own announces
//! its own again, because the first announcement may have been lost.
//!
//! A bind completes when the other frontends have ended the user's sessions. Frontends of this library are asked
//! ([`sys::BOUND`]) besides the announcement; others cannot answer.

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
use crate::session::{CloseReason, Directory, FrontendSession};
use crate::util::sync::Mutex;

/// The largest time that moves the clock, in the year 2116. A later one is invalid: it would leave the clock no room,
/// and all later binds would have the same time.
const MAX_TIME: i64 = 1 << 62;

/// How much longer than its own limit the answer of another frontend may take.
const REPLY_MARGIN: Duration = Duration::from_millis(500);
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
    bound: HashMap<Arc<str>, Bound>,
    /// Unresponsive frontends, and since when.
    unresponsive: HashMap<Arc<str>, Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Bound {
    session: u64,
    at: i64,
}

/// The meaning of another server's bind for this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemoteBind {
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
    fn insert(&self, uid: &Arc<str>, session: u64, now: i64) -> i64 {
        let mut state = self.lock();
        state.clock = now.max(state.clock.saturating_add(1));
        let at = state.clock;
        state.bound.insert(Arc::clone(uid), Bound { session, at });
        at
    }

    /// Removes the bind of an ended session.
    fn remove(&self, uid: &str, session: u64) {
        let mut state = self.lock();
        if state.bound.get(uid).is_some_and(|bound| bound.session == session) {
            state.bound.remove(uid);
        }
    }

    /// Applies a bind of another server.
    fn apply_remote(&self, own: &str, news: &BindMsg) -> RemoteBind {
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
    fn is_unresponsive(&self, server: &str) -> bool {
        self.lock().unresponsive.get(server).is_some_and(|since| since.elapsed() < UNRESPONSIVE_FOR)
    }

    /// Records whether a frontend has answered.
    fn record_answer(&self, server: &Arc<str>, answered: bool) {
        let mut state = self.lock();
        if answered {
            state.unresponsive.remove(server);
        } else {
            state.unresponsive.retain(|_, since| since.elapsed() < UNRESPONSIVE_FOR);
            state.unresponsive.insert(Arc::clone(server), Instant::now());
        }
    }

    /// Returns all binds, sorted by user.
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
    /// Returns the local bind if it is the later one. Its session stays.
    pub(super) fn apply_remote_bind(
        self: &Arc<Self>,
        news: &BindMsg,
    ) -> Result<Option<Arc<FrontendSession>>, BindMsg> {
        let own = self.own();
        if *news.fid == *own.id || !self.limits.unique {
            return Ok(None);
        }
        match self.binds.apply_remote(&own.id, news) {
            RemoteBind::NotHere => Ok(None),
            RemoteBind::Older(at) => {
                // After the loss of a broker, frontends reconnect one after the other, so the announcement of this
                // bind may have reached none. It is repeated until the server of the older bind has received it. That
                // server does not reply.
                let (node, uid) = (Arc::clone(self), news.uid.clone());
                self.spawn(async move { node.announce_bind(&uid, at).await });
                Err(BindMsg { uid: news.uid.clone(), fid: own.id.to_string(), bound_at: at })
            }
            RemoteBind::Newer(session) => Ok(self.kick_replaced(session, &news.fid)),
        }
    }

    /// Kicks a session whose user was bound on another server.
    fn kick_replaced(&self, session: u64, server: &str) -> Option<Arc<FrontendSession>> {
        let core = self.pool.by_id(session)?;
        tracing::info!(session, server, "kicking session: its user was bound on another server");
        core.kick(CloseReason::Replaced);
        Some(core)
    }

    async fn announce_bind(&self, uid: &str, bound_at: i64) {
        if !self.limits.unique {
            return; // other servers would kick a session that may stay
        }
        let own = self.own();
        let news = BindMsg { uid: uid.to_owned(), fid: own.id.to_string(), bound_at };
        let to = Address::Bindings { server_type: &own.server_type };
        if let Err(error) = self.transport.publish(to, Bytes::from(news.encode_to_vec())).await {
            // The bind is announced when the connection is back.
            tracing::debug!(uid, %error, "failed to announce a bind");
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
                    // The other frontend has a later bind: the local session ends now, before its bind completes.
                    Ok(Ok(later)) if !later.uid.is_empty() => {
                        if let RemoteBind::Newer(session) = self.binds.apply_remote(&self.own().id, &later) {
                            self.kick_replaced(session, &later.fid);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(uid, server = %id, %error, "frontend did not confirm the end of a session");
                    }
                }
            }
        });
        join_all(asked).await;
    }

    /// Announces all local binds again, after an outage.
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

    fn bind(&self, uid: &Arc<str>, core: &FrontendSession) -> i64 {
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

    fn left(&self, uid: &str, core: &FrontendSession) {
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
