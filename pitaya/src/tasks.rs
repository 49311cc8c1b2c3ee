//! Tasks that may have to end where they are.

use tokio_util::sync::CancellationToken;

/// Does some work, and drops it where it waits when `end` is cancelled. From then on it does nothing more, though it
/// could: the end is looked for first.
pub(crate) async fn ended_by(end: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = work => {}
    }
}
