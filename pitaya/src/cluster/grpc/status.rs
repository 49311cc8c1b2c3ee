//! The meaning of a gRPC status for a call.

use std::error::Error as _;

use tonic::{Code, Status};

use crate::cluster::TransportError;

/// Why the connection carried no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionFault {
    /// The request was not sent.
    #[error("the request was not sent: {0}")]
    NotSent(hyper::Error),
    /// The request may have been handled.
    #[error("the connection was lost: {0}")]
    Lost(hyper::Error),
}

/// Returns why a call of `size` bytes failed. A status that came from the callee has no source.
pub(super) fn error(status: &Status, size: usize, limit: usize) -> TransportError {
    match status.source() {
        Some(source) => match source.downcast_ref() {
            Some(ConnectionFault::NotSent(_)) => TransportError::NoResponders,
            _ => TransportError::Lost,
        },
        None => match status.code() {
            Code::DeadlineExceeded => TransportError::Timeout,
            // A server that stops refuses calls. No server says so about a call that it handled.
            Code::Unavailable => TransportError::NoResponders,
            // The text of Go's server, which refuses a message before it handles it.
            Code::ResourceExhausted if status.message().contains("larger than max") => {
                TransportError::TooLarge { size, limit }
            }
            // The text of tonic's server. The size tells the request from an answer that is too large for this server.
            Code::OutOfRange if status.message().contains(&format!("too large: found {size} bytes")) => {
                TransportError::TooLarge { size, limit }
            }
            _ => TransportError::Other(status.message().to_owned()),
        },
    }
}
