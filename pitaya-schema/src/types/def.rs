//! Messages, enums and unions.

use serde::{Deserialize, Serialize};

use super::{Field, Type, UnionDef, Variant, is_default};

/// A message, an enum or a union.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Def", into = "Def")]
pub enum TypeDef {
    /// A message.
    Struct(StructDef),
    /// A set of names with numbers.
    Enum(EnumDef),
    /// A message of several shapes.
    Union(UnionDef),
}

impl TypeDef {
    /// Returns the documentation.
    pub fn doc(&self) -> &str {
        match self {
            Self::Struct(def) => &def.doc,
            Self::Enum(def) => &def.doc,
            Self::Union(def) => &def.doc,
        }
    }

    /// Whether it has a Protobuf form. Every enum has one.
    pub fn is_proto(&self) -> bool {
        match self {
            Self::Struct(def) => def.proto,
            Self::Enum(_) => true,
            Self::Union(def) => def.proto,
        }
    }

    /// Returns the types of the fields and variants.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        let (fields, variants): (&[Field], &[Variant]) = match self {
            Self::Struct(def) => (&def.fields, &[]),
            Self::Enum(_) => (&[], &[]),
            Self::Union(def) => (&[], &def.variants),
        };
        fields.iter().map(|field| &field.ty).chain(variants.iter().flat_map(Variant::types))
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
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Def {
    #[serde(skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(skip_serializing_if = "is_default")]
    proto: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Field>>,
    #[serde(skip_serializing_if = "is_default")]
    repr: EnumRepr,
    #[serde(skip_serializing_if = "Option::is_none", rename = "enum")]
    values: Option<Vec<EnumValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "union")]
    variants: Option<Vec<Variant>>,
}

impl TryFrom<Def> for TypeDef {
    type Error = &'static str;

    fn try_from(def: Def) -> Result<Self, Self::Error> {
        let Def { doc, proto, fields, repr, values, key, content, variants } = def;
        if variants.is_none() && (key.is_some() || content.is_some()) {
            return Err("`key` and `content` are of a type with `union`");
        }
        if values.is_none() && repr != EnumRepr::default() {
            return Err("`repr` is of a type with `enum`");
        }
        match (fields, values, variants) {
            (Some(fields), None, None) => Ok(Self::Struct(StructDef { doc, proto, fields })),
            (None, Some(_), None) if proto => Err("an enum has no `proto`"),
            (None, Some(values), None) => Ok(Self::Enum(EnumDef { doc, repr, values })),
            (None, None, Some(variants)) => {
                let key = key.ok_or("a union has a `key`")?;
                Ok(Self::Union(UnionDef { doc, proto, key, content, variants }))
            }
            _ => Err("a type has one of `fields`, `enum` and `union`"),
        }
    }
}

impl From<TypeDef> for Def {
    fn from(def: TypeDef) -> Self {
        match def {
            TypeDef::Struct(StructDef { doc, proto, fields }) => {
                Self { doc, proto, fields: Some(fields), ..Self::default() }
            }
            TypeDef::Enum(EnumDef { doc, repr, values }) => {
                Self { doc, repr, values: Some(values), ..Self::default() }
            }
            TypeDef::Union(UnionDef { doc, proto, key, content, variants }) => {
                Self { doc, proto, key: Some(key), content, variants: Some(variants), ..Self::default() }
            }
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
