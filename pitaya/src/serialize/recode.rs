//! Recodes bodies for sessions with a serializer of their own.
//!
//! Where the program knows the type of a body, it is decoded and encoded. A body of an unknown type is recoded value by
//! value between formats that describe themselves, such as JSON and MessagePack. Protobuf does not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserializer;

use super::finite::NOT_FINITE;
use super::message::PushType;
use super::msgpack::msgpack_read;
use super::transcode::{Output, Transcode};
use super::{Body, CodecError, Message, Serializer};
use crate::wire::utf8;

/// Recodes the body of one type, from the first serializer to the second.
pub(crate) type RecodeFn = fn(&Body<'_>, &Serializer, &Serializer) -> Result<Bytes, CodecError>;

/// The types of pushes by route; `None` if two types have the route.
static PUSHES: LazyLock<HashMap<&'static str, Option<RecodeFn>>> = LazyLock::new(|| {
    let mut pushes = HashMap::new();
    for push in inventory::iter::<PushType>() {
        let Some(route) = push.schema.push else { continue };
        match pushes.entry(route) {
            Entry::Vacant(entry) => drop(entry.insert(Some(push.recode))),
            Entry::Occupied(mut entry) => drop(entry.insert(None)),
        }
    }
    pushes
});

/// Decodes a body for code that knows another serializer, `to`.
///
/// # Errors
/// The body is not a `T`, or it has a float that is not finite where `to` is JSON.
#[cold]
pub(crate) fn decode<T: Message>(
    body: &Body<'_>,
    from: &Serializer,
    to: &Serializer,
) -> Result<T, CodecError> {
    let value: T = from.decode(body)?;
    if to.is_json() && !from.is_json() && !T::CODECS.is_finite(&value) {
        return Err(CodecError::new(NOT_FINITE));
    }
    Ok(value)
}

/// Recodes the body of a `T`. Raw bytes stay as they are.
pub(crate) fn typed<T: Message>(
    body: &Body<'_>,
    from: &Serializer,
    to: &Serializer,
) -> Result<Bytes, CodecError> {
    let value: T = decode(body, from, to)?;
    let mut out = BytesMut::new();
    to.encode(&value, &mut out)?;
    Ok(out.freeze())
}

/// Returns the function for unknown types; `None` if a format does not describe itself.
pub(crate) fn untyped(from: &Serializer, to: &Serializer) -> Option<RecodeFn> {
    let describes = |serializer: &Serializer| !matches!(serializer, Serializer::Protobuf);
    (describes(from) && describes(to)).then_some(transcode)
}

/// Recodes the body of a push.
///
/// # Errors
/// The type of the push is unknown and a serializer needs it, or the body is not of the type.
pub(crate) fn push(
    route: &str,
    body: &Body<'_>,
    from: &Serializer,
    to: &Serializer,
) -> Result<Bytes, CodecError> {
    let known = PUSHES.get(route).copied().flatten();
    let recode = known.or_else(|| untyped(from, to)).ok_or_else(|| {
        CodecError::new(format!(
            "push `{route}` has no known type in this program: link the crate of its `#[message(push = …)]`"
        ))
    })?;
    recode(body, from, to)
}

/// Recodes value by value.
///
/// The size of the result is at most a small multiple of the body's, and the nesting is bounded as in every body.
fn transcode(body: &Body<'_>, from: &Serializer, to: &Serializer) -> Result<Bytes, CodecError> {
    let mut out = BytesMut::with_capacity(body.as_slice().len());
    match from {
        Serializer::Json => {
            let text = utf8::mend_json(body.as_slice());
            let mut json = serde_json::Deserializer::from_str(&text);
            write(&mut json, to, &mut out)?;
            json.end().map_err(CodecError::new)?;
        }
        Serializer::MessagePack => msgpack_read(body.as_slice(), |msgpack| write(msgpack, to, &mut out))?,
        Serializer::Custom(own) => {
            let mut written = Ok(());
            own.deserialize(body.as_slice(), &mut |value| {
                written = write(value, to, &mut out);
                Ok(())
            })
            .map_err(CodecError::new)?;
            written?;
        }
        Serializer::Protobuf => return Err(undescribed()),
    }
    Ok(out.freeze())
}

fn write<'de>(value: impl Deserializer<'de>, to: &Serializer, out: &mut BytesMut) -> Result<(), CodecError> {
    let output = Output::new(to.is_json());
    let value = Transcode::new(value, &output);
    let written = match to {
        Serializer::Json => serde_json::to_writer(out.writer(), &value).map_err(CodecError::new),
        Serializer::MessagePack => {
            rmp_serde::encode::write_named(&mut out.writer(), &value).map_err(CodecError::new)
        }
        Serializer::Custom(own) => {
            let mut bytes = Vec::new();
            own.serialize(&value, &mut bytes).map_err(CodecError::new)?;
            out.extend_from_slice(&bytes);
            Ok(())
        }
        Serializer::Protobuf => Err(undescribed()),
    };
    written.map_err(|error| output.error(error))
}

fn undescribed() -> CodecError {
    CodecError::new("a Protobuf body can only be recoded by its type")
}

#[cfg(test)]
mod tests;
