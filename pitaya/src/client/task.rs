//! The task of a connection, which reads and writes the transport.
//!
//! Each poll reads, checks the timers, and writes. It never waits for a subscriber or a caller: it delivers answers and
//! pushes, and a full queue drops its oldest push.

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

/// Unwritten bytes beyond which no more messages are taken from callers.
const ENOUGH: usize = 64 * 1024;
/// Reads after which other tasks run.
const READS_PER_POLL: usize = 32;
/// The time limit for the last writes after the last clone was dropped.
const GRACE: Duration = Duration::from_secs(2);
/// The deadline of a timer that is not needed.
const FAR: Duration = Duration::from_secs(24 * 60 * 60);
/// Heartbeat intervals without data after which the server is gone.
const SILENT_INTERVALS: u32 = 3;

/// Limits of the data of a server, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) packet: usize,
    pub(super) inflated: usize,
}

pub(super) struct Task {
    pub(super) transport: Box<dyn Transport>,
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    /// Bytes that were read and not yet parsed.
    pub(super) input: BytesMut,
    pub(super) output: BytesMut,
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    /// Fires at a disconnect, or when the last clone was dropped.
    pub(super) stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// Wakes all waiting tasks however the task ends, also by a panic or the end of its runtime.
impl Drop for Task {
    fn drop(&mut self) {
        self.shared.close(Closed::new(CloseReason::Io, "the task of the connection was stopped"));
    }
}

/// The timers of a connection.
struct Clock {
    timer: Pin<Box<Sleep>>,
    interval: Option<Duration>,
    beat: Instant,
    heard: Instant,
    /// The deadline of the close, once it has begun.
    grace: Option<Instant>,
    /// The deadline for the server's reason, once it has sent a kick.
    kicked: Option<Instant>,
    /// Everything is written, and the server closes next. Closing first could lose data that it has not read yet.
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

    /// Sets the timer to the earliest deadline. Data received since then makes it fire too early, which is harmless.
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
            // After a kick, any end of the transport is the kick.
            Err(closed) if clock.kicked.is_some() && closed.reason != CloseReason::Replaced => {
                Poll::Ready(Closed { reason: CloseReason::Kicked, ..closed })
            }
            // The client has closed it, whatever ends the transport.
            Err(closed) if clock.grace.is_some() => {
                Poll::Ready(Closed::new(CloseReason::Disconnected, closed.detail))
            }
            Err(closed) => Poll::Ready(closed),
        }
    }

    /// Reads, checks the timers, and writes once.
    fn turn(&mut self, clock: &mut Clock, cx: &mut Context<'_>) -> Result<(), Closed> {
        self.read(clock, cx)?;
        // After reading, because data of the server may have waited for a busy program.
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
                return Err(Closed::new(CloseReason::Disconnected, "the server did not close in time"));
            }
            if clock.kicked.is_some_and(|until| now >= until) {
                return Err(Closed::new(CloseReason::Kicked, ""));
            }
            if clock.silent_at().is_some_and(|at| now >= at) {
                return Err(Closed::new(CloseReason::Timeout, ""));
            }
            if now >= clock.beat {
                clock.beat = now + clock.interval.unwrap_or(FAR);
                // The data that waits to be written shows life too.
                if clock.interval.is_some() && clock.grace.is_none() && self.output.len() < ENOUGH {
                    self.output.extend_from_slice(&HEARTBEAT);
                }
            }
            clock.arm();
        }
        Ok(())
    }

    // ---- out

    /// Writes all data. Returns whether it was the last.
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
    // Copied, because an unread push must not hold the read buffer.
    let body = Bytes::from(message.plain_body(inflated).map_err(Closed::protocol)?.into_owned());
    if message.kind == MessageKind::Response {
        shared.answer(message.id, Answer { error: message.error, body });
    } else {
        let route = shared.agreed.dictionary.resolve(message.route).map_err(Closed::protocol)?;
        shared.deliver(&String::from_utf8_lossy(route), body);
    }
    Ok(())
}
