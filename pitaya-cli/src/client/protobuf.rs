//! Protobuf messages by a schema or by descriptors of the server.

use bytes::Bytes;
use pitaya_schema::{Encoding, EnumDef, Field, Scalar, Schema, Type, TypeDef, UnionDef, VariantBody};
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type as Kind};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumOptions, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, OneofDescriptorProto,
};
use prost_reflect::{DescriptorPool, DynamicMessage, EnumDescriptor, MessageDescriptor, SerializeOptions};

/// The name of an enum in the message that is its scope.
///
/// Values of enums share the scope of their enum, and two enums of a schema may have a value of one name.
const ENUM: &str = "Value";

/// The value 0 of an enum that has none.
const NO_VALUE: &str = "UNSPECIFIED";

/// The Protobuf messages of a server.
#[derive(Debug, Clone)]
pub(crate) struct Protobuf(DescriptorPool);

impl Protobuf {
    /// Makes the messages of a schema that have a Protobuf form.
    pub(crate) fn of_schema(schema: &Schema) -> Result<Self, String> {
        let messages = schema.types.iter().map(|(name, def)| match def {
            TypeDef::Struct(def) => message(schema, name, &def.fields),
            TypeDef::Union(def) => union_message(schema, name, def),
            TypeDef::Enum(def) => enum_scope(name, def),
        });
        let file = FileDescriptorProto {
            name: Some("schema.proto".to_owned()),
            package: (!schema.package.is_empty()).then(|| schema.package.clone()),
            message_type: messages.collect(),
            syntax: Some("proto3".to_owned()),
            ..FileDescriptorProto::default()
        };
        Self::of_files(vec![file])
    }

    /// Makes the messages of files. They may import each other and the files of Google.
    pub(crate) fn of_files(files: Vec<FileDescriptorProto>) -> Result<Self, String> {
        let mut pool = DescriptorPool::global();
        pool.add_file_descriptor_protos(files).map_err(|error| format!("the Protobuf messages: {error}"))?;
        Ok(Self(pool))
    }

    /// Encodes JSON as a message.
    pub(super) fn encode(&self, name: &str, json: &str) -> Result<Bytes, String> {
        use prost_reflect::prost::Message as _;

        let mut deserializer = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(self.message(name)?, &mut deserializer);
        let message = message.and_then(|message| deserializer.end().map(|()| message));
        let message = message.map_err(|error| format!("the data is no `{name}`: {error}"))?;
        Ok(message.encode_to_vec().into())
    }

    /// Reads a message as JSON.
    pub(super) fn decode(&self, name: &str, body: &[u8]) -> Result<String, String> {
        let message = DynamicMessage::decode(self.message(name)?, body).map_err(|error| error.to_string())?;
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true)
            .skip_default_fields(false);
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        message.serialize_with_options(&mut serializer, &options).map_err(|error| error.to_string())?;
        String::from_utf8(json).map_err(|error| error.to_string())
    }

    /// Returns the name in the schema of an enum that was made of it.
    pub(crate) fn enum_name(values: &EnumDescriptor) -> String {
        values.parent_message().map_or_else(|| values.name().to_owned(), |scope| scope.name().to_owned())
    }

    /// Returns the message of a full name.
    pub(crate) fn message(&self, name: &str) -> Result<MessageDescriptor, String> {
        self.0.get_message_by_name(name).ok_or_else(|| format!("no Protobuf message `{name}` is known"))
    }
}

/// Makes the message that is the scope of an enum. The first value of an enum is 0 in Protobuf.
fn enum_scope(name: &str, def: &EnumDef) -> DescriptorProto {
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    let mut values: Vec<_> = def.values.iter().map(|known| value(&known.name, known.number)).collect();
    match def.values.iter().position(|known| known.number == 0) {
        Some(zero) => values.swap(0, zero),
        None => values.insert(0, value(NO_VALUE, 0)),
    }
    let values = EnumDescriptorProto {
        name: Some(ENUM.to_owned()),
        value: values,
        options: Some(EnumOptions { allow_alias: Some(true), ..EnumOptions::default() }),
        ..EnumDescriptorProto::default()
    };
    DescriptorProto { name: Some(name.to_owned()), enum_type: vec![values], ..DescriptorProto::default() }
}

/// Returns the full name of a type.
pub(crate) fn full_name(schema: &Schema, name: &str) -> String {
    if schema.package.is_empty() { name.to_owned() } else { format!("{}.{name}", schema.package) }
}

/// Makes a message. `name` is the path below the package.
fn message(schema: &Schema, name: &str, fields: &[Field]) -> DescriptorProto {
    let own_name = name.rsplit('.').next().unwrap_or(name);
    let mut message = DescriptorProto { name: Some(own_name.to_owned()), ..DescriptorProto::default() };
    for field in fields {
        if let Some(tag) = field.tag {
            add_field(schema, &mut message, name, field, tag);
        }
    }
    message
}

/// Makes a message with a `oneof`. A variant without a type of its own gets a nested message.
fn union_message(schema: &Schema, name: &str, def: &UnionDef) -> DescriptorProto {
    let mut message = DescriptorProto {
        name: Some(name.to_owned()),
        oneof_decl: vec![OneofDescriptorProto { name: Some("oneof".to_owned()), options: None }],
        ..DescriptorProto::default()
    };
    for variant in &def.variants {
        let Some(tag) = variant.tag else { continue };
        let mut proto = FieldDescriptorProto {
            name: Some(variant.name.clone()),
            number: i32::try_from(tag).ok(),
            json_name: Some(variant.name.clone()),
            oneof_index: Some(0),
            ..FieldDescriptorProto::default()
        };
        proto.set_label(Label::Optional);
        match &variant.body {
            VariantBody::Message(ty) => set_leaf(schema, &mut proto, ty, None),
            VariantBody::Unit | VariantBody::Fields(_) => {
                let path = format!("{name}.oneof_{tag}");
                message.nested_type.push(self::message(schema, &path, variant.fields()));
                proto.set_type(Kind::Message);
                proto.type_name = Some(format!(".{}", full_name(schema, &path)));
            }
        }
        message.field.push(proto);
    }
    message
}

/// Adds a field to the message at `path` below the package.
fn add_field(schema: &Schema, message: &mut DescriptorProto, path: &str, field: &Field, tag: u32) {
    let mut proto = FieldDescriptorProto {
        name: Some(field.name.clone()),
        number: i32::try_from(tag).ok(),
        json_name: Some(field.name.clone()),
        ..FieldDescriptorProto::default()
    };
    proto.set_label(Label::Optional);
    let mut ty = &field.ty;
    if let Type::Opt(inner) = ty {
        ty = inner;
        let is_message = matches!(ty, Type::Named(name) if is_message(schema, name));
        if !is_message && !matches!(ty, Type::List(_) | Type::Map(..)) {
            proto.proto3_optional = Some(true);
            proto.oneof_index = i32::try_from(message.oneof_decl.len()).ok();
            let name = Some(format!("_{}", field.name));
            message.oneof_decl.push(OneofDescriptorProto { name, options: None });
        }
    }
    match ty {
        Type::List(_) if field.encoding == Some(Encoding::Bytes) => proto.set_type(Kind::Bytes),
        Type::List(inner) => {
            proto.set_label(Label::Repeated);
            set_leaf(schema, &mut proto, inner, field.encoding);
        }
        Type::Map(key, value) => {
            let entry = format!("{}Entry", camel(&field.name));
            let mut nested = DescriptorProto {
                name: Some(entry.clone()),
                options: Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() }),
                ..DescriptorProto::default()
            };
            // The encoding is that of the value.
            for (name, tag, ty, encoding) in [("key", 1, key, None), ("value", 2, value, field.encoding)] {
                let field = Field { encoding, ..Field::new(name, (**ty).clone()) };
                add_field(schema, &mut nested, path, &field, tag);
            }
            proto.set_label(Label::Repeated);
            proto.set_type(Kind::Message);
            proto.type_name = Some(format!(".{}.{entry}", full_name(schema, path)));
            message.nested_type.push(nested);
        }
        other => set_leaf(schema, &mut proto, other, field.encoding),
    }
    message.field.push(proto);
}

fn set_leaf(schema: &Schema, proto: &mut FieldDescriptorProto, ty: &Type, encoding: Option<Encoding>) {
    let kind = match (encoding, ty) {
        (Some(Encoding::Sint32), _) => Kind::Sint32,
        (Some(Encoding::Sint64), _) => Kind::Sint64,
        (Some(Encoding::Fixed32), _) => Kind::Fixed32,
        (Some(Encoding::Fixed64), _) => Kind::Fixed64,
        (Some(Encoding::Sfixed32), _) => Kind::Sfixed32,
        (Some(Encoding::Sfixed64), _) => Kind::Sfixed64,
        (_, Type::Named(name)) => {
            let full = full_name(schema, name);
            let message = is_message(schema, name);
            proto.type_name = Some(if message { format!(".{full}") } else { format!(".{full}.{ENUM}") });
            if message { Kind::Message } else { Kind::Enum }
        }
        (_, Type::Scalar(scalar) | Type::Text(scalar)) => match scalar {
            Scalar::Bool => Kind::Bool,
            Scalar::I8 | Scalar::I16 | Scalar::I32 => Kind::Int32,
            Scalar::I64 | Scalar::Duration => Kind::Int64,
            Scalar::U8 | Scalar::U16 | Scalar::U32 => Kind::Uint32,
            Scalar::U64 => Kind::Uint64,
            Scalar::F32 => Kind::Float,
            Scalar::F64 => Kind::Double,
            Scalar::String => Kind::String,
            Scalar::Bytes | Scalar::Any => Kind::Bytes,
        },
        // A list in a list has no Protobuf form, and the schema's check refuses it.
        (_, Type::Opt(_) | Type::List(_) | Type::Tuple(_) | Type::Map(..)) => Kind::Bytes,
    };
    proto.set_type(kind);
}

fn is_message(schema: &Schema, name: &str) -> bool {
    matches!(schema.types.get(name), Some(TypeDef::Struct(_) | TypeDef::Union(_)))
}

/// Returns the name of a map's entry as protoc makes it.
fn camel(name: &str) -> String {
    name.split('_')
        .map(|part| part[..1.min(part.len())].to_uppercase() + part.get(1..).unwrap_or(""))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "pitaya": 1, "package": "game", "types": {
        "Mode": { "enum": [ { "name": "Solo", "number": 0 }, { "name": "Team", "number": 2 } ] },
        "Kind": { "enum": [ { "name": "Solo", "number": 0 } ] },
        "Odd": { "enum": [ { "name": "One", "number": 1 } ] },
        "Late": { "enum": [ { "name": "One", "number": 1 }, { "name": "Zero", "number": 0 } ] },
        "Inner": { "proto": true, "fields": [ { "name": "id", "type": "u64", "tag": 1 } ] },
        "All": { "proto": true, "fields": [
            { "name": "name", "type": "string", "tag": 1 },
            { "name": "delta", "type": "i32", "tag": 2, "encoding": "sint32" },
            { "name": "mode", "type": "Mode", "tag": 3 },
            { "name": "kind", "type": "Kind", "tag": 4 },
            { "name": "inner", "type": { "opt": "Inner" }, "tag": 5 },
            { "name": "score", "type": { "opt": "i64" }, "tag": 6 },
            { "name": "ids", "type": { "list": "u32" }, "tag": 7 },
            { "name": "high_scores", "type": { "map": ["string", "Inner"] }, "tag": 8 },
            { "name": "blob", "type": { "list": "u8" }, "tag": 9, "encoding": "bytes" } ] } } }"#;

    fn protobuf() -> Protobuf {
        Protobuf::of_schema(&Schema::from_json(SCHEMA).unwrap()).unwrap()
    }

    #[test]
    fn message_of_a_schema_is_written_and_read() {
        let json = r#"{"name":"a","delta":-1,"mode":"Team","kind":"Solo","inner":{"id":9007199254740993},"score":5,"ids":[1,2],"high_scores":{"x":{"id":3}},"blob":"AQI="}"#;
        let bytes = protobuf().encode("game.All", json).unwrap();
        assert_eq!(bytes[..7], [0x0a, 1, b'a', 0x10, 1, 0x18, 2], "zigzag, and the number of the value");
        assert_eq!(protobuf().decode("game.All", &bytes).unwrap(), json);
    }

    #[test]
    fn wrong_data_is_refused() {
        for json in ["{", r#"{"colour": 1}"#, r#"{"name": 5}"#, r#"{"mode": "Duo"}"#, "{} {}", "[]"] {
            let error = protobuf().encode("game.All", json).unwrap_err();
            assert!(error.starts_with("the data is no `game.All`: "), "{error}");
        }
        assert!(protobuf().encode("game.None", "{}").unwrap_err().contains("game.None"));
        assert!(protobuf().decode("game.All", b"\xff").is_err());
    }
}
