//! The protocol of a connection: a state machine without I/O.
//!
//! Packets and times go in, decisions come out. The connection's task carries them out. See `docs/protocol.md`,
//! "Handshake" and "Heartbeats".

use std::time::Duration;

use tokio::time::Instant;

use crate::session::CloseReason;
use crate::wire::packet::Kind;

/// The deadlines and sizes of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) heartbeat: Duration,
    pub(crate) handshake: Duration,
    pub(crate) packet: Duration,
    pub(crate) before_ack: usize,
    pub(crate) after_ack: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Accepted; no handshake yet.
    Start,
    /// The handshake is being authenticated.
    Authenticating,
    /// The handshake is accepted; the ack has not arrived.
    Handshaken,
    /// Messages flow.
    Working,
    /// The session is closed; the rest of the outbox is written.
    Closing,
}

/// The decision about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing: it only shows that the client is alive.
    Nothing,
    /// Authenticate the handshake in its body.
    Handshake,
    /// Handle the message in its body.
    Message,
    /// Close: the client violated the protocol.
    Violation(&'static str),
}

/// The decision about the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    /// Nothing yet.
    Nothing,
    /// Send a heartbeat.
    Heartbeat,
    /// Close the connection.
    Close(CloseReason, &'static str),
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Machine {
    limits: Limits,
    phase: Phase,
    /// When the last packet arrived.
    last_seen: Instant,
    next_beat: Instant,
    /// The deadline of the ack.
    handshake_by: Instant,
    /// The deadline of a packet that has begun.
    packet_by: Option<Instant>,
    /// The connection does not read, so silence is not the client's fault.
    paused: bool,
}

impl Machine {
    /// Makes the machine of a connection accepted at `accepted`, from which beats and deadlines are counted.
    pub(crate) fn new(limits: Limits, accepted: Instant) -> Self {
        Self {
            limits,
            phase: Phase::Start,
            last_seen: accepted,
            next_beat: accepted + limits.heartbeat,
            handshake_by: accepted + limits.handshake,
            packet_by: None,
            paused: false,
        }
    }

    /// Returns the largest body that a packet may have now.
    pub(crate) fn max_body(&self) -> usize {
        if self.phase == Phase::Working { self.limits.after_ack } else { self.limits.before_ack }
    }

    /// Returns whether messages may flow.
    pub(crate) fn working(&self) -> bool {
        self.phase == Phase::Working
    }

    /// Handles a whole packet.
    #[inline]
    pub(crate) fn packet(&mut self, kind: Kind, now: Instant) -> Step {
        self.last_seen = now;
        match (kind, self.phase) {
            (Kind::Data, Phase::Working) => Step::Message,
            (Kind::Heartbeat, _) => Step::Nothing,
            (Kind::Handshake, Phase::Start) => {
                self.phase = Phase::Authenticating;
                Step::Handshake
            }
            (Kind::HandshakeAck, Phase::Handshaken) => {
                self.phase = Phase::Working;
                Step::Nothing
            }
            (Kind::HandshakeAck, Phase::Working) | (Kind::Kick, _) | (_, Phase::Closing) => Step::Nothing,
            (Kind::Handshake, _) => Step::Violation("a second handshake"),
            (Kind::HandshakeAck, _) => Step::Violation("an ack without a handshake"),
            (Kind::Data, _) => Step::Violation("data before the ack"),
        }
    }

    /// Accepts the handshake; the reply is queued.
    pub(crate) fn handshake_accepted(&mut self) {
        self.phase = Phase::Handshaken;
    }

    /// Sets whether a packet has begun and is not whole.
    #[inline]
    pub(crate) fn partial(&mut self, partial: bool, now: Instant) {
        if !partial {
            self.packet_by = None;
        } else if self.packet_by.is_none() {
            self.packet_by = Some(now + self.limits.packet);
        }
    }

    /// Sets whether the connection has stopped reading.
    pub(crate) fn pause(&mut self, paused: bool, now: Instant) {
        if self.paused != paused {
            self.paused = paused;
            self.last_seen = now;
        }
    }

    /// Closes the machine: it has no deadline any more.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closing;
    }

    /// Returns when to call [`tick`](Self::tick) next. `None` once the session is closed.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Closing {
            return None;
        }
        let mut at = self.next_beat;
        if self.phase != Phase::Working {
            at = at.min(self.handshake_by);
        }
        match self.packet_by {
            Some(by) if !self.paused => Some(at.min(by)),
            _ => Some(at),
        }
    }

    /// Handles the deadlines up to `now`. Returns a close only once.
    pub(crate) fn tick(&mut self, now: Instant) -> Tick {
        if self.phase == Phase::Closing {
            return Tick::Nothing;
        }
        let tick = self.check_deadlines(now);
        if matches!(tick, Tick::Close(..)) {
            self.close();
        }
        tick
    }

    fn check_deadlines(&mut self, now: Instant) -> Tick {
        if self.phase != Phase::Working && now >= self.handshake_by {
            return Tick::Close(CloseReason::Timeout, "no handshake and ack in time");
        }
        if !self.paused && self.packet_by.is_some_and(|by| now >= by) {
            return Tick::Close(CloseReason::Timeout, "a packet took too long");
        }
        if now < self.next_beat {
            return Tick::Nothing;
        }
        // The close comes at the first beat more than two intervals after the last packet. The planned time of the beat
        // counts, because timers fire late, and a client that answers each beat at the next one is not silent.
        if !self.paused && self.next_beat.duration_since(self.last_seen) > 2 * self.limits.heartbeat {
            return Tick::Close(CloseReason::Timeout, "the client was silent");
        }
        while self.next_beat <= now {
            self.next_beat += self.limits.heartbeat;
        }
        if self.phase == Phase::Working { Tick::Heartbeat } else { Tick::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(30);

    fn limits() -> Limits {
        Limits {
            heartbeat: T,
            handshake: Duration::from_secs(10),
            packet: Duration::from_secs(30),
            before_ack: 64,
            after_ack: 1024,
        }
    }

    fn working(now: Instant) -> Machine {
        let mut machine = Machine::new(limits(), now);
        assert_eq!(machine.packet(Kind::Handshake, now), Step::Handshake);
        machine.handshake_accepted();
        assert_eq!(machine.packet(Kind::HandshakeAck, now), Step::Nothing);
        machine
    }

    #[test]
    fn data_needs_a_handshake_and_an_ack() {
        let now = Instant::now();
        let fresh = || Machine::new(limits(), now);
        assert!(matches!(fresh().packet(Kind::Data, now), Step::Violation(_)));
        assert!(matches!(fresh().packet(Kind::HandshakeAck, now), Step::Violation(_)));
        let mut authenticating = fresh();
        authenticating.packet(Kind::Handshake, now);
        for kind in [Kind::Handshake, Kind::HandshakeAck, Kind::Data] {
            assert!(matches!(authenticating.packet(kind, now), Step::Violation(_)), "{kind:?}");
        }
        authenticating.handshake_accepted();
        assert!(matches!(authenticating.packet(Kind::Data, now), Step::Violation(_)));
        let mut machine = working(now);
        assert_eq!(machine.packet(Kind::Data, now), Step::Message);
        assert!(matches!(machine.packet(Kind::Handshake, now), Step::Violation(_)));
    }

    #[test]
    fn close_is_reported_once_and_is_final() {
        let now = Instant::now();
        let late = now + 3 * T;
        for mut machine in [Machine::new(limits(), now), working(now)] {
            let beats = [1, 2, 3].map(|n| machine.tick(now + n * T));
            assert!(beats.iter().any(|tick| matches!(tick, Tick::Close(..))));
            assert_eq!((machine.deadline(), machine.tick(late)), (None, Tick::Nothing));
            assert_eq!(machine.packet(Kind::Data, late), Step::Nothing);
        }
        let mut closed = working(now);
        closed.close();
        assert_eq!((closed.deadline(), closed.tick(late)), (None, Tick::Nothing));
    }

    #[test]
    fn a_larger_packet_is_allowed_only_after_the_ack() {
        let now = Instant::now();
        assert_eq!(Machine::new(limits(), now).max_body(), 64);
        assert_eq!(working(now).max_body(), 1024);
    }

    #[test]
    fn heartbeats_do_not_replace_the_ack() {
        let now = Instant::now();
        let mut machine = Machine::new(limits(), now);
        machine.packet(Kind::Heartbeat, now + Duration::from_secs(9));
        assert_eq!(machine.deadline(), Some(now + Duration::from_secs(10)));
        assert!(matches!(machine.tick(now + Duration::from_secs(10)), Tick::Close(CloseReason::Timeout, _)));
    }

    #[test]
    fn silence_closes_after_two_intervals() {
        let now = Instant::now();
        let mut machine = working(now);
        assert_eq!(machine.tick(now + T), Tick::Heartbeat);
        assert_eq!(machine.tick(now + 2 * T), Tick::Heartbeat);
        assert!(matches!(machine.tick(now + 3 * T), Tick::Close(..)));
    }

    #[test]
    fn a_timer_that_fires_late_shortens_nobody_s_time() {
        let (now, late) = (Instant::now(), Duration::from_millis(7));
        let mut machine = working(now);
        assert_eq!(machine.tick(now + T + late), Tick::Heartbeat);
        assert_eq!(machine.tick(now + 2 * T + late), Tick::Heartbeat);
        assert!(matches!(machine.tick(now + 3 * T + late), Tick::Close(..)));
        // A client that answers each beat one interval later.
        let mut machine = working(now);
        for n in 1..9 {
            assert_eq!(machine.tick(now + n * T + late), Tick::Heartbeat);
            machine.packet(Kind::Heartbeat, now + n * T + 2 * late);
            let ahead = machine.tick(now + n * T + 3 * late);
            assert_eq!(ahead, Tick::Nothing);
        }
    }

    #[test]
    fn silence_of_an_unread_client_is_ignored() {
        let now = Instant::now();
        let mut machine = working(now);
        machine.pause(true, now);
        assert_eq!(machine.tick(now + 9 * T), Tick::Heartbeat);
        machine.pause(false, now + 9 * T);
        assert_eq!(machine.tick(now + 10 * T), Tick::Heartbeat);
        assert_eq!(machine.tick(now + 11 * T), Tick::Heartbeat);
        assert!(matches!(machine.tick(now + 12 * T), Tick::Close(..)));
    }

    #[test]
    fn a_packet_that_dribbles_in_is_cut_off() {
        let now = Instant::now();
        let mut machine = working(now);
        let begun = now + Duration::from_secs(5);
        machine.partial(true, begun);
        machine.partial(true, begun + Duration::from_secs(20));
        assert_eq!(machine.deadline(), Some(now + T));
        assert_eq!(machine.tick(now + T), Tick::Heartbeat);
        assert!(matches!(machine.tick(begun + T), Tick::Close(CloseReason::Timeout, _)));
    }
}
