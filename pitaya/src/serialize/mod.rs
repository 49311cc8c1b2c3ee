//! Serializers: encode and decode the values of handlers.
//!
//! A server has one [`Serializer`] for its clients, which the handshake names. A client may name another one there if
//! the app offers it, or its acceptor may fix one; the session then uses that. Each part of the code that encodes for a
//! client asks the session for its serializer. The servers of a cluster send each other bodies in the server's
//! serializer, which the frontend of such a session recodes.
//!
//! A [`Message`] has code for each serializer as constants, so that the common serializers cost no indirection. Another
//! serializer implements [`CustomSerializer`].

mod codec;
mod error;
mod field_form;
#[doc(hidden)]
pub mod fields;
mod finite;
mod message;
mod msgpack;
#[doc(hidden)]
pub mod names;
mod nanos;
mod narrow;
mod payload;
pub(crate) mod proto_error;
pub(crate) mod recode;
mod schema;
mod text;
mod transcode;
#[doc(hidden)]
pub mod union;
mod whole;

pub use codec::Codecs;
pub use error::CodecError;
pub use field_form::{FieldForm, Formed};
#[doc(hidden)]
pub use message::PushType;
pub use message::{Message, Push, Rules};
pub use nanos::Nanos;
#[doc(hidden)]
pub use nanos::NanosForm;
pub use narrow::NarrowJson;
pub(crate) use payload::ErrorPayload;
pub use schema::{
    BodyForm, EnumSchema, EnumValue, Field, FieldType, Schema, Type, UnionSchema, VariantBody, VariantSchema,
};
pub use text::Text;
#[doc(hidden)]
pub use text::TextForm;

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::error::BoxError;

/// A serializer of the application.
///
/// Values are erased serde values, so any serde format takes a few lines.
///
/// ```
/// use pitaya::serialize::{Serializer, CustomSerializer};
///
/// struct PrettyJson;
///
/// impl CustomSerializer for PrettyJson {
///     fn name(&self) -> &str { "pretty-json" }
///     fn serialize(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), pitaya::BoxError> {
///         Ok(serde_json::to_writer_pretty(out, value)?)
///     }
///     fn deserialize(
///         &self,
///         body: &[u8],
///         visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
///     ) -> Result<(), pitaya::BoxError> {
///         let mut json = serde_json::Deserializer::from_slice(body);
///         visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
///         Ok(json.end()?)
///     }
/// }
///
/// let serializer = Serializer::from(PrettyJson);
/// assert_eq!(serializer.name(), "pretty-json");
/// ```
pub trait CustomSerializer: Send + Sync + 'static {
    /// The name that clients read in the handshake.
    fn name(&self) -> &str;

    /// Appends `value` to `out`.
    ///
    /// # Errors
    /// The serializer cannot encode the value.
    fn serialize(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Creates a deserializer over `body` and calls `visit` with it once.
    ///
    /// # Errors
    /// The error of `visit`, or the bytes are invalid in the format.
    fn deserialize(
        &self,
        body: &[u8],
        visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BoxError>;
}

/// The serializer of a server for its clients.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Serializer {
    /// JSON; the default. Handshake name `json`.
    #[default]
    Json,
    /// Protocol Buffers, for messages with `#[message(proto)]`. Handshake name `protobuf`.
    Protobuf,
    /// MessagePack with field names. Handshake name `msgpack`.
    MessagePack,
    /// A serializer of the application.
    Custom(Arc<dyn CustomSerializer>),
}

impl<S: CustomSerializer> From<S> for Serializer {
    fn from(serializer: S) -> Self {
        Self::Custom(Arc::new(serializer))
    }
}

impl Serializer {
    /// Returns the name in the handshake.
    pub fn name(&self) -> &str {
        match self {
            Self::Json => "json",
            Self::Protobuf => "protobuf",
            Self::MessagePack => "msgpack",
            Self::Custom(own) => own.name(),
        }
    }

    /// Appends `value` to `out`. `out` keeps what was written before a failure.
    ///
    /// # Errors
    /// [`CodecError`] with the text of the serializer.
    #[inline]
    pub fn encode<T: Message>(&self, value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        T::CODECS.encode(self, value, out)
    }

    /// Reads a value from a body.
    ///
    /// # Errors
    /// [`CodecError`] with the text of the serializer.
    #[inline]
    pub fn decode<T: Message>(&self, body: &Body<'_>) -> Result<T, CodecError> {
        T::CODECS.decode(self, body)
    }

    /// Returns whether both are the same serializer: the same built-in one, or the same value of an application's.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(own), Self::Custom(other)) => Arc::ptr_eq(own, other),
            (Self::Custom(_), _) | (_, Self::Custom(_)) => false,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Returns whether bodies are JSON, by a built-in or another serializer.
    pub(crate) fn is_json(&self) -> bool {
        self.name() == Self::Json.name()
    }

    /// Whether this serializer can encode messages of this type.
    pub fn speaks<T: Message>(&self) -> bool {
        T::CODECS.speaks(self)
    }
}

impl fmt::Debug for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The body of a message, borrowed from a read buffer or shared.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    bytes: &'a [u8],
    /// The shared buffer that holds the bytes, if it is shared.
    owner: Option<&'a Bytes>,
}

impl<'a> Body<'a> {
    /// Borrows a body. A handler that keeps it copies it once.
    pub fn borrowed(bytes: &'a [u8]) -> Self {
        Self { bytes, owner: None }
    }

    /// Shares a body. A handler keeps it without a copy.
    pub fn shared(bytes: &'a Bytes) -> Self {
        Self { bytes, owner: Some(bytes) }
    }

    /// Returns a part of this body.
    pub(crate) fn part(&self, bytes: &'a [u8]) -> Self {
        Self { bytes, owner: self.owner }
    }

    /// Returns the bytes.
    pub fn as_slice(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns shared bytes, by a copy if the body is borrowed.
    pub fn to_bytes(&self) -> Bytes {
        match self.owner {
            Some(owner) => owner.slice_ref(self.bytes),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }
}

/// The encoding of calls between servers: Protobuf if the type has it, else MessagePack; raw bytes stay raw.
/// The type decides, so both servers agree whatever serializer their clients use.
pub(crate) mod rpc {
    use super::{Body, BytesMut, CodecError, Message, Serializer};

    fn serializer<T: Message>() -> Serializer {
        if T::CODECS.has_proto() { Serializer::Protobuf } else { Serializer::MessagePack }
    }

    pub(crate) fn encode<T: Message>(value: &T, out: &mut BytesMut) -> Result<(), CodecError> {
        if T::CODECS.is_empty() {
            return Ok(()); // `()` is no bytes in any RPC
        }
        serializer::<T>().encode(value, out)
    }

    pub(crate) fn decode<T: Message>(body: &Body<'_>) -> Result<T, CodecError> {
        serializer::<T>().decode(body)
    }
}

#[cfg(test)]
mod tests;
