//! Filters that see and change packets before the connection handles them.

use std::borrow::Cow;

use tokio::time::Instant;

use super::Peer;
use crate::wire::packet::Kind;

/// Makes one [`Filter`] for each connection of an acceptor; see [`Acceptor::wrap`](super::Acceptor::wrap).
///
/// # Example
/// ```
/// use pitaya::acceptor::{Filter, FilterPacket, Peer, Verdict, Wrapper};
/// use tokio::time::Instant;
///
/// /// Undoes an XOR that this game's clients apply to every body.
/// struct Unmask(u8);
///
/// impl Wrapper for Unmask {
///     fn wrap(&self, _peer: &Peer) -> Box<dyn Filter> {
///         let key = self.0;
///         Box::new(move |packet: &mut FilterPacket<'_>, _now: Instant| {
///             for byte in packet.body_mut() {
///                 *byte ^= key;
///             }
///             Verdict::Pass
///         })
///     }
/// }
/// ```
pub trait Wrapper: Send + Sync + 'static {
    /// Returns the filter of one connection. `peer` is the client, also behind a PROXY header.
    fn wrap(&self, peer: &Peer) -> Box<dyn Filter>;
}

/// Sees each packet of one connection, in order, before the connection handles it.
///
/// This includes handshakes, acknowledgements and heartbeats. Malformed packets are rejected before. A filter runs on the
/// connection's task and must not block. A closure with the same arguments is a filter.
pub trait Filter: Send {
    /// Decides on one packet, and may change its body. `now` is the time at which it was read.
    fn incoming(&mut self, packet: &mut FilterPacket<'_>, now: Instant) -> Verdict;
}

impl<F> Filter for F
where
    F: FnMut(&mut FilterPacket<'_>, Instant) -> Verdict + Send,
{
    fn incoming(&mut self, packet: &mut FilterPacket<'_>, now: Instant) -> Verdict {
        self(packet, now)
    }
}

/// The decision of a filter on a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The next filter and then the connection get the packet.
    Pass,
    /// The packet is dropped: it gets no answer, and does not count as a sign of life. The reason is counted.
    Drop(DropReason),
    /// A request is answered with `PIT-429`, and a notify is dropped. Packets other than data pass. The reason is
    /// counted.
    Refuse(DropReason),
    /// The connection is closed.
    Close,
}

/// The reason of a drop, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The client exceeded its rate limit.
    RateLimit,
    /// Another reason.
    Filter,
}

/// A received packet. The first change of its body copies the body.
#[derive(Debug)]
pub struct FilterPacket<'a> {
    kind: Kind,
    body: Cow<'a, [u8]>,
}

impl<'a> FilterPacket<'a> {
    /// Returns a packet over borrowed bytes. Tests of filters use it too.
    pub fn new(kind: Kind, body: &'a [u8]) -> Self {
        Self { kind, body: Cow::Borrowed(body) }
    }

    /// Returns the type of the packet.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the body, with the changes of earlier filters.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the body for changes in place. The first call copies it.
    pub fn body_mut(&mut self) -> &mut Vec<u8> {
        self.body.to_mut()
    }

    /// Replaces the body.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.body = Cow::Owned(body);
    }

    /// Returns the body if a filter changed it.
    pub fn into_changed(self) -> Option<Vec<u8>> {
        match self.body {
            Cow::Borrowed(_) => None,
            Cow::Owned(body) => Some(body),
        }
    }
}

/// Returns a [`Wrapper`] from a closure that returns the filter of one connection.
///
/// # Example
/// ```
/// use pitaya::acceptor::{Acceptor, FilterPacket, Tcp, Verdict, wrapper_fn};
/// use tokio::time::Instant;
///
/// // each connection may send 10 MB, then it is closed
/// let acceptor = Tcp::new("0.0.0.0:3250").wrap(wrapper_fn(|_peer| {
///     let mut left: usize = 10_000_000;
///     move |packet: &mut FilterPacket<'_>, _now: Instant| match left.checked_sub(packet.body().len()) {
///         Some(rest) => {
///             left = rest;
///             Verdict::Pass
///         }
///         None => Verdict::Close,
///     }
/// }));
/// ```
pub fn wrapper_fn<M, F>(make: M) -> impl Wrapper
where
    M: Fn(&Peer) -> F + Send + Sync + 'static,
    F: Filter + 'static,
{
    WrapperFn(make)
}

struct WrapperFn<M>(M);

impl<M, F> Wrapper for WrapperFn<M>
where
    M: Fn(&Peer) -> F + Send + Sync + 'static,
    F: Filter + 'static,
{
    fn wrap(&self, peer: &Peer) -> Box<dyn Filter> {
        Box::new((self.0)(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_is_only_read_is_not_copied() {
        let bytes = b"body".to_vec();
        let packet = FilterPacket::new(Kind::Data, &bytes);
        assert_eq!(packet.body().as_ptr(), bytes.as_ptr());
        assert_eq!(packet.into_changed(), None);
    }

    #[test]
    fn the_first_change_copies_and_the_next_does_not() {
        let bytes = b"body".to_vec();
        let mut packet = FilterPacket::new(Kind::Data, &bytes);
        packet.body_mut()[0] = b'B';
        let copy = packet.body().as_ptr();
        assert_ne!(copy, bytes.as_ptr());
        packet.body_mut()[1] = b'O';
        assert_eq!(packet.body().as_ptr(), copy);
        assert_eq!(packet.into_changed().unwrap(), b"BOdy");
        assert_eq!(bytes, b"body");
    }

    #[test]
    fn a_body_can_be_replaced_by_a_longer_one() {
        let mut packet = FilterPacket::new(Kind::Handshake, b"{}");
        packet.set_body(b"{\"user\":{}}".to_vec());
        assert_eq!(packet.kind(), Kind::Handshake);
        assert_eq!(packet.body(), b"{\"user\":{}}");
    }
}
