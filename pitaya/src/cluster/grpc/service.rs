//! Serves the methods: hands each message to the receiver and returns its answer.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use prost::Message as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::codegen::http::{self, header};
use tonic::server::{ClientStreamingService, Grpc, UnaryService};
use tonic::{Request, Response, Status, Streaming};

use super::body::LimitedBody;
use super::codec::BytesCodec;
use super::framing::Limits;
use super::method::{Delivery, MESSAGES, Method};
use crate::cluster::Receiver;
use crate::cluster::protos::PeerMessage;
use crate::cluster::receive::{MessageKind, RunningRequest, deliver, fit_to_limit, overloaded_reply};
use crate::cluster::response::{self, KICKED, NESTED_ACK};
use crate::error::text;

/// How long a request, or a message of a stream, may take to arrive.
const READ: Duration = Duration::from_secs(10);

/// The state that all connections of other servers share.
pub(super) struct Served {
    pub(super) receiver: Arc<dyn Receiver>,
    pub(super) limits: Arc<Limits>,
    /// How many requests may be in progress.
    pub(super) requests: usize,
    /// The requests in progress. They outlive their connections.
    pub(super) running: TaskTracker,
    /// Whether requests are refused.
    pub(super) draining: AtomicBool,
    pub(super) closing: CancellationToken,
    pub(super) counts: ServedCounts,
}

/// Counters of requests.
#[derive(Debug, Default)]
pub(super) struct ServedCounts {
    pub(super) refused: AtomicU64,
    pub(super) oversized: AtomicU64,
}

/// The service of one connection.
pub(super) struct Service {
    served: Arc<Served>,
    /// The place of the one messages stream.
    messages: Arc<Semaphore>,
}

impl Service {
    pub(super) fn new(served: Arc<Served>) -> Self {
        Self { served, messages: Arc::new(Semaphore::new(1)) }
    }
}

impl hyper::service::Service<http::Request<Incoming>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: http::Request<Incoming>) -> Self::Future {
        let refuse = |status: Status| Box::pin(ready(Ok(status.into_http()))) as Self::Future;
        let content = request.headers().get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        if request.method() != http::Method::POST
            || !content.is_some_and(|it| it.starts_with(b"application/grpc"))
        {
            return refuse(Status::unimplemented("this is a gRPC server"));
        }
        let served = Arc::clone(&self.served);
        let path = request.uri().path();
        let mut grpc = Grpc::new(BytesCodec).max_decoding_message_size(served.limits.max_message);
        let limits = Arc::clone(&served.limits);
        if let Some(method) = Method::find(path) {
            let request = request.map(|body| LimitedBody::unary(body, READ, limits));
            return Box::pin(async move { Ok(grpc.unary(Unary { served, method }, request).await) });
        }
        if path == MESSAGES {
            let Ok(place) = Arc::clone(&self.messages).try_acquire_owned() else {
                return refuse(Status::resource_exhausted("this connection has a messages stream"));
            };
            let request = request.map(|body| LimitedBody::stream(body, READ, limits));
            return Box::pin(async move {
                let answer = grpc.client_streaming(Messages(served), request).await;
                drop(place);
                Ok(answer)
            });
        }
        let text = format!("unknown method {}", path.chars().take(100).collect::<String>());
        refuse(Status::unimplemented(text))
    }
}

struct Unary {
    served: Arc<Served>,
    method: Method,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (served, method, body) = (Arc::clone(&self.served), self.method, request.into_inner());
        Box::pin(async move {
            let answer = match method {
                Method::Call => served.answer(body).await,
                Method::Deliver(kind) => served.take(kind, body),
            };
            answer.map(Response::new)
        })
    }
}

impl Served {
    /// Handles a request. It runs on when its caller has gone.
    async fn answer(&self, body: Bytes) -> Result<Bytes, Status> {
        // Taken before the check, so that a drain waits for this request if the check passes.
        let running = self.running.token();
        if self.draining.load(Relaxed) {
            return Err(Status::unavailable("this server is stopping"));
        }
        if self.running.len() > self.requests {
            self.counts.refused.fetch_add(1, Relaxed);
            return Ok(overloaded_reply());
        }
        let mut request = RunningRequest::begin(&*self.receiver, body);
        let answer = match request.poll_once().await {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                let task = self.running.spawn(request);
                drop(running);
                // A panic ends as an answer too, so only the end of the runtime aborts the task.
                task.await.map_err(|_| Status::unknown("the request was aborted"))?
            }
        };
        let (answer, fits) = fit_to_limit(answer, self.limits.max_message);
        if !fits {
            self.counts.oversized.fetch_add(1, Relaxed);
        }
        Ok(answer)
    }

    /// Handles another message. A Go server reads only the status of the answer, so a message that has no session is
    /// an error there too.
    pub(super) fn take(&self, kind: Delivery, body: Bytes) -> Result<Bytes, Status> {
        let receiver = &*self.receiver;
        match kind {
            Delivery::Push => {
                let answer = deliver(receiver, MessageKind::Push, body);
                if answer == NESTED_ACK {
                    return Ok(answer);
                }
                match response::read(answer.clone()) {
                    Ok(_) => Ok(answer),
                    Err(error) => Err(Status::unknown(error.msg())),
                }
            }
            Delivery::Kick => {
                let answer = deliver(receiver, MessageKind::Kick, body);
                if answer == KICKED { Ok(answer) } else { Err(Status::unknown(text::SESSION_NOT_FOUND)) }
            }
            Delivery::Bound => {
                deliver(receiver, MessageKind::Bound, body);
                Ok(NESTED_ACK)
            }
        }
    }

    /// Delivers a message of the messages stream.
    fn take_message(&self, message: Bytes) -> Result<(), Status> {
        let PeerMessage { bound, broadcast } =
            PeerMessage::decode(message).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if !bound.is_empty() {
            deliver(&*self.receiver, MessageKind::Bound, bound);
        }
        if !broadcast.is_empty() {
            deliver(&*self.receiver, MessageKind::Broadcast, broadcast);
        }
        Ok(())
    }
}

struct Messages(Arc<Served>);

impl ClientStreamingService<Bytes> for Messages {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let (served, mut messages) = (Arc::clone(&self.0), request.into_inner());
        Box::pin(async move {
            let read = async {
                while let Some(message) = messages.message().await? {
                    served.take_message(message)?;
                    tokio::task::coop::consume_budget().await;
                }
                Ok::<_, Status>(())
            };
            served.closing.run_until_cancelled(read).await.unwrap_or(Ok(()))?;
            Ok(Response::new(Bytes::new()))
        })
    }
}
