//! The WebSocket transport: one binary message is one packet (docs/protocol.md, "Transports").

use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_util::{Sink, Stream};
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{ClientBuilder, Error, Limits, Message, WebSocketStream};

use super::close::ConnectError;
use super::transport::Transport;
use crate::wire::packet::{self, HEADER, MAX_BODY};

/// An address as `ws://host:port/path?query`, understood.
#[derive(Debug)]
pub(super) struct Address {
    uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Reads an address of the given scheme, `ws` or `wss`.
    pub(super) fn parse(url: &str, scheme: &str, default_port: u16) -> Result<Self, ConnectError> {
        let wrong = |why: &dyn std::fmt::Display| ConnectError::Address(format!("{url}: {why}"));
        let uri = Uri::from_str(url).map_err(|e| wrong(&e))?;
        if uri.scheme_str() != Some(scheme) {
            return Err(wrong(&format!("should begin with {scheme}://")));
        }
        // An IPv6 address stands in brackets, in which it would not resolve.
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong(&"no host"));
        }
        let port = uri.port_u16().unwrap_or(default_port);
        Ok(Self { uri, host, port })
    }
}

/// Asks the server at the other end of `stream` to speak WebSocket.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Send + Unpin>(
    stream: S,
    address: &Address,
    max_packet: usize,
) -> Result<WebSocket<S>, ConnectError> {
    let limits = Limits::default().max_payload_len(Some(HEADER + max_packet));
    let builder = ClientBuilder::from_uri(address.uri.clone()).limits(limits);
    let (stream, _) = builder.connect_on(stream).await.map_err(io_error)?;
    Ok(WebSocket { stream, max_packet })
}

pub(super) struct WebSocket<S> {
    stream: WebSocketStream<S>,
    max_packet: usize,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for WebSocket<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        loop {
            let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(Error::AlreadyClosed)) | None => return Poll::Ready(Ok(false)),
                Some(Err(error)) => {
                    let error = io_error(error);
                    // A server that drops the connection without a close frame is the usual one.
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
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<io::Result<()>> {
        let mut stream = Pin::new(&mut self.stream);
        // What is in `out` is our own: it consists of whole packets.
        while let Ok(Some((_, used))) = packet::split(out, MAX_BODY) {
            ready!(stream.as_mut().poll_ready(cx)).map_err(io_error)?;
            let message = Message::binary(out.split_to(used).freeze());
            stream.as_mut().start_send(message).map_err(io_error)?;
        }
        stream.poll_flush(cx).map_err(io_error)
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
}
