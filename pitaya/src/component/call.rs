//! One call, as extractors and generated code see it.

use std::fmt;
use std::sync::{Arc, MutexGuard};

use futures_util::future::BoxFuture;

use super::{Context, Entry, EntryId, ReplySink, Tables};
use crate::context::Current;
use crate::error::{Error, Result};
use crate::pipeline::Extensions;
use crate::route::{Handler, Remote};
use crate::serialize::{Body, CodecError, Message, recode};
use crate::services::Services;
use crate::session::{CallId, Session, Side};
use crate::util::sync::Mutex;

/// A kind of call: [`Handler`] or [`Remote`].
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    #[doc(hidden)]
    type Caller: Send + Sync;
    /// The output of a call.
    #[doc(hidden)]
    type Output: Send;
    #[doc(hidden)]
    fn entry(caller: &Self::Caller) -> &Entry;
    #[doc(hidden)]
    fn current(caller: &Self::Caller) -> Current;
    #[doc(hidden)]
    fn services(caller: &Self::Caller) -> &Arc<Services>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Handler {}
    impl Sealed for super::Remote {}
}

impl Kind for Handler {
    type Caller = ClientCall;
    /// Empty, because the reply is in its [`ReplySink`] by then.
    type Output = ();

    #[inline]
    fn entry(caller: &ClientCall) -> &Entry {
        caller.scope.tables.handlers.entry(caller.entry)
    }

    fn current(caller: &ClientCall) -> Current {
        match &caller.scope.session {
            Side::Frontend(_) => Current::default(),
            Side::Backend(session) => session.current().clone(),
        }
    }

    fn services(caller: &ClientCall) -> &Arc<Services> {
        &caller.scope.tables.services
    }
}

impl Kind for Remote {
    type Caller = ServerCall;
    /// The reply.
    type Output = bytes::Bytes;

    fn entry(caller: &ServerCall) -> &Entry {
        caller.tables.remotes.entry(caller.entry)
    }

    fn current(caller: &ServerCall) -> Current {
        caller.current.clone()
    }

    fn services(caller: &ServerCall) -> &Arc<Services> {
        &caller.tables.services
    }
}

/// The state that the calls of one session share. Each session allocates one.
///
/// A call counts references to this value only. Counting references that all threads share would cost more than the
/// rest of a short call.
pub(crate) struct SessionScope {
    pub(crate) session: Side,
    pub(crate) tables: Arc<Tables>,
}

impl SessionScope {
    pub(crate) fn new(session: Side, tables: Arc<Tables>) -> Arc<Self> {
        Arc::new(Self { session, tables })
    }
}

/// The caller of a handler.
#[doc(hidden)]
pub struct ClientCall {
    pub(crate) scope: Arc<SessionScope>,
    pub(crate) call: CallId,
    pub(crate) reply: ReplySink,
    pub(crate) entry: EntryId,
    /// Whether neither hooks nor rules concern this call, so that it skips looking them up.
    pub(crate) no_hooks: bool,
}

/// The caller of a remote.
#[doc(hidden)]
pub struct ServerCall {
    tables: Arc<Tables>,
    entry: EntryId,
    current: Current,
}

/// A call of a client.
pub type HandlerCall = Call<Handler>;
/// A call of a server.
pub type RemoteCall = Call<Remote>;

/// A running call, for generated code. The code that polls it forwards its error.
pub(crate) type CallFuture<K> = BoxFuture<'static, Result<<K as Kind>::Output>>;

/// One call, as extractors read it.
pub struct Call<K: Kind> {
    pub(super) caller: K::Caller,
    /// The values that its hooks share; `None` without hooks.
    extensions: Mutex<Option<Box<Extensions>>>,
}

impl<K: Kind> Call<K> {
    #[inline]
    pub(super) fn entry(&self) -> &Entry {
        K::entry(&self.caller)
    }

    /// The route that was called.
    pub fn route(&self) -> &str {
        self.entry().route()
    }

    /// The context of the call, as an argument.
    pub fn context(&self) -> Context {
        Context::new(Arc::clone(&self.entry().route), K::current(&self.caller))
    }

    /// Returns a value that a hook stored with [`HookRequest::insert`](crate::pipeline::HookRequest::insert).
    pub fn extension<T: Clone + 'static>(&self) -> Option<T> {
        self.extensions().as_ref()?.get().cloned()
    }

    pub(super) fn extensions(&self) -> MutexGuard<'_, Option<Box<Extensions>>> {
        self.extensions.lock()
    }

    /// For generated code: the component whose method is called.
    #[doc(hidden)]
    #[inline]
    pub fn component<S: 'static>(&self) -> Result<&S> {
        self.entry().instance.downcast_ref().ok_or_else(wrong_component)
    }
}

/// Registration cannot cause this: a block and its component's type come from one place.
#[cold]
fn wrong_component() -> Error {
    Error::internal("a method of another component")
}

impl Call<Handler> {
    #[inline]
    pub(crate) fn new(caller: ClientCall) -> Self {
        Self { caller, extensions: Mutex::new(None) }
    }

    /// The session of the client that calls.
    pub fn session<D>(&self) -> Session<D> {
        Session::of(self.caller.scope.session.clone(), self.caller.call)
    }

    /// The services of the app.
    pub fn services(&self) -> &Services {
        &self.caller.scope.tables.services
    }

    #[inline]
    pub(crate) fn decode<T: Message>(&self, body: &Body<'_>) -> Result<T, CodecError> {
        let session = &self.caller.scope.session;
        let server = &session.pool().settings().serializer;
        match session.own_serializer() {
            None => server.decode(body),
            Some(own) => recode::decode(body, own, server),
        }
    }
}

impl Call<Remote> {
    pub(crate) fn remote(tables: Arc<Tables>, entry: EntryId, current: Current) -> Self {
        Self { caller: ServerCall { tables, entry, current }, extensions: Mutex::new(None) }
    }

    /// The services of the app.
    pub fn services(&self) -> &Services {
        &self.caller.tables.services
    }
}

impl<K: Kind> fmt::Debug for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("route", &self.route()).finish_non_exhaustive()
    }
}
