//! Bounds the log lines that strangers can cause.
//!
//! A client, a probe or a peer that repeats a mistake must not fill the log. Every line at warn or above that one of them
//! can cause goes through a [`Throttle`] with [`throttled!`](throttled). The test `no_bare_line_is_reachable_by_strangers`
//! checks this for all sources.

use std::mem;
use std::sync::{Arc, LazyLock, MutexGuard, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::util::sync::Mutex;

/// The throttle of code that has no app at hand.
pub(crate) static GLOBAL: LazyLock<Throttle> = LazyLock::new(Throttle::default);

/// Writes a log line unless too many of its kind were written lately.
///
/// The arguments are a [`Throttle`], the level, the kind, and what the macros of `tracing` take. The line has the field
/// `suppressed` if lines of this kind were suppressed since the last one.
macro_rules! throttled {
    ($throttle:expr, $level:ident, $kind:expr, $($line:tt)+) => {
        if let Some(suppressed) = $throttle.allow($kind) {
            let suppressed = (suppressed > 0).then_some(suppressed);
            tracing::$level!(suppressed, $($line)+);
        }
    };
}
pub(crate) use throttled;

/// Lets a bounded number of log lines of each kind through in each interval.
///
/// The first line of a kind passes without delay. If lines were suppressed in an interval, their number is logged with the
/// next line of the kind, or at the end of the interval. A clone shares the state.
#[derive(Debug, Clone)]
pub(crate) struct Throttle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: u32,
    interval: Duration,
    /// Kinds are names in the source, so there are few of them.
    kinds: Mutex<Vec<(&'static str, Window)>>,
}

/// The lines of one kind in one interval.
#[derive(Debug)]
struct Window {
    began: Instant,
    lines: u32,
    suppressed: u64,
    /// The task that logs what was suppressed at the end of the interval.
    flush: Option<AbortHandle>,
}

impl Default for Throttle {
    /// One line of a kind in 10 seconds.
    fn default() -> Self {
        Self::new(1, Duration::from_secs(10))
    }
}

impl Throttle {
    /// At most `lines` of one kind in each `interval`.
    pub(crate) fn new(lines: u32, interval: Duration) -> Self {
        Self(Arc::new(Inner { lines, interval, kinds: Mutex::default() }))
    }

    /// Returns the number of lines suppressed since the last line of this kind, or `None` if this one is suppressed too.
    pub(crate) fn allow(&self, kind: &'static str) -> Option<u64> {
        self.0.allow(kind, Instant::now(), || self.flush_later(kind))
    }

    /// Logs the number of all lines that are suppressed and not yet reported. For the end of an app.
    pub(crate) fn flush(&self) {
        let suppressed: Vec<_> = {
            let mut kinds = self.0.kinds();
            kinds.iter_mut().map(|(kind, window)| (*kind, window.end(None))).collect()
        };
        suppressed.into_iter().for_each(|(kind, suppressed)| report(kind, suppressed));
    }

    /// Reports what the running interval suppresses, at its end. Without a runtime the next line reports it.
    fn flush_later(&self, kind: &'static str) -> Option<AbortHandle> {
        let (throttle, interval) = (Arc::downgrade(&self.0), self.0.interval);
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let task = runtime.spawn(async move {
            tokio::time::sleep(interval).await;
            let suppressed = Weak::upgrade(&throttle).map_or(0, |inner| inner.end(kind, Instant::now()));
            report(kind, suppressed);
        });
        Some(task.abort_handle())
    }
}

impl Inner {
    fn kinds(&self) -> MutexGuard<'_, Vec<(&'static str, Window)>> {
        self.kinds.lock()
    }

    fn allow(
        &self,
        kind: &'static str,
        now: Instant,
        flush_later: impl FnOnce() -> Option<AbortHandle>,
    ) -> Option<u64> {
        let mut kinds = self.kinds();
        let Some((_, window)) = kinds.iter_mut().find(|(known, _)| *known == kind) else {
            kinds.push((kind, Window { began: now, lines: 1, suppressed: 0, flush: None }));
            return Some(0);
        };
        if now.saturating_duration_since(window.began) >= self.interval {
            return Some(window.end(Some(now)));
        }
        if window.lines < self.lines {
            window.lines += 1;
            return Some(mem::take(&mut window.suppressed));
        }
        window.suppressed += 1;
        if window.flush.is_none() {
            window.flush = flush_later();
        }
        None
    }

    /// Ends the interval of a kind. The report counts as the first line of the next interval.
    fn end(&self, kind: &'static str, now: Instant) -> u64 {
        let mut kinds = self.kinds();
        kinds.iter_mut().find(|(known, _)| *known == kind).map_or(0, |(_, window)| window.end(Some(now)))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let kinds = self.kinds.get_mut();
        kinds.iter_mut().for_each(|(kind, window)| report(kind, window.end(None)));
    }
}

impl Window {
    /// Takes the number of suppressed lines, and begins a new interval if `now` is given.
    fn end(&mut self, now: Option<Instant>) -> u64 {
        if let Some(task) = self.flush.take() {
            task.abort();
        }
        if let Some(now) = now {
            (self.began, self.lines) = (now, 1);
        }
        mem::take(&mut self.suppressed)
    }
}

fn report(kind: &'static str, suppressed: u64) {
    if suppressed > 0 {
        tracing::warn!(kind, suppressed, "log lines of this kind were suppressed");
    }
}

#[cfg(test)]
mod tests;
