//! The messages and enums of a schema in the words of `.proto` files.

use std::collections::BTreeSet;

use heck::{ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use pitaya_schema::{EnumDef, Field, Schema, TypeDef, UnionDef, VariantBody};

use super::shape;

/// A message.
#[derive(Debug)]
pub(super) struct MessageForm {
    pub name: String,
    pub doc: String,
    /// Whether the fields are in a `oneof`.
    pub oneof: bool,
    pub fields: Vec<FieldForm>,
    pub nested: Vec<Self>,
}

/// A field of a message.
#[derive(Debug)]
pub(super) struct FieldForm {
    pub name: String,
    pub doc: String,
    pub tag: u32,
    /// The type with its label.
    pub ty: String,
}

/// An enum that is used in a message.
#[derive(Debug)]
pub(super) struct EnumForm {
    pub name: String,
    pub doc: String,
    pub values: Vec<ValueForm>,
}

/// A value of an enum.
#[derive(Debug)]
pub(super) struct ValueForm {
    /// The name in the schema.
    pub name: String,
    /// The name in the file.
    pub full: String,
    pub doc: String,
    pub number: i32,
}

/// Returns the messages with a Protobuf form, by name.
pub(super) fn messages(schema: &Schema) -> Vec<MessageForm> {
    let form = |(name, def): (&String, &TypeDef)| match def {
        TypeDef::Struct(def) if def.proto => Some(MessageForm {
            name: name.clone(),
            doc: def.doc.clone(),
            oneof: false,
            fields: fields(schema, &def.fields),
            nested: Vec::new(),
        }),
        TypeDef::Union(def) if def.proto => Some(union(schema, name, def)),
        TypeDef::Struct(_) | TypeDef::Union(_) | TypeDef::Enum(_) => None,
    };
    schema.types.iter().filter_map(form).collect()
}

/// Returns the enums in messages with a Protobuf form, by name.
pub(super) fn enums(schema: &Schema) -> Vec<EnumForm> {
    let proto = schema.types.values().filter(|def| match def {
        TypeDef::Struct(def) => def.proto,
        TypeDef::Union(def) => def.proto,
        TypeDef::Enum(_) => false,
    });
    let mut used = BTreeSet::new();
    for ty in proto.flat_map(TypeDef::types) {
        ty.for_each_name(&mut |name| {
            used.insert(name);
        });
    }
    let form = |name: &str| match schema.types.get(name) {
        Some(TypeDef::Enum(def)) => Some(enumeration(name, def)),
        _ => None,
    };
    used.into_iter().filter_map(form).collect()
}

fn fields(schema: &Schema, fields: &[Field]) -> Vec<FieldForm> {
    let is_message = |name: &str| !matches!(schema.types.get(name), Some(TypeDef::Enum(_)));
    let form = |field: &Field| {
        let ty = shape::of_field(field, &is_message);
        Some(FieldForm { name: field.name.clone(), doc: field.doc.clone(), tag: field.tag?, ty })
    };
    fields.iter().filter_map(form).collect()
}

/// A union is a message with a `oneof`. A variant without a type of its own has a nested message.
fn union(schema: &Schema, name: &str, def: &UnionDef) -> MessageForm {
    let mut form = MessageForm {
        name: name.to_owned(),
        doc: def.doc.clone(),
        oneof: true,
        fields: Vec::new(),
        nested: Vec::new(),
    };
    for variant in &def.variants {
        let Some(tag) = variant.tag else { continue };
        let ty = match &variant.body {
            VariantBody::Message(ty) => shape::leaf(ty, None),
            VariantBody::Unit | VariantBody::Fields(_) => {
                let nested = MessageForm {
                    name: variant.name.to_upper_camel_case(),
                    doc: String::new(),
                    oneof: false,
                    fields: fields(schema, variant.fields()),
                    nested: Vec::new(),
                };
                let ty = nested.name.clone();
                form.nested.push(nested);
                ty
            }
        };
        let (name, doc) = (variant.name.to_snake_case(), variant.doc.clone());
        form.fields.push(FieldForm { name, doc, tag, ty });
    }
    form
}

fn enumeration(name: &str, def: &EnumDef) -> EnumForm {
    let prefix = name.to_shouty_snake_case();
    let value = |value: &pitaya_schema::EnumValue| ValueForm {
        name: value.name.clone(),
        full: format!("{prefix}_{}", value.name.to_shouty_snake_case()),
        doc: value.doc.clone(),
        number: value.number,
    };
    EnumForm { name: name.to_owned(), doc: def.doc.clone(), values: def.values.iter().map(value).collect() }
}
