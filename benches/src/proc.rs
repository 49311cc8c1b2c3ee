//! Reads the CPU time and the memory of processes from the kernel.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

/// CPU time of all threads of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// Time in which a thread ran.
    pub ran: Duration,
    /// Time in which a thread could have run, but had no processor.
    pub waited: Duration,
}

impl Cpu {
    /// Of the process with this id, or of `self`. A thread that has ended is not in it any more.
    ///
    /// # Errors
    /// There is no such process, or the kernel does not tell.
    pub fn of(process: &str) -> io::Result<Self> {
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

    /// Returns the CPU time since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self { ran: self.ran.saturating_sub(before.ran), waited: self.waited.saturating_sub(before.waited) }
    }
}

/// The resident memory of a process, in bytes.
///
/// # Errors
/// There is no such process, or the kernel does not tell.
pub fn resident(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kib| kib * 1024)
        .ok_or_else(|| io::Error::other("/proc/…/smaps_rollup names no Rss"))
}

/// Asks for as many open files as this user may have.
///
/// # Errors
/// The system refuses.
pub fn raise_open_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// The CPU time of other processes during a measurement, and the messages that a NATS server receives.
#[derive(Clone, Debug)]
pub struct Others {
    pids: Vec<u32>,
    monitor: Option<SocketAddr>,
    begun: Option<(Vec<Cpu>, u64)>,
}

impl Others {
    /// These processes, and the NATS server whose monitoring port this is.
    #[must_use]
    pub fn new(pids: Vec<u32>, monitor: Option<SocketAddr>) -> Self {
        Self { pids, monitor, begun: None }
    }

    fn now(&self) -> io::Result<(Vec<Cpu>, u64)> {
        let messages = self.monitor.map_or(Ok(0), messages)?;
        let cpus = self.pids.iter().map(|pid| Cpu::of(&pid.to_string())).collect::<io::Result<_>>()?;
        Ok((cpus, messages))
    }

    /// Counts from now on.
    ///
    /// # Errors
    /// One of them has gone.
    pub fn begin(&mut self) -> io::Result<()> {
        self.begun = Some(self.now()?);
        Ok(())
    }

    /// Returns the CPU time of each process since `begin`, and the number of messages.
    ///
    /// # Errors
    /// One of them has gone.
    pub fn end(&self) -> io::Result<(Vec<Cpu>, u64)> {
        let (cpus, messages) = self.now()?;
        let Some((before, messages_before)) = &self.begun else { return Ok((cpus, messages)) };
        let spent = cpus.iter().zip(before).map(|(now, before)| now.since(*before)).collect();
        Ok((spent, messages.saturating_sub(*messages_before)))
    }
}

/// How many messages a NATS server has taken in, by its own count.
fn messages(monitor: SocketAddr) -> io::Result<u64> {
    let mut stream = TcpStream::connect(monitor)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(b"GET /varz HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let number = answer.split_once("\"in_msgs\":").and_then(|(_, rest)| rest.split(',').next());
    number
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::other("the monitoring port of NATS does not tell in_msgs"))
}
