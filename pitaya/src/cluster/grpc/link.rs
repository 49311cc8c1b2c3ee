//! The connection to one server, kept open and made again after a loss.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use super::backoff::{Backoff, GOOD};
use super::codec::BytesCodec;
use super::dial::{Carrier, Dialed, Http2, Target, dial};
use super::method::{MESSAGES, Method};
use super::status;
use crate::cluster::TransportError;

/// How many messages wait for a slow server. A sender waits for a place.
const QUEUED: usize = 256;
/// How long sending the last messages may take.
const GRACE: Duration = Duration::from_secs(5);

/// The limits and counters that all links share.
pub(super) struct LinkLimits {
    pub(super) dial_timeout: Duration,
    pub(super) max_message: usize,
    /// How many calls to one server may wait.
    pub(super) calls: usize,
    /// The connections that replaced a lost one.
    pub(super) reconnects: AtomicU64,
    /// The calls that were not sent because too many waited.
    pub(super) refused: AtomicU64,
}

/// See the module.
pub(super) struct Link {
    target: Target,
    origin: Uri,
    limits: Arc<LinkLimits>,
    state: watch::Sender<State>,
    began: AtomicBool,
    waiting: AtomicUsize,
    stop: CancellationToken,
    /// Whether the calls in progress are cut when the link ends.
    cut: AtomicBool,
}

#[derive(Clone)]
enum State {
    /// The first attempt is in progress, or the first after a loss. Calls wait for its end.
    Connecting,
    Up(Open),
    /// The last attempt failed. Calls fail until one succeeds.
    Down,
    /// The server has left, or the transport is closed.
    Gone,
}

/// An open connection.
#[derive(Clone)]
struct Open {
    http: Http2,
    /// The queue of the messages stream.
    messages: mpsc::Sender<Bytes>,
}

impl State {
    /// Returns the outcome that a caller waits for.
    fn outcome(&self) -> Option<Result<Open, TransportError>> {
        match self {
            Self::Up(open) if !open.http.is_closed() => Some(Ok(open.clone())),
            Self::Up(_) | Self::Connecting => None,
            Self::Down => Some(Err(TransportError::NoResponders)),
            Self::Gone => Some(Err(TransportError::Unavailable)),
        }
    }
}

impl Link {
    /// Makes a link that connects when [`begin`](Self::begin) is called.
    ///
    /// # Errors
    /// The address is invalid.
    pub(super) fn new(target: Target, limits: Arc<LinkLimits>) -> Result<Self, TransportError> {
        let uri = Uri::builder().scheme("http").authority(&*target.address).path_and_query("/").build();
        let origin = uri.map_err(|_| TransportError::BadAddress(target.address.clone()))?;
        Ok(Self {
            target,
            origin,
            limits,
            state: watch::Sender::new(State::Connecting),
            began: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            cut: AtomicBool::new(false),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.target.address
    }

    /// Starts to connect. Returns the work that keeps the connection, once.
    ///
    /// `reconnected` is called when a connection follows a loss or a failure.
    pub(super) fn begin<F>(
        self: &Arc<Self>,
        reconnected: F,
    ) -> Option<impl Future<Output = ()> + Send + use<F>>
    where
        F: Fn() + Send + Sync + 'static,
    {
        let first = !self.began.load(Relaxed) && !self.began.swap(true, Relaxed);
        first.then(|| Arc::clone(self).keep(reconnected))
    }

    /// Ends the connection once its messages are sent, and once its calls are answered unless they are `cut`.
    pub(super) fn end(&self, cut: bool) {
        self.cut.store(cut, Relaxed);
        self.stop.cancel();
        self.state.send_replace(State::Gone);
    }

    /// Makes a unary call. The caller bounds its time; The server receives `timeout` as its deadline.
    pub(super) async fn call(
        &self,
        method: Method,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let (size, limit) = (body.len(), self.limits.max_message);
        if size > limit {
            return Err(TransportError::TooLarge { size, limit });
        }
        let _place = Place::take(self)?;
        let http = self.open().await?.http;
        let mut request = Request::new(body);
        request.set_timeout(timeout);
        let answer = self.client(http).unary(request, method.path(), BytesCodec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status::error(&status, size, limit))
    }

    /// Queues a message for the messages stream.
    pub(super) async fn send(&self, message: Bytes) -> Result<(), TransportError> {
        let (size, limit) = (message.len(), self.limits.max_message);
        if size > limit {
            return Err(TransportError::TooLarge { size, limit });
        }
        if !self.target.is_peer {
            return Err(TransportError::Other(
                "the server does not have the service `protos.Peer`".to_owned(),
            ));
        }
        let messages = self.open().await?.messages;
        messages.send(message).await.map_err(|_| TransportError::Unavailable)
    }

    fn client(&self, http: Http2) -> Grpc<Http2> {
        Grpc::with_origin(http, self.origin.clone()).max_decoding_message_size(self.limits.max_message)
    }

    /// Returns the open connection, and waits while it is being made.
    async fn open(&self) -> Result<Open, TransportError> {
        if let Some(outcome) = self.state.borrow().outcome() {
            return outcome;
        }
        let mut state = self.state.subscribe();
        let found = state.wait_for(|state| state.outcome().is_some()).await;
        found.ok().and_then(|state| state.outcome()).unwrap_or(Err(TransportError::NoResponders))
    }

    /// Connects again and again, until the link ends.
    async fn keep(self: Arc<Self>, reconnected: impl Fn()) {
        let (mut backoff, mut is_first, mut was_up) = (Backoff::default(), true, false);
        loop {
            let attempt = timeout(self.limits.dial_timeout, dial(&self.target));
            let attempt = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                attempt = attempt => attempt.unwrap_or_else(|_| Err("timed out".to_owned())),
            };
            let mut is_good = false;
            match attempt {
                Ok(Dialed { http, carrier, cut }) => {
                    if was_up {
                        self.limits.reconnects.fetch_add(1, Relaxed);
                    }
                    let since = Instant::now();
                    self.carry(http, carrier, || {
                        if !is_first {
                            reconnected();
                        }
                    })
                    .await;
                    if self.cut.load(Relaxed) {
                        cut.abort();
                    }
                    is_good = since.elapsed() >= GOOD;
                    was_up = true;
                }
                Err(error) => {
                    tracing::debug!(address = self.address(), %error, "failed to connect to a server");
                }
            }
            is_first = false;
            if is_good {
                backoff.reset();
                self.change(State::Connecting);
                continue;
            }
            self.change(State::Down);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    /// Carries one connection to its end. Calls in progress then still get their answers, if these come.
    async fn carry(&self, http: Http2, mut carrier: Carrier, up: impl FnOnce()) {
        let (messages, queue) = mpsc::channel(QUEUED);
        let client = self.client(http.clone());
        self.change(State::Up(Open { http, messages }));
        up();
        let is_peer = self.target.is_peer;
        let sending = async move {
            match is_peer {
                true => send_messages(client, queue).await,
                false => pending().await,
            }
        };
        tokio::pin!(sending);
        let ended = tokio::select! {
            biased;
            ended = &mut carrier => ended.map_err(|error| error.to_string()),
            // The server ends the stream when it stops.
            ended = &mut sending => ended.map_err(|status| status.message().to_owned()),
            () = self.stop.cancelled() => {
                // Without handles, the connection ends after its last call.
                drop(timeout(GRACE, sending).await);
                return;
            }
        };
        tracing::debug!(address = self.address(), ?ended, "connection to a server ended");
    }

    /// Changes the state unless the link has ended.
    fn change(&self, to: State) {
        self.state.send_modify(|state| {
            if !matches!(state, State::Gone) {
                *state = to;
            }
        });
    }
}

/// Sends queued messages until the queue or the stream ends.
async fn send_messages(mut client: Grpc<Http2>, mut queue: mpsc::Receiver<Bytes>) -> Result<(), Status> {
    let messages = stream::poll_fn(move |context| queue.poll_recv(context));
    let path = PathAndQuery::from_static(MESSAGES);
    client.client_streaming(Request::new(messages), path, BytesCodec).await.map(drop)
}

/// A place among the waiting calls of a link.
struct Place<'a>(&'a Link);

impl<'a> Place<'a> {
    fn take(link: &'a Link) -> Result<Self, TransportError> {
        let place = Self(link);
        if link.waiting.fetch_add(1, Relaxed) < link.limits.calls {
            return Ok(place);
        }
        link.limits.refused.fetch_add(1, Relaxed);
        Err(TransportError::Busy)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
