//! What the kernel says of a process: its CPU time and its memory.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

/// CPU time of all threads of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// Time in which a thread ran.
    pub(crate) ran: Duration,
    /// Time in which a thread could have run, but had no processor.
    pub(crate) waited: Duration,
}

impl Cpu {
    /// Of the process with this id, or of `self`. A thread that has ended is not in it any more.
    pub(crate) fn of(process: &str) -> io::Result<Self> {
        let mut sum = Self { ran: Duration::ZERO, waited: Duration::ZERO };
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let text = match fs::read_to_string(thread?.path().join("schedstat")) {
                Ok(text) => text,
                // It ended between the listing and now.
                Err(error) if error.raw_os_error() == Some(3) || error.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
            let (Some(ran), Some(waited)) = (numbers.next(), numbers.next()) else {
                return Err(io::Error::other("/proc/…/schedstat is not what it should be"));
            };
            sum.ran += Duration::from_nanos(ran);
            sum.waited += Duration::from_nanos(waited);
        }
        Ok(sum)
    }

    /// What was spent since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { ran: self.ran.saturating_sub(before.ran), waited: self.waited.saturating_sub(before.waited) }
    }
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("/proc/…/smaps_rollup names no Rss"))
}

/// Asks for as many open files as this user may have.
pub(crate) fn raise_open_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
