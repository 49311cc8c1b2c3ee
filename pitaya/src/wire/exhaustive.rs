//! Every input of one to three bytes, through every reader of this module.

use super::{handshake, message, packet, utf8, zlib};

fn every_input(len: usize, mut run: impl FnMut(&[u8])) {
    for n in 0u32..1 << (8 * len) {
        run(&n.to_be_bytes()[4 - len..]);
    }
}

#[test]
fn every_input_of_three_bytes_has_an_answer() {
    for len in 0..=3 {
        every_input(len, |bytes| {
            assert_eq!(packet::split(bytes, 10), Ok(None));
            assert_eq!(packet::whole(bytes, 10), Err(packet::PacketError::InvalidHeader));
            match message::decode(bytes) {
                Ok(m) => assert!(bytes.len() >= 2 && bytes.ends_with(m.body)),
                Err(e) => assert_ne!(e, message::MessageError::UnknownCode),
            }
        });
    }
}

#[test]
fn four_byte_packets_depend_on_type_and_length() {
    for kind in 0..=255u8 {
        for len in [0u32, 1, 9, 10, 11, 255, 256, 65_535, 65_536, 0xff_ffff] {
            let [_, a, b, c] = len.to_be_bytes();
            let want = match kind {
                1..=5 if len > 10 => Err(packet::PacketError::TooLarge),
                1..=5 => Ok(len == 0),
                _ => Err(packet::PacketError::WrongType),
            };
            let got = packet::split(&[kind, a, b, c], 10).map(|packet| packet.is_some());
            assert_eq!(got, want, "{kind} {len}");
        }
    }
}

#[test]
fn zlib_streams_of_one_to_three_bytes_are_all_refused() {
    for len in 0..=3 {
        every_input(len, |bytes| assert!(zlib::inflate(bytes, 100).is_err()));
    }
}

#[test]
fn texts_of_one_to_three_bytes_are_mended() {
    for len in 0..=3 {
        every_input(len, |bytes| {
            assert!(utf8::mend(bytes).len() <= 3 * bytes.len());
        });
    }
}

#[test]
fn short_handshakes_are_empty_or_errors() {
    let mut accepted = 0;
    for len in 0..=3 {
        every_input(len, |bytes| {
            if let Ok(request) = handshake::Request::parse(bytes) {
                assert_eq!(request, handshake::Request::default());
                accepted += 1;
            }
        });
    }
    // `{}`, and with one of the four white space characters before, between or after.
    assert_eq!(accepted, 1 + 3 * 4);
}
