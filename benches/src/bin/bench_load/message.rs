//! Packets made in advance, and answers looked at.

use std::io;

use crate::args::Transport;

/// The key that all our WebSocket frames are masked with. A server cannot tell that it is always the same.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Ids are of two bytes, so that a packet made in advance keeps its length.
const FIRST_ID: u16 = 1 << 7;
const LAST_ID: u16 = (1 << 14) - 1;

/// Appends a packet, in a WebSocket frame where that is the transport.
pub(crate) fn packet(transport: Transport, kind: u8, body: &[u8], out: &mut Vec<u8>) {
    let length = (body.len() as u64).to_be_bytes();
    let header = [kind, length[5], length[6], length[7]];
    if transport == Transport::Tcp {
        out.extend_from_slice(&header);
        out.extend_from_slice(body);
        return;
    }
    let total = body.len() + header.len();
    out.push(0x82);
    match (u8::try_from(total), u16::try_from(total)) {
        (Ok(small @ ..126), _) => out.push(0x80 | small),
        (_, Ok(middle)) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(total as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    out.extend(header.iter().chain(body).zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// The body of a data packet that is a notify.
pub(crate) fn notify(route: &str, body: &[u8]) -> Vec<u8> {
    [&[2, length(route)], route.as_bytes(), body].concat()
}

/// The length of a route, which the arguments keep below 256.
fn length(route: &str) -> u8 {
    route.len().to_le_bytes()[0]
}

/// A burst of requests in one buffer, of which only the ids change.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    /// Where each request has its id.
    ids: Vec<usize>,
    /// The mask of the two bytes of an id.
    mask: [u8; 2],
    next: u16,
    burst: u16,
}

impl Requests {
    /// `burst` times the same request.
    pub(crate) fn new(transport: Transport, route: &str, body: &[u8], burst: u16) -> Self {
        let message = [&[0, 0x80, 0x01, length(route)], route.as_bytes(), body].concat();
        let (mut bytes, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..burst {
            packet(transport, 4, &message, &mut bytes);
            ids.push(bytes.len() - message.len() + 1);
        }
        let mask = if transport == Transport::Tcp { [0; 2] } else { [KEY[1], KEY[2]] };
        Self { bytes, ids, mask, next: FIRST_ID, burst }
    }

    /// The burst with fresh ids, and the first of them; the others follow it one by one.
    pub(crate) fn fresh(&mut self) -> (&[u8], u16) {
        if self.next > LAST_ID - self.burst {
            self.next = FIRST_ID;
        }
        let first = self.next;
        self.next += self.burst;
        for (id, &at) in (first..).zip(&self.ids) {
            let [low, high] = (id << 1).to_le_bytes();
            self.bytes[at] = (low >> 1 | 0x80) ^ self.mask[0];
            self.bytes[at + 1] = high ^ self.mask[1];
        }
        (&self.bytes, first)
    }
}

/// The body of the response to request `id`, and whether it is deflated.
pub(crate) fn response(packet: &[u8], id: u16) -> io::Result<(&[u8], bool)> {
    match packet {
        [4, _, _, _, flag, low, high, body @ ..] if flag & 0x0f == 4 => {
            if flag & 0x20 != 0 {
                return Err(io::Error::other(format!("an error: {}", String::from_utf8_lossy(body))));
            }
            if (u16::from(low & 0x7f) | u16::from(*high) << 7) != id {
                return Err(io::Error::other("an answer to another request"));
            }
            Ok((body, flag & 0x10 != 0))
        }
        _ => Err(io::Error::other(format!("no response: {}", String::from_utf8_lossy(packet)))),
    }
}

/// The body of a push on `route`, and whether it is deflated.
pub(crate) fn push<'a>(packet: &'a [u8], route: &str) -> io::Result<(&'a [u8], bool)> {
    match packet {
        [4, _, _, _, flag, length, rest @ ..] if flag & 0x0f == 6 => {
            match rest.split_at_checked(usize::from(*length)) {
                Some((told, body)) if told == route.as_bytes() => Ok((body, flag & 0x10 != 0)),
                _ => Err(io::Error::other("a push on another route")),
            }
        }
        _ => Err(io::Error::other(format!("no push: {}", String::from_utf8_lossy(packet)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_burst_equals_plain_burst() {
        let mut plain = Requests::new(Transport::Tcp, "a.b.c", b"body", 2);
        let mut masked = Requests::new(Transport::WebSocket, "a.b.c", b"body", 2);
        for round in 0..9000_u16 {
            let (plain, first) = plain.fresh();
            let (masked, same) = masked.fresh();
            assert_eq!(first, same);
            let packets = plain.chunks(plain.len() / 2);
            for ((packet, frame), id) in packets.zip(masked.chunks(masked.len() / 2)).zip(first..) {
                let unmasked: Vec<u8> =
                    frame[6..].iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
                assert_eq!(packet, unmasked, "round {round}");
                assert_eq!(frame[..2], [0x82, 0x80 | packet.len().to_le_bytes()[0]]);
                assert_eq!(packet[5..7], [id.to_le_bytes()[0] | 0x80, (id >> 7).to_le_bytes()[0]]);
                assert!((FIRST_ID..=LAST_ID).contains(&id));
            }
        }
    }

    #[test]
    fn only_the_answer_that_was_asked_for_is_taken() {
        let answer = |flag| [4, 0, 0, 5, flag, 0x81, 0x01, b'o', b'k'];
        assert_eq!(response(&answer(0x04), 129).unwrap(), (&b"ok"[..], false));
        assert_eq!(response(&answer(0x14), 129).unwrap(), (&b"ok"[..], true));
        for (flag, id) in [(0x24, 129), (0x04, 130), (0x06, 129), (0x00, 129)] {
            assert!(response(&answer(flag), id).is_err());
        }
    }
}
