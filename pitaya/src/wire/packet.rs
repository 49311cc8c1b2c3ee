//! Packets: one byte of type, three of length (big-endian), the body (protocol.md, "Packets").

use bytes::BytesMut;

/// Bytes of a packet's header.
pub const HEADER: usize = 4;
/// The longest body, by the three bytes of its length: 16777215.
pub const MAX_BODY: usize = 0xff_ffff;

/// A whole heartbeat packet, the same in both directions.
pub const HEARTBEAT: [u8; HEADER] = [Kind::Heartbeat as u8, 0, 0, 0];
/// A whole kick packet; its body is always empty.
pub const KICK: [u8; HEADER] = [Kind::Kick as u8, 0, 0, 0];
/// A whole handshake acknowledgement, which only clients send.
pub const HANDSHAKE_ACK: [u8; HEADER] = [Kind::HandshakeAck as u8, 0, 0, 0];

/// The kind of a packet. The discriminant is the byte on the wire; no other value is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// The first packet of each side; a JSON body.
    Handshake = 1,
    /// The client's answer to the server's handshake.
    HandshakeAck = 2,
    /// A heartbeat.
    Heartbeat = 3,
    /// A [`Message`](super::Message).
    Data = 4,
    /// The last packet of the server before it closes.
    Kick = 5,
}

impl TryFrom<u8> for Kind {
    type Error = PacketError;

    #[inline]
    fn try_from(byte: u8) -> Result<Self, PacketError> {
        Ok(match byte {
            1 => Self::Handshake,
            2 => Self::HandshakeAck,
            3 => Self::Heartbeat,
            4 => Self::Data,
            5 => Self::Kick,
            _ => return Err(PacketError::WrongType),
        })
    }
}

/// Why bytes are not a packet, or a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The first byte is not one of the five types.
    #[error("wrong packet type")]
    WrongType,
    /// A header of fewer than four bytes where no more can come.
    #[error("invalid header")]
    InvalidHeader,
    /// A body longer than the reader allows, or than three bytes can say.
    #[error("codec: packet size exceed")]
    TooLarge,
    /// A body shorter than its header says, where no more can come.
    #[error("received less data than expected, EOF?")]
    TooShort,
    /// Bytes after the packet where only one packet may be.
    #[error("received more data than expected")]
    TooLong,
    /// The stream ended between two packets: a plain disconnect.
    #[error("client connection closed")]
    Closed,
}

/// The decoded header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The kind of the packet.
    pub kind: Kind,
    /// Length of the body in bytes, at most [`MAX_BODY`].
    pub len: usize,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`PacketError::WrongType`] if the type is not one of the five.
    #[inline]
    pub fn parse(&[kind, a, b, c]: &[u8; HEADER]) -> Result<Self, PacketError> {
        Ok(Self {
            kind: Kind::try_from(kind)?,
            len: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
        })
    }

    /// Writes a header.
    ///
    /// # Errors
    /// [`PacketError::TooLarge`] if `len` is more than [`MAX_BODY`].
    #[inline]
    pub fn to_bytes(self) -> Result<[u8; HEADER], PacketError> {
        if self.len > MAX_BODY {
            return Err(PacketError::TooLarge);
        }
        let [.., a, b, c] = self.len.to_be_bytes();
        Ok([self.kind as u8, a, b, c])
    }
}

/// One packet, borrowed from the buffer it arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The kind of the packet.
    pub kind: Kind,
    /// The body.
    pub body: &'a [u8],
}

/// Takes the first packet off a byte stream: the packet and how many bytes of `buf` it fills, or `None` while it is
/// incomplete. `max_body` is the reader's own limit in bytes.
///
/// A wrong type and a body over the limit are errors as soon as the header is whole, before any of the body arrives.
///
/// # Errors
/// [`PacketError::WrongType`], [`PacketError::TooLarge`].
///
/// ```
/// use pitaya::wire::packet::{self, Kind};
///
/// let stream = [0x04, 0, 0, 2, b'h', b'i', 0x03, 0, 0];
/// let (packet, used) = packet::split(&stream, packet::MAX_BODY)?.unwrap();
/// assert_eq!((packet.kind, packet.body, used), (Kind::Data, &b"hi"[..], 6));
/// assert_eq!(packet::split(&stream[used..], packet::MAX_BODY)?, None);
/// # Ok::<(), pitaya::wire::PacketError>(())
/// ```
#[inline]
pub fn split(buf: &[u8], max_body: usize) -> Result<Option<(Packet<'_>, usize)>, PacketError> {
    let Some((header, rest)) = buf.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let Header { kind, len } = Header::parse(header)?;
    if len > max_body {
        return Err(PacketError::TooLarge);
    }
    Ok(rest.get(..len).map(|body| (Packet { kind, body }, HEADER + len)))
}

/// Reads `buf` as exactly one packet, for transports whose messages are packets (WebSocket).
///
/// # Errors
/// [`PacketError::InvalidHeader`], [`PacketError::WrongType`], [`PacketError::TooLarge`], [`PacketError::TooShort`],
/// [`PacketError::TooLong`], looked for in this order.
#[inline]
pub fn whole(buf: &[u8], max_body: usize) -> Result<Packet<'_>, PacketError> {
    match split(buf, max_body)? {
        Some((packet, used)) if used == buf.len() => Ok(packet),
        Some(_) => Err(PacketError::TooLong),
        None => Err(cut_short(buf)),
    }
}

/// Returns the error for the end of a stream after which [`split`] left `rest`: a disconnect, or a truncated packet.
#[must_use]
pub fn ended(rest: &[u8]) -> PacketError {
    if rest.is_empty() { PacketError::Closed } else { cut_short(rest) }
}

const fn cut_short(rest: &[u8]) -> PacketError {
    if rest.len() < HEADER { PacketError::InvalidHeader } else { PacketError::TooShort }
}

/// Writes a packet at the end of `out`. On an error `out` is left as it was.
///
/// # Errors
/// [`PacketError::TooLarge`] if the body is longer than [`MAX_BODY`].
#[inline]
pub fn encode(kind: Kind, body: &[u8], out: &mut BytesMut) -> Result<(), PacketError> {
    let header = Header { kind, len: body.len() }.to_bytes()?;
    out.reserve(HEADER + body.len());
    out.extend_from_slice(&header);
    out.extend_from_slice(body);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 5] = [Kind::Handshake, Kind::HandshakeAck, Kind::Heartbeat, Kind::Data, Kind::Kick];

    #[test]
    fn every_type_and_boundary_length_round_trips() {
        for kind in KINDS {
            for len in [0, 1, 2, 127, 128, 255, 256, 257, 65_535, 65_536, 65_537, MAX_BODY] {
                let body = vec![0xa5; len];
                let mut out = BytesMut::new();
                encode(kind, &body, &mut out).unwrap();
                assert_eq!(out.len(), HEADER + len);
                let want = Packet { kind, body: &body };
                assert_eq!(split(&out, len), Ok(Some((want, out.len()))), "{kind:?} {len}");
                assert_eq!(whole(&out, len), Ok(want));
                assert_eq!(split(&out[..out.len() - 1], len), Ok(None));
                if len > 0 {
                    assert_eq!(whole(&out[..out.len() - 1], len), Err(PacketError::TooShort));
                    assert_eq!(split(&out[..HEADER], len - 1), Err(PacketError::TooLarge));
                }
                out.extend_from_slice(&[0]);
                assert_eq!(whole(&out, len), Err(PacketError::TooLong));
            }
        }
    }

    #[test]
    fn body_of_16_mib_is_refused_without_a_write() {
        let mut out = BytesMut::from(&b"before"[..]);
        for len in [MAX_BODY + 1, MAX_BODY + 2] {
            let body = vec![0; len];
            assert_eq!(encode(Kind::Data, &body, &mut out), Err(PacketError::TooLarge));
        }
        assert_eq!(out, "before");
    }

    #[test]
    fn wrong_type_is_reported_before_length() {
        for kind in (0..=255u8).filter(|k| !(1..=5).contains(k)) {
            assert_eq!(split(&[kind, 0xff, 0xff, 0xff], 0), Err(PacketError::WrongType));
            assert_eq!(whole(&[kind, 0, 0, 0], 9), Err(PacketError::WrongType));
        }
        assert_eq!(split(&[4, 0, 0, 10], 9), Err(PacketError::TooLarge));
        assert_eq!(split(&[4, 0, 0, 9], 9), Ok(None));
    }

    #[test]
    fn the_end_of_a_stream_is_plain_only_between_packets() {
        assert_eq!(ended(&[]), PacketError::Closed);
        assert_eq!(ended(&[4]), PacketError::InvalidHeader);
        assert_eq!(ended(&[4, 0, 0, 1]), PacketError::TooShort);
    }

    #[test]
    fn ready_made_packets_are_packets() {
        for (bytes, kind) in
            [(HEARTBEAT, Kind::Heartbeat), (KICK, Kind::Kick), (HANDSHAKE_ACK, Kind::HandshakeAck)]
        {
            assert_eq!(whole(&bytes, 0), Ok(Packet { kind, body: &[] }));
        }
    }

    proptest! {
        #[test]
        fn packet_stream_splits_at_any_cut(
            packets in prop::collection::vec((0usize..5, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut stream = BytesMut::new();
            for (kind, body) in &packets {
                encode(KINDS[*kind], body, &mut stream).unwrap();
            }
            let cut = cut.index(stream.len() + 1);
            let (mut seen, mut at) = (Vec::new(), 0);
            for end in [cut, stream.len()] {
                while let Some((packet, used)) = split(&stream[at..end], 40).unwrap() {
                    seen.push((packet.kind, packet.body.to_vec()));
                    at += used;
                }
            }
            prop_assert_eq!(at, stream.len());
            let sent: Vec<_> = packets.iter().map(|(kind, body)| (KINDS[*kind], body.clone())).collect();
            prop_assert_eq!(seen, sent);
        }

        #[test]
        fn any_bytes_give_a_packet_inside_them_or_an_answer(buf in prop::collection::vec(any::<u8>(), 0..300), max in 0usize..300) {
            if let Ok(Some((packet, used))) = split(&buf, max) {
                prop_assert!(used <= buf.len() && packet.body.len() <= max);
                prop_assert_eq!(packet.body, &buf[HEADER..used]);
            }
            let _ = whole(&buf, max);
        }
    }
}
