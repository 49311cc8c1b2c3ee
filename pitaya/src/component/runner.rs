//! Runs the remotes of this process: a remote finishes although its caller has stopped waiting.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result, code, text};
use crate::span::Tracer;
use crate::util::tasks::run_until_cancelled;
use crate::util::throttle::{GLOBAL, throttled};

/// The result of a remote.
type Work = BoxFuture<'static, Result<Bytes>>;

/// Runs remotes for callers in the same process, by the same rules as for callers on other servers.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    /// Tracks the remotes whose callers have gone, until they finish.
    tasks: TaskTracker,
    /// Aborts them.
    kill: CancellationToken,
    /// How long a remote may take.
    limit: Duration,
    tracer: Option<Tracer>,
}

impl Runner {
    pub(crate) fn new(tasks: TaskTracker, kill: CancellationToken, limit: Duration) -> Self {
        Self { tasks, kill, limit, tracer: None }
    }

    /// Makes OpenTelemetry spans of the remotes.
    pub(crate) fn traced(mut self, tracer: Option<Tracer>) -> Self {
        self.tracer = tracer;
        self
    }

    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.tracer.as_ref()
    }

    /// Spawns work that a stop waits for, and aborts at its time limit.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(run_until_cancelled(self.kill.clone(), work));
    }

    /// Runs a remote. Returns `None` if `until` passes before the remote has finished.
    ///
    /// The remote continues then in a task of its own, also if the returned future is dropped. After its time limit
    /// it is aborted, and a caller that still waits gets `PIT-408`.
    pub(crate) async fn run(
        &self,
        route: &Arc<str>,
        mut work: Work,
        until: Option<Instant>,
    ) -> Option<Result<Bytes>> {
        let ends = end(Instant::now(), self.limit);
        // Most remotes finish without waiting, and need neither a timer nor a task.
        if let Poll::Ready(result) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
            return Some(result);
        }
        let until = until.map_or(ends, |until| until.min(ends));
        let mut kept = Kept { route, work: Some(work), ends, runner: self, runtime: Handle::current() };
        match timeout_at(until, &mut kept).await {
            Ok(result) => Some(result),
            Err(_) if until == ends => {
                kept.work = None;
                Some(Err(cut_off(route)))
            }
            Err(_) => None,
        }
    }
}

/// A remote that continues in a task of its own if it is dropped before it has finished.
struct Kept<'a> {
    route: &'a Arc<str>,
    work: Option<Work>,
    ends: Instant,
    runner: &'a Runner,
    runtime: Handle,
}

impl Future for Kept<'_> {
    type Output = Result<Bytes>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Bytes>> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let result = work.as_mut().poll(context);
        if result.is_ready() {
            self.work = None;
        }
        result
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let (route, ends) = (Arc::clone(self.route), self.ends);
        let rest = async move {
            if timeout_at(ends, work).await.is_err() {
                drop(cut_off(&route));
            }
        };
        let rest = run_until_cancelled(self.runner.kill.clone(), rest);
        // The handle, because a future may be dropped outside the runtime.
        self.runner.tasks.spawn_on(rest, &self.runtime);
    }
}

/// Returns the deadline of a call that began at `start`. A limit that the clock cannot count to is decades away.
pub(crate) fn end(start: Instant, limit: Duration) -> Instant {
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start.checked_add(limit).unwrap_or_else(|| start + DECADES)
}

/// Logs that a call was aborted. Returns the error for a caller that still waits.
pub(crate) fn cut_off(route: &str) -> Error {
    throttled!(
        GLOBAL,
        warn,
        "slow remotes",
        route,
        "aborted a handler or remote after `pitaya.handler.timeout`"
    );
    Error::new(code::TIMEOUT, text::HANDLER_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn route() -> Arc<str> {
        "room.hall.enter".into()
    }

    fn runner() -> Runner {
        Runner::new(TaskTracker::new(), CancellationToken::new(), 10 * SECOND + SECOND / 2)
    }

    /// A remote of this many steps of a second each, and how many it has made.
    fn steps(all: u32) -> (Work, Arc<AtomicU32>) {
        let made = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&made);
        let work = async move {
            for _ in 0..all {
                tokio::time::sleep(SECOND).await;
                count.fetch_add(1, SeqCst);
            }
            Ok(Bytes::from("done"))
        };
        (Box::pin(work), made)
    }

    async fn idle(runner: &Runner) {
        runner.tasks.close();
        runner.tasks.wait().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_remote_finishes_after_its_callers_timeout() {
        let (runner, (work, made)) = (runner(), steps(3));
        assert!(runner.run(&route(), work, Some(Instant::now() + SECOND + SECOND / 2)).await.is_none());
        assert_eq!(made.load(SeqCst), 1);
        idle(&runner).await;
        assert_eq!(made.load(SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_remote_finishes_after_its_caller_was_dropped() {
        let (runner, (work, made)) = (runner(), steps(3));
        let dropped = tokio::time::timeout(SECOND / 2, runner.run(&route(), work, None)).await;
        assert!(dropped.is_err());
        idle(&runner).await;
        assert_eq!(made.load(SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_remote_is_cut_off_after_the_limit() {
        let (runner, started) = (runner(), Instant::now());
        // The caller still waits: it gets the error.
        for until in [None, Some(started + 3600 * SECOND)] {
            let (work, made) = steps(60);
            let route = route();
            let (result, began) = (runner.run(&route, work, until), Instant::now());
            assert_eq!(result.await.unwrap().unwrap_err().code(), code::TIMEOUT);
            assert_eq!((began.elapsed().as_secs(), made.load(SeqCst)), (10, 10));
        }
        // The caller has gone.
        let (work, made) = steps(60);
        assert!(runner.run(&route(), work, Some(Instant::now() + SECOND)).await.is_none());
        idle(&runner).await;
        assert_eq!(made.load(SeqCst), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_kill_ends_what_its_caller_left() {
        let (runner, (work, made)) = (runner(), steps(3));
        assert!(runner.run(&route(), work, Some(Instant::now() + SECOND / 2)).await.is_none());
        runner.kill.cancel();
        idle(&runner).await;
        assert_eq!(made.load(SeqCst), 0);
    }

    #[test]
    fn a_remote_may_be_dropped_outside_its_runtime() {
        let (runner, (work, made)) = (runner(), steps(1));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let route = route();
        let mut call = Box::pin(runner.run(&route, work, None));
        runtime.block_on(poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending());
            Poll::Ready(())
        }));
        drop(call);
        runtime.block_on(idle(&runner));
        assert_eq!(made.load(SeqCst), 1);
    }

    #[test]
    fn no_limit_is_beyond_the_clock() {
        let now = Instant::now();
        assert_eq!(end(now, SECOND), now + SECOND);
        assert!(end(now, Duration::MAX) > now + 3600 * SECOND);
    }
}
