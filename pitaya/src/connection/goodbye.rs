//! The end of a connection that the server closes.
//!
//! A socket that is dropped with input unread makes the kernel reset the connection, and the client may lose what
//! was written last: a kick, a refusal. So the writing side is shut down first, and what the client still sends
//! is read and thrown away, for a moment and up to a bound.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::acceptor::Link;
use crate::session::CloseReason;

/// How long the client has to close its side.
const MOMENT: Duration = Duration::from_millis(500);
/// How much of it is read meanwhile, in bytes and in packets.
const BYTES: u64 = 256 * 1024;
const PACKETS: usize = 256;

/// Whether a link is closed with a goodbye, or only dropped.
///
/// A client that reads too slowly is told so where the transport has words for it, as far as its socket still takes them.
pub(super) fn is_said(link: &Link, reason: CloseReason) -> bool {
    reason.flushes() || (reason == CloseReason::TooSlow && matches!(link, Link::Packets(_)))
}

/// Closes a link so that what was written arrives.
pub(super) async fn goodbye(link: Link, reason: CloseReason) {
    // Whether the client takes part in its own goodbye is no news either way.
    let _ = tokio::time::timeout(MOMENT, close(link, reason)).await;
}

async fn close(link: Link, reason: CloseReason) {
    match link {
        Link::Bytes(mut stream) => {
            if stream.shutdown().await.is_ok() {
                let mut rest = stream.take(BYTES);
                let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
            }
        }
        Link::Packets(mut stream) => {
            stream.close_because(reason);
            if poll_fn(|cx| stream.poll_close(cx)).await.is_ok() {
                for _ in 0..PACKETS {
                    let Some(Ok(_)) = poll_fn(|cx| stream.poll_recv(cx)).await else { break };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::acceptor::PacketStream;

    /// A link whose client takes nothing, and what its close was asked to say.
    struct Stuck(Arc<Mutex<Option<CloseReason>>>);

    impl PacketStream for Stuck {
        fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
            Poll::Pending
        }

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn start_send(&mut self, _: Bytes) -> io::Result<()> {
            Ok(())
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn close_because(&mut self, reason: CloseReason) {
            *self.0.lock().unwrap() = Some(reason);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_told_so_and_not_waited_for() {
        let said = Arc::default();
        let link = Link::packets(Stuck(Arc::clone(&said)));
        assert!(is_said(&link, CloseReason::TooSlow));
        let begun = Instant::now();
        goodbye(link, CloseReason::TooSlow).await;
        assert_eq!(begun.elapsed(), MOMENT);
        assert_eq!(*said.lock().unwrap(), Some(CloseReason::TooSlow));
    }

    #[test]
    fn a_slow_client_without_close_codes_is_only_cut() {
        let link = Link::bytes(tokio::io::empty());
        assert!(!is_said(&link, CloseReason::TooSlow));
        assert!(!is_said(&link, CloseReason::Client));
        assert!(is_said(&link, CloseReason::Kicked));
    }
}
