//! The end of a connection that the server closes.
//!
//! A socket that is dropped with input unread makes the kernel reset the connection, and the client may lose what
//! was written last: a kick, a refusal. So the writing side is shut down first, and what the client still sends
//! is read and thrown away, for a moment and up to a bound.

use std::future::poll_fn;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::acceptor::Link;

/// How long the client has to close its side.
const MOMENT: Duration = Duration::from_millis(500);
/// How much of it is read meanwhile, in bytes and in packets.
const BYTES: u64 = 256 * 1024;
const PACKETS: usize = 256;

/// Closes a link so that what was written arrives.
pub(super) async fn goodbye(link: Link) {
    // Whether the client takes part in its own goodbye is no news either way.
    let _ = tokio::time::timeout(MOMENT, close(link)).await;
}

async fn close(link: Link) {
    match link {
        Link::Bytes(mut stream) => {
            if stream.shutdown().await.is_ok() {
                let mut rest = stream.take(BYTES);
                let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
            }
        }
        Link::Packets(mut stream) => {
            if poll_fn(|cx| stream.poll_close(cx)).await.is_ok() {
                for _ in 0..PACKETS {
                    let Some(Ok(_)) = poll_fn(|cx| stream.poll_recv(cx)).await else { break };
                }
            }
        }
    }
}
