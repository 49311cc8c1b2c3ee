//! One session, as the framework has it: shared by its connection, its handlers and the pool.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, join_all};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::back::Back;
use super::callback::{self, Once, contained};
use super::data::Data;
use super::outbox::{Batch, Outbox, Refused, route_hash};
use super::pool::Pool;
use super::{Session, check_uid};
use crate::acceptor::UpgradeRequest;
use crate::error::{Error, Result, code, text};
use crate::throttle::throttled;
use crate::wire::handshake;

/// Which call of its session; 0 is none.
pub(crate) type CallId = u64;

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed the connection, or it broke.
    Client,
    /// The server closed it.
    Server,
    /// The session was kicked.
    Kicked,
    /// A newer session of the same uid took its place.
    Replaced,
    /// The client broke the protocol.
    Protocol,
    /// The handshake was refused.
    Refused,
    /// The client was silent for too long, or took too long over a handshake or a packet.
    Timeout,
    /// The client did not take what was written to it.
    TooSlow,
    /// The client sent a packet, or a body that inflates to more, than the limits allow.
    TooLarge,
    /// The server stops.
    Shutdown,
}

impl CloseReason {
    /// The name, as metrics and logs have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Kicked => "kicked",
            Self::Replaced => "replaced",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::TooSlow => "too_slow",
            Self::TooLarge => "too_large",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether what is still in the outbox is worth sending.
    pub(crate) fn flushes(self) -> bool {
        !matches!(self, Self::Client | Self::TooSlow)
    }
}

#[derive(Default)]
struct State {
    uid: Option<Arc<str>>,
    /// The user that the cluster was told of, until it is told that it has left.
    listed: Option<Arc<str>>,
    handshake: Option<Arc<handshake::Request>>,
    /// The close callbacks by their ids, in the order in which they were added; `None` once they have run.
    on_close: Option<BTreeMap<u64, Once>>,
    /// The id of the last close callback.
    last_callback: u64,
    /// When the session was bound: of two sessions of a user the greater time is that of the newer one.
    bound_at: i64,
    life: Life,
    /// The user among whose ending sessions this one is.
    ending: Option<Arc<str>>,
    /// Binds that wait for the end of this session.
    waiting: Vec<Waker>,
    /// Calls of `#[concurrent]` routes that run now.
    concurrent: Vec<CallId>,
}

/// How far the life of a session is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    /// No connection serves it, so nobody says when it has ended: a backend's copy, a session of a test.
    #[default]
    Unserved,
    /// The connection in this task serves it.
    Served(Option<tokio::task::Id>),
    /// Its handlers have ended and its close callbacks have run.
    Ended,
}

/// How a client came to its session, where that is more than one address.
#[derive(Debug)]
pub(crate) struct Via {
    /// The address of the socket's peer: the last proxy, where there is one.
    pub(crate) peer_addr: Box<str>,
    pub(crate) upgrade: Option<Arc<UpgradeRequest>>,
}

pub(crate) struct Core {
    id: u64,
    pool: Arc<Pool>,
    remote_addr: Box<str>,
    via: Option<Box<Via>>,
    outbox: Outbox,
    data: Data,
    /// The call of the lane that runs now.
    lane: AtomicU64,
    calls: AtomicU64,
    state: Mutex<State>,
    /// Set on a backend: the session is on another server.
    back: Option<Box<Back>>,
}

impl Core {
    pub(super) fn new(id: u64, pool: Arc<Pool>, remote_addr: &str, via: Option<Via>) -> Self {
        Self { via: via.map(Box::new), ..Self::make(id, pool, remote_addr, None) }
    }

    /// A backend's copy of a session that is on another server.
    pub(super) fn copy(
        id: u64,
        pool: Arc<Pool>,
        uid: Option<&str>,
        data: Map<String, Value>,
        back: Back,
    ) -> Self {
        let core = Self::make(id, pool, "", Some(Box::new(back)));
        core.state().uid = uid.map(Arc::from);
        core.data.replace(data);
        core
    }

    fn make(id: u64, pool: Arc<Pool>, remote_addr: &str, back: Option<Box<Back>>) -> Self {
        Self {
            id,
            back,
            pool,
            remote_addr: remote_addr.into(),
            via: None,
            outbox: Outbox::new(),
            data: Data::default(),
            lane: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            state: Mutex::new(State { on_close: Some(BTreeMap::new()), ..State::default() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// What only a backend's copy has.
    #[inline]
    pub(crate) fn back(&self) -> Option<&Back> {
        self.back.as_deref()
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }

    pub(crate) fn remote_addr(&self) -> &str {
        &self.remote_addr
    }

    pub(crate) fn peer_addr(&self) -> &str {
        self.via.as_ref().map_or(&self.remote_addr, |via| &via.peer_addr)
    }

    pub(crate) fn upgrade(&self) -> Option<&Arc<UpgradeRequest>> {
        self.via.as_ref()?.upgrade.as_ref()
    }

    pub(crate) fn uid(&self) -> Option<Arc<str>> {
        self.state().uid.clone()
    }

    pub(crate) fn handshake(&self) -> Option<Arc<handshake::Request>> {
        self.state().handshake.clone()
    }

    pub(crate) fn set_handshake(&self, request: Arc<handshake::Request>) {
        self.state().handshake = Some(request);
    }

    // ---- calls

    /// A new call of the lane; it runs until [`end_lane_call`](Self::end_lane_call).
    pub(crate) fn begin_lane_call(&self) -> CallId {
        let call = self.next_call();
        self.lane.store(call, Relaxed);
        call
    }

    /// Only the connection's task begins calls, so that no other one comes between.
    fn next_call(&self) -> CallId {
        let call = self.calls.load(Relaxed) + 1;
        self.calls.store(call, Relaxed);
        call
    }

    pub(crate) fn end_lane_call(&self) {
        self.lane.store(0, Relaxed);
    }

    /// A new call beside the lane; it runs until the guard is dropped.
    pub(crate) fn begin_concurrent_call(self: &Arc<Self>) -> ConcurrentCall {
        let call = self.next_call();
        self.state().concurrent.push(call);
        ConcurrentCall { core: Arc::clone(self), call }
    }

    /// Whether a call is still running. Only then may a push of it wait: a handle that was kept for later must
    /// not make others wait for this client.
    pub(crate) fn is_running(&self, call: CallId) -> bool {
        call != 0 && (self.lane.load(Relaxed) == call || self.state().concurrent.contains(&call))
    }

    // ---- sending

    /// Encodes a packet straight into the outbox.
    pub(crate) fn encode<E>(
        &self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<Result<(), E>, Refused> {
        self.outbox.encode(&self.pool.settings().bounds, write)
    }

    /// Takes a packet of a sender that will wait.
    pub(crate) fn offer(&self, packet: &Bytes, push: u64) -> Result<(), Refused> {
        self.outbox.offer(&self.pool.settings().bounds, packet, push)
    }

    /// Waits until there may be room for `more` bytes, or the session is closed.
    pub(crate) async fn room(&self, more: usize) {
        let since = Instant::now();
        poll_fn(|cx| self.poll_room(cx, more, since)).await;
    }

    /// Ready when there may be room for `more` bytes, or the session is closed. Records the wait, which began at `since`.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, more: usize, since: Instant) -> Poll<()> {
        let settings = self.pool.settings();
        ready!(self.outbox.poll_room(cx, &settings.bounds, more));
        settings.meters.wait.record_time(since.elapsed());
        Poll::Ready(())
    }

    /// The writer takes what there is to write.
    pub(crate) fn take_batch(&self) -> (Option<Batch>, Option<CloseReason>) {
        let (batch, closed) = self.outbox.take(&self.pool.settings().bounds);
        if let Some(batch) = &batch {
            let settings = self.pool.settings();
            if !settings.meters.capacity.is_empty() {
                let free = settings.bounds.messages.saturating_sub(batch.len());
                settings.meters.capacity.record(free as f64);
            }
        }
        (batch, closed)
    }

    /// Takes a packet of a sender that does not wait: a full outbox is this client's problem alone.
    pub(crate) fn push(&self, route: &str, packet: &Bytes) -> Result<()> {
        let settings = self.pool.settings();
        let (taken, replaced) = self.outbox.push(&settings.bounds, packet, route_hash(route));
        if replaced > 0 {
            settings.meters.replaced.record(f64::from(replaced));
        }
        match taken {
            Ok(()) => Ok(()),
            Err(refused) => {
                if refused != Refused::Closed {
                    settings.meters.dropped.record(1.0);
                }
                if refused == Refused::TooSlow {
                    throttled!(
                        self.pool.log(),
                        warn,
                        "slow clients",
                        session = self.id,
                        "disconnected a client that reads too slowly for its pushes"
                    );
                    self.close(CloseReason::TooSlow);
                }
                Err(match refused {
                    Refused::Dropped | Refused::Full => Error::new(code::UNAVAILABLE, text::OUTBOX_FULL),
                    Refused::Closed | Refused::TooSlow => Error::new(code::CLOSED, text::BROKEN_PIPE),
                })
            }
        }
    }

    // ---- closing

    /// Closes the session, once and for good. Gives `false` if it was closed already. Never waits.
    pub(crate) fn close(&self, reason: CloseReason) -> bool {
        self.close_with(reason, None)
    }

    /// Sends a kick packet in its turn, then closes.
    pub(crate) fn kick(&self, reason: CloseReason) -> bool {
        self.close_with(reason, Some(&self.pool.settings().kick))
    }

    /// Answers the handshake with a refusal, and closes.
    pub(crate) fn refuse(&self, reply: &Bytes) {
        self.closed(self.outbox.refused(reply, CloseReason::Refused));
    }

    fn close_with(&self, reason: CloseReason, last: Option<&Bytes>) -> bool {
        if self.back.is_some() {
            return false; // a copy: its frontend closes the session
        }
        self.closed(self.outbox.close(reason, last))
    }

    /// The outbox is closed, and has thrown so much away for it; `None` if it was closed before.
    fn closed(&self, discarded: Option<usize>) -> bool {
        let Some(discarded) = discarded else { return false };
        self.lost(discarded);
        self.pool.forget(self);
        true
    }

    /// What is left unwritten is lost.
    pub(crate) fn abandon(&self) {
        self.lost(self.outbox.depth().0);
    }

    /// Messages that will never be written are counted.
    fn lost(&self, messages: usize) {
        if messages > 0 {
            #[expect(clippy::cast_precision_loss, reason = "an outbox is short")]
            self.pool.settings().meters.unwritten.record(messages as f64);
        }
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.outbox.closed()
    }

    /// Adds a close callback. Returns its id; `None` if the session is over, so that it would never run.
    pub(crate) fn on_close(&self, callback: Once) -> Option<u64> {
        let mut state = self.state();
        let state = &mut *state;
        let list = state.on_close.as_mut()?;
        state.last_callback += 1;
        list.insert(state.last_callback, callback);
        Some(state.last_callback)
    }

    /// The number of close callbacks that wait.
    #[cfg(test)]
    pub(crate) fn close_callbacks(&self) -> usize {
        self.state().on_close.as_ref().map_or(0, BTreeMap::len)
    }

    /// Removes a close callback, unless it runs already.
    pub(crate) fn remove_on_close(&self, id: u64) {
        let removed = self.state().on_close.as_mut().and_then(|list| list.remove(&id));
        drop(removed); // with no lock held: what it has captured may lead anywhere
    }

    /// Runs the close callbacks, the session's and then the pool's, each for at most `limit`. Called once, by the
    /// connection, after the last handler.
    pub(crate) async fn run_close_callbacks(self: &Arc<Self>, limit: Duration) {
        loop {
            let own = {
                let mut state = self.state();
                match state.on_close.as_mut() {
                    Some(list) if !list.is_empty() => mem::take(list),
                    Some(_) => {
                        state.on_close = None;
                        break;
                    }
                    None => return,
                }
            };
            for callback in own.into_values() {
                let session = Session::new(Arc::clone(self), 0);
                self.on_closed(limit, || callback(session)).await;
            }
        }
        for callback in self.pool.callbacks().on_close.all().iter() {
            let session = Session::new(Arc::clone(self), 0);
            self.on_closed(limit, || callback(session)).await;
        }
    }

    /// Runs one close callback. After a panic, which has been logged, or when its time is over, the next one's turn
    /// comes.
    async fn on_closed(&self, limit: Duration, callback: impl FnOnce() -> BoxFuture<'static, ()>) {
        if tokio::time::timeout(limit, contained("on_close", callback)).await.is_err() {
            throttled!(
                self.pool.log(),
                warn,
                "slow close callbacks",
                session = self.id,
                ?limit,
                "a close callback took too long and was cut off"
            );
        }
    }

    // ---- the end

    /// The connection in the running task serves this session, and will say when it has [ended](Self::end).
    pub(crate) fn serve(&self) {
        self.state().life = Life::Served(tokio::task::try_id());
    }

    /// The last handler has ended and the close callbacks have run, or were cut off. A second call does nothing.
    pub(crate) fn end(&self) {
        let (ending, waiting) = {
            let mut state = self.state();
            state.life = Life::Ended;
            (state.ending.take(), mem::take(&mut state.waiting))
        };
        if let Some(uid) = ending {
            self.pool.ended(&uid, self);
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Notes that the pool counts this session among those of the user that have not ended. Returns `false` if it has
    /// ended, or will not say when it does.
    pub(super) fn begin_to_end(&self, uid: &Arc<str>) -> bool {
        let mut state = self.state();
        let served = matches!(state.life, Life::Served(_));
        if served {
            state.ending = Some(Arc::clone(uid));
        }
        served
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !matches!(state.life, Life::Served(_)) {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Whether the running task is that of the session's connection, for whose end it cannot wait.
    fn is_served_here(&self) -> bool {
        matches!(self.state().life, Life::Served(Some(task)) if tokio::task::try_id() == Some(task))
    }

    /// What tells this session from all others that were ever bound to its user, in the order in which they were bound.
    pub(crate) fn ownership(&self) -> String {
        let server = self.pool.directory().map(|directory| directory.server_id());
        let bound_at = self.state().bound_at;
        format!("{bound_at:019}/{}/{:020}", server.as_deref().unwrap_or_default(), self.id)
    }

    // ---- binding

    pub(crate) async fn bind(self: &Arc<Self>, uid: &str) -> Result<()> {
        check_uid(uid)?;
        let uid: Arc<str> = uid.into();
        {
            let mut state = self.state();
            if state.uid.is_some() {
                return Err(Error::new(code::UNKNOWN, text::ALREADY_BOUND));
            }
            state.uid = Some(Arc::clone(&uid));
        }
        // Undoes the bind unless it came to its end: an error, a panic or a cut-off handler.
        let mut undo = Unbind { core: self, uid: Some(Arc::clone(&uid)) };
        self.run_checks("on_bind", &self.pool.callbacks().on_bind).await?;
        match &self.back {
            Some(back) => back.owner().bind(self.id, &uid).await?,
            None => self.enter(&uid).await?,
        }
        self.run_checks("on_after_bind", &self.pool.callbacks().on_after_bind).await?;
        undo.uid = None;
        Ok(())
    }

    /// Makes this the session of a user, here and in the cluster, and waits until the sessions before it have ended, up to
    /// `pitaya.session.replace.timeout`.
    async fn enter(self: &Arc<Self>, uid: &Arc<str>) -> Result<()> {
        let directory = self.pool.directory();
        if let Some(directory) = &directory {
            directory.entering(uid).await?;
            self.state().listed = Some(Arc::clone(uid));
        }
        let (bound_at, old) = self.pool.swap_user(uid, self, directory.as_deref())?;
        self.state().bound_at = bound_at;
        if let Some(old) = &old {
            old.replaced();
        }
        let elsewhere = async {
            if let Some(directory) = &directory {
                directory.entered(uid, bound_at).await;
            }
        };
        let ended = async { tokio::join!(elsewhere, self.pool.wait_for_ending(uid, old, Some(self.id))) };
        tokio::select! {
            biased;
            // Whoever takes this session's place meanwhile may wait for it in turn.
            () = poll_fn(|cx| self.outbox.poll_closed(cx)) => {}
            _ = ended => {}
        }
        if self.close_reason().is_some() {
            return Err(Error::new(code::CLOSED, text::BROKEN_PIPE));
        }
        Ok(())
    }

    /// Tells the cluster, once, that the user has left.
    pub(super) fn unlist(&self) {
        let listed = self.state().listed.take();
        if let (Some(uid), Some(directory)) = (listed, self.pool.directory()) {
            directory.left(&uid, self);
        }
    }

    async fn run_checks(
        self: &Arc<Self>,
        what: &'static str,
        list: &callback::List<callback::Check>,
    ) -> Result<()> {
        for callback in list.all().iter() {
            let session = Session::new(Arc::clone(self), 0);
            contained(what, || callback(session)).await??;
        }
        Ok(())
    }

    /// Another session has taken this one's uid.
    fn replaced(&self) {
        tracing::info!(session = self.id, "replaced by a newer session of the same uid");
        if self.pool.directory().is_some_and(|directory| directory.kicks()) {
            self.kick(CloseReason::Replaced);
        } else {
            self.close(CloseReason::Replaced);
        }
    }
}

struct Unbind<'a> {
    core: &'a Arc<Core>,
    uid: Option<Arc<str>>,
}

impl Drop for Unbind<'_> {
    fn drop(&mut self) {
        if let Some(uid) = self.uid.take() {
            if self.core.back.is_none() {
                self.core.pool.forget_user(&uid, self.core);
                self.core.unlist();
            }
            self.core.state().uid = None;
        }
    }
}

/// Waits until all of these sessions have ended, but for one whose own task waits.
pub(super) async fn all_ended(sessions: &[Arc<Core>]) {
    let others = sessions.iter().filter(|core| !core.is_served_here());
    join_all(others.map(|core| poll_fn(|cx| core.poll_ended(cx)))).await;
}

/// A call beside the lane, while it runs.
pub(crate) struct ConcurrentCall {
    core: Arc<Core>,
    call: CallId,
}

impl ConcurrentCall {
    pub(crate) fn id(&self) -> CallId {
        self.call
    }
}

impl Drop for ConcurrentCall {
    fn drop(&mut self) {
        self.core.state().concurrent.retain(|call| *call != self.call);
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("remote_addr", &self.remote_addr)
            .finish_non_exhaustive()
    }
}
