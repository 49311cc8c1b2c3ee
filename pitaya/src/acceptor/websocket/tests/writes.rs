//! Messages over a stream in memory that counts writes.

use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::*;

/// Counts the writes that reach the stream below.
struct Counting {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counting {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Messages over memory, the client's end of it, and the count of writes.
fn counted(buffer: usize) -> (Messages<Counting>, DuplexStream, Arc<AtomicUsize>) {
    let (client, stream) = tokio::io::duplex(buffer);
    let writes = Arc::new(AtomicUsize::new(0));
    let counting = Counting { stream, writes: Arc::clone(&writes) };
    (Messages::new(counting, 1000), client, writes)
}

#[tokio::test]
async fn the_answers_to_one_read_leave_in_one_write() {
    let (mut server, mut client, writes) = counted(1 << 16);
    let mut sent = Vec::new();
    for _ in 0..16 {
        sent.extend_from_slice(b"\x82\x85\0\0\0\0hello");
    }
    client.write_all(&sent).await.unwrap();
    let mut answers = 0;
    while let Some(Some(packet)) = recv(&mut server).now_or_never() {
        assert_eq!(packet.unwrap(), "hello");
        answers += 1;
    }
    for _ in 0..answers {
        poll_fn(|cx| server.poll_ready(cx)).await.unwrap();
        server.start_send(Bytes::from_static(b"world")).unwrap();
    }
    assert_eq!((answers, writes.load(Ordering::Relaxed)), (16, 0));
    flush(&mut server).await;
    assert_eq!(writes.load(Ordering::Relaxed), 1);
    let mut received = vec![0; 16 * 7];
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(received, b"\x82\x05world".repeat(16));
}

#[tokio::test]
async fn pinging_client_that_never_reads_is_not_read() {
    let (mut server, mut client, _) = counted(256);
    let flood = tokio::spawn(async move {
        let mut pings = 0;
        while client.write_all(b"\x89\x85\0\0\0\0hello").await.is_ok() {
            pings += 1;
        }
        pings
    });
    for _ in 0..100 {
        assert!(recv(&mut server).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(!flood.is_finished());
    drop(server);
    let pings = flood.await.unwrap();
    assert!(pings < 100, "{pings}");
}
