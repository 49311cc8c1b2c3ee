//! Accepts the connections of other servers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

#[cfg(feature = "tls")]
use super::dial::Io;
use super::dial::prepare;
use super::observed_read::ObservedRead;
use super::service::{Served, Service};
#[cfg(feature = "tls")]
use super::tls::ServerTls;
use crate::net::{AcceptBackoff, TcpListeners};
use crate::util::throttle::{GLOBAL, throttled};

/// How long a connection may take until it has sent the preface of HTTP/2, after the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The bytes of the preface and of the head of the frame after it.
const PREFACE: usize = 24 + 9;
/// The interval of HTTP/2 pings, and how long their answer may take. A client answers pings without a limit.
const PING: Duration = Duration::from_secs(20);
/// The most bytes of the headers of a request. A Go server sends some 200.
const HEADERS: u32 = 8 << 10;
/// The bytes of requests that may be in flight on one connection, and on one stream.
const WINDOWS: (u32, u32) = (8 << 20, 1 << 20);
/// How long calls in progress may take to be answered at the end.
const GRACE: Duration = Duration::from_secs(5);

/// The limits and the keys of a server.
pub(super) struct Listen {
    pub(super) served: Arc<Served>,
    pub(super) max_connections: usize,
    pub(super) max_streams: u32,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ServerTls>,
}

impl Listen {
    /// Accepts connections until the transport closes. Each is a task of `connections`.
    pub(super) async fn accept(self, listeners: TcpListeners, connections: TaskTracker) {
        let listen = Arc::new(self);
        let places = Arc::new(Semaphore::new(listen.max_connections));
        let mut backoff = AcceptBackoff::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = listen.served.closing.cancelled() => return,
                accepted = listeners.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    backoff.succeeded();
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                        let limit = listen.max_connections;
                        throttled!(GLOBAL, warn, "gRPC connections", %from, limit, "refused a gRPC connection: too many are open");
                        continue;
                    };
                    connections.spawn(Arc::clone(&listen).connection(stream, place));
                }
                Err(error) => {
                    let pause = backoff.failed(&error);
                    if pause.log {
                        throttled!(GLOBAL, warn, "failed gRPC accepts", %error, "failed to accept a gRPC connection");
                    }
                    tokio::time::sleep(pause.wait).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, _place: OwnedSemaphorePermit) {
        if let Err(error) = self.serve(stream).await {
            tracing::debug!(%error, "gRPC connection ended");
        }
    }

    async fn serve(&self, stream: TcpStream) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        prepare(&stream).map_err(text)?;
        let late = || "the handshake took too long".to_owned();
        #[cfg(feature = "tls")]
        let stream: Box<dyn Io> = match &self.tls {
            Some(tls) => {
                let stream = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await;
                Box::new(stream.map_err(|_| late())?.map_err(text)?)
            }
            None => Box::new(stream),
        };
        let read = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&read);
        let stream = ObservedRead::new(stream, move |bytes| {
            counted.fetch_add(bytes, Relaxed);
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .initial_connection_window_size(WINDOWS.0)
            .initial_stream_window_size(WINDOWS.1)
            .max_concurrent_streams(self.max_streams)
            // A caller resets the calls whose time is over. After a pause of this server all of them arrive together.
            .max_pending_accept_reset_streams(Some(self.max_streams as usize))
            .max_header_list_size(HEADERS)
            .auto_date_header(false)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let connection = http.serve_connection(TokioIo::new(stream), Service::new(Arc::clone(&self.served)));
        tokio::pin!(connection);
        let text = |error: hyper::Error| error.to_string();
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(text),
            () = tokio::time::sleep(HANDSHAKE) => {}
            () = self.served.closing.cancelled() => {}
        }
        if read.load(Relaxed) < PREFACE {
            return Err(late());
        }
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(text),
            () = self.served.closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        match tokio::time::timeout(GRACE, connection).await {
            Ok(ended) => ended.map_err(text),
            Err(_) => Err("calls were in progress at the end".to_owned()),
        }
    }
}
