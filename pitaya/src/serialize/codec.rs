//! The code of a message type for each serializer, as constants.

use std::borrow::Cow;
use std::fmt;

use bytes::buf::BufMut;
use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::CodecError;
use super::msgpack::msgpack_read;
use super::{Body, Serializer, finite, whole};
use crate::wire::utf8;

type Encode<T> = fn(&T, &mut BytesMut) -> Result<(), CodecError>;
type Decode<T> = fn(&[u8]) -> Result<T, CodecError>;

/// The code that encodes and decodes one message type for each serializer. `#[message]` writes it.
pub struct Codecs<T: 'static>(Kind<T>);

enum Kind<T: 'static> {
    /// The empty message.
    Empty(fn() -> T),
    /// Raw bytes.
    Raw {
        wrap: fn(Bytes) -> T,
        bytes: fn(&T) -> &Bytes,
    },
    Serde {
        serde: Serde<T>,
        proto: Option<(Encode<T>, Decode<T>)>,
    },
}

struct Serde<T: 'static> {
    json: (Encode<T>, Decode<T>),
    msgpack: (Encode<T>, Decode<T>),
    erase: fn(&T) -> &dyn erased_serde::Serialize,
    read: fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<T, erased_serde::Error>,
}

impl<T: Serialize + DeserializeOwned> Codecs<T> {
    /// JSON, MessagePack and every custom serializer, by serde.
    pub const fn serde() -> Self {
        Self(Kind::Serde { serde: Serde::of(), proto: None })
    }
}

impl<T: Serialize + DeserializeOwned + prost::Message + Default> Codecs<T> {
    /// The formats of [`serde`](Self::serde), and Protobuf by prost.
    pub const fn serde_and_proto() -> Self {
        Self(Kind::Serde { serde: Serde::of(), proto: Some((proto_encode::<T>, proto_decode::<T>)) })
    }
}

impl<T> Codecs<T> {
    pub(super) const fn empty(make: fn() -> T) -> Self {
        Self(Kind::Empty(make))
    }

    pub(super) const fn raw(wrap: fn(Bytes) -> T, bytes: fn(&T) -> &Bytes) -> Self {
        Self(Kind::Raw { wrap, bytes })
    }

    pub(crate) fn has_proto(&self) -> bool {
        matches!(self.0, Kind::Serde { proto: Some(_), .. })
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.0, Kind::Empty(_))
    }

    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.0, Kind::Raw { .. })
    }

    pub(super) fn speaks(&self, serializer: &Serializer) -> bool {
        !matches!((&self.0, serializer), (Kind::Serde { proto: None, .. }, Serializer::Protobuf))
    }

    /// Returns whether all floats of a value are finite.
    pub(super) fn is_finite(&self, value: &T) -> bool {
        match &self.0 {
            Kind::Serde { serde, .. } => finite::is_finite((serde.erase)(value)),
            Kind::Empty(_) | Kind::Raw { .. } => true,
        }
    }

    #[inline]
    pub(super) fn encode(
        &self,
        serializer: &Serializer,
        value: &T,
        out: &mut BytesMut,
    ) -> Result<(), CodecError> {
        match &self.0 {
            Kind::Raw { bytes, .. } => {
                out.extend_from_slice(bytes(value));
                Ok(())
            }
            Kind::Serde { serde, proto } => match serializer {
                Serializer::Json => (serde.json.0)(value, out),
                Serializer::MessagePack => (serde.msgpack.0)(value, out),
                Serializer::Protobuf => match proto {
                    Some((encode, _)) => encode(value, out),
                    None => Err(no_proto::<T>()),
                },
                Serializer::Custom(own) => {
                    let mut bytes = Vec::new();
                    own.serialize((serde.erase)(value), &mut bytes).map_err(CodecError::new)?;
                    out.extend_from_slice(&bytes);
                    Ok(())
                }
            },
            Kind::Empty(_) => {
                match serializer {
                    Serializer::Json => out.extend_from_slice(b"{}"),
                    Serializer::MessagePack => out.extend_from_slice(&[0x80]),
                    Serializer::Protobuf => {}
                    Serializer::Custom(own) => {
                        let mut bytes = Vec::new();
                        own.serialize(&EmptyMap {}, &mut bytes).map_err(CodecError::new)?;
                        out.extend_from_slice(&bytes);
                    }
                }
                Ok(())
            }
        }
    }

    #[inline]
    pub(super) fn decode(&self, serializer: &Serializer, body: &Body<'_>) -> Result<T, CodecError> {
        match &self.0 {
            Kind::Raw { wrap, .. } => Ok(wrap(body.to_bytes())),
            Kind::Empty(make) => Ok(make()),
            Kind::Serde { serde, proto } => match serializer {
                Serializer::Json => (serde.json.1)(body.as_slice()),
                Serializer::MessagePack => (serde.msgpack.1)(body.as_slice())
                    .or_else(|error| whole::decode(body.as_slice(), serde.read).ok_or(error)),
                Serializer::Protobuf => match proto {
                    Some((_, decode)) => decode(body.as_slice()),
                    None => Err(no_proto::<T>()),
                },
                Serializer::Custom(own) => {
                    let mut value = None;
                    own.deserialize(body.as_slice(), &mut |deserializer| {
                        value = Some((serde.read)(deserializer)?);
                        Ok(())
                    })
                    .map_err(CodecError::new)?;
                    value.ok_or_else(|| {
                        CodecError::new(format!(
                            "the serializer `{}` did not show its deserializer",
                            own.name()
                        ))
                    })
                }
            },
        }
    }
}

impl<T> fmt::Debug for Codecs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Empty(_) => "Codecs(empty)",
            Kind::Raw { .. } => "Codecs(raw)",
            Kind::Serde { proto: None, .. } => "Codecs(serde)",
            Kind::Serde { proto: Some(_), .. } => "Codecs(serde, proto)",
        })
    }
}

/// `{}` for serializers of users.
#[derive(Serialize)]
struct EmptyMap {}

impl<T: Serialize + DeserializeOwned> Serde<T> {
    const fn of() -> Self {
        Self {
            json: (json_encode::<T>, json_decode::<T>),
            msgpack: (msgpack_encode::<T>, msgpack_decode::<T>),
            erase: |value| value,
            read: |deserializer| erased_serde::deserialize(deserializer),
        }
    }
}

fn json_encode<T: Serialize>(value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
    serde_json::to_writer(out.writer(), value).map_err(CodecError::new)
}

fn json_decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    serde_json::from_slice(body).or_else(|error| {
        // Text that is not Unicode, halves of pairs in escapes included, is mended and not refused
        // (docs/protocol.md, "Data handling").
        match utf8::mend_json(body) {
            Cow::Borrowed(_) => Err(CodecError::new(error)),
            Cow::Owned(mended) => serde_json::from_str(&mended).map_err(CodecError::new),
        }
    })
}

fn msgpack_encode<T: Serialize>(value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
    rmp_serde::encode::write_named(&mut out.writer(), value).map_err(CodecError::new)
}

fn msgpack_decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, CodecError> {
    msgpack_read(body, |deserializer| T::deserialize(deserializer).map_err(CodecError::new))
}

fn proto_encode<T: prost::Message>(value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
    out.reserve(value.encoded_len());
    value.encode(out).map_err(CodecError::new)
}

fn proto_decode<T: prost::Message + Default>(body: &[u8]) -> Result<T, CodecError> {
    T::decode(body).map_err(CodecError::new)
}

fn no_proto<T>() -> CodecError {
    CodecError::new(format!(
        "`{}` has no Protobuf form: annotate it with `#[message(proto)]`",
        std::any::type_name::<T>()
    ))
}
