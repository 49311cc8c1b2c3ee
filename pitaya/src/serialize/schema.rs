//! The schema of a message as data, for documentation, client generators and a schema diff.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use bytes::Bytes;

/// One message type.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Schema {
    /// The Rust name of the type.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its fields, in order; empty if it has several shapes.
    pub fields: &'static [Field],
    /// Its shapes, if it has several.
    pub union: Option<&'static UnionSchema>,
    /// Whether it has a Protobuf form.
    pub proto: bool,
    /// The route it is pushed on, if it is a push.
    pub push: Option<&'static str>,
    /// The body of a message of this type.
    pub body: BodyForm,
    /// The file and line of the type; empty for a type without `#[message]`.
    pub place: &'static str,
}

/// The content of a message's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyForm {
    /// The fields, by the serializer.
    Fields,
    /// Nothing.
    Empty,
    /// Raw bytes, whatever the serializer.
    Raw,
}

impl Schema {
    /// Creates a schema without Protobuf and push route.
    pub const fn new(name: &'static str, doc: &'static str, fields: &'static [Field]) -> Self {
        Self { name, doc, fields, union: None, proto: false, push: None, body: BodyForm::Fields, place: "" }
    }

    /// Creates the schema of a message without fields.
    pub(super) const fn of_body(name: &'static str, doc: &'static str, body: BodyForm) -> Self {
        Self { body, ..Self::new(name, doc, &[]) }
    }

    /// Adds the file and line of the type.
    #[must_use]
    pub const fn with_place(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }

    /// Adds a Protobuf form.
    #[must_use]
    pub const fn with_proto(mut self) -> Self {
        self.proto = true;
        self
    }

    /// Makes it a message of several shapes.
    #[must_use]
    pub const fn with_union(mut self, union: &'static UnionSchema) -> Self {
        self.union = Some(union);
        self
    }

    /// Returns whether it has fields, and none of the name. For generated code.
    #[doc(hidden)]
    pub const fn has_fields_without(&self, name: &str) -> bool {
        let mut at = 0;
        while at < self.fields.len() {
            if same(self.fields[at].name.as_bytes(), name.as_bytes()) {
                return false;
            }
            at += 1;
        }
        self.union.is_none() && matches!(self.body, BodyForm::Fields)
    }

    /// Adds a push route.
    #[must_use]
    pub const fn with_push(mut self, route: &'static str) -> Self {
        self.push = Some(route);
        self
    }
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The shapes of a message that has several.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UnionSchema {
    /// The key of the variant's name.
    pub key: &'static str,
    /// The key of the variant's value; `None` if the fields of the value are beside the key of the name.
    pub content: Option<&'static str>,
    /// The variants.
    pub variants: &'static [VariantSchema],
}

impl UnionSchema {
    /// Creates the shapes of a message.
    pub const fn new(
        key: &'static str,
        content: Option<&'static str>,
        variants: &'static [VariantSchema],
    ) -> Self {
        Self { key, content, variants }
    }
}

/// One shape of a message.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VariantSchema {
    /// The name on the wire.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its value.
    pub body: VariantBody,
}

impl VariantSchema {
    /// Creates a variant.
    pub const fn new(name: &'static str, doc: &'static str, body: VariantBody) -> Self {
        Self { name, doc, body }
    }
}

/// The value of a variant.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum VariantBody {
    /// None.
    Unit,
    /// Fields of its own.
    Fields(&'static [Field]),
    /// A value of a type: a message with fields, unless the union has a key for values.
    Value(Type),
}

/// One field of a message.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Field {
    /// The name on the wire.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its type.
    pub ty: Type,
    /// Its Protobuf tag.
    pub tag: Option<u32>,
    /// Its Protobuf type, if it is not the usual one of its type, such as `sint32`.
    pub encoding: Option<&'static str>,
    /// Whether JSON and MessagePack reject a message without it.
    pub required: bool,
}

impl Field {
    /// Creates a field without a Protobuf tag.
    pub const fn new(name: &'static str, doc: &'static str, ty: Type, required: bool) -> Self {
        Self { name, doc, ty, tag: None, encoding: None, required }
    }

    /// Adds a Protobuf tag.
    #[must_use]
    pub const fn with_tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Adds a Protobuf type.
    #[must_use]
    pub const fn with_encoding(mut self, encoding: &'static str) -> Self {
        self.encoding = Some(encoding);
        self
    }
}

/// An enum that travels as the number or as the name of its value.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EnumSchema {
    /// The Rust name of the type.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// Its values; the first is the default.
    pub values: &'static [EnumValue],
    /// Whether it travels as its name. The numbers are then the positions of the values.
    pub names: bool,
    /// The file and line of the type; empty for a type without `#[message]`.
    pub place: &'static str,
}

impl EnumSchema {
    /// Creates the schema of an enum that travels as its number.
    pub const fn new(name: &'static str, doc: &'static str, values: &'static [EnumValue]) -> Self {
        Self { name, doc, values, names: false, place: "" }
    }

    /// Makes it travel as its name.
    #[must_use]
    pub const fn with_names(mut self) -> Self {
        self.names = true;
        self
    }

    /// Adds the file and line of the type.
    #[must_use]
    pub const fn with_place(mut self, place: &'static str) -> Self {
        self.place = place;
        self
    }
}

/// A value of an enum.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EnumValue {
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: i32,
    /// Its documentation.
    pub doc: &'static str,
}

impl EnumValue {
    /// Creates a value.
    pub const fn new(name: &'static str, number: i32, doc: &'static str) -> Self {
        Self { name, number, doc }
    }
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Type {
    /// True or false.
    Bool,
    /// A signed integer of that many bits.
    Int(u8),
    /// An unsigned integer of that many bits.
    Uint(u8),
    /// A floating-point number of that many bits.
    Float(u8),
    /// A text.
    String,
    /// Bytes.
    Bytes,
    /// A value that may be absent.
    Optional(&'static Self),
    /// A list.
    List(&'static Self),
    /// A list of a fixed length, with a type for each entry.
    Tuple(&'static [Self]),
    /// A map from texts or integers.
    Map(&'static Self, &'static Self),
    /// Another message. A function, so that messages may nest in themselves.
    Message(fn() -> &'static Schema),
    /// One of a set of names.
    Enum(&'static EnumSchema),
    /// Any JSON value.
    Any,
    /// A span of time, as its nanoseconds (`#[field(nanos)]`).
    Duration,
    /// An integer that travels as decimal text in JSON and MessagePack (`#[field(text)]`).
    Text(&'static Self),
}

/// A Rust type that can be a field of a message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a message",
    label = "this type has no schema",
    note = "annotate `{Self}` with `#[pitaya::message]`, or with `#[pitaya::message(proto)]` if it is an enum that travels as a number; if it is not yours, write a type that is; other fields are bool, numbers, String, Bytes, Option, Vec, arrays of up to 32, sets, tuples of 2 to 12, maps, serde_json::Value; and Duration with `#[field(nanos)]`",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.message.html"
)]
pub trait FieldType {
    /// Its type in the schema.
    const TYPE: Type;
}

macro_rules! field_types {
    ($($rust:ty => $ty:expr),* $(,)?) => { $(impl FieldType for $rust { const TYPE: Type = $ty; })* };
}

field_types! {
    bool => Type::Bool,
    i8 => Type::Int(8), i16 => Type::Int(16), i32 => Type::Int(32), i64 => Type::Int(64), isize => Type::Int(64),
    u8 => Type::Uint(8), u16 => Type::Uint(16), u32 => Type::Uint(32), u64 => Type::Uint(64), usize => Type::Uint(64),
    f32 => Type::Float(32), f64 => Type::Float(64),
    String => Type::String,
    Bytes => Type::Bytes,
    () => Type::Any,
    serde_json::Value => Type::Any,
    serde_json::Map<String, serde_json::Value> => Type::Map(&Type::String, &Type::Any),
}

impl<T: FieldType> FieldType for Option<T> {
    const TYPE: Type = Type::Optional(&T::TYPE);
}
impl<T: FieldType> FieldType for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);
}
impl<T: FieldType + Eq + Hash, S: BuildHasher + Default> FieldType for HashSet<T, S> {
    const TYPE: Type = Type::List(&T::TYPE);
}
impl<T: FieldType + Ord> FieldType for BTreeSet<T> {
    const TYPE: Type = Type::List(&T::TYPE);
}
impl<T: FieldType> FieldType for Box<T> {
    const TYPE: Type = T::TYPE;
}
impl<K: FieldType + Eq + Hash, V: FieldType, S: BuildHasher + Default> FieldType for HashMap<K, V, S> {
    const TYPE: Type = Type::Map(&K::TYPE, &V::TYPE);
}
impl<K: FieldType + Ord, V: FieldType> FieldType for BTreeMap<K, V> {
    const TYPE: Type = Type::Map(&K::TYPE, &V::TYPE);
}

macro_rules! tuples {
    ($($($name:ident)+,)*) => { $(
        impl<$($name: FieldType),+> FieldType for ($($name),+) {
            const TYPE: Type = Type::Tuple(&[$($name::TYPE),+]);
        }
    )* };
}

tuples! {
    A B,
    A B C,
    A B C D,
    A B C D E,
    A B C D E F,
    A B C D E F G,
    A B C D E F G H,
    A B C D E F G H I,
    A B C D E F G H I J,
    A B C D E F G H I J K,
    A B C D E F G H I J K L,
}

// The lengths that serde has.
macro_rules! arrays {
    ($($len:literal)*) => { $(
        impl<T: FieldType> FieldType for [T; $len] {
            const TYPE: Type = Type::List(&T::TYPE);
        }
    )* };
}

arrays! {
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
}
