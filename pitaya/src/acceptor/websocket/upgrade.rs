//! The answers to HTTP requests: upgrades to WebSocket, and probes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, sync::Arc, time::Duration};

use http::{Method, StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::head::{self, Head};
use crate::acceptor::{ByteStream, OpenError, Readiness};
use crate::net::origins::Pattern;
use crate::net::{Networks, UpgradeRequest};
use crate::wire::websocket::accept_key;

/// The time limit for a client to read the answer to a rejected request.
const LINGER: Duration = Duration::from_secs(1);

/// The rules for the requests of an acceptor.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The origins that may connect. An empty list allows all.
    pub(super) origins: Vec<Pattern>,
    pub(super) subprotocols: Arc<[String]>,
    pub(super) trusted: Networks,
    /// The path of probes; empty for none.
    pub(super) probe: Arc<str>,
    pub(super) ready: Readiness,
    /// The longest head, in bytes.
    pub(super) max_head: usize,
    /// The longest packet body before the ack, in bytes.
    pub(super) max_packet: usize,
}

/// Reads one request and answers it. The stream is then a WebSocket, or it is closed and the result is an error.
///
/// A server that is `draining` accepts no upgrade.
pub(super) async fn upgrade<S: ByteStream>(
    stream: &mut S,
    rules: &Rules,
    draining: &AtomicBool,
) -> Result<UpgradeRequest, OpenError> {
    let decision = match read_head(stream, rules.max_head).await? {
        Ok(head) => decide(&head, rules),
        Err(refusal) => Err(refusal),
    };
    match decision {
        Ok(Decision::Upgrade { .. }) if draining.load(Ordering::Relaxed) => {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            respond(stream, status, "Cache-Control: no-store\r\n", "the server is stopping\n", true).await?;
            Err(OpenError::Upgrade { status: status.as_u16(), reason: "the server is draining".to_owned() })
        }
        Ok(Decision::Upgrade { answer, request }) => {
            stream.write_all(&answer).await?;
            stream.flush().await?;
            Ok(request)
        }
        Ok(Decision::Probe { body }) => {
            let (status, text) = match !draining.load(Ordering::Relaxed) && rules.ready.get().await {
                true => (StatusCode::OK, "ready\n"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            };
            respond(stream, status, "Cache-Control: no-store\r\n", text, body).await?;
            Err(OpenError::Probe { status: status.as_u16() })
        }
        Err(refusal) => {
            let Refusal { status, reason, body } = refusal;
            let more = match status {
                StatusCode::METHOD_NOT_ALLOWED => "Sec-Websocket-Version: 13\r\nAllow: GET, HEAD\r\n",
                StatusCode::UPGRADE_REQUIRED => "Sec-Websocket-Version: 13\r\nUpgrade: websocket\r\n",
                _ => "Sec-Websocket-Version: 13\r\n",
            };
            let text = match status {
                StatusCode::UPGRADE_REQUIRED => "this address speaks WebSocket\n",
                _ => "",
            };
            respond(stream, status, more, text, body).await?;
            Err(OpenError::Upgrade { status: status.as_u16(), reason })
        }
    }
}

/// Reads the bytes up to the empty line. A client must wait for the answer, so no data may follow.
async fn read_head<S: ByteStream>(stream: &mut S, longest: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut head = Vec::with_capacity(1024);
    loop {
        let room = longest.saturating_sub(head.len());
        if room == 0 {
            let reason = format!("the request's head is longer than {longest} bytes");
            return Ok(Err(Refusal::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason)));
        }
        // The end may be split across two reads.
        let unseen = head.len().saturating_sub(END.len() - 1);
        if (&mut *stream).take(room as u64).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !head.first().is_some_and(u8::is_ascii_alphabetic) {
            // Most often this is TLS. A client that tries TLS first need not wait for a deadline.
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

/// The decision on a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// The answer to an upgrade, after which the stream is a WebSocket.
    Upgrade { answer: Vec<u8>, request: UpgradeRequest },
    /// A probe. The answer has a body unless the method is HEAD.
    Probe { body: bool },
}

/// Decides on a whole head. The cost is linear in its length.
pub(super) fn decide(bytes: &[u8], rules: &Rules) -> Result<Decision, Refusal> {
    let head = head::parse(bytes).map_err(|(status, reason)| Refusal::new(status, reason))?;
    let body = head.method != Method::HEAD;
    let refuse = |status, reason: &str| Err(Refusal { body, ..Refusal::new(status, reason) });
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "the method is neither GET nor HEAD");
    }
    if !head.asks_for_websocket() {
        return if !rules.probe.is_empty() && head.request.path() == &*rules.probe {
            Ok(Decision::Probe { body })
        } else {
            refuse(StatusCode::UPGRADE_REQUIRED, "it does not ask for a WebSocket")
        };
    }
    if head.method != Method::GET {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "the method is not GET");
    }
    if head.version != Version::HTTP_11 {
        return refuse(StatusCode::BAD_REQUEST, "the version is not HTTP/1.1");
    }
    if !head.lists("connection", "upgrade") {
        return refuse(StatusCode::BAD_REQUEST, "`Connection` does not list `Upgrade`");
    }
    if head.single("sec-websocket-version") != Some("13") {
        return refuse(StatusCode::BAD_REQUEST, "the version of WebSocket is not 13");
    }
    let Some(key) = head.single("sec-websocket-key").filter(|key| is_key(key)) else {
        return refuse(StatusCode::BAD_REQUEST, "the key is not 16 bytes in base64");
    };
    if !is_allowed(&head, &rules.origins) {
        return refuse(StatusCode::FORBIDDEN, "the origin is not allowed");
    }
    let chosen =
        rules.subprotocols.iter().find(|own| head.elements("sec-websocket-protocol").any(|it| it == **own));
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        accept_key(key)
    );
    if let Some(chosen) = chosen {
        answer += &format!("Sec-WebSocket-Protocol: {chosen}\r\n");
    }
    answer += "\r\n";
    let mut request = head.request;
    if let Some(chosen) = chosen {
        request = request.with_subprotocol(chosen);
    }
    Ok(Decision::Upgrade { answer: answer.into_bytes(), request })
}

/// Returns whether the key is valid. 16 bytes are 22 characters and two of padding.
fn is_key(key: &str) -> bool {
    let in_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix("==").is_some_and(|key| key.len() == 22 && key.bytes().all(in_base64))
}

/// Returns whether the text is a token of HTTP, as the name of a subprotocol must be.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_allowed(head: &Head, origins: &[Pattern]) -> bool {
    let allowed = |origin: &str| origins.iter().any(|pattern| pattern.matches(origin.as_bytes()));
    origins.is_empty() || head.request.header_lines("origin").all(allowed)
}

/// An HTTP error with its reason.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
    /// Whether the answer may have a body.
    body: bool,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), body: true }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }
}

/// Sends an answer and closes the stream.
async fn respond<S: ByteStream>(
    stream: &mut S,
    status: StatusCode,
    headers: &str,
    text: &str,
    body: bool,
) -> io::Result<()> {
    let kind = if text.is_empty() { "" } else { "Content-Type: text/plain\r\n" };
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}{kind}Connection: close\r\nContent-Length: {}\r\n\r\n{}",
        text.len(),
        if body { text } else { "" }
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // A close with unread bytes resets the connection, and the client may lose the answer.
    let mut rest = stream.take(64 << 10);
    let mut sink = tokio::io::sink();
    let read_all = tokio::io::copy(&mut rest, &mut sink);
    let _ = tokio::time::timeout(LINGER, read_all).await;
    Ok(())
}
