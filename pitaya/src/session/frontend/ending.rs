//! The end of a session: its handlers have ended and its close callbacks have run.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;

use super::{FrontendSession, Life};

impl FrontendSession {
    /// Notes that the connection in the running task serves this session and will report its [end](Self::end).
    pub(crate) fn serve(&self) {
        self.state().life = Life::Served(tokio::task::try_id());
    }

    /// Notes that the last handler has ended and the close callbacks have run or were aborted. A second call does
    /// nothing.
    pub(crate) fn end(&self) {
        let (ending, waiting) = {
            let mut state = self.state();
            state.life = Life::Ended;
            (state.ending.take(), mem::take(&mut state.waiting))
        };
        if let Some(uid) = ending {
            self.pool.ended(&uid, self);
        }
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Notes that the pool counts this session among those of the user that have not ended. Returns `false` if it has
    /// ended, or if its end is not reported.
    pub(in crate::session) fn begin_to_end(&self, uid: &Arc<str>) -> bool {
        let mut state = self.state();
        let served = matches!(state.life, Life::Served(_));
        if served {
            state.ending = Some(Arc::clone(uid));
        }
        served
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if !matches!(state.life, Life::Served(_)) {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|w| w.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Returns whether the running task is that of the session's connection, whose end it cannot wait for.
    fn is_served_here(&self) -> bool {
        matches!(self.state().life, Life::Served(Some(task)) if tokio::task::try_id() == Some(task))
    }
}

/// Waits until all of these sessions have ended, except one whose own task waits.
pub(in crate::session) async fn all_ended(sessions: &[Arc<FrontendSession>]) {
    let others = sessions.iter().filter(|session| !session.is_served_here());
    join_all(others.map(|session| poll_fn(|cx| session.poll_ended(cx)))).await;
}
