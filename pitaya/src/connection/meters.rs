//! What connections report.

use tokio::time::Instant;

use crate::component::EntryId;
use crate::error::Error;

/// The instruments of all connections of an app.
#[derive(Debug, Default)]
pub(crate) struct Meters {}

impl Meters {
    pub(crate) fn new(_: &crate::metrics::Metrics, _: &crate::component::Tables) -> Self { Self::default() }
    pub(crate) fn started(&self, _entry: EntryId, _arrived: Instant) {}
    pub(crate) fn finished(&self, _entry: Option<EntryId>, _arrived: Instant, _error: Option<&Error>) {}
    pub(crate) fn rate_limited(&self) {}
    pub(crate) fn connected(&self, _count: usize) {}
    pub(crate) fn dropped(&self, _messages: usize) {}
}
