//! Errors that nobody wrote for callers: the log gets them, a bounded number a second.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::error::Error;

/// Lines a second. A database that is gone fails every call; the first lines say it all.
const LINES: u32 = 10;

/// Logs errors of handlers whose text does not leave the server.
#[derive(Debug, Default)]
pub(crate) struct Loud {
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
}

impl Loud {
    /// Logs an error: one that was written for callers quietly, any other loudly.
    #[cold]
    pub(super) fn log(&self, route: &str, session: u64, error: &Error) {
        let source = std::error::Error::source(error);
        if error.is_public() {
            return tracing::debug!(route, session, %error, metadata = ?error.metadata(), source, "a call failed");
        }
        let (allowed, suppressed) = self.allow(Instant::now());
        if suppressed > 0 {
            tracing::error!(suppressed, "more calls failed within a second than are logged");
        }
        if allowed {
            tracing::error!(route, session, %error, source, "a call failed");
        }
    }

    /// Whether there is room for a line now, and how many there was none for in the second before.
    fn allow(&self, now: Instant) -> (bool, u32) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut suppressed = 0;
        if window.as_ref().is_none_or(|w| now.saturating_duration_since(w.began) >= Duration::from_secs(1)) {
            suppressed = window.take().map_or(0, |w| w.lines.saturating_sub(LINES));
        }
        let window = window.get_or_insert(Window { began: now, lines: 0 });
        window.lines = window.lines.saturating_add(1);
        (window.lines <= LINES, suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_second_and_the_rest_is_told_as_a_number() {
        let loud = Loud::default();
        let now = Instant::now();
        let allowed = (0..100).filter(|_| loud.allow(now).0).count();
        assert_eq!(allowed, 10);
        assert_eq!(loud.allow(now + Duration::from_millis(999)), (false, 0));
        assert_eq!(loud.allow(now + Duration::from_secs(1)), (true, 91));
        assert_eq!(loud.allow(now + Duration::from_secs(3)), (true, 0));
    }
}
