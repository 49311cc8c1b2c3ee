//! The ports by which the modules below the cluster reach other servers. They speak ids, uids and bytes.
//!
//! [`Peers`] reaches sessions and users of other servers, [`Remotes`] calls remotes. The cluster implements both. An app
//! without a cluster uses [`Standalone`] for the first, and the remotes of its own tables for the second.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};

use crate::context::Current;
use crate::error::{Error, Result, code, text};

/// One call of a remote.
#[derive(Debug)]
pub(crate) struct RemoteRequest {
    pub(crate) route: String,
    pub(crate) body: Bytes,
    /// The server, if the caller pinned one.
    pub(crate) server_id: Option<Arc<str>>,
    /// The key that chooses the server, if the caller gave one.
    pub(crate) key: Option<Arc<str>>,
    /// How long the caller wants to wait, if it said so.
    pub(crate) timeout: Option<Duration>,
    /// The context of the call.
    pub(crate) current: Current,
}

/// Calls remotes.
pub(crate) trait Remotes: Send + Sync {
    fn call(&self, request: RemoteRequest) -> BoxFuture<'_, Result<Bytes>>;

    /// Returns the only server type that can be called, if there is one.
    fn only_type(&self) -> Option<&str> {
        None
    }
}

/// The place of this server in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// No cluster: all users are here.
    Standalone,
    /// A frontend of this type.
    Frontend(Arc<str>),
    /// A backend: all users are on other servers.
    Backend,
}

/// A session of this server whose user was bound on another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplacedSession {
    pub(crate) id: u64,
    /// The id of the server that has the newer session.
    pub(crate) server_id: Box<str>,
}

/// A call of a frontend, which a backend handles.
#[derive(Debug)]
pub(crate) struct FrontendCall {
    pub(crate) frontend_id: Box<str>,
    /// The context of the call.
    pub(crate) current: Current,
    /// The number of the last message that this server had published when the call started.
    pub(crate) since: u64,
}

/// The body of a push to another server.
#[derive(Debug, Clone)]
pub(crate) struct PushBody {
    /// In the server's serializer, unless it is raw.
    pub(crate) data: Bytes,
    /// Whether these are raw bytes, which no frontend recodes.
    pub(crate) raw: bool,
}

/// A request of a backend to the frontend of a session.
#[derive(Debug)]
pub(crate) enum SessionRequest<'a> {
    Bind { session: u64, uid: &'a str },
    ReplaceData { session: u64, uid: &'a str, data: Bytes },
    Kick { uid: &'a str },
    Push { uid: Arc<str>, route: &'a str, body: PushBody },
}

/// Reaches the sessions and the users of other servers.
pub(crate) trait Peers: Send + Sync {
    /// Returns the id of this server; empty without a cluster.
    fn server_id(&self) -> Arc<str>;

    fn role(&self) -> Role;

    /// Returns whether a session is kicked, and not only closed, when another one replaces it.
    fn kicks_replaced(&self) -> bool;

    /// Announces that a user is about to be bound here. Returns when messages to the user reach this server.
    fn before_bind<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Records a bind and returns its time. Called with the user's entry locked, so that binds are recorded in the
    /// order in which sessions replace each other.
    fn record_bind(&self, uid: &Arc<str>, session: u64) -> i64;

    /// Announces a bind to the other frontends. Returns when they have ended their sessions of the user, within a
    /// limit, or the local session that a later bind on one of them replaces.
    fn after_bind<'a>(&'a self, uid: &'a str, bound_at: i64) -> BoxFuture<'a, Option<ReplacedSession>>;

    /// Records that the session of a user has ended, or that its bind failed: once for each
    /// [`before_bind`](Self::before_bind) that succeeded.
    fn unbound(&self, uid: &str, session: u64);

    /// Asks the frontend of a session to change it, in order with the other requests of the same call.
    fn request<'a>(
        &'a self,
        call: &'a FrontendCall,
        request: SessionRequest<'a>,
    ) -> BoxFuture<'a, Result<()>>;

    /// Sends a push to users of a frontend type. Returns the users for which it could not be sent.
    fn push_users<'a>(
        &'a self,
        frontend_type: &'a str,
        uids: Vec<&'a str>,
        route: &'a str,
        body: PushBody,
    ) -> BoxFuture<'a, Vec<&'a str>>;

    /// Kicks users of a frontend type. Returns the users for which the kick could not be sent.
    fn kick_users<'a>(&'a self, frontend_type: &'a str, uids: Vec<&'a str>) -> BoxFuture<'a, Vec<&'a str>>;
}

/// A server without others.
#[derive(Debug, Default)]
pub(crate) struct Standalone {
    /// The time of the last bind.
    last_bind: AtomicI64,
}

impl Peers for Standalone {
    fn server_id(&self) -> Arc<str> {
        "".into()
    }

    fn role(&self) -> Role {
        Role::Standalone
    }

    fn kicks_replaced(&self) -> bool {
        false
    }

    fn before_bind<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(ready(Ok(())))
    }

    /// Returns a time later than that of all binds before, also those of an earlier process.
    fn record_bind(&self, _: &Arc<str>, _: u64) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let next = |last: i64| now.max(last.saturating_add(1));
        let last = self.last_bind.fetch_update(Relaxed, Relaxed, |last| Some(next(last)));
        next(last.unwrap_or_else(|last| last))
    }

    fn after_bind<'a>(&'a self, _: &'a str, _: i64) -> BoxFuture<'a, Option<ReplacedSession>> {
        Box::pin(ready(None))
    }

    fn unbound(&self, _: &str, _: u64) {}

    fn request<'a>(&'a self, _: &'a FrontendCall, _: SessionRequest<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(ready(Err(Error::new(code::UNKNOWN, text::NO_SERVER_WITH_ID))))
    }

    fn push_users<'a>(
        &'a self,
        _: &'a str,
        uids: Vec<&'a str>,
        _: &'a str,
        _: PushBody,
    ) -> BoxFuture<'a, Vec<&'a str>> {
        Box::pin(ready(uids))
    }

    fn kick_users<'a>(&'a self, _: &'a str, uids: Vec<&'a str>) -> BoxFuture<'a, Vec<&'a str>> {
        Box::pin(ready(uids))
    }
}
