//! A small HTTP/1.1 server for programs that watch an app.
//!
//! A connection carries one request. It has 5 s for the head of the request, which may have 16 KiB and 64 headers, and 10 s
//! for everything. Up to 256 connections are served at the same time; further ones wait in the system's queue.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::net::{AcceptBackoff, TcpListeners};
use crate::util::throttle::{GLOBAL, throttled};

pub(crate) use hyper::{StatusCode, header};

/// An answer.
pub(crate) type Response = hyper::Response<Full<Bytes>>;

/// Connections that are served at the same time.
const MOST_CONNECTIONS: usize = 256;
/// The time limit for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// The time limit of a connection.
const CONNECTION: Duration = Duration::from_secs(10);
/// The most bytes of the head of a request.
const HEAD_BYTES: usize = 16 << 10;
/// The most headers of a request.
const MOST_HEADERS: usize = 64;

/// A request, without its body.
pub(crate) struct Request(hyper::Request<Incoming>);

impl Request {
    pub(crate) fn path(&self) -> &str {
        self.0.uri().path()
    }

    /// Returns the value of a header, or an empty text if it is missing, repeated or not ASCII.
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        let mut values = self.0.headers().get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            _ => "",
        }
    }
}

/// Returns an answer of plain text.
pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = ok("text/plain; charset=utf-8", false, text.into());
    *response.status_mut() = status;
    response
}

/// Returns an answer with a body. `gzip` says whether it is compressed.
pub(crate) fn ok(content_type: &'static str, gzip: bool, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    response
}

/// Answers the requests of all connections until `stop`.
pub(crate) fn serve<A, F>(listeners: TcpListeners, answer: A, stop: &CancellationToken, tasks: &TaskTracker)
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let (stop, connections) = (stop.clone(), tasks.clone());
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = accept(&listeners, answer, &stop, &connections) => {}
        }
    });
}

async fn accept<A, F>(listeners: &TcpListeners, answer: A, stop: &CancellationToken, tasks: &TaskTracker)
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut backoff = AcceptBackoff::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listeners.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                let pause = backoff.failed(&error);
                if pause.log {
                    throttled!(GLOBAL, warn, "failed HTTP accepts", %error, "failed to accept an HTTP connection");
                }
                tokio::time::sleep(pause.wait).await;
                continue;
            }
        };
        backoff.succeeded();
        let (answer, stop) = (answer.clone(), stop.clone());
        tasks.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(respond(request, answer).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(HEAD_BYTES)
                .max_headers(MOST_HEADERS)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                // An invalid request or a closed connection is not logged.
                _ = timeout(CONNECTION, connection) => {}
            }
            drop(place);
        });
    }
}

async fn respond<A, F>(request: hyper::Request<Incoming>, answer: A) -> Response
where
    A: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    if request.method() == hyper::Method::GET || request.method() == hyper::Method::HEAD {
        return answer(Request(request)).await;
    }
    let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
    refusal.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    refusal
}
