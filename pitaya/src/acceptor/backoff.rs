//! How long an accept loop waits after an error.

use std::{io, time::Duration};

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// What an accept loop does about errors of [`Acceptor::accept`](super::Acceptor::accept).
///
/// A connection that was gone before it was accepted says nothing about the next one, so the loop goes on at once. Anything else,
/// most often a process out of file descriptors, would fail again at once and burn a core: the loop waits 5 ms, then twice as long
/// each time up to 1 s, until an accept succeeds. A burst is logged once.
///
/// ```
/// use pitaya::acceptor::AcceptBackoff;
/// use std::{io, time::Duration};
///
/// let mut backoff = AcceptBackoff::new();
/// let pause = backoff.failed(&io::Error::other("no more file descriptors"));
/// assert_eq!((pause.wait, pause.log), (Duration::from_millis(5), true));
/// ```
#[derive(Debug, Default)]
pub struct AcceptBackoff {
    failures: u32,
}

/// What to do before the next accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pause {
    /// How long to wait; zero says to go on at once.
    pub wait: Duration,
    /// Whether this error is worth a line: the first of its burst.
    pub log: bool,
}

impl AcceptBackoff {
    /// A loop that has not failed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a connection: the burst is over. Gives the number of errors it had, for the log.
    pub fn succeeded(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// Takes note of an error.
    pub fn failed(&mut self, error: &io::Error) -> Pause {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return Pause { wait: Duration::ZERO, log: false };
        }
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        Pause { wait, log: self.failures == 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out_of_descriptors() -> io::Error {
        io::Error::from_raw_os_error(24)
    }

    /// Only the first error is logged.
    #[test]
    fn wait_doubles_from_5_ms_to_1_s() {
        let mut backoff = AcceptBackoff::new();
        let pauses: Vec<_> = (0..40).map(|_| backoff.failed(&out_of_descriptors())).collect();
        let millis: Vec<_> = pauses.iter().take(10).map(|p| p.wait.as_millis()).collect();
        assert_eq!(millis, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(pauses[39].wait, LONGEST);
        assert_eq!(pauses.iter().filter(|p| p.log).count(), 1);
        assert_eq!(backoff.succeeded(), 40);
        assert!(backoff.failed(&out_of_descriptors()).log);
    }

    #[test]
    fn a_connection_gone_before_accept_costs_no_wait() {
        let mut backoff = AcceptBackoff::new();
        let pause = backoff.failed(&io::ErrorKind::ConnectionAborted.into());
        assert_eq!(pause.wait, Duration::ZERO);
        assert!(!pause.log);
        assert_eq!(backoff.succeeded(), 0);
    }
}
