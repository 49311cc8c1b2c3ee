//! The lingering close of a connection that the server closes.
//!
//! If a socket is dropped with unread input, the kernel resets the connection, and the client may lose what was written
//! last, such as a kick. Therefore the writing side is shut down first. Then the input is read and
//! discarded, for a limited time and up to a limited size.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::acceptor::Link;
use crate::session::CloseReason;

/// The time that the client has to close its side.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How much of its input is discarded meanwhile: bytes of a stream, packets of a packet link.
const BYTES: u64 = 256 * 1024;
const PACKETS: usize = 256;

/// Returns whether a link lingers when it closes for this reason. Otherwise it is dropped.
///
/// A client that reads too slowly gets the reason if the transport has close codes and the socket still takes one.
pub(super) fn applies_to(link: &Link, reason: CloseReason) -> bool {
    reason.flushes() || (reason == CloseReason::TooSlow && matches!(link, Link::Packets(_)))
}

/// Closes a link so that what was written arrives. Returns after [`TIMEOUT`] at the latest.
pub(super) async fn close(link: Link, reason: CloseReason) {
    // The link is dropped next, whether or not the client closed its side in time.
    let _ = tokio::time::timeout(TIMEOUT, shut_down_and_drain(link, reason)).await;
}

async fn shut_down_and_drain(link: Link, reason: CloseReason) {
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

    /// A link whose client takes nothing. It records the reason of its close.
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
    async fn close_of_slow_client_sends_reason_and_times_out() {
        let sent = Arc::default();
        let link = Link::packets(Stuck(Arc::clone(&sent)));
        assert!(applies_to(&link, CloseReason::TooSlow));
        let start = Instant::now();
        close(link, CloseReason::TooSlow).await;
        assert_eq!(start.elapsed(), TIMEOUT);
        assert_eq!(*sent.lock().unwrap(), Some(CloseReason::TooSlow));
    }

    #[test]
    fn slow_byte_link_is_dropped() {
        let link = Link::bytes(tokio::io::empty());
        assert!(!applies_to(&link, CloseReason::TooSlow));
        assert!(!applies_to(&link, CloseReason::Client));
        assert!(applies_to(&link, CloseReason::Kicked));
    }
}
