//! Opens one connection to a server.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
#[cfg(feature = "tls")]
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tonic::body::Body;
use tonic::codegen::{Service, http};

use super::body::LimitedBody;
use super::framing::Limits;
use super::observed_read::ObservedRead;
use super::status::ConnectionFault;
#[cfg(feature = "tls")]
use super::tls::ClientTls;

/// The time without traffic before the system probes the peer, and between two probes.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// The interval of HTTP/2 pings, and how long their answer may take. Only servers that announce `protos.Peer` are
/// pinged: Go's server closes connections that ping more often than every 5 minutes.
const PING: Duration = Duration::from_secs(10);
/// The bytes of answers that may be in flight on one connection, and on one stream.
const WINDOWS: (u32, u32) = (8 << 20, 1 << 20);

/// A byte stream of a connection.
#[cfg(feature = "tls")]
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

#[cfg(feature = "tls")]
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// How a server is reached.
#[derive(Clone)]
pub(super) struct Target {
    /// The limits of its answers.
    pub(super) answers: Arc<Limits>,
    /// `host:port`.
    pub(super) address: String,
    /// Whether it announces `protos.Peer`.
    pub(super) is_peer: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTls>,
}

/// The future that carries a connection. It ends when the connection does.
pub(super) type Carrier = BoxFuture<'static, Result<(), hyper::Error>>;

/// A new connection.
pub(super) struct Dialed {
    pub(super) http: Http2,
    pub(super) carrier: Carrier,
    pub(super) cut: Cut,
}

/// Ends a connection and its calls immediately.
#[derive(Clone, Default)]
pub(super) struct Cut(Arc<OnceLock<AbortHandle>>);

impl Cut {
    pub(super) fn abort(&self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

/// Spawns the tasks of a connection. The first one is that of the connection itself.
#[derive(Clone)]
struct Executor(Cut);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, work: F) {
        let task = tokio::spawn(work);
        if self.0.0.get().is_none() {
            let _ = self.0.0.set(task.abort_handle());
        }
    }
}

/// Connects, and waits for the first bytes of the server: the system accepts connections for a frozen one too.
///
/// The name is looked up for each attempt, and all its addresses are tried.
pub(super) async fn dial(target: &Target) -> Result<Dialed, String> {
    let stream = TcpStream::connect(&target.address).await.map_err(|error| error.to_string())?;
    prepare(&stream).map_err(|error| error.to_string())?;
    #[cfg(feature = "tls")]
    let stream: Box<dyn Io> = match &target.tls {
        Some(tls) => Box::new(tls.connect(&target.address, stream).await?),
        None => Box::new(stream),
    };
    let (read, first) = oneshot::channel();
    let mut read = Some(read);
    let stream = ObservedRead::new(stream, move |bytes| {
        if bytes > 0
            && let Some(read) = read.take()
        {
            let _ = read.send(()); // the attempt may have ended
        }
    });
    let cut = Cut::default();
    let mut http = http2::Builder::new(Executor(cut.clone()));
    http.timer(TokioTimer::new())
        .initial_connection_window_size(WINDOWS.0)
        .initial_stream_window_size(WINDOWS.1);
    if target.is_peer {
        http.keep_alive_interval(PING).keep_alive_timeout(PING).keep_alive_while_idle(true);
    }
    let (requests, connection) =
        http.handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let mut carrier: Carrier = Box::pin(connection);
    tokio::select! {
        biased;
        read = first => read.map_err(|_| "the connection was closed".to_owned())?,
        ended = &mut carrier => {
            return Err(ended.err().map_or_else(|| "the connection was closed".to_owned(), |error| error.to_string()));
        }
    }
    let http = Http2 { requests, answers: Arc::clone(&target.answers) };
    Ok(Dialed { http, carrier, cut })
}

/// Sends small packets without delay, and detects a peer that vanished.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

/// A handle that sends requests over a connection. Clones share the connection, which ends without handles.
#[derive(Clone)]
pub(super) struct Http2 {
    requests: http2::SendRequest<Body>,
    answers: Arc<Limits>,
}

impl Http2 {
    /// Whether the connection takes no more requests.
    pub(super) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }
}

impl Service<http::Request<Body>> for Http2 {
    type Response = http::Response<LimitedBody>;
    type Error = ConnectionFault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectionFault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectionFault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sent = self.requests.try_send_request(request);
        let answers = Arc::clone(&self.answers);
        Box::pin(async move {
            let answer = sent.await.map_err(|mut error| {
                let unsent = error.take_message().is_some();
                let error = error.into_error();
                if unsent { ConnectionFault::NotSent(error) } else { ConnectionFault::Lost(error) }
            })?;
            Ok(answer.map(|body| LimitedBody::answer(body, answers)))
        })
    }
}
