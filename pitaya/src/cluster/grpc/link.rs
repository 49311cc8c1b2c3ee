//! The connection to one server, kept open and made again after a loss.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use tokio::sync::mpsc::error::TrySendError;
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
use super::framing::Limits;
use super::method::{Delivery, MESSAGES, Method};
use super::status;
use crate::cluster::TransportError;
use crate::cluster::protos::PeerMessage;
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

/// How many messages wait for a slow server.
const QUEUED: usize = 256;
/// How long a sender waits for a place in a full queue. Then senders fail immediately until half of the queue is free.
const STALL: Duration = Duration::from_millis(50);
/// How many announcements of binds one server of Go Pitaya handles at a time.
const ANNOUNCED: usize = 64;
/// The longest deadline that is sent. gRPC has no greater unit than hours, of at most 8 digits.
const MAX_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long sending the last messages may take.
const GRACE: Duration = Duration::from_secs(5);

/// The limits and counters that all links share.
pub(super) struct LinkLimits {
    pub(super) dial_timeout: Duration,
    /// The longest the announcement of a bind to a server of Go Pitaya may take.
    pub(super) request_timeout: Duration,
    pub(super) max_message: usize,
    pub(super) answers: Arc<Limits>,
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
    /// The queue of the first connection, until the link begins.
    first_queue: Mutex<Option<mpsc::Receiver<Bytes>>>,
    began: AtomicBool,
    /// Whether the queue stayed full for [`STALL`], and is not half empty since.
    stalled: AtomicBool,
    waiting: AtomicUsize,
    stop: CancellationToken,
    /// Whether the calls in progress are cut when the link ends.
    cut: AtomicBool,
}

#[derive(Clone)]
enum State {
    /// The first attempt is in progress, or the first after a loss. Calls wait for its end, and messages are queued.
    Connecting(mpsc::Sender<Bytes>),
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
    /// The queue of messages.
    messages: mpsc::Sender<Bytes>,
}

impl State {
    /// Returns the outcome that a caller waits for.
    fn outcome(&self) -> Option<Result<Http2, TransportError>> {
        match self {
            Self::Up(open) if !open.http.is_closed() => Some(Ok(open.http.clone())),
            Self::Up(_) | Self::Connecting(_) => None,
            Self::Down => Some(Err(TransportError::NoResponders)),
            Self::Gone => Some(Err(TransportError::Unavailable)),
        }
    }

    /// Returns the queue of messages.
    fn messages(&self) -> Result<&mpsc::Sender<Bytes>, TransportError> {
        match self {
            Self::Connecting(messages) | Self::Up(Open { messages, .. }) => Ok(messages),
            Self::Down => Err(TransportError::NoResponders),
            Self::Gone => Err(TransportError::Unavailable),
        }
    }
}

impl Link {
    /// Makes a link that connects when [`keep`](Self::keep) is called.
    ///
    /// # Errors
    /// The address is invalid.
    pub(super) fn new(target: Target, limits: Arc<LinkLimits>) -> Result<Self, TransportError> {
        let uri = Uri::builder().scheme("http").authority(&*target.address).path_and_query("/").build();
        let origin = uri.map_err(|_| TransportError::BadAddress(target.address.clone()))?;
        let (messages, queue) = mpsc::channel(QUEUED);
        Ok(Self {
            target,
            origin,
            limits,
            state: watch::Sender::new(State::Connecting(messages)),
            first_queue: Mutex::new(Some(queue)),
            began: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            cut: AtomicBool::new(false),
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.target.address
    }

    pub(super) fn is_peer(&self) -> bool {
        self.target.is_peer
    }

    /// Returns `true` to the one caller that must [`keep`](Self::keep) the link.
    pub(super) fn begins(&self) -> bool {
        !self.began.load(Relaxed) && !self.began.swap(true, Relaxed)
    }

    /// Ends the connection once its messages are sent, and once its calls are answered unless they are `cut`.
    pub(super) fn end(&self, cut: bool) {
        self.cut.store(cut, Relaxed);
        self.stop.cancel();
        self.state.send_replace(State::Gone);
    }

    /// Makes a unary call. The caller bounds its time; the server receives `timeout` as its deadline.
    pub(super) async fn call(
        &self,
        method: Method,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let (size, limit) = (body.len(), self.limits.max_message);
        self.check_size(size)?;
        let _place = Place::take(self)?;
        let http = self.open().await?;
        let mut request = Request::new(body);
        request.set_timeout(timeout.min(MAX_TIMEOUT));
        let answer = self.client(http).unary(request, method.path(), BytesCodec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status::error(&status, size, limit))
    }

    /// Queues a message for the messages stream. Waits for at most [`STALL`].
    pub(super) async fn send(&self, message: Bytes) -> Result<(), TransportError> {
        if !self.target.is_peer {
            return Err(TransportError::Other(
                "the server does not have the service `protos.Peer`".to_owned(),
            ));
        }
        self.queue(message).await
    }

    /// Queues the announcement of a bind: `message` for the messages stream, or `news` for a call of a server without
    /// one. Waits for at most [`STALL`].
    pub(super) async fn announce(&self, news: &Bytes, message: &Bytes) -> Result<(), TransportError> {
        self.queue(if self.target.is_peer { message.clone() } else { news.clone() }).await
    }

    /// Queues a message. A frozen server delays only one message by [`STALL`]; the others fail immediately.
    async fn queue(&self, message: Bytes) -> Result<(), TransportError> {
        self.check_size(message.len())?;
        let (messages, message) = {
            let state = self.state.borrow();
            let messages = state.messages()?;
            match messages.try_send(message) {
                Ok(()) => {
                    if self.stalled.load(Relaxed) && messages.capacity() >= QUEUED / 2 {
                        self.stalled.store(false, Relaxed);
                    }
                    return Ok(());
                }
                Err(TrySendError::Closed(_)) => return Err(TransportError::Unavailable),
                Err(TrySendError::Full(message)) => (messages.clone(), message),
            }
        };
        if !self.stalled.load(Relaxed) {
            if let Ok(sent) = timeout(STALL, messages.send(message)).await {
                return sent.map_err(|_| TransportError::Unavailable);
            }
            self.stalled.store(true, Relaxed);
        }
        self.limits.refused.fetch_add(1, Relaxed);
        Err(TransportError::Busy)
    }

    fn check_size(&self, size: usize) -> Result<(), TransportError> {
        let limit = self.limits.max_message;
        if size > limit { Err(TransportError::TooLarge { size, limit }) } else { Ok(()) }
    }

    fn client(&self, http: Http2) -> Grpc<Http2> {
        Grpc::with_origin(http, self.origin.clone()).max_decoding_message_size(self.limits.max_message)
    }

    /// Returns the open connection, and waits while it is being made.
    async fn open(&self) -> Result<Http2, TransportError> {
        if let Some(outcome) = self.state.borrow().outcome() {
            return outcome;
        }
        let mut state = self.state.subscribe();
        let found = state.wait_for(|state| state.outcome().is_some()).await;
        found.ok().and_then(|state| state.outcome()).unwrap_or(Err(TransportError::NoResponders))
    }

    /// Connects again and again, until the link ends or its server is no longer listed.
    ///
    /// `binds` returns the announcements that the server receives when a connection follows a loss or a failure.
    pub(super) async fn keep(&self, is_listed: impl Fn() -> bool, binds: impl Fn() -> Vec<Bytes>) {
        let (mut backoff, mut is_first, mut was_up) = (Backoff::default(), true, false);
        let mut next_queue = self.first_queue.lock().take();
        loop {
            if !is_first && !is_listed() {
                self.change(State::Down);
                return;
            }
            let attempt = timeout(self.limits.dial_timeout, dial(&self.target));
            let attempt = tokio::select! {
                biased;
                () = self.stopped(next_queue.as_ref()) => return,
                attempt = attempt => attempt.unwrap_or_else(|_| Err("timed out".to_owned())),
            };
            let mut is_good = false;
            match attempt {
                Ok(Dialed { http, carrier, cut }) => {
                    if was_up {
                        self.limits.reconnects.fetch_add(1, Relaxed);
                    }
                    let since = Instant::now();
                    let lost_binds = || if is_first { Vec::new() } else { binds() };
                    self.carry(http, carrier, next_queue.take(), lost_binds).await;
                    if self.cut.load(Relaxed) {
                        cut.abort();
                    }
                    is_good = since.elapsed() >= GOOD;
                    was_up = true;
                }
                Err(error) => {
                    let address = self.address();
                    throttled!(GLOBAL, warn, "gRPC connects", address, %error, "failed to connect to a gRPC server");
                }
            }
            is_first = false;
            if is_good {
                backoff.reset();
                let (messages, queue) = mpsc::channel(QUEUED);
                self.change(State::Connecting(messages));
                next_queue = Some(queue);
                continue;
            }
            self.change(State::Down);
            next_queue = None;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(backoff.next()) => {}
            }
        }
    }

    /// Returns when the link has ended and no message is queued, or [`GRACE`] later.
    async fn stopped(&self, queue: Option<&mpsc::Receiver<Bytes>>) {
        self.stop.cancelled().await;
        if queue.is_some_and(|queue| !queue.is_empty()) {
            tokio::time::sleep(GRACE).await;
        }
    }

    /// Carries one connection to its end. Calls in progress then still get their answers, if these come.
    ///
    /// `queue` has the messages since the link began to connect. Without one, none was queued.
    async fn carry(
        &self,
        http: Http2,
        mut carrier: Carrier,
        queue: Option<mpsc::Receiver<Bytes>>,
        lost_binds: impl FnOnce() -> Vec<Bytes>,
    ) {
        let client = self.client(http.clone());
        let queue = self.up(http, queue);
        let mut announcing = Box::pin(async {
            self.announce_again(lost_binds()).await;
            std::future::pending::<Infallible>().await
        });
        let sending = async {
            match self.target.is_peer {
                true => send_messages(client, queue).await,
                false => self.announce_binds(client, queue).await,
            }
        };
        tokio::pin!(sending);
        let ended = tokio::select! {
            biased;
            ended = &mut carrier => ended.map_err(|error| error.to_string()),
            // The server ends the stream when it stops.
            ended = &mut sending => ended.map_err(|status| status.message().to_owned()),
            never = &mut announcing => match never {},
            () = self.stop.cancelled() => {
                drop(announcing); // it holds a handle of the queue
                // Without handles, the connection ends after its last call.
                tokio::select! {
                    _ = &mut carrier => {}
                    _ = timeout(GRACE, sending) => {}
                }
                return;
            }
        };
        tracing::debug!(address = self.address(), ?ended, "connection to a server ended");
    }

    /// Changes to an open connection, with the queue from before or a new one. Returns the queue.
    fn up(&self, http: Http2, queue: Option<mpsc::Receiver<Bytes>>) -> mpsc::Receiver<Bytes> {
        let (new, new_queue) = mpsc::channel(QUEUED);
        let mut kept = false;
        self.state.send_modify(|state| {
            let messages = match state {
                State::Connecting(messages) if queue.is_some() => {
                    kept = true;
                    messages.clone()
                }
                State::Gone => {
                    kept = true;
                    return;
                }
                _ => new,
            };
            *state = State::Up(Open { http, messages });
        });
        queue.filter(|_| kept).unwrap_or(new_queue)
    }

    /// Queues the announcements of binds that the server may have lost. Waits for places in the queue.
    async fn announce_again(&self, binds: Vec<Bytes>) {
        let messages = self.state.borrow().messages().cloned();
        let Ok(messages) = messages else { return };
        for news in binds {
            let announcement = if self.target.is_peer { peer_message(news) } else { news };
            if messages.send(announcement).await.is_err() {
                return;
            }
        }
    }

    /// Calls a server of Go Pitaya for each queued announcement, until the queue ends.
    async fn announce_binds(
        &self,
        client: Grpc<Http2>,
        mut queue: mpsc::Receiver<Bytes>,
    ) -> Result<(), Status> {
        let limit = self.limits.request_timeout.min(MAX_TIMEOUT);
        let news = stream::poll_fn(move |context| queue.poll_recv(context));
        let called = news.for_each_concurrent(ANNOUNCED, async |news| {
            let mut request = Request::new(news);
            request.set_timeout(limit);
            let mut client = client.clone();
            let called =
                timeout(limit, client.unary(request, Method::Deliver(Delivery::Bound).path(), BytesCodec))
                    .await;
            if !matches!(called, Ok(Ok(_))) {
                // The bind is announced again after a reconnect.
                tracing::debug!(address = self.address(), "failed to announce a bind");
            }
        });
        called.await;
        Ok(())
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

/// Encodes the announcement of a bind for the messages stream.
pub(super) fn peer_message(bound: Bytes) -> Bytes {
    PeerMessage { bound, ..PeerMessage::default() }.encode_to_vec().into()
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
