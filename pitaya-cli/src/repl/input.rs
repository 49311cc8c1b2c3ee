//! The lines that the REPL runs: from a file, a pipe or a terminal.
//!
//! A thread reads them, because reading blocks. It reads the next line when the last one is done.

use std::io::{self, BufRead};
use std::sync::mpsc as blocking;

use tokio::sync::mpsc;

/// A line, or the error of the input.
pub(crate) type Line = io::Result<String>;

/// The reading end. `None` from `lines` is the end of the input.
pub(crate) struct Input {
    lines: mpsc::Receiver<Line>,
    ready: blocking::Sender<()>,
}

impl Input {
    /// Reads the lines of a file or a pipe.
    pub(crate) fn of_reader(reader: impl BufRead + Send + 'static) -> Self {
        let mut lines = reader.lines();
        Self::start(move || lines.next())
    }

    /// Starts a thread that calls `read` for each line, until it returns `None`.
    pub(crate) fn start(mut read: impl FnMut() -> Option<Line> + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel(1);
        let (ready, done) = blocking::channel();
        std::thread::spawn(move || {
            while let Some(line) = read() {
                // Either end is dropped when the program ends.
                if sender.blocking_send(line).is_err() || done.recv().is_err() {
                    return;
                }
            }
        });
        Self { lines, ready }
    }

    /// Waits for the next line. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Line> {
        self.lines.recv().await
    }

    /// Lets the thread read the next line.
    pub(crate) fn done(&self) {
        // Without a thread there is no next line, which `next` returns.
        let _ = self.ready.send(());
    }
}
