use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::wire::Dictionary;
use crate::wire::packet::{self, MAX_BODY};

const OFF: Compression = Compression::Off;
const ALWAYS: Compression = Compression::On { threshold: 0 };

fn data(packet: &[u8]) -> Message<'_> {
    let packet = packet::whole(packet, MAX_BODY).unwrap();
    assert_eq!(packet.kind, packet::Kind::Data);
    decode(packet.body).unwrap()
}

#[test]
fn ids_end_within_ten_bytes_and_64_bits() {
    let id = |bytes: &[u8]| decode(&[&[4], bytes].concat()).map(|m| (m.id, m.body.len()));
    assert_eq!(id(&[0x7f]), Ok((127, 0)));
    assert_eq!(id(&[0x80, 0x01, 9]), Ok((128, 1)));
    assert_eq!(id(&[0x81, 0x00]), Ok((1, 0)), "not minimal, but clear");
    let nines = [0xff; 9];
    assert_eq!(id(&[&nines[..], &[0x01]].concat()), Ok((u64::MAX, 0)));
    assert_eq!(id(&[&[0x80; 9][..], &[0x00]].concat()), Ok((0, 0)));
    for bad in [
        [&nines[..], &[0x02]].concat(),
        [&nines[..], &[0x81, 0x00]].concat(),
        [&[0x80; 10][..], &[0x01]].concat(),
        nines.to_vec(),
        vec![0x80],
    ] {
        assert_eq!(id(&bad), Err(MessageError::Invalid), "{bad:02x?}");
    }
}

#[test]
fn a_request_that_ends_with_its_id_is_invalid() {
    for bytes in [&[0u8, 1][..], &[0, 0x81, 0x01], &[1, 1], &[1, 1, 0], &[0, 0x81]] {
        assert_eq!(decode(bytes), Err(MessageError::Invalid), "{bytes:02x?}");
    }
}

#[test]
fn a_message_needs_two_bytes_and_one_of_four_kinds() {
    for flags in 0..=255u8 {
        assert_eq!(decode(&[flags]), Err(MessageError::Invalid));
        let wrong = decode(&[flags, 0, 0, 0]) == Err(MessageError::WrongType);
        assert_eq!(wrong, (flags >> 1) & 7 > 3, "{flags:02x}");
    }
    assert_eq!(decode(&[]), Err(MessageError::Invalid));
}

#[test]
fn response_has_no_route_and_ignores_spare_bits() {
    let m = decode(&[0xc5, 1, 0xaa]).unwrap();
    assert_eq!((m.kind, m.route, m.body), (Kind::Response, Route::None, &[0xaa][..]));
    assert!(!m.error && !m.compressed);
}

#[test]
fn route_of_255_bytes_fits_and_256_does_not() {
    let none = Dictionary::default();
    let mut out = BytesMut::from(&b"before"[..]);
    let long = "r".repeat(256);
    let refused = Err(EncodeError::RouteTooLong);
    assert_eq!(encode_push(&mut out, &long, b"x", &none, &OFF), refused);
    assert_eq!(encode_request(&mut out, 1, &long, b"x", &none, &ALWAYS), refused);
    assert_eq!(encode_notify(&mut out, &long, b"x", &none, &OFF), refused);
    assert_eq!(out, "before");
    encode_push(&mut out, &long[1..], b"x", &none, &OFF).unwrap();
    assert_eq!(data(&out[6..]).route, Route::Name(&long.as_bytes()[1..]));
    let coded = Dictionary::new([(long.clone(), 7)]).unwrap();
    out.clear();
    encode_push(&mut out, &long, b"x", &coded, &OFF).unwrap();
    assert_eq!(&out[..], b"\x04\0\0\x04\x07\0\x07x");
}

#[test]
fn largest_message_fills_exactly_one_packet() {
    let body = vec![1; MAX_BODY];
    let mut out = BytesMut::new();
    encode_response(&mut out, 0, false, &body[2..], &OFF).unwrap();
    assert_eq!(out.len(), 4 + MAX_BODY);
    assert_eq!(data(&out).body.len(), MAX_BODY - 2);
    out.clear();
    let refused = Err(EncodeError::TooLarge);
    assert_eq!(encode_response(&mut out, 0, false, &body[1..], &OFF), refused);
    let with = encode_response_with(&mut out, 0, false, &OFF, |out| {
        out.put_slice(&body[1..]);
        Ok::<(), EncodeError>(())
    });
    assert_eq!(with, refused);
    assert!(out.is_empty());
    encode_response(&mut out, 0, false, &body, &ALWAYS).unwrap();
    assert!(data(&out).compressed, "what deflates far enough fits");
}

/// Only if it becomes smaller.
#[test]
fn body_is_deflated_from_the_threshold_on() {
    let none = Dictionary::default();
    for (len, c, deflated) in [
        (127, Compression::default(), false),
        (128, Compression::default(), true),
        (128, OFF, false),
        (3, ALWAYS, false),
        (0, ALWAYS, false),
    ] {
        let body = vec![b'a'; len];
        let (mut plain, mut with) = (BytesMut::new(), BytesMut::new());
        encode_response(&mut plain, 300, true, &body, &c).unwrap();
        encode_response_with(&mut with, 300, true, &c, |out| {
            out.put_slice(&body);
            Ok::<(), EncodeError>(())
        })
        .unwrap();
        assert_eq!(plain, with);
        let m = data(&plain);
        assert_eq!((m.id, m.error, m.compressed), (300, true, deflated), "{len}");
        assert_eq!(m.plain_body(len).unwrap(), body);
        let (mut plain, mut with) = (BytesMut::from(&b"x"[..]), BytesMut::from(&b"x"[..]));
        encode_push(&mut plain, "onIt", &body, &none, &c).unwrap();
        encode_push_with(&mut with, "onIt", &none, &c, |out| {
            out.put_slice(&body);
            Ok::<(), EncodeError>(())
        })
        .unwrap();
        assert_eq!(plain, with);
        assert_eq!(data(&plain[1..]).compressed, deflated);
    }
}

/// A body fails, panics or overwrites its header.
#[test]
fn failed_body_leaves_the_buffer_unchanged() {
    let mut out = BytesMut::from(&b"before"[..]);
    let failed = encode_response_with(&mut out, 1, false, &OFF, |out| {
        out.put_slice(b"half");
        Err(EncodeError::RouteTooLong)
    });
    assert_eq!(failed, Err(EncodeError::RouteTooLong));
    assert_eq!(out, "before");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        encode_response_with(&mut out, 1, false, &OFF, |out| -> Result<(), EncodeError> {
            out.put_slice(b"half");
            panic!("the user's serializer")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(out, "before");
    let eaten = encode_response_with(&mut out, 1, false, &OFF, |out| {
        out.truncate(8);
        Ok(())
    });
    assert_eq!(eaten, Err(EncodeError::Overwritten));
    assert_eq!(out, "before");
}

#[test]
fn a_dictionary_codes_requests_notifies_and_pushes() {
    let d = Dictionary::new([("a".to_owned(), 1)]).unwrap();
    let mut out = BytesMut::new();
    encode_request(&mut out, 5, "a", b"", &d, &OFF).unwrap();
    encode_notify(&mut out, "a", b"", &d, &OFF).unwrap();
    encode_push(&mut out, "a", b"", &d, &OFF).unwrap();
    assert_eq!(&out[..], b"\x04\0\0\x04\x01\x05\0\x01\x04\0\0\x03\x03\0\x01\x04\0\0\x03\x07\0\x01");
    out.clear();
    encode_push(&mut out, "a", b"", &d.inbound_only(true), &OFF).unwrap();
    assert_eq!(&out[..], b"\x04\0\0\x03\x06\x01a");
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Request, Kind::Notify, Kind::Response, Kind::Push])
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        kind in kinds(),
        id in prop_oneof![any::<u64>(), 0u64..300],
        name in prop::collection::vec(any::<u8>(), 0..=255),
        code in any::<Option<u16>>(),
        error in any::<bool>(),
        body in prop::collection::vec(0u8..3, 0..300),
        threshold in any::<Option<u8>>(),
    ) {
        let route = match (kind, code) {
            (Kind::Response, _) => Route::None,
            (_, Some(code)) => Route::Code(code),
            (_, None) => Route::Name(&name),
        };
        let id = if kind.has_id() { id } else { 0 };
        let sent = Message { kind, id, route, error, compressed: false, body: &body };
        let c = threshold.map_or(OFF, |t| Compression::On { threshold: t.into() });
        let mut out = BytesMut::new();
        encode(&mut out, &sent, &c).unwrap();
        let got = decode(&out).unwrap();
        let plain = got.plain_body(body.len()).unwrap();
        prop_assert_eq!(&*plain, &body[..]);
        prop_assert!(!got.compressed || got.body.len() < body.len());
        let mut again = BytesMut::new();
        encode(&mut again, &got, &OFF).unwrap();
        prop_assert_eq!(&again, &out, "a compressed body goes as it is");
        prop_assert_eq!(Message { compressed: false, body: &body, ..got }, sent);
    }

    #[test]
    fn any_bytes_are_a_message_made_of_them_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), limit in 0usize..400) {
        if let Ok(m) = decode(&bytes) {
            prop_assert!(bytes.ends_with(m.body));
            if let Ok(body) = m.plain_body(limit) {
                prop_assert!(!m.compressed || body.len() <= limit);
            }
        }
    }
}
