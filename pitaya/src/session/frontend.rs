//! A session on the server that has its connection: shared by the connection, its handlers and the pool.

mod closing;
mod ending;
mod enter;
mod sending;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::Waker;

use super::binding::{self, Binding};
use super::callback::OnceCallback;
use super::data::Data;
use super::outbox::Outbox;
use super::pool::Pool;
use super::side::Side;
use crate::error::Result;
use crate::net::UpgradeRequest;
use crate::serialize::Serializer;
use crate::span::{ClientMessage, Tracer};
use crate::util::sync::Mutex;
use crate::wire::handshake;

pub(super) use self::ending::all_ended;

/// The number of a call of its session; 0 means no call.
pub(crate) type CallId = u64;

/// The reason why a session has ended.
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

    /// Returns whether the packets that are still in the outbox are worth sending.
    pub(crate) fn flushes(self) -> bool {
        !matches!(self, Self::Client | Self::TooSlow)
    }
}

#[derive(Default)]
struct State {
    /// The user that was announced to the cluster, until the end of the session is announced.
    listed: Option<Arc<str>>,
    handshake: Option<Arc<handshake::Request>>,
    /// The close callbacks by their ids, in the order in which they were added; `None` once they have run.
    on_close: Option<BTreeMap<u64, OnceCallback>>,
    /// The id of the last close callback.
    last_callback: u64,
    /// The time of the bind: of two sessions of a user the newer one has the greater time.
    bound_at: i64,
    life: Life,
    /// The user whose list of ending sessions contains this one.
    ending: Option<Arc<str>>,
    /// Binds that wait for the end of this session.
    waiting: Vec<Waker>,
    /// Calls of `#[concurrent]` routes that run now.
    concurrent: Vec<CallId>,
}

/// How the end of a session is observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Life {
    /// No connection serves it, so its end is not observed: a session of a test.
    #[default]
    Unserved,
    /// The connection in this task serves it.
    Served(Option<tokio::task::Id>),
    /// Its handlers have ended and its close callbacks have run.
    Ended,
}

/// The connection of a client, if it is known by more than an address.
#[derive(Debug)]
pub(crate) struct Via {
    /// The address of the socket's peer: the last proxy, if there is one.
    pub(crate) peer_addr: Box<str>,
    pub(crate) upgrade: Option<Arc<UpgradeRequest>>,
}

/// A session on the server that has its connection.
pub(crate) struct FrontendSession {
    id: u64,
    pool: Arc<Pool>,
    remote_addr: Box<str>,
    via: Option<Box<Via>>,
    outbox: Outbox,
    /// The session's own serializer, once it is known; `None` inside for the server's.
    serializer: OnceLock<Option<Serializer>>,
    data: Data,
    binding: Binding,
    /// The call of the lane that runs now.
    lane: AtomicU64,
    calls: AtomicU64,
    state: Mutex<State>,
}

impl FrontendSession {
    pub(super) fn new(id: u64, pool: Arc<Pool>, remote_addr: &str, via: Option<Via>) -> Self {
        Self {
            id,
            pool,
            remote_addr: remote_addr.into(),
            via: via.map(Box::new),
            outbox: Outbox::new(),
            serializer: OnceLock::new(),
            data: Data::default(),
            binding: Binding::default(),
            lane: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            state: Mutex::new(State { on_close: Some(BTreeMap::new()), ..State::default() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The tracer of the app, if it has one.
    #[inline]
    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.pool.settings().tracer.as_ref()
    }

    /// A message of this session's client, as its span shows it.
    pub(crate) fn client_message<'a>(
        &self,
        route: &'a str,
        request_id: Option<&'a str>,
        is_request: bool,
    ) -> ClientMessage<'a> {
        ClientMessage { route, session: self.id, uid: self.uid(), request_id, is_request }
    }

    /// Returns the serializer of the bodies from and to the client.
    #[inline]
    pub(crate) fn serializer(&self) -> &Serializer {
        self.own_serializer().unwrap_or(&self.pool.settings().serializer)
    }

    /// Returns the serializer of the bodies if it is not the server's.
    #[inline]
    pub(crate) fn own_serializer(&self) -> Option<&Serializer> {
        self.serializer.get()?.as_ref()
    }

    /// Sets the serializer that the acceptor has fixed. The handshake does not change it.
    pub(crate) fn fix_serializer(&self, serializer: &Serializer) {
        self.choose_serializer(serializer);
    }

    /// Sets the serializer that the client has named in its handshake, unless one is set. A push that was encoded before is in
    /// another serializer, so it is dropped.
    pub(crate) fn choose_serializer(&self, serializer: &Serializer) {
        let own = (!serializer.is(&self.pool.settings().serializer)).then(|| serializer.clone());
        let is_own = own.is_some();
        // A sender that reads the new serializer finds that the outbox has it too.
        self.lost(self.outbox.choose_serializer(|| self.serializer.set(own).is_ok() && is_own));
    }

    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Binds the session to a user.
    pub(crate) async fn bind(self: &Arc<Self>, uid: &str) -> Result<()> {
        binding::bind(&Side::Frontend(Arc::clone(self)), uid).await
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
        self.binding.uid()
    }

    pub(crate) fn handshake(&self) -> Option<Arc<handshake::Request>> {
        self.state().handshake.clone()
    }

    pub(crate) fn set_handshake(&self, request: Arc<handshake::Request>) {
        self.state().handshake = Some(request);
    }

    // ---- calls

    /// Begins a new call of the lane; it runs until [`end_lane_call`](Self::end_lane_call).
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

    /// Begins a new call beside the lane; it runs until the guard is dropped.
    pub(crate) fn begin_concurrent_call(self: &Arc<Self>) -> ConcurrentCall {
        let call = self.next_call();
        self.state().concurrent.push(call);
        ConcurrentCall { session: Arc::clone(self), call }
    }

    /// Returns whether a call is still running. Only then may a push of it wait, because a handle that is kept for
    /// later must not make other tasks wait for this client.
    pub(crate) fn is_running(&self, call: CallId) -> bool {
        call != 0 && (self.lane.load(Relaxed) == call || self.state().concurrent.contains(&call))
    }
}

/// A call beside the lane, while it runs.
pub(crate) struct ConcurrentCall {
    session: Arc<FrontendSession>,
    call: CallId,
}

impl ConcurrentCall {
    pub(crate) fn id(&self) -> CallId {
        self.call
    }
}

impl Drop for ConcurrentCall {
    fn drop(&mut self) {
        self.session.state().concurrent.retain(|call| *call != self.call);
    }
}

impl fmt::Debug for FrontendSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("remote_addr", &self.remote_addr)
            .finish_non_exhaustive()
    }
}
