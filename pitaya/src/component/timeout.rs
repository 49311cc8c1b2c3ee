//! The timeout of one route: `timeout = "…"` on a block, `#[timeout("…")]` on a method.

use std::sync::Arc;
use std::time::Duration;

use super::{Call, Kind};
use crate::error::{Error, Result, code, text};
use crate::util::throttle::{GLOBAL, throttled};

/// Bounds one call of a method that has a timeout. For generated code.
#[doc(hidden)]
pub struct Timeout {
    route: Arc<str>,
    limit: Duration,
}

impl<K: Kind> Call<K> {
    /// For generated code: the timeout of the route.
    #[doc(hidden)]
    pub fn timeout(&self, nanos: u64) -> Timeout {
        Timeout { route: Arc::clone(&self.entry().route), limit: Duration::from_nanos(nanos) }
    }
}

impl Timeout {
    /// Runs a call for at most the timeout of its route, then drops it.
    ///
    /// # Errors
    /// The error of the call; `PIT-408` after the timeout.
    pub async fn bound<R>(self, work: impl Future<Output = Result<R>>) -> Result<R> {
        if let Ok(result) = tokio::time::timeout(self.limit, work).await {
            return result;
        }
        let (route, limit) = (&*self.route, self.limit);
        throttled!(
            GLOBAL,
            warn,
            "slow routes",
            route,
            ?limit,
            "aborted a call after the timeout of its route"
        );
        Err(Error::new(code::TIMEOUT, text::HANDLER_TIMEOUT))
    }
}
