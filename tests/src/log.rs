//! [`CapturedLog`]: the log lines of this thread.

use std::sync::Arc;

use tempfile::NamedTempFile;
use tracing::Level;
use tracing::subscriber::DefaultGuard;

/// The log lines of this thread, from its creation until it is dropped.
#[derive(Debug)]
pub struct CapturedLog {
    file: NamedTempFile,
    _subscriber: DefaultGuard,
}

impl CapturedLog {
    /// Captures what is logged at this level and above.
    ///
    /// # Panics
    /// If no temporary file can be opened.
    #[must_use]
    pub fn start(level: Level) -> Self {
        let file = NamedTempFile::new().expect("a temporary file");
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(Arc::new(file.reopen().expect("a temporary file")))
            .finish();
        Self { file, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    /// Returns the lines so far.
    ///
    /// # Panics
    /// If the file is unreadable.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.file.path()).expect("a readable file");
        text.lines().map(str::to_owned).collect()
    }
}
