//! The limit and the metrics of bodies that are recoded for sessions with a serializer of their own.

use bytes::Bytes;

use crate::error::{Error, Result, code};
use crate::metrics::{BoundMetric, Metrics, RECODE_FAILURES};

/// The settings of recoding.
#[derive(Debug)]
pub(crate) struct Recoding {
    /// The longest message of a client that grew when it was recoded, in bytes.
    limit: usize,
    message: BoundMetric,
    reply: BoundMetric,
    push: BoundMetric,
}

/// The kinds of bodies that are recoded.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recoded {
    /// A message of a client, for another server.
    Message,
    /// The reply of another server, for a client.
    Reply,
    /// A push, for a client.
    Push,
}

impl Default for Recoding {
    fn default() -> Self {
        Self {
            limit: usize::MAX,
            message: BoundMetric::default(),
            reply: BoundMetric::default(),
            push: BoundMetric::default(),
        }
    }
}

impl Recoding {
    pub(crate) fn new(metrics: &Metrics, limit: usize) -> Self {
        let failed = |kind| metrics.bind_or_log(&RECODE_FAILURES, &[("kind", kind)]);
        Self { limit, message: failed("message"), reply: failed("reply"), push: failed("push") }
    }

    /// Fails if a message of a client, which had `before` bytes, grew and is longer than the limit.
    ///
    /// # Errors
    /// `PIT-400`.
    pub(crate) fn check(&self, body: Bytes, before: usize) -> Result<Bytes> {
        if body.len() <= self.limit.max(before) {
            return Ok(body);
        }
        let text = format!("message too long in the server's serializer: {} bytes", body.len());
        Err(Error::new(code::BAD_REQUEST, text).with_metadata("limit", self.limit.to_string()))
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, what: Recoded) {
        let counter = match what {
            Recoded::Message => &self.message,
            Recoded::Reply => &self.reply,
            Recoded::Push => &self.push,
        };
        counter.record(1.0);
    }
}
