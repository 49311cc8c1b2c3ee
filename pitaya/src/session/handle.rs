//! The handle of a session.

mod data;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::backend::BackendSession;
use super::frontend::{CallId, FrontendSession};
use super::pool::{Pool, Settings};
use super::side::Side;
use super::testing::{self, Pushes};
use super::{CloseReason, Pushing, SessionData, SessionPool, binding};
use crate::error::{Error, Result, code, text};
use crate::net::UpgradeRequest;
use crate::peers::{PushBody, SessionRequest};
use crate::serialize::{Message, Push, Serializer};
use crate::wire::handshake;

/// A client's session, with a typed view `D` of its data.
///
/// Cloning is cheap. A handler gets the session of its caller as an argument; elsewhere the
/// [`SessionPool`] finds one. All methods work on TCP, WebSocket and every other transport alike.
///
/// ```
/// # use pitaya::prelude::*;
/// # use pitaya::session;
/// #[session]
/// #[derive(Default)]
/// struct Player { name: String, score: u32 }
///
/// # async fn example(session: Session<Player>) -> Result<()> {
/// session.bind("ann-7").await?;
/// session.update(|player| player.score += 1).await?;
/// assert_eq!(session.data()?.score, 1);
/// # Ok(()) }
/// ```
pub struct Session<D = ()> {
    side: Side,
    /// The call that this handle was given to. Pushes through it wait for room while that call runs.
    call: CallId,
    data: PhantomData<fn() -> D>,
}

impl<D> Session<D> {
    pub(crate) fn new(session: Arc<FrontendSession>, call: CallId) -> Self {
        Self::of(Side::Frontend(session), call)
    }

    pub(crate) fn of(side: Side, call: CallId) -> Self {
        Self { side, call, data: PhantomData }
    }

    /// Returns the session itself; `None` on a backend.
    pub(crate) fn frontend(&self) -> Option<&Arc<FrontendSession>> {
        match &self.side {
            Side::Frontend(session) => Some(session),
            Side::Backend(_) => None,
        }
    }

    fn backend(&self) -> Option<&BackendSession> {
        match &self.side {
            Side::Frontend(_) => None,
            Side::Backend(session) => Some(session),
        }
    }

    /// Returns the same session with another view of its data.
    pub fn with_data<E>(&self) -> Session<E> {
        Session::of(self.side.clone(), self.call)
    }

    /// Returns the id. Ids are counted from 1 on each frontend and never reused there. On a backend it is the id that
    /// the session has on its [frontend](Self::frontend_id).
    pub fn id(&self) -> u64 {
        self.side.id()
    }

    /// Returns whether the session is on this server. On a backend it is a copy.
    pub fn is_frontend(&self) -> bool {
        matches!(self.side, Side::Frontend(_))
    }

    /// Returns the id of the server that has the session, on a backend; `None` on that server itself.
    pub fn frontend_id(&self) -> Option<&str> {
        self.backend().map(BackendSession::frontend_id)
    }

    /// Returns the uid that this session is bound to; `None` before it is bound.
    #[doc(alias = "UID")]
    pub fn uid(&self) -> Option<Arc<str>> {
        self.side.binding().uid()
    }

    /// Returns the uid that this session is bound to, or fails: for handlers of logged-in users.
    ///
    /// # Errors
    /// `PIT-401` ([`code::NOT_BOUND`]) if it is not bound yet.
    pub fn require_uid(&self) -> Result<Arc<str>> {
        self.uid().ok_or_else(|| Error::new(code::NOT_BOUND, text::NOT_BOUND))
    }

    /// Returns whether the session is bound to a uid.
    pub fn is_bound(&self) -> bool {
        self.uid().is_some()
    }

    /// Binds the session to a user, so that pushes and kicks reach the user by uid.
    ///
    /// An older session of the same uid on this server is closed. It can neither fail this bind nor undo it later.
    ///
    /// Returns when older sessions of the user have ended, their close callbacks included, or after
    /// `pitaya.session.replace.timeout`. With `pitaya.session.unique` that holds for other frontends of the type too,
    /// if they are servers of this library that discovery knows; a frontend that does not answer costs half a second
    /// more. A bind within a handler or a close callback of the older session does not wait for that session.
    ///
    /// Cancel safety: a bind that is dropped is undone.
    ///
    /// The callbacks [`SessionPool::on_bind`] run before the session can be found by uid, those of
    /// [`SessionPool::on_after_bind`] after.
    ///
    /// # Errors
    /// `illegal uid` for a uid that [`check_uid`](crate::session::check_uid) refuses; `session is already bound to an
    /// uid` (the source of both has details, for the log); `PIT-499` if the session is closed; the error of a
    /// callback, which unbinds the session again. On a backend also `session not found` if the session has ended, and
    /// the errors of a call between servers.
    pub async fn bind(&self, uid: &str) -> Result<()> {
        binding::bind(&self.side, uid).await
    }

    /// Sends a message on the route of its type.
    ///
    /// Through the session of the running call this waits while the client's outbox is full. Through any other handle
    /// it never waits, and `pitaya.session.outbox.policy` decides. `Ok` means that the message is in the outbox, or
    /// on a backend that it was published; it does not mean that the client receives it.
    ///
    /// # Errors
    /// `PIT-499` if the session is closed, also because the client was too slow; `PIT-503` if the outbox is full and
    /// the policy is to drop; `PIT-000` if the message cannot be serialized. On a backend `PIT-401` if the session is
    /// not bound, because only its user can be reached; `can't find any server with the provided ID` if its frontend
    /// has gone; `PIT-503` without a connection.
    pub fn push<P: Push>(&self, message: &P) -> Pushing<'_> {
        self.push_route(P::ROUTE, message)
    }

    /// Sends a message on a route. [`Bytes`](crate::Bytes) are sent as they are.
    ///
    /// # Errors
    /// As [`push`](Self::push); also `PIT-500` if the route is longer than 255 bytes.
    pub fn push_route<'a, M: Message>(&'a self, route: &'a str, message: &M) -> Pushing<'a> {
        match &self.side {
            Side::Frontend(session) => {
                let own = session.own_serializer();
                let serializer = own.unwrap_or(&session.pool().settings().serializer);
                let packet = session.pool().encode_push(serializer, route, message);
                Pushing::packet(session, self.call, route, packet, own.is_some())
            }
            Side::Backend(session) => Pushing::forwarded(self.require_uid().and_then(|uid| {
                let body = PushBody { data: session.pool().encode_body(message)?, raw: M::CODECS.is_raw() };
                Ok(session.request(SessionRequest::Push { uid, route, body }))
            })),
        }
    }

    /// Sends a kick to the client, then closes the connection.
    ///
    /// Packets that were sent before are still written, within the write deadline. Returns immediately; on a backend,
    /// when its frontend has closed the session. Dropping the future on a backend does not undo a kick that was sent.
    ///
    /// # Errors
    /// `PIT-499` if the session is closed already. On a backend `PIT-401` if the session is not bound, `session not
    /// found` if it has ended, and the errors of a call between servers.
    pub async fn kick(&self) -> Result<()> {
        match &self.side {
            Side::Frontend(session) if session.kick(CloseReason::Kicked) => Ok(()),
            Side::Frontend(_) => Err(Error::new(code::CLOSED, text::BROKEN_PIPE)),
            Side::Backend(session) => {
                session.request(SessionRequest::Kick { uid: &self.require_uid()? }).await
            }
        }
    }

    /// Closes the connection without a kick.
    ///
    /// Packets that were sent before are still written, within the write deadline. Returns immediately; a second call
    /// does nothing. On a backend it does nothing, because only a frontend has a connection: use [`kick`](Self::kick)
    /// there.
    pub fn close(&self) {
        if let Side::Frontend(session) = &self.side {
            session.close(CloseReason::Server);
        }
    }

    /// Returns whether the session is closed, so that nothing can be sent.
    pub fn is_closed(&self) -> bool {
        self.close_reason().is_some()
    }

    /// Returns why the session was closed; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.frontend()?.close_reason()
    }

    /// Calls `f` once when the session has ended: after its last handler, before the callbacks of
    /// [`SessionPool::on_close`]. Callbacks run in the order in which they were added.
    ///
    /// # Errors
    /// `PIT-499` if the session has ended, so that the callback would never run. On a backend `onclose callbacks are
    /// not allowed on backend servers`, because the backend does not learn of the end.
    pub fn on_close<F, Fut>(&self, f: F) -> Result<()>
    where
        F: FnOnce(Session) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let Side::Frontend(session) = &self.side else {
            return Err(Error::new(code::UNKNOWN, text::ON_CLOSE_ON_BACKEND));
        };
        if session.on_close(Box::new(move |session| Box::pin(f(session)))).is_some() {
            Ok(())
        } else {
            Err(Error::new(code::CLOSED, text::BROKEN_PIPE))
        }
    }

    /// Returns the serializer of the bodies from and to the client.
    ///
    /// On a backend it is the server's, because the frontend recodes.
    pub fn serializer(&self) -> &Serializer {
        self.side.serializer()
    }

    /// Returns the data of the client's handshake; `None` before the handshake, and on a backend.
    pub fn handshake(&self) -> Option<Arc<handshake::Request>> {
        self.frontend()?.handshake()
    }

    /// Returns the client's address as text, for example `127.0.0.1:40312`.
    ///
    /// Behind a proxy of `pitaya.acceptor.trustedproxies` it is the address that the PROXY header, `X-Forwarded-For`
    /// or `Forwarded` names. Its port is 0 if they name none. The text is empty on a backend.
    pub fn remote_addr(&self) -> &str {
        self.frontend().map_or("", |session| session.remote_addr())
    }

    /// Returns the address of the socket's peer as text: the last proxy if there is one, else the client.
    ///
    /// The text is empty on a backend.
    pub fn peer_addr(&self) -> &str {
        self.frontend().map_or("", |session| session.peer_addr())
    }

    /// Returns the HTTP request by which a WebSocket client connected: path, query, headers and chosen subprotocol.
    ///
    /// It is available before the handshake, so an authentication hook can read a token or a cookie from it. `None`
    /// over other transports, and on a backend.
    pub fn upgrade(&self) -> Option<Arc<UpgradeRequest>> {
        self.frontend()?.upgrade().cloned()
    }
}

impl<D: SessionData> Session<D> {
    /// Makes a session for tests of handlers: `Session::<Player>::test()`.
    ///
    /// It has no connection. Its pushes are in the [`Pushes`].
    pub fn test() -> (Self, Pushes) {
        testing::session(&Pool::test(Settings::new(Serializer::Json)))
    }

    /// Makes a session like [`test`](Self::test), in a pool: groups and [`Users`](crate::group::Users) over the same
    /// pool find the session once it is bound.
    pub fn test_in(pool: &SessionPool) -> (Self, Pushes) {
        testing::session(&pool.0)
    }
}

impl<D> Clone for Session<D> {
    fn clone(&self) -> Self {
        Self::of(self.side.clone(), self.call)
    }
}

impl<D> fmt::Debug for Session<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id())
            .field("uid", &self.side.binding().uid())
            .field("remote_addr", &self.remote_addr())
            .field("closed", &self.close_reason())
            .finish()
    }
}
