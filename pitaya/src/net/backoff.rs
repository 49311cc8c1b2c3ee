//! The pause of an accept loop after an error.

use std::{io, time::Duration};

use crate::util::backoff::doubled;

const FIRST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

/// The pauses of an accept loop after errors of [`Acceptor::accept`](crate::acceptor::Acceptor::accept).
///
/// If a connection was closed before it was accepted, the loop continues without a pause. Other errors, such as too many open
/// files, would repeat immediately and use a whole core. The loop waits 5 ms, then twice as long each time up to 1 s, until an
/// accept succeeds. A burst of errors is logged once.
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

/// The action before the next accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pause {
    /// The time to wait; may be zero.
    pub wait: Duration,
    /// Whether to log this error: it is the first of its burst.
    pub log: bool,
}

impl AcceptBackoff {
    /// Returns the state of a loop without errors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends a burst of errors. Returns the number of its errors, for the log.
    pub fn succeeded(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// Records an error, and returns the action.
    pub fn failed(&mut self, error: &io::Error) -> Pause {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return Pause { wait: Duration::ZERO, log: false };
        }
        let wait = doubled(FIRST, LONGEST, self.failures);
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
