//! All sessions of one app: by id, by uid, and the callbacks that concern them all.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;

use super::callback::{Callbacks, bind_callback, close_callback};
use super::frontend::{FrontendSession, Via, all_ended};
use super::outbox::OutboxLimits;
use super::recoding::Recoding;
use super::{CloseReason, Session};
use crate::config::OutboxPolicy;
use crate::error::{Error, Result, code, text};
use crate::metrics::{BoundMetric, CHANNEL_CAPACITY, Metrics, OUTBOX_DROPPED, OUTBOX_WAIT};
use crate::peers::{Peers, ReplacedSession, Standalone};
use crate::serialize::{Message, Serializer};
use crate::span::Tracer;
use crate::util::throttle::{Throttle, throttled};
use crate::wire::{Compression, Compressor, Dictionary, message, packet};

/// The settings that all sessions of an app share; made once, at start.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) serializer: Serializer,
    pub(crate) compression: Compressor,
    pub(crate) dictionary: Dictionary,
    pub(crate) outbox: OutboxLimits,
    pub(crate) expose_errors: bool,
    /// The longest time that a bind waits for the end of the sessions that it replaces.
    pub(crate) replace: Duration,
    pub(crate) meters: OutboxMeters,
    pub(crate) recoding: Recoding,
    pub(crate) kick: Bytes,
    pub(crate) heartbeat: Bytes,
    /// Makes the OpenTelemetry spans of calls.
    pub(crate) tracer: Option<Tracer>,
}

/// The metrics of outboxes.
#[derive(Debug, Default)]
pub(crate) struct OutboxMeters {
    pub(super) wait: BoundMetric,
    pub(super) dropped: BoundMetric,
    pub(super) replaced: BoundMetric,
    pub(super) unwritten: BoundMetric,
    pub(super) capacity: BoundMetric,
}

impl OutboxMeters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let dropped = |reason| metrics.bind_or_log(&OUTBOX_DROPPED, &[("reason", reason)]);
        Self {
            wait: metrics.bind_or_log(&OUTBOX_WAIT, &[]),
            dropped: dropped("full"),
            replaced: dropped("replaced"),
            unwritten: dropped("closed"),
            capacity: metrics.bind_or_log(&CHANNEL_CAPACITY, &[("channel", "agent_chsend")]),
        }
    }
}

impl Settings {
    pub(crate) fn new(serializer: Serializer) -> Self {
        Self {
            serializer,
            compression: Compressor::new(Compression::Off, 0),
            dictionary: Dictionary::default(),
            outbox: OutboxLimits { messages: 100, bytes: 1 << 20, policy: OutboxPolicy::Disconnect },
            expose_errors: false,
            replace: Duration::from_secs(2),
            meters: OutboxMeters::default(),
            recoding: Recoding::default(),
            kick: Bytes::from_static(&packet::KICK),
            heartbeat: Bytes::from_static(&packet::HEARTBEAT),
            tracer: None,
        }
    }
}

pub(crate) struct Pool {
    settings: Settings,
    next_id: AtomicU64,
    sessions: DashMap<u64, Arc<FrontendSession>, RandomState>,
    /// Keyed by values that clients choose; the default hasher resists collisions.
    users: DashMap<Arc<str>, Arc<FrontendSession>>,
    /// Sessions of each user that are closed and have not ended yet.
    ending: DashMap<Arc<str>, Vec<Arc<FrontendSession>>>,
    callbacks: Callbacks,
    peers: Arc<dyn Peers>,
    /// Whether the server was killed: its sessions do nothing more. A flag, because calls read it.
    killed: AtomicBool,
    /// Bounds the log lines that clients of this app can cause.
    log: Throttle,
}

impl Pool {
    pub(crate) fn new(settings: Settings, callbacks: Callbacks, peers: Arc<dyn Peers>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            callbacks,
            peers,
            next_id: AtomicU64::new(0),
            sessions: DashMap::default(),
            users: DashMap::default(),
            ending: DashMap::default(),
            killed: AtomicBool::new(false),
            log: Throttle::default(),
        })
    }

    /// A pool for tests, without an app.
    pub(crate) fn test(settings: Settings) -> Arc<Self> {
        Self::new(settings, Callbacks::default(), Arc::new(Standalone::default()))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The other servers.
    pub(crate) fn peers(&self) -> &dyn Peers {
        &*self.peers
    }

    /// Stops all sessions immediately, as a crash would.
    #[cfg(feature = "testing")]
    pub(crate) fn kill(&self) {
        self.killed.store(true, Relaxed);
    }

    /// Whether the server was [killed](Self::kill).
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }

    /// Bounds the log lines that clients can cause.
    pub(crate) fn log(&self) -> &Throttle {
        &self.log
    }

    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// Makes a new session when its connection is accepted.
    pub(crate) fn create(self: &Arc<Self>, remote_addr: &str) -> Arc<FrontendSession> {
        self.create_via(remote_addr, None)
    }

    /// Makes a new session of a client that came by a proxy or an HTTP request.
    pub(crate) fn create_via(self: &Arc<Self>, remote_addr: &str, via: Option<Via>) -> Arc<FrontendSession> {
        let id = self.next_id.fetch_add(1, Relaxed) + 1;
        let session = Arc::new(FrontendSession::new(id, Arc::clone(self), remote_addr, via));
        self.sessions.insert(id, Arc::clone(&session));
        session
    }

    /// Encodes the body of a push in the server's serializer.
    pub(crate) fn encode_body<M: Message>(&self, message: &M) -> Result<Bytes> {
        encode_body(&self.settings.serializer, message)
    }

    /// Encodes a push in a serializer.
    pub(crate) fn encode_push<M: Message>(
        &self,
        serializer: &Serializer,
        route: &str,
        message: &M,
    ) -> Result<Bytes> {
        self.frame_push(route, &encode_body(serializer, message)?)
    }

    /// Checks whether a push may have this route.
    pub(crate) fn check_push(&self, route: &str) -> Result<()> {
        if route.len() <= message::MAX_ROUTE {
            return Ok(());
        }
        self.frame_push(route, b"").map(drop)
    }

    /// Frames a push whose body is encoded already.
    pub(crate) fn frame_push(&self, route: &str, body: &[u8]) -> Result<Bytes> {
        let settings = self.settings();
        let mut packet = BytesMut::with_capacity(body.len() + route.len() + 8);
        let compression = settings.compression.named(route, body.len());
        message::encode_push(&mut packet, route, body, &settings.dictionary, compression)
            .map_err(|error| Error::new(code::INTERNAL, format!("push `{route}`: {error}")))?;
        Ok(packet.freeze())
    }

    /// Makes `session` the session of `uid`. Returns the time of the bind and the session before.
    ///
    /// The lock of the entry orders two steps. The new session is checked to be open: a closing one removes itself
    /// afterwards, so it cannot stay behind. The peers record the bind: recorded later, a session that was replaced
    /// meanwhile could replace its successor there.
    pub(super) fn swap_user(
        &self,
        uid: &Arc<str>,
        session: &Arc<FrontendSession>,
    ) -> Result<(i64, Option<Arc<FrontendSession>>)> {
        let entry = self.users.entry(Arc::clone(uid));
        if session.close_reason().is_some() {
            return Err(Error::new(code::CLOSED, text::BROKEN_PIPE));
        }
        let bound_at = self.peers.record_bind(uid, session.id());
        let old = match entry {
            Entry::Occupied(mut entry) => Some(entry.insert(Arc::clone(session))),
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(session));
                None
            }
        };
        Ok((bound_at, old))
    }

    /// Kicks a session whose user was bound on another server. Returns it if it is open.
    pub(crate) fn kick_replaced(&self, replaced: &ReplacedSession) -> Option<Arc<FrontendSession>> {
        let session = self.by_id(replaced.id)?;
        let server = &*replaced.server_id;
        tracing::info!(
            session = session.id(),
            server,
            "kicking session: its user was bound on another server"
        );
        session.kick(CloseReason::Replaced);
        Some(session)
    }

    /// Waits until the sessions of a user that were closed before have ended, up to `pitaya.session.replace.timeout`.
    /// `closed` is one of them that may not be known as such yet. `except` is the id of one that is not waited for.
    pub(crate) async fn wait_for_ending(
        &self,
        uid: &str,
        closed: Option<Arc<FrontendSession>>,
        except: Option<u64>,
    ) {
        let mut all = self.ending.get(uid).map(|all| all.clone()).unwrap_or_default();
        all.extend(closed);
        all.retain(|session| Some(session.id()) != except);
        if all.is_empty() {
            return;
        }
        let limit = self.settings().replace;
        if tokio::time::timeout(limit, all_ended(&all)).await.is_err() {
            throttled!(
                self.log(),
                warn,
                "slow ends of sessions",
                uid,
                ?limit,
                "a bind did not wait any longer for the end of an older session"
            );
        }
    }

    /// Removes a session that has ended.
    pub(super) fn ended(&self, uid: &str, session: &FrontendSession) {
        if let Some(mut all) = self.ending.get_mut(uid) {
            all.retain(|other| other.id() != session.id());
        }
        self.ending.remove_if(uid, |_, all| all.is_empty());
    }

    /// Removes the session of `uid` if it is this one: a late close never removes a newer session.
    pub(super) fn forget_user(&self, uid: &str, session: &FrontendSession) {
        self.users.remove_if(uid, |_, current| current.id() == session.id());
    }

    /// Removes a closed session.
    pub(super) fn forget(&self, session: &FrontendSession) {
        // Before it is gone from the users: a bind finds it there or here.
        if let (Some(uid), Some(this)) = (session.uid(), self.by_id(session.id())) {
            let mut all = self.ending.entry(Arc::clone(&uid)).or_default();
            if session.begin_to_end(&uid) {
                all.push(this);
            }
            drop(all);
            self.ending.remove_if(&uid, |_, all| all.is_empty());
        }
        self.sessions.remove(&session.id());
        if let Some(uid) = session.uid() {
            self.forget_user(&uid, session);
        }
        session.unlist();
    }

    pub(crate) fn by_id(&self, id: u64) -> Option<Arc<FrontendSession>> {
        self.sessions.get(&id).map(|session| Arc::clone(&session))
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<Arc<FrontendSession>> {
        self.users.get(uid).map(|session| Arc::clone(&session))
    }

    pub(crate) fn count(&self) -> usize {
        self.sessions.len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<FrontendSession>> {
        let mut all: Vec<_> = self.sessions.iter().map(|session| Arc::clone(&session)).collect();
        all.sort_unstable_by_key(|session| session.id());
        all
    }
}

/// Encodes the body of a push.
pub(crate) fn encode_body<M: Message>(serializer: &Serializer, message: &M) -> Result<Bytes> {
    let mut body = BytesMut::new();
    serializer.encode(message, &mut body).map_err(|error| Error::internal(error.into_inner()))?;
    Ok(body.freeze())
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("sessions", &self.sessions.len())
            .field("users", &self.users.len())
            .finish()
    }
}

/// The sessions of a frontend: found by id or uid, counted, and watched.
#[derive(Clone, Debug)]
pub struct SessionPool(pub(crate) Arc<Pool>);

impl SessionPool {
    /// A pool without an app, for tests: see [`Session::test_in`].
    pub fn test() -> Self {
        Self(Pool::test(Settings::new(Serializer::Json)))
    }

    /// Returns the open session with this id.
    pub fn by_id(&self, id: u64) -> Option<Session> {
        self.0.by_id(id).map(|session| Session::new(session, 0))
    }

    /// Returns the open session that is bound to this uid.
    pub fn by_uid(&self, uid: &str) -> Option<Session> {
        self.0.by_uid(uid).map(|session| Session::new(session, 0))
    }

    /// Returns the number of open sessions, bound or not.
    pub fn count(&self) -> usize {
        self.0.count()
    }

    /// Returns all open sessions, oldest first.
    pub fn all(&self) -> Vec<Session> {
        self.0.all().into_iter().map(|session| Session::new(session, 0)).collect()
    }

    /// Calls `f` when a session binds, before it can be found by uid. An error unbinds it and goes to the
    /// caller of [`Session::bind`]. Callbacks run in the order in which they were added.
    pub fn on_bind<F, Fut>(&self, f: F)
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.0.callbacks.on_bind.add(bind_callback(f));
    }

    /// Calls `f` after a session was bound and can be found by uid. An error unbinds it.
    pub fn on_after_bind<F, Fut>(&self, f: F)
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.0.callbacks.on_after_bind.add(bind_callback(f));
    }

    /// Calls `f` when a session has ended, after its last handler and its own callbacks.
    pub fn on_close<F, Fut>(&self, f: F)
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.0.callbacks.on_close.add(close_callback(f));
    }

    /// Closes every session without a kick. Returns immediately.
    pub fn close_all(&self) {
        for session in self.0.all() {
            session.close(CloseReason::Server);
        }
    }
}
