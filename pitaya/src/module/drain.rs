//! Waiting for sessions to go.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Modules, SessionModule};
use crate::util::panic::catch_panic;

/// A shorter period would keep a core busy.
const SHORTEST: Duration = Duration::from_millis(1);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// No session is left.
    Empty,
    /// Some are, and the time is over.
    TimedOut,
    /// Some are, and somebody wants it to end.
    Interrupted,
}

impl Modules {
    /// Tells all session modules to drain, in reverse order; then counts sessions at once and every `period`,
    /// `count` giving those that no module has, until none is left, `timeout` is over, or `interrupted` is.
    pub(crate) async fn drain(
        &self,
        count: impl Fn() -> usize,
        period: Duration,
        timeout: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> Drained {
        let modules: Vec<_> =
            self.state().entries.iter().filter_map(|entry| entry.sessions.clone()).collect();
        for module in modules.iter().rev() {
            module.start_draining();
        }
        // A session may be counted by the pool and by modules too, so the most of them is what is left.
        let left = || modules.iter().map(|module| module.left()).fold(count(), usize::max);
        let (mut interrupted, mut timeout) = (pin!(interrupted), pin!(sleep(timeout)));
        let mut ticks = interval(period.max(SHORTEST));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut interrupted => return Drained::Interrupted,
                _ = ticks.tick() => {}
                () = &mut timeout => return Drained::TimedOut,
            }
            match left() {
                0 => return Drained::Empty,
                left => tracing::info!(left, "draining: waiting for sessions to end"),
            }
        }
    }
}

/// Erases the type of a session module.
pub(super) trait Sessions: Send + Sync {
    fn start_draining(&self);
    /// How many are left; none if the module panics, so that a broken one cannot hold the stop.
    fn left(&self) -> usize;
}

impl<M: SessionModule> Sessions for M {
    fn start_draining(&self) {
        // A panic has been logged.
        let _ = catch_panic("module start_session_draining", || self.start_session_draining());
    }

    fn left(&self) -> usize {
        catch_panic("module session_count", || self.session_count()).unwrap_or(0)
    }
}
