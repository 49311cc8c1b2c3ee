//! The rate limit of a connection (protocol.md, "Rate limiting").

use std::{num::NonZeroUsize, time::Duration};

use tokio::time::Instant;

use super::{DropReason, Filter, FilterPacket, Peer, Verdict, Wrapper};
use crate::config::Config;
use crate::error::{Error, code};
use crate::wire::packet::Kind;

/// A wrapper that drops packets beyond `limit` in any `interval`.
///
/// A request that is dropped is never answered. A dropped packet does not count, so that a client that sends too fast still
/// gets its allowed rate. Each connection has its own count, from its first packet on, bound or not. Data packets are
/// counted; handshakes, acknowledgements and heartbeats always pass.
///
/// # Example
/// ```
/// use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), pitaya::acceptor::RateLimitError> {
/// let limit = RateLimit::new(20, Duration::from_secs(1))?;
/// let acceptor = Tcp::new("0.0.0.0:3250").wrap(limit);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct RateLimit {
    limit: NonZeroUsize,
    interval: Duration,
    count_all: bool,
    disabled: bool,
    answered: bool,
}

impl RateLimit {
    /// Returns a wrapper that accepts `limit` packets in any `interval`. An interval of zero limits nothing.
    ///
    /// A connection uses up to 16 bytes for each of `limit`, as it sends packets.
    ///
    /// # Errors
    /// A limit of 0, which would drop all packets.
    pub fn new(limit: usize, interval: Duration) -> Result<Self, RateLimitError> {
        Ok(Self {
            limit: NonZeroUsize::new(limit).ok_or(RateLimitError::ZeroLimit)?,
            interval,
            count_all: false,
            disabled: false,
            answered: false,
        })
    }

    /// Returns the limit that `pitaya.conn.ratelimiting.*` configures.
    ///
    /// ```
    /// use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
    /// use pitaya::config::Config;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::from_env()?; // PITAYA_CONN_RATELIMITING_LIMIT=50, say
    /// let acceptor = Tcp::new("0.0.0.0:3250").wrap(RateLimit::from_config(&config)?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`new`](Self::new). A loaded configuration is valid; only code can set a limit of 0.
    pub fn from_config(config: &Config) -> Result<Self, RateLimitError> {
        Ok(Self::new(config.rate_limit.limit, config.rate_limit.interval)?
            .count_all_packets(config.rate_limit.all_packets)
            .disabled(config.rate_limit.force_disable)
            .answered(config.rate_limit.answer))
    }

    /// Sets whether every packet counts, as in Go Pitaya, or data packets only.
    ///
    /// Heartbeats of a flooding client may then be dropped, so that it times out. Handshakes and acknowledgements count, but
    /// are never dropped, because a client could not continue without them.
    #[must_use]
    pub fn count_all_packets(mut self, yes: bool) -> Self {
        self.count_all = yes;
        self
    }

    /// Sets whether a request over the limit is answered with `PIT-429`, in order, instead of dropped.
    ///
    /// Such a request is a sign of life. Other packets over the limit are dropped.
    #[must_use]
    pub fn answered(mut self, yes: bool) -> Self {
        self.answered = yes;
        self
    }

    /// Sets whether the limit is off. Then all packets pass, and none is counted.
    #[must_use]
    pub fn disabled(mut self, yes: bool) -> Self {
        self.disabled = yes;
        self
    }
}

impl Wrapper for RateLimit {
    fn wrap(&self, _peer: &Peer) -> Box<dyn Filter> {
        if self.disabled {
            return Box::new(|_: &mut FilterPacket<'_>, _: Instant| Verdict::Pass);
        }
        Box::new(Limiter {
            log: SlidingLog::new(self.limit, self.interval),
            count_all: self.count_all,
            answered: self.answered,
        })
    }
}

/// The limiter of one connection.
struct Limiter {
    log: SlidingLog,
    count_all: bool,
    answered: bool,
}

impl Filter for Limiter {
    fn incoming(&mut self, packet: &mut FilterPacket<'_>, now: Instant) -> Verdict {
        let kind = packet.kind();
        let counted = self.count_all || kind == Kind::Data;
        if !counted || self.log.allow(now) {
            return Verdict::Pass;
        }
        match kind {
            Kind::Handshake | Kind::HandshakeAck => Verdict::Pass,
            Kind::Data if self.answered => Verdict::Refuse(DropReason::RateLimit),
            _ => Verdict::Drop(DropReason::RateLimit),
        }
    }
}

/// The error of an invalid [`RateLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateLimitError {
    /// The limit is 0.
    #[error("a rate limit of 0 would drop every packet; use 1 or more, or disable the limit")]
    ZeroLimit,
}

impl From<RateLimitError> for Error {
    fn from(error: RateLimitError) -> Self {
        Self::new(code::INTERNAL, error.to_string()).with_source(error)
    }
}

/// The times of the last `limit` accepted packets, and the rule over them.
///
/// A packet is accepted while fewer than `limit` times are known. Later it is accepted if the oldest time is at least
/// `interval` ago, which it then replaces. A rejected packet changes nothing.
#[derive(Debug, Clone)]
pub struct SlidingLog {
    /// Grows with the packets, so that a large limit costs a quiet connection nothing. Once full it is a ring.
    times: Vec<Instant>,
    /// The index of the oldest time, once the ring is full.
    oldest: usize,
    limit: NonZeroUsize,
    interval: Duration,
}

impl SlidingLog {
    /// Returns an empty log.
    pub fn new(limit: NonZeroUsize, interval: Duration) -> Self {
        Self { times: Vec::new(), oldest: 0, limit, interval }
    }

    /// Returns whether the last accepted packet is at least an interval ago, so that the log is no longer needed.
    pub fn is_over(&self, now: Instant) -> bool {
        let newest = match self.oldest {
            0 => self.times.last(),
            oldest => self.times.get(oldest - 1),
        };
        newest.is_none_or(|newest| now.saturating_duration_since(*newest) >= self.interval)
    }

    /// Returns whether a packet is accepted at `now`, and records it. `now` must not be before that of the last call.
    pub fn allow(&mut self, now: Instant) -> bool {
        let limit = self.limit.get();
        if self.times.len() < limit {
            if self.times.len() == self.times.capacity() {
                // It doubles, up to the limit.
                let more = self.times.len().max(4).min(limit - self.times.len());
                self.times.reserve_exact(more);
            }
            self.times.push(now);
            return true;
        }
        let oldest = &mut self.times[self.oldest];
        if now.saturating_duration_since(*oldest) < self.interval {
            return false;
        }
        *oldest = now;
        self.oldest = (self.oldest + 1) % limit;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn log(limit: usize, interval: Duration) -> SlidingLog {
        SlidingLog::new(NonZeroUsize::new(limit).unwrap(), interval)
    }

    fn run(limit: usize, interval_ms: u64, arrivals: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        let mut log = log(limit, Duration::from_millis(interval_ms));
        arrivals.iter().map(|ms| log.allow(start + Duration::from_millis(*ms))).collect()
    }

    fn verdict(filter: &mut dyn Filter, kind: Kind, now: Instant) -> Verdict {
        filter.incoming(&mut FilterPacket::new(kind, b"x"), now)
    }

    const DROPPED: Verdict = Verdict::Drop(DropReason::RateLimit);

    #[test]
    fn configuration_sets_limit_unit_and_switch() {
        let peer = Peer::new("test");
        let mut config = Config::default();
        config.rate_limit.limit = 1;
        config.rate_limit.interval = SECOND;
        let now = Instant::now();
        let wrap = |config: &Config| RateLimit::from_config(config).unwrap().wrap(&peer);

        let mut limited = wrap(&config);
        assert_eq!(verdict(&mut *limited, Kind::Heartbeat, now), Verdict::Pass);
        assert_eq!(verdict(&mut *limited, Kind::Data, now), Verdict::Pass);
        assert_eq!(verdict(&mut *limited, Kind::Data, now + SECOND / 2), DROPPED);
        assert_eq!(verdict(&mut *limited, Kind::Data, now + SECOND), Verdict::Pass);

        config.rate_limit.all_packets = true;
        let mut all = wrap(&config);
        assert_eq!(verdict(&mut *all, Kind::Heartbeat, now), Verdict::Pass);
        assert_eq!(verdict(&mut *all, Kind::Data, now), DROPPED);

        config.rate_limit.force_disable = true;
        let mut off = wrap(&config);
        assert!((0..9).all(|_| verdict(&mut *off, Kind::Data, now) == Verdict::Pass));

        config.rate_limit.limit = 0;
        assert_eq!(RateLimit::from_config(&config).unwrap_err(), RateLimitError::ZeroLimit);
    }

    #[test]
    fn packet_at_exactly_one_interval_is_allowed() {
        assert_eq!(run(1, 1000, &[0, 999, 1000, 1999, 2000]), [true, false, true, false, true]);
    }

    #[test]
    fn what_is_refused_does_not_extend_the_wait() {
        assert_eq!(run(1, 1000, &[0, 900, 950, 1000]), [true, false, false, true]);
    }

    #[test]
    fn an_interval_of_zero_never_limits() {
        assert_eq!(run(1, 0, &[0, 0, 0]), [true; 3]);
    }

    #[test]
    fn slots_are_freed_one_by_one_as_their_packets_age() {
        assert_eq!(
            run(2, 1000, &[0, 600, 700, 1000, 1100, 1600, 1700]),
            [true, true, false, true, false, true, false]
        );
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        assert_eq!(RateLimit::new(0, SECOND).unwrap_err(), RateLimitError::ZeroLimit);
    }

    #[test]
    fn a_large_limit_costs_a_quiet_connection_no_memory() {
        let mut log = log(1_000_000, SECOND);
        assert_eq!(log.times.capacity(), 0);
        assert!(log.allow(Instant::now()));
        assert!(log.times.capacity() <= 8);
    }

    #[test]
    fn only_data_counts_and_everything_else_passes() {
        let now = Instant::now();
        let mut filter = RateLimit::new(1, SECOND).unwrap().wrap(&Peer::new("test"));
        for kind in [Kind::Handshake, Kind::HandshakeAck, Kind::Heartbeat] {
            assert_eq!(verdict(&mut *filter, kind, now), Verdict::Pass);
        }
        assert_eq!(verdict(&mut *filter, Kind::Data, now), Verdict::Pass);
        assert_eq!(verdict(&mut *filter, Kind::Data, now), DROPPED);
        assert_eq!(verdict(&mut *filter, Kind::Heartbeat, now), Verdict::Pass);
        assert_eq!(verdict(&mut *filter, Kind::Data, now + SECOND), Verdict::Pass);
    }

    #[test]
    fn counting_all_packets_keeps_handshake_and_ack() {
        let now = Instant::now();
        let limit = RateLimit::new(2, SECOND).unwrap().count_all_packets(true);
        let mut filter = limit.wrap(&Peer::new("test"));
        assert_eq!(verdict(&mut *filter, Kind::Handshake, now), Verdict::Pass);
        assert_eq!(verdict(&mut *filter, Kind::HandshakeAck, now), Verdict::Pass);
        assert_eq!(verdict(&mut *filter, Kind::Data, now), DROPPED);
        assert_eq!(verdict(&mut *filter, Kind::Heartbeat, now), DROPPED);
        assert_eq!(verdict(&mut *filter, Kind::Handshake, now), Verdict::Pass);
        assert_eq!(verdict(&mut *filter, Kind::HandshakeAck, now), Verdict::Pass);
    }

    #[test]
    fn each_connection_has_its_own_count() {
        let now = Instant::now();
        let limit = RateLimit::new(1, SECOND).unwrap();
        let (mut one, mut two) = (limit.wrap(&Peer::new("1")), limit.wrap(&Peer::new("2")));
        assert_eq!(verdict(&mut *one, Kind::Data, now), Verdict::Pass);
        assert_eq!(verdict(&mut *one, Kind::Data, now), DROPPED);
        assert_eq!(verdict(&mut *two, Kind::Data, now), Verdict::Pass);
    }

    #[test]
    fn a_disabled_limit_passes_everything() {
        let now = Instant::now();
        let limit = RateLimit::new(1, SECOND).unwrap().disabled(true);
        let mut filter = limit.wrap(&Peer::new("test"));
        for _ in 0..10 {
            assert_eq!(verdict(&mut *filter, Kind::Data, now), Verdict::Pass);
        }
    }

    proptest! {
        /// The reference keeps every accepted time, and asks of each packet whether `limit` of them are younger than `interval`.
        #[test]
        fn ring_decides_like_a_full_log(
            limit in 1_usize..12,
            interval in 0_u64..50,
            steps in prop::collection::vec(0_u64..20, 0..300),
        ) {
            let start = Instant::now();
            let mut log = log(limit, Duration::from_millis(interval));
            let mut accepted: VecDeque<u64> = VecDeque::new();
            let mut at = 0;
            for step in steps {
                at += step;
                let recent = accepted.iter().filter(|t| at - **t < interval).count();
                let expected = recent < limit;
                prop_assert_eq!(log.allow(start + Duration::from_millis(at)), expected);
                if expected {
                    accepted.push_back(at);
                }
                prop_assert!(log.times.capacity() <= limit);
            }
        }
    }
}
