//! Encodes Protobuf messages from borrowed parts. Like any encoder of proto3 it omits zero numbers and empty strings,
//! but no message.

use bytes::Bytes;
use prost::encoding::encoded_len_varint;

/// The value of a field.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Message(&'a [(u8, Self)]),
}

/// Encodes a message of these fields, whose numbers are less than 16.
pub(super) fn encode(fields: &[(u8, Field<'_>)]) -> Bytes {
    let mut out = Vec::with_capacity(len(fields));
    write(fields, &mut out);
    out.into()
}

fn len(fields: &[(u8, Field<'_>)]) -> usize {
    let long = |len: usize| 1 + encoded_len_varint(len as u64) + len;
    let len = |(_, value): &(u8, Field<'_>)| match value {
        Field::Number(0) | Field::Bytes([]) => 0,
        Field::Number(number) => 1 + encoded_len_varint(*number),
        Field::Bytes(bytes) => long(bytes.len()),
        Field::Message(fields) => long(len(fields)),
    };
    fields.iter().map(len).sum()
}

fn write(fields: &[(u8, Field<'_>)], out: &mut Vec<u8>) {
    const LONG: u8 = 2;
    for (number, value) in fields {
        match value {
            Field::Number(0) | Field::Bytes([]) => {}
            Field::Number(value) => {
                out.push(number << 3);
                varint(*value, out);
            }
            Field::Bytes(bytes) => {
                out.push(number << 3 | LONG);
                varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Field::Message(fields) => {
                out.push(number << 3 | LONG);
                varint(len(fields) as u64, out);
                write(fields, out);
            }
        }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
