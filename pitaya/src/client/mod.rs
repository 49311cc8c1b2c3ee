//! A client of the protocol, for tests, bots and tools (docs/protocol.md).
//!
//! [`Client`] speaks what every client of a game speaks: a handshake, requests, notifies, pushes, heartbeats, over TCP, TLS,
//! WebSocket or any stream of bytes.

mod builder;
mod close;
mod handshake;
mod pushes;
mod queue;
mod shared;
mod task;
#[cfg(feature = "tls")]
mod tls;
mod transport;
#[cfg(feature = "websocket")]
mod websocket;

pub use builder::Builder;
pub use close::{CloseReason, Closed, ConnectError, REQUEST_TIMEOUT};
pub use pushes::{AllPushes, AnyPush, Pushes};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tls::Tls;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::pushes::unreadable;
use self::shared::Shared;
use crate::error::{BoxError, Error, Result, code};
use crate::route::{Handler, Notify, Route};
use crate::serialize::{Body, ErrorPayload, Message, Push};
use crate::wire::{Dictionary, message};

/// A connection to a server.
///
/// It is a handle: clones share the connection, and any number of requests may be in flight on it. The connection lives as
/// long as a handle does; subscriptions to pushes do not hold it. All methods may be given up half-way (`select!`,
/// `timeout`) without harm: a request that was given up may have been sent or not, and its answer is dropped.
///
/// ```no_run
/// use pitaya::client::Client;
/// use pitaya::prelude::*;
///
/// #[message] pub struct Join { pub name: String }
/// #[message] pub struct Joined { pub members: Vec<String> }
/// #[message] pub struct Say { pub text: String }
/// #[message(push = "onMessage")] pub struct ChatMessage { pub from: String, pub text: String }
///
/// // The server's side, whose routes the macro writes as constants.
/// #[derive(Component)] pub struct Entry;
///
/// #[handler(server = "connector")]
/// impl Entry {
///     pub async fn join(&self, msg: Join) -> Result<Joined> { Ok(Joined { members: vec![msg.name] }) }
///     pub async fn say(&self, msg: Say) {}
/// }
///
/// # async fn run() -> pitaya::Result<()> {
/// let client = Client::builder()
///     .handshake_user(serde_json::json!({ "token": "x" }))
///     .platform("bot")
///     .compress(true)
///     .connect_tcp("127.0.0.1:3250")
///     .await?;
/// let mut messages = client.pushes::<ChatMessage>();
/// let joined = client.request(&Entry::JOIN, &Join { name: "ann".into() }).await?;
/// client.notify(&Entry::SAY, &Say { text: format!("{} are here", joined.members.len()) }).await?;
/// println!("{}", messages.next().await?.text);
/// client.disconnect().await;
/// # Ok(())
/// # }
/// ```
///
/// # Pushes
/// A push goes to every subscriber of its route ([`pushes`](Self::pushes)) and to every subscriber of all routes
/// ([`all_pushes`](Self::all_pushes)). One whose route nobody has subscribed to is kept until somebody does, so it does not
/// matter whether a test subscribes before or after the request that causes the push. What the last subscriber of a route
/// has not read when it is dropped is kept again. Subscribers of all routes only watch: what they see is kept all the same,
/// and a new one begins with what is kept.
///
/// Each queue, and what is kept, is bounded to [`Builder::push_queue`] pushes and 16 MiB. A queue that is full loses its
/// oldest push, and its subscriber is told by an error; the connection, and with it everybody else, never waits.
/// [`kept_missed`](Self::kept_missed) counts what was lost unsubscribed.
///
/// # Life
/// The client sends a heartbeat in the interval that the server names and takes a server for gone that was silent for more
/// than three of them. When a connection is over, for whatever [reason](Closed), requests in flight and later calls fail
/// with `PIT-499`. There is no automatic reconnect: connect again with the same [`Builder`].
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    sender: mpsc::Sender<Bytes>,
    stop: CancellationToken,
    /// Cancels `stop` with the last handle.
    _last: Arc<DropGuard>,
    request_timeout: Duration,
}

impl Client {
    /// A client that is not connected yet.
    pub fn builder() -> Builder {
        Builder::default()
    }

    // ---- requests

    /// Sends a request and waits for its answer. The types are those of the route, which is the constant of a handler
    /// that answers, such as `Entry::JOIN`.
    ///
    /// # Errors
    /// What the server answered, with its code, text and metadata. Made by this side: `PIT-504` without an answer in time,
    /// `PIT-499` if the connection is over, `PIT-400` if the message cannot be sent or the answer not be read.
    pub async fn request<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep, Handler>,
        message: &Req,
    ) -> Result<Rep> {
        self.request_to(route.path(), message).await
    }

    /// [`request`](Self::request) to a route that is text: `room.join`, or `server.room.join`.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_to<Req: Message, Rep: Message>(&self, route: &str, message: &Req) -> Result<Rep> {
        let reply = self.request_raw(route, self.encode(message)?).await?;
        let format = &self.shared.agreed.format;
        format.decode(&Body::shared(&reply)).map_err(|error| unreadable("answer", route, error))
    }

    /// [`request`](Self::request) with a body that is bytes already. Bytes come back, inflated.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_raw(&self, route: &str, body: Bytes) -> Result<Bytes> {
        let mut ticket = self.shared.expect()?;
        let mut out = BytesMut::new();
        let agreed = &self.shared.agreed;
        let id = u64::from(ticket.id);
        let compression = agreed.compression.named(route, body.len());
        message::encode_request(&mut out, id, route, &body, &agreed.dictionary, compression)
            .map_err(unsendable)?;
        let call = async {
            self.send(out.freeze()).await?;
            ticket.answer().await
        };
        let answer = self.in_time(call).await?;
        if answer.error { Err(self.read_error(&answer.body)) } else { Ok(answer.body) }
    }

    /// Sends a message that gets no answer. The type is that of the route, which is the constant of a notify-only handler,
    /// such as `Entry::SAY`. It is on its way when this returns, in the order of the calls;
    /// [`disconnect`](Self::disconnect) waits for it.
    ///
    /// # Errors
    /// `PIT-504` if the connection takes nothing in time, `PIT-499` if it is over, `PIT-400` if the message cannot be sent.
    pub async fn notify<Req: Message>(&self, route: &Route<Req, (), Notify>, message: &Req) -> Result<()> {
        self.notify_to(route.path(), message).await
    }

    /// [`notify`](Self::notify) to a route that is text, as in [`request_to`](Self::request_to). A handler that answers may
    /// be told, too: its answer is dropped.
    ///
    /// # Errors
    /// Those of [`notify`](Self::notify).
    pub async fn notify_to<Req: Message>(&self, route: &str, message: &Req) -> Result<()> {
        self.notify_raw(route, self.encode(message)?).await
    }

    /// [`notify`](Self::notify) with a body that is bytes already.
    ///
    /// # Errors
    /// Those of [`notify`](Self::notify).
    pub async fn notify_raw(&self, route: &str, body: Bytes) -> Result<()> {
        let mut out = BytesMut::new();
        let agreed = &self.shared.agreed;
        let compression = agreed.compression.named(route, body.len());
        message::encode_notify(&mut out, route, &body, &agreed.dictionary, compression)
            .map_err(unsendable)?;
        self.in_time(self.send(out.freeze())).await
    }

    /// The same connection with another time limit for requests.
    #[must_use]
    pub fn with_request_timeout(&self, timeout: Duration) -> Self {
        Self { request_timeout: timeout, ..self.clone() }
    }

    /// Number of requests that wait for their answer, of all handles.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    // ---- pushes

    /// Subscribes to the pushes of a type, on the type's own route; see [above](Self#pushes).
    pub fn pushes<T: Push>(&self) -> Pushes<T> {
        self.pushes_on(T::ROUTE)
    }

    /// Subscribes to a route whose pushes are of type `T`.
    pub fn pushes_on<T: Message>(&self, route: &str) -> Pushes<T> {
        Pushes::new(Arc::clone(&self.shared), route)
    }

    /// Subscribes to a route and gives the bodies as bytes, inflated.
    pub fn pushes_raw(&self, route: &str) -> Pushes<Bytes> {
        self.pushes_on(route)
    }

    /// Subscribes to every push; see [above](Self#pushes).
    pub fn all_pushes(&self) -> AllPushes {
        AllPushes::new(Arc::clone(&self.shared))
    }

    /// How many pushes were dropped before anybody subscribed to their route.
    pub fn kept_missed(&self) -> u64 {
        self.shared.kept_missed()
    }

    // ---- what the handshake said

    /// The name of the server's serializer.
    pub fn serializer_name(&self) -> &str {
        self.shared.agreed.format.name()
    }

    /// The routes that travel as codes.
    pub fn dictionary(&self) -> &Dictionary {
        &self.shared.agreed.dictionary
    }

    /// The heartbeat interval, at most a day; `None` if the server wants none.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.shared.agreed.heartbeat
    }

    // ---- the end

    /// Waits for the end of the connection.
    pub async fn closed(&self) -> Closed {
        self.shared.wait_closed().await
    }

    /// Whether the connection is not over, as far as this side knows.
    pub fn is_connected(&self) -> bool {
        self.shared.closed().is_none()
    }

    /// Ends the connection for all handles and tells how it ended. What was sent before is written first; the server gets
    /// 2 seconds to read it and to close its side.
    pub async fn disconnect(&self) -> Closed {
        self.stop.cancel();
        self.closed().await
    }

    // ---- inside

    fn encode<T: Message>(&self, message: &T) -> Result<Bytes> {
        let mut body = BytesMut::new();
        self.shared.agreed.format.encode(message, &mut body).map_err(|e| unsendable(e.into_inner()))?;
        Ok(body.freeze())
    }

    async fn send(&self, packet: Bytes) -> Result<()> {
        self.sender.send(packet).await.map_err(|_| self.shared.closed_error())
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(self.request_timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(Error::new(code::CLIENT_TIMEOUT, REQUEST_TIMEOUT)),
        }
    }

    fn read_error(&self, body: &[u8]) -> Error {
        match ErrorPayload::decode_as(&self.shared.agreed.format, body) {
            Ok(payload) => payload.into_error(),
            Err(error) => {
                let text = String::from_utf8_lossy(body);
                Error::new(
                    code::UNKNOWN,
                    format!("the server answered with an error in no known form: {text}"),
                )
                .with_source(error.into_inner())
            }
        }
    }
}

fn unsendable(error: impl Into<BoxError>) -> Error {
    let error = error.into();
    Error::new(code::BAD_REQUEST, error.to_string()).with_source(error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("serializer", &self.serializer_name())
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
