//! The parts of a schema: types, fields, methods, pushes, errors.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

/// The type of a field, a message or a reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// A type of the format.
    Scalar(Scalar),
    /// A message or an enum of the schema.
    Named(String),
    /// A list.
    List(Box<Self>),
    /// A map from keys to values.
    Map(Box<Self>, Box<Self>),
    /// A value, or none.
    Opt(Box<Self>),
    /// An integer of 64 bits that travels as decimal text in JSON and MessagePack.
    Text(Scalar),
}

impl Type {
    /// Returns the type of a message or an enum.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }

    /// Calls `visit` with the name of each message and enum in this type.
    pub fn for_each_name<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::Scalar(_) | Self::Text(_) => {}
            Self::Named(name) => visit(name),
            Self::List(inner) | Self::Opt(inner) => inner.for_each_name(visit),
            Self::Map(key, value) => {
                key.for_each_name(visit);
                value.for_each_name(visit);
            }
        }
    }
}

impl From<Scalar> for Type {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

/// Writes the type as it is in the file, on one line.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => f.write_str(scalar.as_str()),
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "list of {inner}"),
            Self::Map(key, value) => write!(f, "map of {key} to {value}"),
            Self::Opt(inner) => write!(f, "optional {inner}"),
            Self::Text(scalar) => write!(f, "{} as text", scalar.as_str()),
        }
    }
}

macro_rules! scalars {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A type of the format.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scalar { $($(#[$doc])* $variant,)* }

        impl Scalar {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

scalars! {
    /// True or false.
    Bool = "bool",
    /// An integer from -2⁷.
    I8 = "i8",
    /// An integer from -2¹⁵.
    I16 = "i16",
    /// An integer from -2³¹.
    I32 = "i32",
    /// An integer from -2⁶³.
    I64 = "i64",
    /// An integer below 2⁸.
    U8 = "u8",
    /// An integer below 2¹⁶.
    U16 = "u16",
    /// An integer below 2³².
    U32 = "u32",
    /// An integer below 2⁶⁴.
    U64 = "u64",
    /// A floating-point number of 32 bits.
    F32 = "f32",
    /// A floating-point number of 64 bits.
    F64 = "f64",
    /// Text.
    String = "string",
    /// Bytes.
    Bytes = "bytes",
    /// Any value.
    Any = "any",
}

impl Scalar {
    /// Returns the scalar of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|scalar| scalar.as_str() == name)
    }

    /// Whether this is an integer.
    pub const fn is_integer(self) -> bool {
        self.bits().is_some() && !matches!(self, Self::F32 | Self::F64)
    }

    /// Whether this is an integer without negative values.
    pub const fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U32 | Self::U64)
    }

    /// Returns the size of a number in bits.
    pub const fn bits(self) -> Option<u8> {
        match self {
            Self::I8 | Self::U8 => Some(8),
            Self::I16 | Self::U16 => Some(16),
            Self::I32 | Self::U32 | Self::F32 => Some(32),
            Self::I64 | Self::U64 | Self::F64 => Some(64),
            Self::Bool | Self::String | Self::Bytes | Self::Any => None,
        }
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Scalar(scalar) => return serializer.serialize_str(scalar.as_str()),
            Self::Named(name) => return serializer.serialize_str(name),
            _ => serializer.serialize_map(Some(1))?,
        };
        match self {
            Self::List(inner) => map.serialize_entry("list", inner)?,
            Self::Map(key, value) => map.serialize_entry("map", &[key, value])?,
            Self::Opt(inner) => map.serialize_entry("opt", inner)?,
            Self::Text(scalar) => map.serialize_entry("text", scalar.as_str())?,
            Self::Scalar(_) | Self::Named(_) => {}
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TypeVisitor)
    }
}

struct TypeVisitor;

impl<'de> Visitor<'de> for TypeVisitor {
    type Value = Type;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type: a name, or an object with one of `list`, `map`, `opt` and `text`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Type, E> {
        Ok(Scalar::from_name(name).map_or_else(|| Type::named(name), Type::Scalar))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let found = match key.as_str() {
            "list" => Type::List(map.next_value()?),
            "opt" => Type::Opt(map.next_value()?),
            "map" => {
                let (key, value) = map.next_value()?;
                Type::Map(key, value)
            }
            "text" => {
                let name: String = map.next_value()?;
                let scalar = Scalar::from_name(&name).filter(|s| s.is_integer() && s.bits() == Some(64));
                Type::Text(scalar.ok_or_else(|| {
                    de::Error::custom(format!("`text` is of `i64` or `u64`, and not of `{name}`"))
                })?)
            }
            other => return Err(de::Error::unknown_field(other, &["list", "map", "opt", "text"])),
        };
        match map.next_key::<String>()? {
            None => Ok(found),
            Some(second) => Err(de::Error::custom(format!("a type has one of `{key}` and `{second}`"))),
        }
    }
}

/// A message or an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Def", into = "Def")]
pub enum TypeDef {
    /// A message.
    Struct(StructDef),
    /// A set of names with numbers.
    Enum(EnumDef),
}

impl TypeDef {
    /// Returns the documentation.
    pub fn doc(&self) -> &str {
        match self {
            Self::Struct(def) => &def.doc,
            Self::Enum(def) => &def.doc,
        }
    }
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StructDef {
    /// The documentation.
    pub doc: String,
    /// Whether the message has a Protobuf form.
    pub proto: bool,
    /// The fields as they were declared. Their order has no meaning on the wire.
    pub fields: Vec<Field>,
}

/// A set of names with numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnumDef {
    /// The documentation.
    pub doc: String,
    /// How a value travels in JSON and MessagePack.
    pub repr: EnumRepr,
    /// The values. The first is the default.
    pub values: Vec<EnumValue>,
}

/// A type definition as it is in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Def {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(default, skip_serializing_if = "is_default")]
    proto: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Field>>,
    #[serde(default, skip_serializing_if = "is_default")]
    repr: EnumRepr,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "enum")]
    values: Option<Vec<EnumValue>>,
}

impl TryFrom<Def> for TypeDef {
    type Error = &'static str;

    fn try_from(def: Def) -> Result<Self, Self::Error> {
        match (def.fields, def.values) {
            (Some(_), None) if def.repr != EnumRepr::default() => Err("a message has no `repr`"),
            (Some(fields), None) => Ok(Self::Struct(StructDef { doc: def.doc, proto: def.proto, fields })),
            (None, Some(_)) if def.proto => Err("an enum has no `proto`"),
            (None, Some(values)) => Ok(Self::Enum(EnumDef { doc: def.doc, repr: def.repr, values })),
            _ => Err("a type has either `fields` or `enum`"),
        }
    }
}

impl From<TypeDef> for Def {
    fn from(def: TypeDef) -> Self {
        match def {
            TypeDef::Struct(StructDef { doc, proto, fields }) => {
                Self { doc, proto, fields: Some(fields), repr: EnumRepr::default(), values: None }
            }
            TypeDef::Enum(EnumDef { doc, repr, values }) => {
                Self { doc, proto: false, fields: None, repr, values: Some(values) }
            }
        }
    }
}

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

/// How a value of an enum travels in JSON and MessagePack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnumRepr {
    /// As its number.
    #[default]
    Number,
    /// As its name.
    Name,
}

/// A value of an enum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnumValue {
    /// The name.
    pub name: String,
    /// The number.
    pub number: i32,
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
}

/// A handler or a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The message; `None` if the body of a call is ignored. [`Scalar::Bytes`] is a raw body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Type>,
    /// Whether the method never replies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notify: bool,
    /// The reply; `None` is the empty message. [`Scalar::Bytes`] is a raw body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Type>,
    /// The codes with which it may fail; `None` if any code is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<String>>,
}

/// A message that the server sends on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The message. [`Scalar::Bytes`] is a raw body.
    pub message: Type,
    /// The guarantee for clients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub class: PushClass,
}

/// The guarantee that a client has for a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushClass {
    /// Every push arrives, in order.
    #[default]
    Reliable,
    /// Only the newest push counts; older ones may be skipped.
    Latest,
}

/// An error code of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCode {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The keys of the metadata that an error with this code may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
