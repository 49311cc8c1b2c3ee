//! The WebSocket transport: one binary message is one packet (docs/protocol.md, "Transports").

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use http::{HeaderName, HeaderValue, StatusCode, Uri};
use httparse::Status;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_websockets::{ClientBuilder, Error, Limits, Message, WebSocketStream};

use super::close::ConnectError;
use super::transport::{Goodbye, Transport};
use crate::util::redact;
use crate::wire::packet::{self, HEADER, MAX_BODY};
use crate::wire::websocket::{accept_key, forward_flush_and_shutdown, random_key};

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";
/// The longest head of an answer, in bytes.
const LONGEST_HEAD: usize = 64 << 10;
/// The most header lines of an answer.
const MAX_HEADERS: usize = 200;

/// The parts of an address `ws://host:port/path?query`.
#[derive(Debug)]
pub(super) struct Address {
    uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Parses an address of a scheme, `ws` or `wss`.
    pub(super) fn parse(url: &str, scheme: &str, default_port: u16) -> Result<Self, ConnectError> {
        let wrong =
            |why: &dyn std::fmt::Display| ConnectError::Address(format!("{}: {why}", redact::address(url)));
        let uri = Uri::from_str(url).map_err(|e| wrong(&e))?;
        if uri.scheme_str() != Some(scheme) {
            return Err(wrong(&format!("should begin with {scheme}://")));
        }
        // An IPv6 address has brackets, with which it would not resolve.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong(&"no host"));
        }
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self { uri, host, port })
    }
}

/// The headers and subprotocols of an upgrade.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) subprotocols: Vec<String>,
}

/// Upgrades a stream to WebSocket.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Send + Unpin>(
    mut stream: S,
    address: &Address,
    wishes: &Wishes,
    max_packet: usize,
) -> Result<WebSocket<S>, ConnectError> {
    let key = random_key();
    stream.write_all(request(address, wishes, &key).as_slice()).await?;
    stream.flush().await?;
    let mut read = BytesMut::new();
    let head = loop {
        // The end may be split across two reads.
        let unseen = read.len().saturating_sub(END.len() - 1);
        read.reserve(4 << 10);
        if stream.read_buf(&mut read).await? == 0 {
            return Err(ConnectError::Closed);
        }
        if read[unseen..].windows(END.len()).any(|at| at == END) {
            break response(&read, &key, wishes)?;
        }
        if read.len() >= LONGEST_HEAD {
            return Err(ConnectError::Protocol(format!(
                "the answer to the upgrade exceeds {LONGEST_HEAD} bytes"
            )));
        }
    };
    read.advance(head);
    let limits = Limits::default().max_payload_len(Some(HEADER + max_packet));
    // Bytes after the head belong to the first frame.
    let stream = Rewound { early: read.freeze(), stream };
    Ok(WebSocket { stream: ClientBuilder::new().limits(limits).take_over(stream), max_packet, goodbye: None })
}

/// Returns the request of an upgrade.
fn request(address: &Address, wishes: &Wishes, key: &str) -> Vec<u8> {
    let uri = &address.uri;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let slash = if target.starts_with('/') { "" } else { "/" };
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map_or_else(String::new, |port| format!(":{port}"));
    let mut request = format!(
        "GET {slash}{target} HTTP/1.1\r\nHost: {host}{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
    )
    .into_bytes();
    if !wishes.subprotocols.is_empty() {
        request.extend(format!("Sec-WebSocket-Protocol: {}\r\n", wishes.subprotocols.join(", ")).bytes());
    }
    for (name, value) in &wishes.headers {
        request.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    request
}

/// Checks the answer to an upgrade. Returns the length of its head.
fn response(bytes: &[u8], key: &str, wishes: &Wishes) -> Result<usize, ConnectError> {
    let bad = |why: &str| ConnectError::Protocol(format!("the answer to the upgrade is malformed: {why}"));
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Status::Complete(length) = response.parse(bytes).map_err(|error| bad(&error.to_string()))? else {
        return Err(bad("it has no end"));
    };
    let status = response.code.unwrap_or_default();
    if status != StatusCode::SWITCHING_PROTOCOLS.as_u16() {
        return Err(ConnectError::Upgrade { status });
    }
    let values = |name: &'static str| {
        let lines = response.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        lines.filter_map(|header| std::str::from_utf8(header.value).ok())
    };
    let lists = |name, element: &str| {
        values(name).flat_map(|line| line.split(',')).any(|it| it.trim().eq_ignore_ascii_case(element))
    };
    if !lists("upgrade", "websocket") || !lists("connection", "upgrade") {
        return Err(bad("it does not upgrade to WebSocket"));
    }
    if !values("sec-websocket-accept").eq([accept_key(key).as_str()]) {
        return Err(bad("it is not the answer to this key"));
    }
    if let Some(chosen) =
        values("sec-websocket-protocol").find(|it| !wishes.subprotocols.iter().any(|own| own == it))
    {
        return Err(bad(&format!("it has the subprotocol `{chosen}`, which was not offered")));
    }
    Ok(length)
}

/// A stream, with bytes that were read before.
pub(super) struct Rewound<S> {
    early: Bytes,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early.split_to(length));
        if self.early.is_empty() {
            self.early = Bytes::new(); // gives the memory back
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    forward_flush_and_shutdown!();

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

pub(super) struct WebSocket<S> {
    stream: WebSocketStream<Rewound<S>>,
    max_packet: usize,
    goodbye: Option<Goodbye>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for WebSocket<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(Error::AlreadyClosed)) | None => return Poll::Ready(Ok(false)),
                Some(Err(error)) => {
                    let error = io_error(error);
                    // Most servers drop the connection without a close frame.
                    let end = error.kind() == io::ErrorKind::UnexpectedEof;
                    return Poll::Ready(if end { Ok(false) } else { Err(error) });
                }
            };
            if message.is_binary() || message.is_text() {
                let bytes = message.as_payload();
                if let Err(error) = packet::whole(bytes, self.max_packet) {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
                }
                into.extend_from_slice(bytes);
                return Poll::Ready(Ok(true));
            }
            if let Some((code, text)) = message.as_close() {
                self.goodbye = Some(Goodbye { code: code.into(), text: text.to_owned() });
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        // `out` has whole packets only, because this client wrote it.
        while let Ok(Some((_, used))) = packet::split(out, MAX_BODY) {
            ready!(stream.as_mut().poll_ready(cx)).map_err(io_error)?;
            let message = Message::binary(out.split_to(used).freeze());
            stream.as_mut().start_send(message).map_err(io_error)?;
        }
        stream.poll_flush(cx).map_err(io_error)
    }

    fn says_goodbye(&self) -> bool {
        true
    }

    fn goodbye(&self) -> Option<&Goodbye> {
        self.goodbye.as_ref()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx).map_err(io_error)
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_a_port_and_the_right_scheme() {
        let parsed = |url| Address::parse(url, "ws", 80).map(|a| (a.host, a.port));
        assert_eq!(parsed("ws://localhost/x?y=1").unwrap(), ("localhost".to_owned(), 80));
        assert_eq!(parsed("ws://[::1]:3251").unwrap(), ("::1".to_owned(), 3251));
        for url in ["", "localhost:1", "wss://localhost", "http://localhost", "ws:///x"] {
            assert!(matches!(parsed(url), Err(ConnectError::Address(_))), "{url}");
        }
    }

    #[test]
    fn an_error_shows_no_credentials_of_an_address() {
        for url in
            ["ws://ann:hunter2@", "http://ann:hunter2@one", "ws:///x?token=hunter2", "ws://a b?token=hunter2"]
        {
            let error = Address::parse(url, "ws", 80).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_request_has_the_target_and_the_wishes() {
        let address = Address::parse("ws://game.example:81/play?x=1", "ws", 80).unwrap();
        let wishes = Wishes {
            headers: vec![(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))],
            subprotocols: vec!["game.v2".into(), "game.v1".into()],
        };
        let request = String::from_utf8(request(&address, &wishes, "key")).unwrap();
        assert!(request.starts_with("GET /play?x=1 HTTP/1.1\r\nHost: game.example:81\r\n"), "{request}");
        assert!(request.contains("Sec-WebSocket-Protocol: game.v2, game.v1\r\nx-a: 1\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\n"));
        for (url, target) in [("ws://a", "/"), ("ws://a?x", "/?x"), ("ws://[::1]:9/", "/")] {
            let address = Address::parse(url, "ws", 80).unwrap();
            let request = String::from_utf8(super::request(&address, &Wishes::default(), "key")).unwrap();
            assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{request}");
        }
    }

    fn answer(more: &str, key: &str) -> Vec<u8> {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{more}\r\n",
            accept_key(key)
        )
        .into_bytes()
    }

    #[test]
    fn an_answer_may_have_200_headers_and_64_kib() {
        let key = random_key();
        for more in ["a: b\r\n".repeat(196), format!("a: {}\r\n", "b".repeat(60 << 10))] {
            let bytes = answer(&more, &key);
            assert_eq!(response(&bytes, &key, &Wishes::default()).unwrap(), bytes.len());
            assert!(response(&bytes[..bytes.len() - 1], &key, &Wishes::default()).is_err());
        }
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        let key = random_key();
        let read = |bytes: &[u8]| response(bytes, &key, &Wishes::default());
        let refused = read(b"HTTP/1.1 403 Forbidden\r\n\r\n");
        assert!(matches!(refused, Err(ConnectError::Upgrade { status: 403 })));
        for bytes in [
            answer("", "other"),
            answer("Sec-WebSocket-Protocol: chat\r\n", &key),
            answer(&format!("Sec-WebSocket-Accept: {}\r\n", accept_key(&key)), &key),
            answer(&"a: b\r\n".repeat(197), &key),
            String::from_utf8(answer("", &key)).unwrap().replace("Upgrade: WebSocket\r\n", "").into_bytes(),
            b"SSH-2.0\r\n\r\n".to_vec(),
        ] {
            assert!(matches!(read(&bytes), Err(ConnectError::Protocol(_))), "{}", bytes.escape_ascii());
        }
    }
}
