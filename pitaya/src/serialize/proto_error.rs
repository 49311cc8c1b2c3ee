//! The Protobuf form of an error, which is the same between servers and towards clients.
//!
//! `prost` omits the key and the value of a map entry if they are empty. Go Pitaya always writes both, so the
//! two types with error metadata implement [`prost::Message`] through [`proto_error!`] instead of the derive.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use prost::DecodeError;
use prost::encoding::{
    DecodeContext, WireType, btree_map, encode_key, encode_varint, encoded_len_varint, string,
};

/// The field number of a map entry's key.
const KEY: u32 = 1;
/// The field number of a map entry's value.
const VALUE: u32 = 2;

/// Writes each entry with its key and its value, empty or not.
pub(crate) fn encode_map(tag: u32, map: &BTreeMap<String, String>, out: &mut impl BufMut) {
    for (key, value) in map {
        encode_key(tag, WireType::LengthDelimited, out);
        encode_varint(entry_len(key, value) as u64, out);
        string::encode(KEY, key, out);
        string::encode(VALUE, value, out);
    }
}

/// The number of bytes that [`encode_map`] writes.
pub(crate) fn map_len(tag: u32, map: &BTreeMap<String, String>) -> usize {
    let len = |(key, value): (&String, &String)| {
        let entry = entry_len(key, value);
        prost::encoding::key_len(tag) + encoded_len_varint(entry as u64) + entry
    };
    map.iter().map(len).sum()
}

fn entry_len(key: &String, value: &String) -> usize {
    string::encoded_len(KEY, key) + string::encoded_len(VALUE, value)
}

/// Reads one entry.
pub(crate) fn merge_map(
    map: &mut BTreeMap<String, String>,
    buf: &mut impl Buf,
    ctx: DecodeContext,
) -> Result<(), DecodeError> {
    btree_map::merge(string::merge, string::merge, map, buf, ctx)
}

/// Implements [`prost::Message`] for a struct with `code` (1), `msg` (2) and `metadata` (3).
macro_rules! proto_error {
    ($name:ty) => {
        impl prost::Message for $name {
            fn encode_raw(&self, buf: &mut impl bytes::BufMut) {
                for (tag, text) in [(1, &self.code), (2, &self.msg)] {
                    if !text.is_empty() {
                        prost::encoding::string::encode(tag, text, buf);
                    }
                }
                $crate::serialize::proto_error::encode_map(3, &self.metadata, buf);
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: prost::encoding::WireType,
                buf: &mut impl bytes::Buf,
                ctx: prost::encoding::DecodeContext,
            ) -> Result<(), prost::DecodeError> {
                match tag {
                    1 => prost::encoding::string::merge(wire_type, &mut self.code, buf, ctx),
                    2 => prost::encoding::string::merge(wire_type, &mut self.msg, buf, ctx),
                    3 => $crate::serialize::proto_error::merge_map(&mut self.metadata, buf, ctx),
                    _ => prost::encoding::skip_field(wire_type, tag, buf, ctx),
                }
            }

            fn encoded_len(&self) -> usize {
                [(1, &self.code), (2, &self.msg)]
                    .into_iter()
                    .filter(|(_, text)| !text.is_empty())
                    .map(|(tag, text)| prost::encoding::string::encoded_len(tag, text))
                    .sum::<usize>()
                    + $crate::serialize::proto_error::map_len(3, &self.metadata)
            }

            fn clear(&mut self) {
                *self = Self::default();
            }
        }
    };
}

pub(crate) use proto_error;

#[cfg(test)]
mod tests {
    use super::super::ErrorPayload;
    use super::*;
    use proptest::prelude::*;
    use prost::Message as _;

    /// The same message as the derive of `prost` writes it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Derived {
        #[prost(string, tag = "1")]
        code: String,
        #[prost(string, tag = "2")]
        msg: String,
        #[prost(btree_map = "string, string", tag = "3")]
        metadata: BTreeMap<String, String>,
    }

    fn of(pairs: &[(&str, &str)]) -> ErrorPayload {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        ErrorPayload { metadata, ..ErrorPayload::default() }
    }

    #[test]
    fn empty_map_keys_and_values_are_written() {
        assert_eq!(of(&[("route", "")]).encode_to_vec(), b"\x1a\x09\x0a\x05route\x12\x00");
        assert_eq!(of(&[("", "v")]).encode_to_vec(), b"\x1a\x05\x0a\x00\x12\x01v");
        assert_eq!(of(&[("", "")]).encode_to_vec(), b"\x1a\x04\x0a\x00\x12\x00");
    }

    #[test]
    fn a_map_field_of_another_wire_type_is_refused() {
        assert!(ErrorPayload::decode(&b"\x18\x01"[..]).is_err());
        assert!(Derived::decode(&b"\x18\x01"[..]).is_err());
    }

    proptest! {
        #[test]
        fn it_reads_and_writes_as_the_derive_does(
            code in ".{0,4}", msg in ".{0,8}",
            metadata in proptest::collection::btree_map(".{1,4}", ".{1,4}", 0..4),
            noise in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let derived = Derived { code: code.clone(), msg: msg.clone(), metadata: metadata.clone() };
            let own = ErrorPayload { code, msg, metadata };
            let bytes = own.encode_to_vec();
            prop_assert_eq!(&bytes, &derived.encode_to_vec());
            prop_assert_eq!(bytes.len(), own.encoded_len());
            prop_assert_eq!(ErrorPayload::decode(&*bytes).unwrap(), own);
            let (ours, theirs) = (ErrorPayload::decode(&*noise), Derived::decode(&*noise));
            prop_assert_eq!(
                ours.ok().map(|own| (own.code, own.msg, own.metadata)),
                theirs.ok().map(|own| (own.code, own.msg, own.metadata))
            );
        }
    }
}
