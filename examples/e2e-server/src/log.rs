//! Log lines on standard error that never block the server, even if no process reads them.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

use tracing_subscriber::fmt::MakeWriter;

/// The number of lines that wait to be written. Further ones are dropped.
const WAITING: usize = 1024;

/// Writes to standard error from a separate thread.
#[derive(Debug, Clone)]
pub struct Lossy(SyncSender<Vec<u8>>);

impl Lossy {
    /// Starts the thread.
    #[must_use]
    pub fn start() -> Self {
        let (lines, written) = sync_channel::<Vec<u8>>(WAITING);
        std::thread::spawn(move || {
            for line in written {
                if io::stderr().write_all(&line).is_err() {
                    return; // the reader is gone
                }
            }
        });
        Self(lines)
    }
}

impl Write for Lossy {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
