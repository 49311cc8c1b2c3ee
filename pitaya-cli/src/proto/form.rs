//! The messages and enums of a schema in the words of `.proto` files.

use std::collections::BTreeSet;

use heck::{ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use pitaya_schema::{EnumDef, Field, Schema, TypeDef, UnionDef, VariantBody};
use prost_reflect::{Kind, MessageDescriptor};

use super::shape;
use crate::client::{Protobuf, full_name};

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
///
/// # Errors
/// A text for the user: the schema has a name that Protobuf cannot have.
pub(super) fn messages(schema: &Schema) -> Result<Vec<MessageForm>, String> {
    let protobuf = Protobuf::of_schema(schema)?;
    let mut forms = Vec::new();
    for (name, def) in &schema.types {
        match def {
            TypeDef::Struct(def) if def.proto => {
                let message = protobuf.message(&full_name(schema, name))?;
                forms.push(MessageForm {
                    name: name.clone(),
                    doc: def.doc.clone(),
                    oneof: false,
                    fields: fields(&def.fields, &message),
                    nested: Vec::new(),
                });
            }
            TypeDef::Union(def) if def.proto => {
                forms.push(union(name, def, &protobuf.message(&full_name(schema, name))?));
            }
            TypeDef::Struct(_) | TypeDef::Union(_) | TypeDef::Enum(_) => {}
        }
    }
    Ok(forms)
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

fn fields(fields: &[Field], message: &MessageDescriptor) -> Vec<FieldForm> {
    let form = |field: &Field| {
        let tag = field.tag?;
        let ty = shape::of_field(&message.get_field(tag)?, Protobuf::enum_name);
        Some(FieldForm { name: field.name.clone(), doc: field.doc.clone(), tag, ty })
    };
    fields.iter().filter_map(form).collect()
}

/// A union is a message with a `oneof`. A variant without a type of its own has a nested message.
fn union(name: &str, def: &UnionDef, message: &MessageDescriptor) -> MessageForm {
    let mut form = MessageForm {
        name: name.to_owned(),
        doc: def.doc.clone(),
        oneof: true,
        fields: Vec::new(),
        nested: Vec::new(),
    };
    for variant in &def.variants {
        let Some((tag, field)) = variant.tag.and_then(|tag| Some((tag, message.get_field(tag)?))) else {
            continue;
        };
        let ty = match (&variant.body, field.kind()) {
            (VariantBody::Unit | VariantBody::Fields(_), Kind::Message(inner)) => {
                let name = variant.name.to_upper_camel_case();
                form.nested.push(MessageForm {
                    name: name.clone(),
                    doc: String::new(),
                    oneof: false,
                    fields: fields(variant.fields(), &inner),
                    nested: Vec::new(),
                });
                name
            }
            _ => shape::of_field(&field, Protobuf::enum_name),
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
