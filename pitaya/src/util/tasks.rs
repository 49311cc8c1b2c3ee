//! Tasks that a stop can cut off.

use tokio_util::sync::CancellationToken;

/// Runs `work` until it ends, or drops it when `end` is cancelled.
///
/// Unlike [`CancellationToken::run_until_cancelled_owned`], cancellation wins: cancelled work is not polled again.
pub(crate) async fn run_until_cancelled(end: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = work => {}
    }
}
