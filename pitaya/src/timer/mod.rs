//! Timers: work that the server does on its own, again and again or once.
//!
//! [`Timers`] is a service of the app: a component has it as a field, a handler or a remote takes it as an
//! argument. A timer counts from the moment it is made and runs once the app has started; it ends when it is
//! stopped, when its count is reached, or when the app stops. Dropping its [`Timer`] does not stop it.
//!
//! The runs of one timer never overlap. They are due at whole multiples of the interval since it was made, so a
//! timer does not drift; one that was held up makes up for what it missed, one run a tick.

mod schedule;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::schedule::{Schedule, later};
use crate::error::{Error, Result, code};
use crate::util::clock::Clock;
use crate::util::panic::catch_panic_async;
use crate::util::sync::Mutex;
use crate::util::tasks::run_until_cancelled;

/// The shortest tick.
const SHORTEST: Duration = Duration::from_millis(1);

/// Makes the timers of an app. Clones are cheap.
///
/// No method waits. A run that is under way at the stop of the app is finished, or aborted after `pitaya.stop.timeout`.
///
/// ```
/// use std::time::Duration;
/// use pitaya::prelude::*;
/// use pitaya::timer::Timers;
///
/// fn watch(timers: &Timers) -> Result<()> {
///     let timer = timers.every(Duration::from_secs(60), || async { println!("a minute") })?;
///     timers.after(Duration::from_secs(600), async move { timer.stop() });
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Timers(Arc<Inner>);

struct Inner {
    tick: Duration,
    clock: Clock,
    ids: AtomicU64,
    state: Mutex<State>,
}

/// A timer's whole life, given what ends all timers.
type Life = Box<dyn FnOnce(CancellationToken) -> BoxFuture<'static, ()> + Send>;

enum State {
    /// Before the app has started.
    Waiting(Vec<Life>),
    Running {
        runtime: Handle,
        tracker: TaskTracker,
        cancel: CancellationToken,
        kill: CancellationToken,
    },
    /// Nothing runs any more. The runtime's handle was dropped, because it keeps the whole runtime with its descriptors
    /// alive.
    Ended,
}

/// A timer. Dropping it changes nothing; [`stop`](Self::stop) it to end it.
#[derive(Debug, Clone)]
pub struct Timer {
    id: u64,
    stop: CancellationToken,
}

impl Timer {
    /// The id: counted from 1 in each app, never used twice.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Ends the timer: it does not run again. A run that has begun finishes, so a timer may stop itself. A second call
    /// does nothing.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Timers {
    /// How often conditions are checked, and how soon a timer that is late runs again, unless told otherwise.
    pub const TICK: Duration = Duration::from_secs(1);

    /// Timers that wait until [`start`](Self::start).
    pub(crate) fn new() -> Self {
        Self::make(Self::TICK, Clock::default())
    }

    /// The same with a tick and a wall clock of its own.
    ///
    /// # Errors
    /// `PIT-500` if it is shorter than 1 ms.
    pub(crate) fn with_tick(tick: Duration, clock: Clock) -> Result<Self> {
        if tick < SHORTEST {
            return Err(Error::new(code::INTERNAL, "the tick of timers must be 1 ms or more"));
        }
        Ok(Self::make(tick, clock))
    }

    fn make(tick: Duration, clock: Clock) -> Self {
        let state = Mutex::new(State::Waiting(Vec::new()));
        Self(Arc::new(Inner { tick, clock, ids: AtomicU64::new(0), state }))
    }

    /// Timers without an app, for tests of components: they run from now on, on the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn test() -> Self {
        let timers = Self::new();
        timers.start(&TaskTracker::new(), &CancellationToken::new(), &CancellationToken::new());
        timers
    }

    /// Runs `f` every `interval`, for the first time after one.
    ///
    /// A method of a component needs no closure: write `#[every("100ms")]` on it, in a
    /// [`#[timers]`](macro@crate::timers) block.
    ///
    /// A panic of `f` is logged, and the timer continues.
    ///
    /// # Errors
    /// `PIT-500` if the interval is zero.
    pub fn every<F, Fut>(&self, interval: Duration, f: F) -> Result<Timer>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.repeat("timer", interval, None, f)
    }

    /// As [`every`](Self::every), with a name that the log has if it panics.
    pub(crate) fn every_named<F, Fut>(&self, name: &'static str, interval: Duration, f: F) -> Result<Timer>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.repeat(name, interval, None, f)
    }

    /// Runs `f` every `interval`, `count` times in all; with a count of 0, never.
    ///
    /// # Errors
    /// As [`every`](Self::every).
    pub fn count<F, Fut>(&self, interval: Duration, count: u64, f: F) -> Result<Timer>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.repeat("timer", interval, Some(count), f)
    }

    /// Runs `work` once, after `delay`. If the timer is stopped before that, `work` is dropped unpolled.
    pub fn after<Fut>(&self, delay: Duration, work: Fut) -> Timer
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        let due = later(Instant::now(), delay);
        self.add(|stop| {
            Box::new(move |cancel| {
                Box::pin(async move {
                    if reached(due, &stop, &cancel).await {
                        run("timer", move || work).await;
                    }
                })
            })
        })
    }

    /// Runs `f` at every tick (1 s, unless the app was told otherwise) at which `condition` holds. It is given
    /// the time of day. Ticks that pass during a run of `f` are skipped.
    pub fn when<C, F, Fut>(&self, mut condition: C, mut f: F) -> Timer
    where
        C: FnMut(SystemTime) -> bool + Send + 'static,
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut schedule = Schedule::new(Instant::now(), self.0.tick, self.0.tick);
        let inner = Arc::clone(&self.0);
        self.add(|stop| {
            Box::new(move |cancel| {
                Box::pin(async move {
                    while reached(schedule.skip_to(Instant::now()), &stop, &cancel).await {
                        schedule.ran(Instant::now());
                        run("timer", || {
                            let due = condition(inner.clock.now());
                            let work = due.then(&mut f);
                            async {
                                if let Some(work) = work {
                                    work.await;
                                }
                            }
                        })
                        .await;
                    }
                })
            })
        })
    }

    fn repeat<F, Fut>(
        &self,
        name: &'static str,
        interval: Duration,
        count: Option<u64>,
        mut f: F,
    ) -> Result<Timer>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        if interval.is_zero() {
            return Err(Error::new(code::INTERNAL, "the interval of a timer must be more than zero"));
        }
        let mut schedule = Schedule::new(Instant::now(), interval, self.0.tick);
        Ok(self.add(|stop| {
            Box::new(move |cancel| {
                Box::pin(async move {
                    let mut left = count;
                    while left != Some(0) && reached(schedule.next(), &stop, &cancel).await {
                        left = left.map(|left| left - 1);
                        schedule.ran(Instant::now());
                        run(name, &mut f).await;
                    }
                })
            })
        }))
    }

    fn add(&self, life: impl FnOnce(CancellationToken) -> Life) -> Timer {
        let timer = Timer { id: self.0.ids.fetch_add(1, Relaxed) + 1, stop: CancellationToken::new() };
        let life = life(timer.stop.clone());
        let mut state = self.state();
        match &mut *state {
            State::Waiting(waiting) => waiting.push(life),
            State::Running { runtime, tracker, cancel, kill } => {
                tracker.spawn_on(run_until_cancelled(kill.clone(), life(cancel.clone())), runtime);
            }
            State::Ended => {
                drop(state); // it is the user's, and may make timers when it is dropped
                drop(life);
            }
        }
        timer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Runs the timers made so far, and those to come, until `cancel`; a run that has begun by then is left to
    /// `tracker`, and cut off by `kill`. A second start changes nothing.
    pub(crate) fn start(&self, tracker: &TaskTracker, cancel: &CancellationToken, kill: &CancellationToken) {
        let waiting = {
            let mut state = self.state();
            let State::Waiting(waiting) = &mut *state else { return };
            let waiting = std::mem::take(waiting);
            *state = State::Running {
                runtime: Handle::current(),
                tracker: tracker.clone(),
                cancel: cancel.clone(),
                kill: kill.clone(),
            };
            waiting
        };
        for life in waiting {
            tracker.spawn(run_until_cancelled(kill.clone(), life(cancel.clone())));
        }
    }

    /// Makes no timers any more. Those that there are end with `cancel`.
    pub(crate) fn end(&self) {
        let was = std::mem::replace(&mut *self.state(), State::Ended);
        drop(was); // with no lock held: timers that never ran are the user's
    }
}

/// Waits until `due`; `false` if the timer ended first.
async fn reached(due: Instant, stop: &CancellationToken, cancel: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = cancel.cancelled() => false,
        () = sleep_until(due) => true,
    }
}

/// One run. A panic has been logged when this returns.
async fn run<Fut: Future<Output = ()> + Send + 'static>(name: &'static str, f: impl FnOnce() -> Fut) {
    let _ = catch_panic_async(name, || Box::pin(f())).await;
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("tick", &self.0.tick).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
