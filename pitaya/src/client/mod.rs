//! A client of the protocol, for tests, bots and tools (docs/protocol.md).
//!
//! [`Client`] does the handshake, requests, notifies, pushes and heartbeats, over TCP, TLS, WebSocket or any stream of
//! bytes. [`ReconnectingClient`] connects again after a lost connection.
//!
//! A call names its handler in one of three ways:
//!
//! | call | of |
//! |---|---|
//! | `chat.entry().join(&join)` | a client that `#[handler(client)]` generates; [`clients!`](crate::clients) declares `Chat` |
//! | `client.request(&Entry::JOIN, &join)` | the constant of any handler |
//! | `client.request_route::<_, Joined>("connector.entry.join", &join)` | a text, for programs without the server's code |

mod builder;
mod close;
mod handshake;
mod pushes;
mod queue;
mod reconnect;
mod schema_check;
mod shared;
mod task;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod typed;
#[cfg(feature = "websocket")]
mod websocket;

pub use builder::Builder;
pub use close::{CloseReason, Closed, ConnectError, REQUEST_TIMEOUT};
pub use pushes::{AllPushes, AnyPush, Pushes};
pub use reconnect::{Away, End, Event, Events, Reconnect, ReconnectingClient};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tls::Tls;
/// For generated code.
#[doc(hidden)]
pub use typed::private;
pub use typed::{Connection, HandlerClient};

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
/// Clones share the connection, and any number of requests may be in flight on it. The connection closes when the last
/// clone is dropped; subscriptions to pushes do not hold it.
///
/// # Cancel safety
/// All futures may be dropped at any time (`select!`, `timeout`). A request or notify whose future was dropped may have
/// been sent or not, and the answer is dropped.
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
/// ([`all_pushes`](Self::all_pushes)). A push without a subscriber of its route is unclaimed: the first subscriber gets
/// it. A program may therefore subscribe after the request that causes the push. The pushes that the last subscriber of
/// a route has not read become unclaimed when it is dropped. A subscriber of all routes claims nothing. It begins with
/// the unclaimed pushes.
///
/// Each queue, and that of unclaimed pushes, is bounded to [`Builder::push_queue`] pushes and 16 MiB. A full queue
/// drops its oldest push, and its subscriber gets an error; the connection and other subscribers never wait.
/// [`unclaimed_dropped`](Self::unclaimed_dropped) counts the dropped pushes without a subscriber.
///
/// # End of the connection
/// The client sends a heartbeat in the interval of the server, and closes the connection if the server was silent for
/// more than three intervals. After the end, for whatever [reason](Closed), requests in flight and later calls fail
/// with
/// `PIT-499`. [`Builder::reconnecting`] makes a client that connects again by itself.
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
    /// Returns a builder, which connects the client.
    pub fn builder() -> Builder {
        Builder::default()
    }

    // ---- requests

    /// Sends a request and waits for its answer.
    ///
    /// The route, with the types of both messages, is the constant of a handler that answers, such as `Entry::JOIN`.
    ///
    /// # Errors
    /// The error of the server, with its code, text and metadata. Errors of the client: `PIT-504` without an answer in
    /// time, `PIT-499` if the connection is over, `PIT-400` if the message cannot be encoded or the answer not decoded.
    ///
    /// # Cancel safety
    /// The request may have been sent or not. Its answer is dropped.
    pub async fn request<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep, Handler>,
        message: &Req,
    ) -> Result<Rep> {
        self.request_route(route.path(), message).await
    }

    /// [`request`](Self::request) to a route in text form: `room.join`, or `server.room.join`.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_route<Req: Message, Rep: Message>(&self, route: &str, message: &Req) -> Result<Rep> {
        let reply = self.request_raw(route, self.encode(message)?).await?;
        let serializer = &self.shared.agreed.serializer;
        serializer.decode(&Body::shared(&reply)).map_err(|error| unreadable("answer", route, error))
    }

    /// [`request`](Self::request) with an encoded body. Returns the body of the answer, inflated.
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

    /// Sends a message without an answer, to the constant of a notify-only handler such as `Entry::SAY`.
    ///
    /// It waits until the connection's queue has room. `Ok` promises that the message is in the queue, in the order of
    /// the calls. [`disconnect`](Self::disconnect) writes it first.
    ///
    /// # Errors
    /// `PIT-504` if the queue stays full for the time limit, `PIT-499` if the connection is over, `PIT-400` if the
    /// message cannot be encoded.
    ///
    /// # Cancel safety
    /// The message may have been sent or not.
    pub async fn notify<Req: Message>(&self, route: &Route<Req, (), Notify>, message: &Req) -> Result<()> {
        self.notify_route(route.path(), message).await
    }

    /// [`notify`](Self::notify) to a route in text form. The handler may be one that answers: its answer is dropped.
    ///
    /// # Errors
    /// Those of [`notify`](Self::notify).
    pub async fn notify_route<Req: Message>(&self, route: &str, message: &Req) -> Result<()> {
        self.notify_raw(route, self.encode(message)?).await
    }

    /// [`notify`](Self::notify) with an encoded body.
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

    /// Returns a client of the same connection with another time limit for requests.
    #[must_use]
    pub fn with_request_timeout(&self, timeout: Duration) -> Self {
        Self { request_timeout: timeout, ..self.clone() }
    }

    /// Returns the number of requests of all clones that wait for their answer.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    // ---- pushes

    /// Subscribes to the route of a push type; see [above](Self#pushes).
    pub fn pushes<T: Push>(&self) -> Pushes<T> {
        self.pushes_route(T::ROUTE)
    }

    /// Subscribes to a route whose pushes are of type `T`.
    pub fn pushes_route<T: Message>(&self, route: &str) -> Pushes<T> {
        Pushes::new(Arc::clone(&self.shared), route)
    }

    /// Subscribes to a route and returns the bodies as bytes, inflated.
    pub fn pushes_raw(&self, route: &str) -> Pushes<Bytes> {
        self.pushes_route(route)
    }

    /// Subscribes to every push; see [above](Self#pushes).
    pub fn all_pushes(&self) -> AllPushes {
        AllPushes::new(Arc::clone(&self.shared))
    }

    /// Returns the number of dropped pushes whose route had no subscriber.
    pub fn unclaimed_dropped(&self) -> u64 {
        self.shared.unclaimed_dropped()
    }

    // ---- the handshake

    /// Returns the name of the server's serializer.
    pub fn serializer_name(&self) -> &str {
        self.shared.agreed.serializer.name()
    }

    /// Returns whether the server has the schema of [`Builder::schema`]; `None` if one of them did not tell.
    pub fn schema_matches(&self) -> Option<bool> {
        self.shared.agreed.schema_matches
    }

    /// Returns the routes that are sent as codes.
    pub fn dictionary(&self) -> &Dictionary {
        &self.shared.agreed.dictionary
    }

    /// Returns the heartbeat interval, at most a day; `None` without heartbeats.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.shared.agreed.heartbeat
    }

    // ---- the end

    /// Waits for the end of the connection. Cancel safe.
    pub async fn closed(&self) -> Closed {
        self.shared.wait_closed().await
    }

    /// Returns whether the connection is open, as far as the client knows.
    pub fn is_connected(&self) -> bool {
        self.shared.closed().is_none()
    }

    /// Closes the connection for all clones, and returns how it ended.
    ///
    /// Messages that were sent before are written first. The server gets 2 seconds to read them and to close its side.
    ///
    /// # Cancel safety
    /// Once the future was polled the connection closes, also if the future is dropped.
    pub async fn disconnect(&self) -> Closed {
        self.stop.cancel();
        self.closed().await
    }

    // ---- inside

    fn encode<T: Message>(&self, message: &T) -> Result<Bytes> {
        let mut body = BytesMut::new();
        self.shared.agreed.serializer.encode(message, &mut body).map_err(|e| unsendable(e.into_inner()))?;
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
        match ErrorPayload::decode_as(&self.shared.agreed.serializer, body) {
            Ok(payload) => payload.into_error(),
            Err(error) => {
                let text = String::from_utf8_lossy(body);
                Error::new(
                    code::UNKNOWN,
                    format!("the server answered with an error of unknown form: {text}"),
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
