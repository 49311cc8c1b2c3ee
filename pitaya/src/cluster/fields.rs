//! Messages of Protobuf, written from borrowed parts. As any writer of the format does, this leaves out numbers that are
//! zero and texts that are empty, but no message.

use bytes::{BufMut, Bytes};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Message(&'a [(u32, Field<'a>)]),
}

/// A message of these fields, each with its number, which is less than 16.
pub(super) fn encode(fields: &[(u32, Field<'_>)]) -> Bytes {
    let mut out = Vec::with_capacity(len(fields));
    write(fields, &mut out);
    out.into()
}

fn len(fields: &[(u32, Field<'_>)]) -> usize {
    let long = |len: usize| 1 + encoded_len_varint(len as u64) + len;
    fields
        .iter()
        .map(|(_, value)| match value {
            Field::Number(0) | Field::Bytes([]) => 0,
            Field::Number(number) => 1 + encoded_len_varint(*number),
            Field::Bytes(bytes) => long(bytes.len()),
            Field::Message(fields) => long(len(fields)),
        })
        .sum()
}

fn write(fields: &[(u32, Field<'_>)], out: &mut impl BufMut) {
    for (number, value) in fields {
        match value {
            Field::Number(0) | Field::Bytes([]) => {}
            Field::Number(value) => {
                encode_key(*number, WireType::Varint, out);
                encode_varint(*value, out);
            }
            Field::Bytes(bytes) => {
                encode_key(*number, WireType::LengthDelimited, out);
                encode_varint(bytes.len() as u64, out);
                out.put_slice(bytes);
            }
            Field::Message(fields) => {
                encode_key(*number, WireType::LengthDelimited, out);
                encode_varint(len(fields) as u64, out);
                write(fields, out);
            }
        }
    }
}
