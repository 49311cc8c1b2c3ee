//! The HTTP request that becomes a WebSocket.

use std::{
    io::{self, Cursor},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_websockets::ServerBuilder;

use crate::acceptor::{ByteStream, OpenError};

/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 8 << 10;
/// How long a refused client may take to read its answer.
const LINGER: Duration = Duration::from_secs(1);

/// Reads one request and answers it: the stream speaks WebSocket afterwards, or an error was sent and it is closed.
pub(super) async fn upgrade<S: ByteStream>(stream: &mut S, origins: &[String]) -> Result<(), OpenError> {
    let answer = match read_head(stream).await? {
        Ok(head) => answer(&head, origins).await,
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(accepted) => {
            stream.write_all(&accepted).await?;
            stream.flush().await?;
            Ok(())
        }
        Err(refusal) => {
            refusal.send(stream).await?;
            Err(OpenError::Upgrade { status: refusal.status.as_u16(), reason: refusal.reason })
        }
    }
}

/// The bytes up to the empty line. A client must wait for our answer, so that nothing may follow it.
async fn read_head<S: ByteStream>(stream: &mut S) -> io::Result<Result<Vec<u8>, Refusal>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::with_capacity(1024);
    loop {
        let room = LONGEST_HEAD - head.len();
        if room == 0 {
            let reason = "the request's head is too long";
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Ok(Err(Refusal::new(status, reason)));
        }
        // the end may lie across two reads
        let unseen = head.len().saturating_sub(END.len() - 1);
        if (&mut *stream).take(room as u64).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !head.first().is_some_and(u8::is_ascii_alphabetic) {
            // Most often the beginning of TLS: who tries that first need not wait for a deadline to try the other.
            return Ok(Err(Refusal::bad("this is no HTTP request")));
        }
        let end = head[unseen..].windows(END.len()).position(|at| at == END);
        if let Some(at) = end {
            if unseen + at + END.len() < head.len() {
                return Ok(Err(Refusal::bad("there is data after the request's head")));
            }
            return Ok(Ok(head));
        }
    }
}

/// The answer to a whole head.
async fn answer(head: &[u8], origins: &[String]) -> Result<Vec<u8>, Refusal> {
    let method = head.split(|byte| *byte == b' ').next().unwrap_or_default();
    if method != b"GET" && !method.is_empty() && method.iter().all(u8::is_ascii_uppercase) {
        let reason = "the method is not GET";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, reason));
    }
    let (request, answer) = negotiate(&with_plain_target(head)).await?;
    if method != b"GET" {
        // The library takes any word for a method.
        return Err(Refusal::bad("the method is not one of HTTP"));
    }
    if request.version() != http::Version::HTTP_11 {
        return Err(Refusal::bad("the version is not HTTP/1.1"));
    }
    if !is_key(request.headers().get(header::SEC_WEBSOCKET_KEY)) {
        return Err(Refusal::bad("the key is not 16 bytes in base64"));
    }
    if !is_allowed(request.headers(), origins) {
        let reason = "the origin is not allowed";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
    }
    Ok(answer)
}

/// The head with `/` for its request target: any target is served, and the library panics at some.
fn with_plain_target(head: &[u8]) -> Vec<u8> {
    let mut parts = head.splitn(3, |byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some(rest)) if !target.is_empty() && !target.contains(&b'\n') => {
            [method, b" / ", rest].concat()
        }
        _ => head.to_vec(),
    }
}

/// Lets the library parse the request and write its answer, over memory: it would read a head of any length from the stream
/// itself, and answer every error alike.
async fn negotiate(head: &[u8]) -> Result<(Request<()>, Vec<u8>), Refusal> {
    let exchange = Exchange { head: Cursor::new(head), answer: Vec::with_capacity(160) };
    match ServerBuilder::new().accept(exchange).await {
        Ok((request, stream)) => Ok((request, stream.into_inner().answer)),
        Err(error) => Err(Refusal::bad(error.to_string())),
    }
}

/// 16 bytes are 22 characters and two of padding.
fn is_key(value: Option<&http::HeaderValue>) -> bool {
    let in_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    value
        .and_then(|value| value.as_bytes().strip_suffix(b"=="))
        .is_some_and(|key| key.len() == 22 && key.iter().all(in_base64))
}

fn is_allowed(headers: &HeaderMap, origins: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let is_it = |allowed: &String| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
    origins.is_empty() || origins.iter().any(is_it)
}

/// An HTTP error, and why.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    async fn send<S: ByteStream>(&self, stream: &mut S) -> io::Result<()> {
        let allow = match self.status {
            StatusCode::METHOD_NOT_ALLOWED => "Allow: GET\r\n",
            _ => "",
        };
        let text = format!(
            "HTTP/1.1 {}\r\nSec-Websocket-Version: 13\r\n{allow}Connection: close\r\nContent-Length: 0\r\n\r\n",
            self.status,
        );
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection, and the client might never see the answer.
        let mut rest = stream.take(64 << 10);
        let mut sink = tokio::io::sink();
        let read_all = tokio::io::copy(&mut rest, &mut sink);
        let _ = tokio::time::timeout(LINGER, read_all).await;
        Ok(())
    }
}

/// A stream in memory: a request to read, an answer that is written.
struct Exchange<'a> {
    head: Cursor<&'a [u8]>,
    answer: Vec<u8>,
}

impl AsyncRead for Exchange<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.head).poll_read(cx, buf)
    }
}

impl AsyncWrite for Exchange<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.answer).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
