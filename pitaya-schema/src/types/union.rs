//! Messages of several shapes.

use serde::{Deserialize, Serialize};

use super::{Field, Type};

/// A message that has one of several shapes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnionDef {
    /// The documentation.
    pub doc: String,
    /// Whether the message has a Protobuf form: a message with a `oneof` and nothing else.
    pub proto: bool,
    /// The field that names the variant in JSON and MessagePack.
    pub key: String,
    /// The field with the value of the variant. Without one the fields of the value are beside the key.
    pub content: Option<String>,
    /// The variants as they were declared. The first is the default.
    pub variants: Vec<Variant>,
}

/// A shape of a union.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "VariantFile", into = "VariantFile")]
pub struct Variant {
    /// The name in JSON and MessagePack.
    pub name: String,
    /// The documentation.
    pub doc: String,
    /// The number in Protobuf.
    pub tag: Option<u32>,
    /// The value.
    pub body: VariantBody,
}

/// The value of a variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum VariantBody {
    /// None. In Protobuf it is the empty message.
    #[default]
    Unit,
    /// A message of these fields.
    Fields(Vec<Field>),
    /// A value of a type. In a union without `content` it is a message with fields.
    Message(Type),
}

impl Variant {
    /// Creates a variant without Protobuf tag and documentation.
    pub fn new(name: impl Into<String>, body: VariantBody) -> Self {
        Self { name: name.into(), doc: String::new(), tag: None, body }
    }

    /// Sets the Protobuf tag.
    #[must_use]
    pub fn tag(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Returns the fields that are written in the variant itself.
    pub fn fields(&self) -> &[Field] {
        match &self.body {
            VariantBody::Fields(fields) => fields,
            VariantBody::Unit | VariantBody::Message(_) => &[],
        }
    }

    /// Returns the types in the variant: those of its fields, or that of its value.
    pub fn types(&self) -> impl Iterator<Item = &Type> {
        let message = match &self.body {
            VariantBody::Message(ty) => Some(ty),
            VariantBody::Unit | VariantBody::Fields(_) => None,
        };
        self.fields().iter().map(|field| &field.ty).chain(message)
    }
}

/// A variant as it is in the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantFile {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    doc: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Field>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<Type>,
}

impl TryFrom<VariantFile> for Variant {
    type Error = &'static str;

    fn try_from(file: VariantFile) -> Result<Self, Self::Error> {
        let body = match (file.fields, file.message) {
            (None, None) => VariantBody::Unit,
            (Some(fields), None) => VariantBody::Fields(fields),
            (None, Some(ty)) => VariantBody::Message(ty),
            (Some(_), Some(_)) => return Err("a variant has either `fields` or `message`"),
        };
        Ok(Self { name: file.name, doc: file.doc, tag: file.tag, body })
    }
}

impl From<Variant> for VariantFile {
    fn from(variant: Variant) -> Self {
        let (fields, message) = match variant.body {
            VariantBody::Unit => (None, None),
            VariantBody::Fields(fields) => (Some(fields), None),
            VariantBody::Message(ty) => (None, Some(ty)),
        };
        Self { name: variant.name, doc: variant.doc, tag: variant.tag, fields, message }
    }
}
