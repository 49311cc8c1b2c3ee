//! Logs failed calls, at a bounded rate.

use std::time::Duration;

use crate::error::Error;
use crate::util::throttle::{Throttle, throttled};

/// Logs the errors of handlers. Internal errors are logged here only: clients do not see their text.
#[derive(Debug)]
pub(crate) struct FailureLog(Throttle);

impl Default for FailureLog {
    /// Allows ten lines a second. A lost database fails every call, and the first lines show it.
    fn default() -> Self {
        Self(Throttle::new(10, Duration::from_secs(1)))
    }
}

impl FailureLog {
    /// Logs an error: at debug level if it is public, else at error level.
    #[cold]
    pub(super) fn log(&self, route: &str, session: u64, error: &Error) {
        let source = std::error::Error::source(error);
        if error.is_public() {
            return tracing::debug!(route, session, %error, metadata = ?error.metadata(), source, "a call failed");
        }
        throttled!(self.0, error, "failed calls", route, session, %error, source, "a call failed");
    }
}
