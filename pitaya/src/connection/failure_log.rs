//! Errors that were not written for callers: the log gets a bounded number of them.

use std::time::Duration;

use crate::error::Error;
use crate::util::throttle::{Throttle, throttled};

/// Logs errors of handlers whose text does not leave the server.
#[derive(Debug)]
pub(crate) struct FailureLog(Throttle);

impl Default for FailureLog {
    /// Ten lines a second. A database that is gone fails every call, and the first lines say so.
    fn default() -> Self {
        Self(Throttle::new(10, Duration::from_secs(1)))
    }
}

impl FailureLog {
    /// Logs an error: at debug if it was written for callers, else at error.
    #[cold]
    pub(super) fn log(&self, route: &str, session: u64, error: &Error) {
        let source = std::error::Error::source(error);
        if error.is_public() {
            return tracing::debug!(route, session, %error, metadata = ?error.metadata(), source, "a call failed");
        }
        throttled!(self.0, error, "failed calls", route, session, %error, source, "a call failed");
    }
}
