//! What connections report.

use std::sync::Arc;

use tokio::time::Instant;

use crate::component::Entry;
use crate::error::Error;

/// The instruments of all connections of an app.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {}

impl Meters {
    pub(crate) fn started(&self, _entry: &Arc<Entry>, _arrived: Instant) {}
    pub(crate) fn finished(&self, _entry: Option<&Entry>, _arrived: Instant, _error: Option<&Error>) {}
    pub(crate) fn rate_limited(&self) {}
    pub(crate) fn connected(&self, _count: usize) {}
    pub(crate) fn dropped(&self, _messages: usize) {}
}
