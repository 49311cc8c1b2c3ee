//! The position of a WebSocket within its frames, from the bytes that are read.

/// The longest header without its mask.
const LONGEST_HEAD: usize = 10;
const MASK: u64 = 4;

/// Parses the headers of frames (RFC 6455, section 5.2), because the WebSocket library does not say whether a frame is
/// incomplete.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The header that has begun, and its received length.
    head: [u8; LONGEST_HEAD],
    come: usize,
    /// The bytes of the frame that are missing after its header.
    left: u64,
    /// A message has begun, and its last frame is missing.
    open: bool,
}

impl Frames {
    /// Parses the next bytes.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
            self.left -= skipped as u64;
            let Some((next, rest)) = bytes[skipped..].split_first() else { return };
            self.head[self.come] = *next;
            self.come += 1;
            bytes = rest;
            if let Some(payload) = self.payload() {
                let masked = self.head[1] & 0x80 != 0;
                self.left = payload.saturating_add(if masked { MASK } else { 0 });
                self.come = 0;
                let (last, control) = (self.head[0] & 0x80 != 0, self.head[0] & 0x08 != 0);
                if !control {
                    self.open = !last;
                }
            }
        }
    }

    /// Returns whether a frame or a message is incomplete.
    pub(super) fn are_partial(&self) -> bool {
        self.come > 0 || self.left > 0 || self.open
    }

    /// Returns the length of the payload, once the header is complete.
    fn payload(&self) -> Option<u64> {
        let head = &self.head[..self.come];
        match head.get(1)? & 0x7f {
            126 => Some(u16::from_be_bytes(*head.get(2..)?.first_chunk()?).into()),
            127 => Some(u64::from_be_bytes(*head.get(2..)?.first_chunk()?)),
            short => Some(short.into()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small lengths, matched by range")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A masked frame with zeros for its payload.
    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..126 => frame.push(0x80 | payload as u8),
            126..65536 => {
                frame.push(0xfe);
                frame.extend_from_slice(&(payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(0xff);
                frame.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + 4 + payload, 0);
        frame
    }

    #[test]
    fn frame_without_its_last_byte_is_partial() {
        for payload in [0, 1, 125, 126, 300, 65535, 65536] {
            let bytes = frame(0x82, payload);
            let mut frames = Frames::default();
            assert!(!frames.are_partial());
            for (at, byte) in bytes.iter().enumerate() {
                frames.passed(&[*byte]);
                assert_eq!(frames.are_partial(), at + 1 < bytes.len(), "{payload}, byte {at}");
            }
        }
    }

    /// Pings between the fragments change nothing.
    #[test]
    fn fragmented_message_is_partial_until_its_end() {
        let mut frames = Frames::default();
        for (bytes, partial) in [
            (frame(0x02, 5), true),
            (frame(0x89, 0), true),
            (frame(0x00, 0), true),
            (frame(0x8a, 9), true),
            (frame(0x80, 200), false),
            (frame(0x89, 3), false),
        ] {
            frames.passed(&bytes);
            assert_eq!(frames.are_partial(), partial, "{:#x}", bytes[0]);
        }
    }

    #[test]
    fn a_length_beyond_all_lengths_is_waited_for() {
        let mut frames = Frames::default();
        frames.passed(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
        assert!(frames.are_partial());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_frames_come(
            payloads in prop::collection::vec(prop_oneof![0_usize..10, 120_usize..140, 65530_usize..65540], 1..6),
            cut in 0_usize..1000,
            piece in 1_usize..5000,
        ) {
            let all: Vec<Vec<u8>> = payloads.iter().map(|payload| frame(0x82, *payload)).collect();
            let ends: Vec<usize> =
                all.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) }).collect();
            let stream = all.concat();
            let cut = (stream.len() * cut) / 1000;
            let mut frames = Frames::default();
            stream[..cut].chunks(piece).for_each(|piece| frames.passed(piece));
            prop_assert_eq!(frames.are_partial(), cut > 0 && !ends.contains(&cut));
        }
    }
}
