//! Why a connection failed or ended.

use crate::cluster::TransportError;

/// Why a connection failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectFailure {
    /// A retry may succeed.
    #[error("{0}")]
    Transient(String),
    /// A retry will not succeed: a file is missing, or the broker refuses the credentials.
    #[error("{0}")]
    Permanent(String),
}

/// The connection was lost, or closed.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost immediately")]
pub(super) struct ConnectionLost;

impl From<ConnectionLost> for TransportError {
    fn from(_: ConnectionLost) -> Self {
        Self::Unavailable
    }
}
