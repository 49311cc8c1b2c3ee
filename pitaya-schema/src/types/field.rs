//! The fields of a message.

use serde::{Deserialize, Serialize};

use super::{Type, is_default};

/// A field of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The name in JSON and MessagePack.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// Whether JSON and MessagePack reject a message without the field.
    #[serde(default, skip_serializing_if = "is_default")]
    pub required: bool,
    /// The number in Protobuf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u32>,
    /// The Protobuf type, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

impl Field {
    /// Creates a field that may be absent, without Protobuf tag and documentation.
    pub fn new(name: impl Into<String>, ty: impl Into<Type>) -> Self {
        Self {
            name: name.into(),
            ty: ty.into(),
            required: false,
            tag: None,
            encoding: None,
            doc: String::new(),
        }
    }

    /// Makes the field required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the Protobuf tag.
    #[must_use]
    pub fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }
}

/// A Protobuf type that is not the usual one of a field's type.
///
/// The usual ones are `int32`, `int64`, `uint32`, `uint64`, `float`, `double`, `bool`, `string` and `bytes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// `sint32`, of an `i32`.
    Sint32,
    /// `sint64`, of an `i64`.
    Sint64,
    /// `fixed32`, of a `u32`.
    Fixed32,
    /// `fixed64`, of a `u64`.
    Fixed64,
    /// `sfixed32`, of an `i32`.
    Sfixed32,
    /// `sfixed64`, of an `i64`.
    Sfixed64,
    /// `bytes`, of a list of `u8`.
    Bytes,
}

impl Encoding {
    /// Returns the name in the file and in Protobuf.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
            Self::Bytes => "bytes",
        }
    }
}
