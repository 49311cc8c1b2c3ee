//! Why a client could not connect, and why a connection is over.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;

use super::transport::Goodbye;
use crate::error::{Error, IntoError, code};
use crate::wire::close_code;
use crate::wire::handshake::HandshakeError;

/// The text of a request that waited long enough; its code is `PIT-504`.
pub const REQUEST_TIMEOUT: &str = "request timeout";

/// Why there is no connection.
///
/// `?` turns it into an [`Error`] where one is wanted: `PIT-400` if the two sides do not understand each other or the server
/// refused, `PIT-503` if there is no server, `PIT-504` if it took too long.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address cannot be understood.
    #[error("not an address: {0}")]
    Address(String),
    /// The transport failed: nobody listens, a bad certificate, a refused upgrade, a broken connection.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Connecting, with the handshake, took longer than allowed.
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
        /// What the server answered instead of 200; 400 unless its hook chose another.
        code: u32,
        /// What a hook of the server wants this client to know.
        payload: Option<Value>,
    },
    /// The server closed before it answered the handshake.
    #[error("the server closed the connection instead of answering the handshake")]
    Closed,
    /// The server sent something else than a handshake reply.
    #[error("not a handshake reply: {0}")]
    Protocol(String),
    /// The server speaks a serializer that this client does not.
    #[error("{}", serializer(.server, .client.as_deref()))]
    Serializer {
        /// The name that the server gave.
        server: String,
        /// The one that was asked for; `None` if there was no wish and the name is not one of ours.
        client: Option<String>,
    },
    /// The user data of the handshake is not a JSON object, or cannot be sent.
    #[error("the user data of the handshake: {0}")]
    User(String),
}

fn serializer(server: &str, client: Option<&str>) -> String {
    match client {
        Some(client) => format!("the server speaks `{server}`, this client was told to speak `{client}`"),
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

/// Why a connection is over, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// This side wanted it: [`Client::disconnect`](super::Client::disconnect), or the last handle was dropped.
    Disconnected,
    /// The server sent a kick.
    Kicked,
    /// A newer session of the same user took this one's place. Known over WebSocket; elsewhere this is a [kick](Self::Kicked)
    /// or a [close](Self::ServerClosed).
    Replaced,
    /// The server stops. Known over WebSocket.
    ServerStopped,
    /// The server says that this client broke the protocol, or refuses what it sent. Known over WebSocket.
    Rejected,
    /// The server says that this client sent a message that is too large. Known over WebSocket.
    TooLarge,
    /// The server says that this client was silent for too long. Known over WebSocket.
    TimedOut,
    /// The server says that this client reads too slowly. Known over WebSocket.
    TooSlow,
    /// The server closed the connection between two packets, or reset it.
    ServerClosed,
    /// The server was silent for more than three heartbeat intervals.
    Timeout,
    /// The server sent what the protocol does not allow.
    Protocol,
    /// The transport failed.
    Io,
}

impl CloseReason {
    /// The reason of a close code that a server sent ([`close_code`] has those of this server).
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

/// Codes of RFC 6455 that this server does not send and others do.
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

/// The end of a connection. It comes once; the first reason stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why.
    pub reason: CloseReason,
    /// What else is known, for people; may be empty.
    pub detail: String,
    /// The code of the server's WebSocket close frame, if it sent one.
    pub code: Option<u16>,
}

impl Closed {
    pub(super) fn new(reason: CloseReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), code: None }
    }

    /// The server closed with these words.
    pub(super) fn by_server(goodbye: &Goodbye) -> Self {
        Self {
            reason: CloseReason::of_code(goodbye.code),
            detail: goodbye.text.clone(),
            code: Some(goodbye.code),
        }
    }

    /// What the server broke.
    pub(super) fn protocol(error: impl fmt::Display) -> Self {
        Self::new(CloseReason::Protocol, error.to_string())
    }

    /// A failed transport. Data that is not of the protocol comes as this kind of error too.
    pub(super) fn io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::protocol(error),
            // What a server's close looks like if it had not read everything yet.
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::new(CloseReason::ServerClosed, error.to_string())
            }
            _ => Self::new(CloseReason::Io, error.to_string()),
        }
    }

    /// What a call on this connection fails with: `PIT-499`.
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
