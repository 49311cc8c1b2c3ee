//! An answer that is cached for a moment, so that probes cost the cluster little.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The lifetime of an answer.
const FRESH: Duration = Duration::from_millis(500);
/// The time limit of a question.
const LONGEST: Duration = Duration::from_secs(2);

/// The last answer to a question. One task at a time asks the question.
#[derive(Debug)]
pub(super) struct Cached<T>(Arc<Mutex<Option<Last<T>>>>);

/// `answer` is `None` if none came in time.
#[derive(Debug)]
struct Last<T> {
    at: Instant,
    answer: Option<T>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + 'static> Cached<T> {
    /// Returns the last answer if it is fresh, or asks. Returns `None` after the time limit, which is cached too.
    ///
    /// Cancel safe: the question continues in its own task. Otherwise clients that hang up could ask any number of times.
    pub(super) async fn get(&self, ask: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let mut last = Arc::clone(&self.0).lock_owned().await;
        if let Some(Last { at, answer }) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let asked = tokio::spawn(async move {
            let answer = timeout(LONGEST, ask).await.ok();
            *last = Some(Last { at: Instant::now(), answer: answer.clone() });
            answer
        });
        asked.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn callers_share_an_answer_until_it_is_old() {
        let (cached, asked) = (Cached::default(), Arc::new(AtomicU32::new(0)));
        let ask = || {
            let asked = Arc::clone(&asked);
            async move {
                tokio::time::sleep(FRESH / 10).await;
                asked.fetch_add(1, Ordering::Relaxed) + 1
            }
        };
        let all = futures_util::future::join_all((0..50).map(|_| cached.get(ask()))).await;
        assert!(all.iter().all(|answer| *answer == Some(1)));
        // If a caller hangs up, the next one does not ask again.
        tokio::time::sleep(FRESH).await;
        assert!(timeout(FRESH / 100, cached.get(ask())).await.is_err());
        assert_eq!(cached.get(ask()).await, Some(2));
        tokio::time::sleep(FRESH).await;
        assert_eq!(cached.get(std::future::pending()).await, None);
        // Waiting callers share one answer.
        let began = Instant::now();
        assert_eq!(cached.get(ask()).await, None);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
