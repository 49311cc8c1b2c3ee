//! Log lines on standard error that never hold the server up: nobody may be reading them.

use std::io::{self, Write};
use std::sync::mpsc::{SyncSender, sync_channel};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written; what comes beyond is dropped.
const WAITING: usize = 1024;

/// Writes to standard error from a thread of its own.
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
                    return; // nobody is there any more
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
