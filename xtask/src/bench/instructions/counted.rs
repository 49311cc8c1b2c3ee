//! A process whose instructions are counted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a program may take to start. Callgrind makes it some fifty times slower.
const START: Duration = Duration::from_secs(60);
/// How long a program may take for its operations, or to stop.
const WORK: Duration = Duration::from_secs(300);

/// A program under callgrind. Dropping it kills the process.
pub(super) struct Counted {
    child: Child,
    name: String,
    output: PathBuf,
}

impl Counted {
    /// Starts a program with one worker thread, because the order in which threads steal work is not repeatable.
    ///
    /// With `ready`, waits until the program has written the line `ready` to stderr.
    pub(super) fn start(program: &Path, args: &[&str], ready: bool) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let output = std::env::temp_dir().join(format!("pitaya-callgrind-{}-{number}", std::process::id()));
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!("--callgrind-out-file={}", output.display()))
            .arg(program)
            .args(args)
            .env("TOKIO_WORKER_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("valgrind does not start, is it installed? {error}"))?;
        let stderr = child.stderr.take();
        let counted = Self { child, name, output };
        let (sender, lines) = mpsc::channel();
        if let Some(stderr) = stderr {
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if line != "ready" {
                        eprintln!("{line}");
                    } else if sender.send(()).is_err() {
                        // the caller gave up waiting, and has reported that
                    }
                }
            });
        }
        if ready {
            lines
                .recv_timeout(START)
                .map_err(|_| format!("{} did not write `ready` within {START:?}", counted.name))?;
        }
        Ok(counted)
    }

    /// Asks the program to stop, and returns the instructions that it took.
    pub(super) fn stop(self) -> Result<u64, String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| format!("{} has no process id", self.name))?;
        kill_process(pid, Signal::TERM).map_err(|error| format!("{}: {error}", self.name))?;
        self.finish(false)
    }

    /// Waits until the program has ended by itself, and returns the instructions that it took.
    pub(super) fn wait(self) -> Result<u64, String> {
        self.finish(true)
    }

    fn finish(mut self, must_succeed: bool) -> Result<u64, String> {
        let status = wait_for(&mut self.child, &self.name)?;
        if must_succeed && !status.success() {
            return Err(format!("{} ended with {status}", self.name));
        }
        let text = std::fs::read_to_string(&self.output)
            .map_err(|error| format!("{}: the counts of {}: {error}", self.output.display(), self.name))?;
        total(&text).ok_or_else(|| format!("callgrind printed no total for {}", self.name))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait()
            && let Err(error) = self.child.kill().and_then(|()| self.child.wait())
        {
            eprintln!("== {} could not be killed: {error}", self.name);
        }
        // It is missing if the program did not get as far as writing it.
        let _ = std::fs::remove_file(&self.output);
    }
}

/// Waits for a process to end, within [`WORK`].
pub(super) fn wait_for(child: &mut Child, name: &str) -> Result<std::process::ExitStatus, String> {
    let until = Instant::now() + WORK;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            Ok(None) => return Err(format!("{name} did not end within {WORK:?}")),
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
}

/// The number of instructions in callgrind's output.
fn total(text: &str) -> Option<u64> {
    let line = |key| text.lines().rev().find_map(|line| line.strip_prefix(key));
    line("totals:").or_else(|| line("summary:"))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn reads_the_total_of_a_callgrind_file() {
        assert_eq!(total("version: 1\nevents: Ir\nsummary: 12\nfn=(1) main\n1 2\ntotals: 345\n"), Some(345));
        assert_eq!(total("events: Ir\nsummary: 12\n"), Some(12));
        assert_eq!(total("events: Ir\n"), None);
    }
}
