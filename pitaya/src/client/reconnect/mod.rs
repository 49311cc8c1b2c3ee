//! A client that connects again by itself.
//!
//! | file | holds |
//! |---|---|
//! | `mod` | [`Reconnect`], which says how to connect, and [`ReconnectingClient`], whose calls wait while it is away |
//! | `supervisor` | the task that connects again |
//! | `calls` | the calls that wait for a connection |
//! | `events` | what happens to the client, and the pushes, in one order |

mod calls;
mod events;
mod supervisor;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::events::{Away, End, Event, Events};

use self::calls::{Calls, Entered};
use self::supervisor::Supervisor;
use super::close::{ConnectError, REQUEST_TIMEOUT};
use super::pushes::unreadable;
use super::{Builder, Client, unsendable};
use crate::error::{BoxError, Error, Result, code};
use crate::route::{Handler, Notify, Route};
use crate::serialize::{Body, Message, Serializer};

type Dial = Arc<dyn Fn(Builder) -> BoxFuture<'static, Result<Client, ConnectError>> + Send + Sync>;
type Credentials = Arc<dyn Fn() -> BoxFuture<'static, Result<Value, BoxError>> + Send + Sync>;
type Greeting = Arc<dyn Fn(Client) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Says how a client connects again. [`Builder::reconnecting`] returns it.
///
/// ```no_run
/// use pitaya::client::{Client, Event};
/// use pitaya::prelude::*;
///
/// #[message] pub struct Say { pub text: String }
/// #[message(push = "onMessage")] pub struct ChatMessage { pub from: String, pub text: String }
///
/// #[derive(Component)] pub struct Entry;
///
/// #[handler(server = "connector")]
/// impl Entry {
///     pub async fn join(&self, session: Session) -> Result<()> { session.bind("ann").await }
///     pub async fn say(&self, msg: Say) {}
/// }
///
/// # async fn fresh_token() -> String { String::new() }
/// # async fn run() -> pitaya::Result<()> {
/// let (chat, mut events) = Client::builder()
///     .reconnecting(|builder| async move { builder.connect_tcp("127.0.0.1:3250").await })
///     .credentials(|| async { Ok(serde_json::json!({ "token": fresh_token().await })) })
///     .on_connect(|client| async move { client.request(&Entry::JOIN, &()).await })
///     .connect()
///     .await?;
/// chat.notify(&Entry::SAY, &Say { text: "hello".into() }).await?;
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Push(push) => {
///             if let Some(message) = push.read_as::<ChatMessage>() {
///                 println!("{}", message?.text);
///             }
///         }
///         Event::Away(away) => println!("{}: next attempt in {:?}", away.reason, away.retry_in),
///         Event::Reset => println!("connected again, with a new session"),
///         Event::Closed(end) => println!("{end}"),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "it connects when `connect` is awaited"]
pub struct Reconnect {
    builder: Builder,
    dial: Dial,
    credentials: Option<Credentials>,
    greeting: Option<Greeting>,
    calls: usize,
    bytes: usize,
}

impl Reconnect {
    pub(super) fn new<F, Fut>(builder: Builder, dial: F) -> Self
    where
        F: Fn(Builder) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Client, ConnectError>> + Send + 'static,
    {
        let dial: Dial = Arc::new(move |builder| Box::pin(dial(builder)));
        Self { builder, dial, credentials: None, greeting: None, calls: 64, bytes: 256 * 1024 }
    }

    /// Sets the function that returns the user data of the handshake. It is called before every attempt, so that a
    /// token is fresh. An error of it is a failed attempt.
    pub fn credentials<F, Fut>(mut self, credentials: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, BoxError>> + Send + 'static,
    {
        self.credentials = Some(Arc::new(move || Box::pin(credentials())));
        self
    }

    /// Sets the function that begins each session, such as a login. Calls that wait are sent after it. An error of it
    /// closes the connection and is a failed attempt.
    pub fn on_connect<F, Fut>(mut self, greeting: F) -> Self
    where
        F: Fn(Client) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.greeting = Some(Arc::new(move |client| Box::pin(greeting(client))));
        self
    }

    /// Sets the bounds of the calls that wait; 64 calls and 256 KiB by default.
    pub fn queue(mut self, calls: usize, bytes: usize) -> Self {
        (self.calls, self.bytes) = (calls, bytes);
        self
    }

    /// Connects. Attempts that fail are repeated until one succeeds, or until the future is dropped.
    ///
    /// # Errors
    /// A [`ConnectError`] that another attempt would meet too: a refused handshake, another serializer, an invalid
    /// address or invalid user data.
    ///
    /// # Cancel safety
    /// A dropped future closes a connection that it has opened, and makes no more attempts.
    pub async fn connect(self) -> Result<(ReconnectingClient, Events), ConnectError> {
        let (timeout, _) = self.builder.timeouts();
        let calls = Arc::new(Calls::new(self.calls, self.bytes));
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(self, Arc::clone(&calls), stop.clone());
        let (client, pushes) = supervisor.connect_first().await?;
        let serializer = client.shared.agreed.serializer.clone();
        supervisor.pin_serializer(&serializer);
        let events = Events::new(Arc::clone(&calls));
        tokio::spawn(supervisor.run(client, pushes));
        let last = Arc::new(stop.clone().drop_guard());
        Ok((ReconnectingClient { calls, serializer, timeout, stop, _last: last }, events))
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect").field("builder", &self.builder).finish_non_exhaustive()
    }
}

/// A client that connects again by itself. [`Reconnect::connect`] returns it with its [`Events`].
///
/// After a lost connection it waits up to 250 ms, then up to 1.7 times as long after each failed attempt, and at most
/// 10 s. The time is random up to that bound, so that a server that comes back is not met by all clients in one moment.
/// The session after a lost connection is a new one.
///
/// Calls wait in their order while the client is away. Beyond the bounds of [`Reconnect::queue`] they fail with
/// `PIT-503`. A request that was sent and not answered fails with `PIT-499` when the connection is lost, because the
/// server may have handled it.
///
/// The client closes for good if it is kicked or replaced, if the server refuses its handshake or speaks another
/// serializer, and when the last clone is dropped.
#[derive(Clone)]
pub struct ReconnectingClient {
    calls: Arc<Calls>,
    /// The serializer of the first connection, which the client names for the next ones.
    serializer: Serializer,
    timeout: Duration,
    stop: CancellationToken,
    /// Cancels `stop` with the last handle.
    _last: Arc<DropGuard>,
}

impl ReconnectingClient {
    /// Sends a request and waits for its answer, as [`Client::request`]. Time in the queue counts.
    ///
    /// # Errors
    /// Those of [`Client::request`]; `PIT-503` if the client is away and the queue is full.
    ///
    /// # Cancel safety
    /// A request that waits for a connection is not sent any more.
    pub async fn request<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep, Handler>,
        message: &Req,
    ) -> Result<Rep> {
        self.request_route(route.path(), message).await
    }

    /// [`request`](Self::request) to a route in text form.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_route<Req: Message, Rep: Message>(&self, route: &str, message: &Req) -> Result<Rep> {
        let reply = self.request_raw(route, self.encode(message)?).await?;
        self.serializer.decode(&Body::shared(&reply)).map_err(|error| unreadable("answer", route, error))
    }

    /// [`request`](Self::request) with an encoded body.
    ///
    /// # Errors
    /// Those of [`request`](Self::request).
    pub async fn request_raw(&self, route: &str, body: Bytes) -> Result<Bytes> {
        match self.calls.request(route, body)? {
            Entered::Open(client, body) => client.request_raw(route, body).await,
            Entered::Waits(answer) => match tokio::time::timeout(self.timeout, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Error::new(code::CLOSED, "the client was stopped")),
                Err(_) => Err(Error::new(code::CLIENT_TIMEOUT, REQUEST_TIMEOUT)),
            },
        }
    }

    /// Sends a message without an answer, as [`Client::notify`]. While the client is away, `Ok` means that it waits.
    ///
    /// # Errors
    /// Those of [`Client::notify`]; `PIT-503` if the client is away and the queue is full.
    ///
    /// # Cancel safety
    /// The message may have been sent, may wait, or neither.
    pub async fn notify<Req: Message>(&self, route: &Route<Req, (), Notify>, message: &Req) -> Result<()> {
        self.notify_raw(route.path(), self.encode(message)?).await
    }

    /// [`notify`](Self::notify) to a route in text form, with an encoded body.
    ///
    /// # Errors
    /// Those of [`notify`](Self::notify).
    pub async fn notify_raw(&self, route: &str, body: Bytes) -> Result<()> {
        match self.calls.notify(route, body)? {
            Some((client, body)) => client.notify_raw(route, body).await,
            None => Ok(()),
        }
    }

    /// Returns whether there is a connection, as far as the client knows.
    pub fn is_connected(&self) -> bool {
        self.calls.is_open()
    }

    /// Returns the number of calls that wait for a connection.
    pub fn waiting(&self) -> usize {
        self.calls.waiting()
    }

    /// Closes the client for all clones. Calls that wait fail with `PIT-499`. The last of the [`Events`] says when it
    /// is done.
    pub fn close(&self) {
        self.stop.cancel();
    }

    fn encode<T: Message>(&self, message: &T) -> Result<Bytes> {
        let mut body = BytesMut::new();
        self.serializer.encode(message, &mut body).map_err(|error| unsendable(error.into_inner()))?;
        Ok(body.freeze())
    }
}

impl fmt::Debug for ReconnectingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingClient")
            .field("connected", &self.is_connected())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
