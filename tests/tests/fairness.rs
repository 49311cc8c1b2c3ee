//! A connection's task lets others run after so much work: messages count, and so do the bytes of long bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use bytes::BytesMut;
use pitaya::prelude::*;
use pitaya::testing::memory_acceptor;
use pitaya::wire::{Compression, message};
use pitaya_tests::raw_client::{RawClient, notify};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::yield_now;

/// How often other tasks of the runtime had their turn.
#[derive(Default)]
struct Turns(AtomicUsize);

struct Probe {
    turns: Arc<Turns>,
    handled: mpsc::UnboundedSender<usize>,
    gate: Arc<Semaphore>,
}

#[derive(Component)]
struct Hall {
    probe: State<Probe>,
}

#[handler(server = "hall")]
impl Hall {
    /// Reports the turn in which it was handled.
    pub async fn take(&self, _body: Bytes) {
        let _ = self.probe.handled.send(self.probe.turns.0.load(SeqCst));
    }

    /// Holds up the messages behind it.
    pub async fn wait(&self) {
        drop(self.probe.gate.acquire().await);
    }
}

/// A notify whose body inflates to `len` bytes.
fn deflated(route: &str, len: usize) -> BytesMut {
    let mut packet = BytesMut::new();
    let on = Compression::On { threshold: 1 };
    message::encode_notify(&mut packet, route, &vec![b'x'; len], &Default::default(), &on).unwrap();
    assert!(packet.len() < 8192);
    packet
}

/// Sends packets with one write; returns the turns in which they were handled.
async fn turns(packets: impl Iterator<Item = BytesMut>, held_up: bool) -> Vec<usize> {
    let (handled, mut reports) = mpsc::unbounded_channel();
    let (turns, gate) = (Arc::new(Turns::default()), Arc::new(Semaphore::new(0)));
    let (acceptor, dialer) = memory_acceptor();
    let probe = Probe { turns: Arc::clone(&turns), handled, gate: Arc::clone(&gate) };
    let app = App::builder().server_type("hall").acceptor(acceptor).state(probe).start().await.unwrap();
    let ticking = tokio::spawn(async move {
        loop {
            turns.0.fetch_add(1, SeqCst);
            yield_now().await;
        }
    });
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    let mut bytes = BytesMut::new();
    if held_up {
        bytes.extend_from_slice(&notify("hall.wait", b""));
    }
    let mut count = 0;
    for packet in packets {
        bytes.extend_from_slice(&packet);
        count += 1;
    }
    client.send(&bytes).await;
    if held_up {
        for _ in 0..100 {
            yield_now().await;
        }
        gate.add_permits(1);
    }
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(reports.recv().await.unwrap());
    }
    ticking.abort();
    app.stop().await;
    seen
}

/// The most messages that were handled while no other task had a turn.
fn longest_run(turns: &[usize]) -> usize {
    turns.chunk_by(|a, b| a == b).map(<[usize]>::len).max().unwrap_or_default()
}

// In one round of the runtime the connection may come last, and in the next one first: hence twice the bound.

#[tokio::test]
async fn others_run_between_long_inflated_bodies() {
    for held_up in [false, true] {
        let seen = turns((0..12).map(|_| deflated("hall.take", 1 << 19)), held_up).await;
        assert!(longest_run(&seen) <= 2, "held up: {held_up}: {seen:?}");
    }
}

#[tokio::test]
async fn bodies_count_by_their_length() {
    for held_up in [false, true] {
        // Each counts as one message and 16 more for its bytes: four are beyond 64.
        let seen = turns((0..32).map(|_| deflated("hall.take", 1 << 16)), held_up).await;
        assert!((3..=8).contains(&longest_run(&seen)), "held up: {held_up}: {seen:?}");
        let seen = turns((0..8).map(|_| BytesMut::from(notify("hall.take", &[b'x'; 7000]))), held_up).await;
        assert_eq!(longest_run(&seen), 8, "held up: {held_up}: {seen:?}");
    }
}

#[tokio::test]
async fn short_messages_are_handled_in_batches() {
    let seen = turns((0..600).map(|_| deflated("hall.take", 200)), false).await;
    assert!((64..=128).contains(&longest_run(&seen)), "{seen:?}");
}
