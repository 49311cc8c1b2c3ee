use super::*;
use crate::error::Error;

#[test]
fn the_empty_message_is_said_in_every_format() {
    for (serializer, expected) in
        [(Serializer::Json, &b"{}"[..]), (Serializer::MessagePack, &[0x80]), (Serializer::Protobuf, b"")]
    {
        let mut out = BytesMut::new();
        serializer.encode(&(), &mut out).unwrap();
        assert_eq!(&out[..], expected, "{serializer:?}");
        serializer.decode::<()>(&Body::borrowed(b"")).unwrap();
    }
    let mut out = BytesMut::new();
    rpc::encode(&(), &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn shared_raw_bytes_are_kept_without_a_copy() {
    let bytes = Bytes::from_static(b"\xff\x00");
    let kept: Bytes = Serializer::Json.decode(&Body::shared(&bytes)).unwrap();
    assert_eq!(kept.as_ptr(), bytes.as_ptr());
}

#[test]
fn error_payload_has_the_bytes_of_go_pitaya() {
    let error = Error::new("PIT-555", "a<b>&c").with_metadata("z", "1").with_metadata("a", "2");
    let mut json = BytesMut::new();
    ErrorPayload::of(&error, false).encode_as(&Serializer::Json, &mut json).unwrap();
    assert_eq!(
        std::str::from_utf8(&json).unwrap(),
        r#"{"code":"PIT-555","msg":"a\u003cb\u003e\u0026c","metadata":{"a":"2","z":"1"}}"#
    );
    let mut proto = BytesMut::new();
    ErrorPayload::of(&Error::new("PIT-555", "somerror"), false)
        .encode_as(&Serializer::Protobuf, &mut proto)
        .unwrap();
    assert_eq!(&proto[..], b"\x0a\x07PIT-555\x12\x08somerror");
}
