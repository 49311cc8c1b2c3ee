//! The errors of connecting, and the reasons of the end of a connection.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;

use super::transport::Goodbye;
use crate::error::{Error, IntoError, code};
use crate::wire::close_code;
use crate::wire::handshake::HandshakeError;

/// The text of a request that timed out. Its code is `PIT-504`.
pub const REQUEST_TIMEOUT: &str = "request timeout";

/// The reason why a client could not connect.
///
/// `?` converts it into an [`Error`]: `PIT-400` if the server rejected the client or broke the protocol, `PIT-503` if the
/// server is unreachable, `PIT-504` after the time limit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is invalid.
    #[error("not an address: {0}")]
    Address(String),
    /// The transport failed: no server listens, the certificate is invalid, or the connection broke.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Connecting, with the handshake, took longer than the time limit.
    #[error("no connection after {0:?}")]
    Timeout(Duration),
    /// The server answered the WebSocket upgrade with another status than 101.
    #[error("the server refused the WebSocket upgrade with status {status}")]
    Upgrade {
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The server refused the handshake.
    #[error("the server refused the handshake with code {code}")]
    Refused {
        /// The code of the server instead of 200: 400, or the code of its hook.
        code: u32,
        /// The text of the server's hook.
        payload: Option<Value>,
    },
    /// The server closed before it answered the handshake.
    #[error("the server closed the connection instead of answering the handshake")]
    Closed,
    /// The server sent no valid handshake reply.
    #[error("not a handshake reply: {0}")]
    Protocol(String),
    /// The server speaks a serializer that this client does not.
    #[error("{}", serializer(.server, .client.as_deref()))]
    Serializer {
        /// The server's serializer.
        server: String,
        /// The client's serializer; `None` if it has none, and the server's is not built in.
        client: Option<String>,
    },
    /// The user data of the handshake is not a JSON object, or cannot be sent.
    #[error("the user data of the handshake: {0}")]
    User(String),
}

fn serializer(server: &str, client: Option<&str>) -> String {
    match client {
        Some(client) => format!("the server speaks `{server}`, this client speaks `{client}`"),
        None => {
            format!("the server speaks `{server}`: give the client that serializer with `.serializer(…)`")
        }
    }
}

impl From<HandshakeError> for ConnectError {
    fn from(error: HandshakeError) -> Self {
        Self::Protocol(error.to_string())
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        let code = match &error {
            ConnectError::Io(_) | ConnectError::Closed => code::UNAVAILABLE,
            ConnectError::Timeout(_) => code::CLIENT_TIMEOUT,
            _ => code::BAD_REQUEST,
        };
        Self::new(code, error.to_string()).with_source(error)
    }
}

impl IntoError for ConnectError {
    fn into_error(self) -> Error {
        self.into()
    }
}

/// The kind of reason for the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client closed it: [`Client::disconnect`](super::Client::disconnect), or the last clone was dropped.
    Disconnected,
    /// The server sent a kick.
    Kicked,
    /// A newer session of the same user replaced this one. Only WebSocket says so; other transports have a
    /// [kick](Self::Kicked) or a [close](Self::ServerClosed).
    Replaced,
    /// The server stops. Only WebSocket says so.
    ServerStopped,
    /// The server says that the client broke the protocol, or rejects its data. Only WebSocket says so.
    Rejected,
    /// The server says that a message of the client was too large. Only WebSocket says so.
    TooLarge,
    /// The server says that the client was silent for too long. Only WebSocket says so.
    TimedOut,
    /// The server says that the client reads too slowly. Only WebSocket says so.
    TooSlow,
    /// The server closed the connection between two packets, or reset it.
    ServerClosed,
    /// The server was silent for more than three heartbeat intervals.
    Timeout,
    /// The server broke the protocol.
    Protocol,
    /// The transport failed.
    Io,
}

impl CloseReason {
    /// Returns the reason of a server's close code. [`close_code`] has those of this framework.
    fn of_code(code: u16) -> Self {
        match code {
            close_code::KICKED => Self::Kicked,
            close_code::REPLACED => Self::Replaced,
            close_code::GOING_AWAY | RESTART => Self::ServerStopped,
            close_code::PROTOCOL | UNSUPPORTED | BAD_TEXT | POLICY => Self::Rejected,
            close_code::TOO_LARGE => Self::TooLarge,
            close_code::TIMEOUT => Self::TimedOut,
            close_code::TOO_SLOW => Self::TooSlow,
            _ => Self::ServerClosed,
        }
    }
}

/// Codes of RFC 6455 that other servers send.
const UNSUPPORTED: u16 = 1003;
const BAD_TEXT: u16 = 1007;
const POLICY: u16 = 1008;
const RESTART: u16 = 1012;

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "closed by this client",
            Self::Kicked => "kicked by the server",
            Self::Replaced => "replaced by a newer session of the same user",
            Self::ServerStopped => "the server stops",
            Self::Rejected => "the server says that this client broke the protocol",
            Self::TooLarge => "the server says that a message was too large",
            Self::TimedOut => "the server says that this client was silent",
            Self::TooSlow => "the server says that this client reads too slowly",
            Self::ServerClosed => "closed by the server",
            Self::Timeout => "the server is silent",
            Self::Protocol => "the server broke the protocol",
            Self::Io => "the transport failed",
        })
    }
}

/// The end of a connection. The first reason stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The kind of reason.
    pub reason: CloseReason,
    /// Details for people; may be empty.
    pub detail: String,
    /// The code of the server's WebSocket close frame, if it sent one.
    pub code: Option<u16>,
}

impl Closed {
    pub(super) fn new(reason: CloseReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), code: None }
    }

    /// Returns the end by a close frame of the server.
    pub(super) fn by_server(goodbye: &Goodbye) -> Self {
        Self {
            reason: CloseReason::of_code(goodbye.code),
            detail: goodbye.text.clone(),
            code: Some(goodbye.code),
        }
    }

    /// Returns the end by a server that broke the protocol.
    pub(super) fn protocol(error: impl fmt::Display) -> Self {
        Self::new(CloseReason::Protocol, error.to_string())
    }

    /// Returns the end by an error of the transport, which includes invalid data.
    pub(super) fn io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::protocol(error),
            // A server that closes with unread data resets the connection.
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::new(CloseReason::ServerClosed, error.to_string())
            }
            _ => Self::new(CloseReason::Io, error.to_string()),
        }
    }

    /// Returns the error of a call on this connection: `PIT-499`.
    pub(super) fn error(&self) -> Error {
        Error::new(code::CLOSED, format!("the connection is over: {self}"))
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}
