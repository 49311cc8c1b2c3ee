//! A link that takes what is written and holds it until it is flushed, as TLS does, and may take its time over that.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pitaya::acceptor::{Acceptor, IncomingConnection, Link, ListenOptions, Listening, Peer};
use pitaya::session::{CloseReason, Session};
use pitaya_tests::raw_client::{ACK, Got, HANDSHAKE, RawClient, request};
use pitaya_tests::rest;
use pitaya_tests::server::{self, TestServer, config};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{sleep, timeout};

pitaya::link!(pitaya_tests);

/// The state of the link, which the test reads and sets.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    flusher: Mutex<Option<Waker>>,
    /// Flushes that had to wait.
    waited: AtomicUsize,
    shut: AtomicBool,
    /// Bytes that were taken and never let through.
    lost: AtomicUsize,
}

impl Gate {
    /// Flushes go through from now on.
    fn open(&self) {
        self.open.store(true, SeqCst);
        if let Some(flusher) = self.flusher.lock().unwrap().take() {
            flusher.wake();
        }
    }

    fn close(&self) {
        self.open.store(false, SeqCst);
    }
}

struct Hoard {
    wire: DuplexStream,
    held: Vec<u8>,
    gate: Arc<Gate>,
}

impl AsyncRead for Hoard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buf)
    }
}

impl AsyncWrite for Hoard {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while !this.held.is_empty() {
            if !this.gate.open.load(SeqCst) {
                this.gate.waited.fetch_add(1, SeqCst);
                *this.gate.flusher.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let wrote = ready!(Pin::new(&mut this.wire).poll_write(cx, &this.held))?;
            this.held.drain(..wrote);
        }
        Pin::new(&mut this.wire).poll_flush(cx)
    }

    /// Unlike that of TLS it does not flush first, so that a test sees who relies on it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.shut.store(true, SeqCst);
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        self.gate.lost.fetch_add(self.held.len(), SeqCst);
        self.gate.shut.store(true, SeqCst);
    }
}

/// Accepts one connection.
struct Once(Option<Hoard>);

impl Acceptor for Once {
    fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        async { Ok(Listening::new("hoard", "hoard")) }.boxed()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        async {
            match self.0.take() {
                Some(hoard) => Ok(IncomingConnection::ready(Peer::new("hoard:1"), Link::bytes(hoard))),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}

/// An arena, its one client, and the gate between them, which is shut.
async fn behind_a_gate() -> (TestServer, RawClient<DuplexStream>, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let (ours, wire) = tokio::io::duplex(64 * 1024);
    let hoard = Hoard { wire, held: Vec::new(), gate: Arc::clone(&gate) };
    let server = server::start_with(config(), |builder| builder.acceptor(Once(Some(hoard)))).await;
    (server, RawClient::over(ours), gate)
}

/// The same with the client's session, which is bound; the gate is closed behind it.
async fn bound_behind_a_gate() -> (TestServer, RawClient<DuplexStream>, Arc<Gate>, Session) {
    let (server, mut client, gate) = behind_a_gate().await;
    gate.open();
    client.handshake().await;
    client.ask("arena.bind", r#"{"text":"ann"}"#).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    gate.close();
    (server, client, gate, session)
}

/// Looks that nothing comes to the client, whatever time there is.
async fn nothing_comes(client: &mut RawClient<DuplexStream>) {
    let received = timeout(Duration::from_secs(2), client.stream.read_u8()).await;
    assert!(received.is_err(), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn slow_flush_loses_and_reorders_nothing() {
    let (server, mut client, gate) = behind_a_gate().await;
    client.send(&[HANDSHAKE, ACK].concat()).await;
    nothing_comes(&mut client).await;
    // Messages that arrive during the flush are sent after it.
    for id in 1..=20 {
        client.send(&request(id, "arena.raw", id.to_string().as_bytes())).await;
        rest().await;
    }
    nothing_comes(&mut client).await;
    assert!(gate.waited.load(SeqCst) > 0);
    gate.open();
    assert!(matches!(client.next().await, Some(Got::Handshake(_))));
    for wanted in 1..=20 {
        let Some(Got::Response { id, body, .. }) = client.next().await else {
            panic!("no answer to {wanted}")
        };
        assert_eq!((id, &body[..]), (wanted, wanted.to_string().as_bytes()));
    }
    assert_eq!(client.ask("arena.raw", "and on").await, "and on");
    server.app.stop().await;
    assert_eq!(gate.lost.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn close_and_kick_wait_for_the_flush() {
    for kick in [false, true] {
        let (server, mut client, gate, session) = bound_behind_a_gate().await;
        client.request("arena.push", r#"{"n":50}"#).await;
        rest().await;
        if kick {
            session.kick().await.unwrap();
        } else {
            session.close();
        }
        nothing_comes(&mut client).await;
        nothing_comes(&mut client).await;
        assert!(session.is_closed() && !gate.shut.load(SeqCst), "closed, and the link is still there");
        gate.open();
        let received = client.closed().await;
        assert_eq!(received.iter().filter(|got| matches!(got, Got::Push { .. })).count(), 50);
        assert!(matches!(received[50], Got::Response { error: false, .. }));
        assert_eq!(&received[51..], if kick { &[Got::Kick][..] } else { &[] });
        server.app.stop().await;
        assert_eq!(gate.lost.load(SeqCst), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn endless_flush_ends_at_the_write_deadline() {
    for closed in [false, true] {
        let (server, mut client, gate, session) = bound_behind_a_gate().await;
        client.request("arena.raw", "never seen").await;
        rest().await;
        if closed {
            session.close();
        }
        // The default deadline is ten seconds.
        sleep(Duration::from_secs(9)).await;
        assert!(!gate.shut.load(SeqCst));
        sleep(Duration::from_secs(2)).await;
        assert!(gate.shut.load(SeqCst));
        assert_eq!(
            session.close_reason(),
            Some(if closed { CloseReason::Server } else { CloseReason::TooSlow })
        );
        assert_eq!(client.closed().await, []);
        server.app.stop().await;
        assert!(gate.lost.load(SeqCst) > 0);
    }
}
