//! The task of a connection: it alone reads and writes the transport.
//!
//! Each poll reads what has come, looks at the clock, and writes. It never waits for a subscriber or for a caller: answers and
//! pushes are handed over, and what cannot be handed over is dropped where the subscriber sees it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::close::{CloseReason, Closed};
use super::shared::{Answer, Shared};
use super::transport::Transport;
use crate::wire::message::{self, Kind as MessageKind};
use crate::wire::packet::{self, HEARTBEAT, Kind};

/// Bytes to write beyond which no more messages are taken over from callers.
const ENOUGH: usize = 64 * 1024;
/// Reads after which others get their turn.
const READS_PER_POLL: usize = 32;
/// How long what is still to be written may take after the last handle has gone.
const GRACE: Duration = Duration::from_secs(2);
/// Where no timer is needed.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);
/// A server that was silent for so many heartbeat intervals has gone.
const SILENT_INTERVALS: u32 = 3;

/// Bounds of what a server may send, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) packet: usize,
    pub(super) inflated: usize,
}

pub(super) struct Task {
    pub(super) transport: Box<dyn Transport>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    /// What was read and is not yet understood.
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    /// Somebody wants to disconnect, or the last handle has gone.
    pub(super) stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Whatever becomes of the task, a panic or the end of its runtime, nobody waits for it any longer.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.close(Closed::new(CloseReason::Io, "the task of the connection was stopped"));
    }
}

/// When things are due.
struct Clock {
    timer: Pin<Box<Sleep>>,
    interval: Option<Duration>,
    beat: Instant,
    heard: Instant,
    /// Until when goodbyes may take, once they have begun.
    grace: Option<Instant>,
    /// Until when the server may say why, once it has sent a kick.
    kicked: Option<Instant>,
    /// Everything is said; what remains is to hear the server close. To close first could lose what it has not read yet.
    said: bool,
}

impl Clock {
    fn new(interval: Option<Duration>) -> Self {
        let now = Instant::now();
        let mut clock = Self {
            timer: Box::pin(tokio::time::sleep_until(now)),
            interval,
            beat: now + interval.unwrap_or(FAR),
            heard: now,
            grace: None,
            kicked: None,
            said: false,
        };
        clock.arm();
        clock
    }

    fn silent_at(&self) -> Option<Instant> {
        Some(self.heard + self.interval? * SILENT_INTERVALS)
    }

    /// Sets the timer to what is due first. What was heard since only makes it ring early.
    fn arm(&mut self) {
        let due = [Some(self.beat), self.silent_at(), self.grace, self.kicked];
        self.timer.as_mut().reset(due.into_iter().flatten().min().unwrap_or(self.beat));
    }
}

impl Task {
    pub(super) async fn run(mut self) {
        let mut clock = Clock::new(self.shared.agreed.heartbeat);
        let closed = poll_fn(|cx| self.poll(&mut clock, cx)).await;
        self.shared.close(closed);
    }

    fn poll(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Poll<Closed> {
        match self.turn(clock, cx) {
            Ok(()) => Poll::Pending,
            // However the transport ends after a kick, it was the kick.
            Err(closed) if clock.kicked.is_some() && closed.reason != CloseReason::Replaced => {
                Poll::Ready(Closed { reason: CloseReason::Kicked, ..closed })
            }
            // Whatever ends it now, this side wanted it.
            Err(closed) if clock.grace.is_some() => {
                Poll::Ready(Closed::new(CloseReason::Disconnected, closed.detail))
            }
            Err(closed) => Poll::Ready(closed),
        }
    }

    /// One look at everything.
    fn turn(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.read(clock, cx)?;
        // After reading: a server is not silent whose bytes only waited for a busy program.
        if clock.grace.is_none() && self.stop.as_mut().poll(cx).is_ready() {
            self.outgoing.close();
            clock.grace = Some(Instant::now() + GRACE);
            clock.arm();
        }
        self.tick(clock, cx)?;
        if !clock.said && self.write(cx)? {
            clock.said = self.transport.poll_close(cx).map_err(|e| Closed::io(&e))?.is_ready();
        }
        Ok(())
    }

    // ---- in

    fn read(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.understand(clock)?; // what came with the handshake
        for _ in 0..READS_PER_POLL {
            match self.transport.poll_read(cx, &mut self.input) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(true)) => {
                    clock.heard = Instant::now();
                    self.understand(clock)?;
                }
                Poll::Ready(Ok(false)) => return Err(self.ended()),
                Poll::Ready(Err(error)) => return Err(Closed::io(&error)),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn ended(&self) -> Closed {
        match packet::ended(&self.input) {
            packet::PacketError::Closed => {
                let said = self.transport.goodbye().map(Closed::by_server);
                said.unwrap_or_else(|| Closed::new(CloseReason::ServerClosed, ""))
            }
            cut => Closed::new(CloseReason::Io, cut.to_string()),
        }
    }

    fn understand(&mut self, clock: &mut Clock) -> Result<(), Closed> {
        while let Some((packet, used)) =
            packet::split(&self.input, self.limits.packet).map_err(Closed::protocol)?
        {
            match packet.kind {
                Kind::Data => data(&self.shared, packet.body, self.limits.inflated)?,
                Kind::Heartbeat => {}
                // The close frame that follows tells a kick from a replaced session.
                Kind::Kick if self.transport.says_goodbye() => {
                    clock.kicked.get_or_insert_with(|| Instant::now() + GRACE);
                    clock.arm();
                }
                Kind::Kick => return Err(Closed::new(CloseReason::Kicked, "")),
                Kind::Handshake | Kind::HandshakeAck => {
                    return Err(Closed::protocol(format_args!("unexpected packet {:?}", packet.kind)));
                }
            }
            self.input.advance(used);
        }
        if self.input.is_empty() && self.input.capacity() > ENOUGH {
            self.input = BytesMut::new(); // a large packet does not stay
        }
        Ok(())
    }

    // ---- time

    fn tick(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Result<(), Closed> {
        while clock.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if clock.grace.is_some_and(|until| now >= until) {
                return Err(Closed::new(CloseReason::Disconnected, "the server did not say goodbye in time"));
            }
            if clock.kicked.is_some_and(|until| now >= until) {
                return Err(Closed::new(CloseReason::Kicked, ""));
            }
            if clock.silent_at().is_some_and(|at| now >= at) {
                return Err(Closed::new(CloseReason::Timeout, ""));
            }
            if now >= clock.beat {
                clock.beat = now + clock.interval.unwrap_or(FAR);
                // While so much waits to be written, it is sign of life enough.
                if clock.interval.is_some() && clock.grace.is_none() && self.output.len() < ENOUGH {
                    self.output.extend_from_slice(&HEARTBEAT);
                }
            }
            clock.arm();
        }
        Ok(())
    }

    // ---- out

    /// Writes what there is; `true` if that was the last.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Closed> {
        loop {
            let (mut more, mut last) = (true, false);
            while more && self.output.len() < ENOUGH {
                match self.outgoing.poll_recv(cx) {
                    Poll::Ready(Some(packet)) => self.output.extend_from_slice(&packet),
                    Poll::Ready(None) => (more, last) = (false, true),
                    Poll::Pending => more = false,
                }
            }
            match self.transport.poll_write(cx, &mut self.output) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(error)) => return Err(Closed::io(&error)),
                Poll::Ready(Ok(())) if more => {}
                Poll::Ready(Ok(())) => {
                    if self.output.capacity() > 4 * ENOUGH {
                        self.output = BytesMut::new(); // a large message does not stay
                    }
                    return Ok(last);
                }
            }
        }
    }
}

fn data(shared: &Shared, bytes: &[u8], inflated: usize) -> Result<(), Closed> {
    let message = message::decode(bytes).map_err(Closed::protocol)?;
    match message.kind {
        MessageKind::Response | MessageKind::Push => {}
        kind => return Err(Closed::protocol(format_args!("unexpected message {kind:?}"))),
    }
    // Copied off the read buffer: a kept push must not keep the buffer too.
    let body = Bytes::from(message.plain_body(inflated).map_err(Closed::protocol)?.into_owned());
    if message.kind == MessageKind::Response {
        shared.answer(message.id, Answer { error: message.error, body });
    } else {
        let route = shared.agreed.dictionary.resolve(message.route).map_err(Closed::protocol)?;
        shared.deliver(&String::from_utf8_lossy(route), body);
    }
    Ok(())
}
