//! The types of fields, as `.proto` files write them.

use pitaya_schema::{Encoding, Field, Scalar, Type};
use prost_reflect::{Cardinality, FieldDescriptor, Kind};

/// Returns the type of a field of a schema, with its label. `is_message` tells messages and enums apart.
pub(super) fn of_field(field: &Field, is_message: &dyn Fn(&str) -> bool) -> String {
    let (ty, encoding) = (&field.ty, field.encoding);
    match ty {
        Type::Opt(inner) => match &**inner {
            Type::Named(name) if is_message(name) => name.clone(),
            Type::List(_) | Type::Map(..) => {
                of_field(&Field { ty: (**inner).clone(), ..field.clone() }, is_message)
            }
            inner => format!("optional {}", leaf(inner, encoding)),
        },
        Type::List(_) if encoding == Some(Encoding::Bytes) => "bytes".to_owned(),
        Type::List(inner) => format!("repeated {}", leaf(inner, encoding)),
        // The encoding is that of the value.
        Type::Map(key, value) => format!("map<{}, {}>", leaf(key, None), leaf(value, encoding)),
        other => leaf(other, encoding),
    }
}

/// Returns a type without its label.
pub(super) fn leaf(ty: &Type, encoding: Option<Encoding>) -> String {
    if let Some(encoding) = encoding {
        return encoding.as_str().to_owned();
    }
    let name = match ty {
        Type::Named(name) => name,
        Type::Scalar(scalar) | Type::Text(scalar) => match scalar {
            Scalar::Bool => "bool",
            Scalar::I8 | Scalar::I16 | Scalar::I32 => "int32",
            Scalar::I64 | Scalar::Duration => "int64",
            Scalar::U8 | Scalar::U16 | Scalar::U32 => "uint32",
            Scalar::U64 => "uint64",
            Scalar::F32 => "float",
            Scalar::F64 => "double",
            Scalar::String => "string",
            Scalar::Bytes | Scalar::Any => "bytes",
        },
        // They have no Protobuf form here, and the schema's check refuses them.
        Type::Opt(_) | Type::List(_) | Type::Map(..) | Type::Tuple(_) => "bytes",
    };
    name.to_owned()
}

/// Returns how the schema's form of a field in a `oneof` is written in reports.
pub(super) fn in_oneof(ty: &str) -> String {
    format!("{ty} in a oneof")
}

/// Returns the type of a field of a `.proto` file, in the same words. Types are named without their package.
pub(super) fn of_descriptor(field: &FieldDescriptor) -> String {
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        return format!(
            "map<{}, {}>",
            of_kind(&entry.map_entry_key_field().kind()),
            of_kind(&entry.map_entry_value_field().kind())
        );
    }
    let kind = of_kind(&field.kind());
    match field.cardinality() {
        Cardinality::Repeated => format!("repeated {kind}"),
        Cardinality::Required => format!("required {kind}"),
        Cardinality::Optional => match field.containing_oneof() {
            Some(oneof) if !oneof.is_synthetic() => in_oneof(&kind),
            _ if field.supports_presence() && !matches!(field.kind(), Kind::Message(_)) => {
                format!("optional {kind}")
            }
            _ => kind,
        },
    }
}

fn of_kind(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(values) => values.name().to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}
