//! The schema of a client, which the handshake compares with that of the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::schema::Schema;

/// The hash that a client sends, and whether a mismatch was logged. Clones of a builder log one mismatch.
#[derive(Clone, Debug, Default)]
pub(super) struct SchemaCheck {
    hash: String,
    warned: Arc<AtomicBool>,
}

impl SchemaCheck {
    pub(super) fn new(schema: &Schema) -> Self {
        Self { hash: schema.client_hash(), warned: Arc::default() }
    }

    /// Returns the hash; empty if none is sent.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Reads the server's answer. It logs the first mismatch, and ignores an answer that was not asked for.
    pub(super) fn read(&self, answer: Option<bool>) -> Option<bool> {
        let matches = answer.filter(|_| !self.hash.is_empty())?;
        if !matches && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                schema = self.hash,
                "schema of the server differs from that of the client: build the client again, or see what changed with \
                 `pitaya schema diff`"
            );
        }
        Some(matches)
    }
}
