//! Waits for sessions to end.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Modules;

/// The shortest period. A shorter one would keep a core busy.
const SHORTEST: Duration = Duration::from_millis(1);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// No session is left.
    Empty,
    /// Some are left after the timeout.
    TimedOut,
    /// Some are left; a signal ended the drain.
    Interrupted,
}

impl Modules {
    /// Starts the drain of all session modules, in reverse order; a second drain does not start them again. Then counts
    /// sessions now and every `period` until no session is left, `timeout` is over, or `interrupted` is ready. `count`
    /// returns the sessions of no module.
    pub(crate) async fn drain(
        &self,
        count: impl Fn() -> usize,
        period: Duration,
        timeout: Duration,
        interrupted: impl Future<Output = ()>,
    ) -> Drained {
        let (modules, drains): (Vec<_>, _) = {
            let mut state = self.state();
            let modules = state.entries.iter().filter_map(|entry| entry.sessions.clone()).collect();
            (modules, std::mem::replace(&mut state.draining, true))
        };
        if !drains {
            modules.iter().rev().for_each(|module| module.start_draining());
        }
        // The pool and modules may count the same sessions, so the maximum is used.
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
