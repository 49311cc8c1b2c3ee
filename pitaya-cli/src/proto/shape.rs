//! The types of fields, as `.proto` files write them.

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind};

/// Returns the name of an enum.
pub(super) type EnumName = fn(&EnumDescriptor) -> String;

/// Returns the type of a field with its label. Types are named without their package.
pub(super) fn of_field(field: &FieldDescriptor, enum_name: EnumName) -> String {
    let of_kind = |kind: &Kind| of_kind(kind, enum_name);
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        return format!("map<{}, {}>", of_kind(&key), of_kind(&value));
    }
    let kind = of_kind(&field.kind());
    let is_message = matches!(field.kind(), Kind::Message(_));
    match field.cardinality() {
        Cardinality::Repeated => format!("repeated {kind}"),
        Cardinality::Required => format!("required {kind}"),
        Cardinality::Optional if field.supports_presence() && !is_message && !is_in_oneof(field) => {
            format!("optional {kind}")
        }
        Cardinality::Optional => kind,
    }
}

/// Whether a field is in a `oneof` that was written as one.
pub(super) fn is_in_oneof(field: &FieldDescriptor) -> bool {
    field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic())
}

fn of_kind(kind: &Kind, enum_name: EnumName) -> String {
    match kind {
        Kind::Message(message) => message.name().to_owned(),
        Kind::Enum(values) => enum_name(values),
        // The others are words of the language.
        scalar => format!("{scalar:?}"),
    }
}
