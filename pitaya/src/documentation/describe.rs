//! Describes messages as JSON, with the type names of Go.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{framework, object};
use crate::serialize::{BodyForm, Schema, Type};

/// The most types that one description has. Messages that contain each other may have very many.
const LIMIT: usize = 10_000;

/// Describes messages.
pub(super) struct Describer<'a> {
    package: &'a str,
    /// Whether messages have their names.
    names: bool,
    /// The messages around the current one.
    around: Vec<&'static str>,
    /// The types that may still be described.
    left: usize,
}

impl<'a> Describer<'a> {
    pub(super) fn new(package: &'a str, names: bool) -> Self {
        Self { package, names, around: Vec::new(), left: LIMIT }
    }

    /// Describes the message of a method.
    pub(super) fn message(&mut self, schema: &'static Schema) -> Value {
        match schema.body {
            BodyForm::Raw => "[]byte".into(),
            BodyForm::Empty => self.named("*google.protobuf.Empty".to_owned(), object(BTreeMap::new())),
            _ => self.fields(schema),
        }
    }

    fn fields(&mut self, schema: &'static Schema) -> Value {
        let name = self.name(schema);
        if self.around.contains(&schema.name) || self.left == 0 {
            return name.into();
        }
        // A Go client has no type for several shapes.
        if schema.union.is_some() {
            return "interface {}".into();
        }
        self.around.push(schema.name);
        let mut fields = BTreeMap::new();
        for field in schema.fields {
            self.left = self.left.saturating_sub(1);
            fields.insert(field.name.to_owned(), self.field(&field.ty));
        }
        self.around.pop();
        self.named(name, object(fields))
    }

    fn field(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Message(schema) => self.fields(schema()),
            Type::Optional(inner) => self.field(inner),
            Type::List(inner) if !matches!(inner, Type::Uint(8)) => Value::Array(vec![self.field(inner)]),
            // A client of Protobuf sends the number.
            Type::Text(inner) if self.names => self.field(inner),
            other => self.text(other).into(),
        }
    }

    /// Returns the name of a type in Go.
    fn text(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".to_owned(),
            Type::Int(bits) => format!("int{bits}"),
            Type::Uint(bits) => format!("uint{bits}"),
            Type::Float(bits) => format!("float{bits}"),
            Type::Duration => "int64".to_owned(),
            Type::String | Type::Text(_) => "string".to_owned(),
            Type::Enum(of) if of.names => "string".to_owned(),
            Type::Bytes => "[]byte".to_owned(),
            Type::Optional(inner) => self.text(inner),
            Type::List(Type::Uint(8)) => "[]byte".to_owned(),
            Type::List(inner) => format!("[]{}", self.text(inner)),
            Type::Map(key, value) => format!("map[{}]{}", self.text(key), self.text(value)),
            Type::Message(schema) => self.name(schema()),
            Type::Enum(of) => format!("{}.{}", self.package, of.name),
            Type::Tuple(_) => "[]interface {}".to_owned(),
            Type::Any => "interface {}".to_owned(),
        }
    }

    fn named(&self, name: String, fields: Value) -> Value {
        if self.names { object(BTreeMap::from([(name, fields)])) } else { fields }
    }

    /// Returns the name of a message. Clients ask for the descriptors of names with a star.
    fn name(&self, schema: &'static Schema) -> String {
        let star = if schema.proto { "*" } else { "" };
        let package = if framework::contains(schema) { framework::PACKAGE } else { self.package };
        format!("{star}{package}.{}", schema.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serialize::Field;

    macro_rules! chain {
        ($($this:ident $next:ident),*) => { $(
            static $this: Schema = Schema::new(
                stringify!($this),
                "",
                &[
                    Field::new("left", "", Type::Message(|| &$next), false),
                    Field::new("right", "", Type::Optional(&Type::Message(|| &$next)), false),
                ],
            );
        )* };
    }

    chain!(A B, B C, C D, D E, E F, F G, G H, H I, I J, J K, K L, L M, M N, N O, O P, P Q, Q R, R S, S T, T END);
    static END: Schema = Schema::new("END", "", &[]);

    fn size(value: &Value) -> usize {
        match value {
            Value::Object(fields) => 1 + fields.values().map(size).sum::<usize>(),
            Value::Array(all) => 1 + all.iter().map(size).sum::<usize>(),
            _ => 1,
        }
    }

    #[test]
    fn types_without_a_form_in_go_are_described() {
        use crate::serialize::{EnumSchema, UnionSchema};

        static MODE: EnumSchema = EnumSchema::new("Mode", "", &[]).with_names();
        static UNION: Schema = Schema::new("Union", "", &[]).with_union(&UnionSchema::new("type", None, &[]));
        static BOTH: Schema = Schema::new(
            "Both",
            "",
            &[
                Field::new("pair", "", Type::Tuple(&[Type::Bool, Type::String]), true),
                Field::new("mode", "", Type::Enum(&MODE), true),
                Field::new("union", "", Type::Message(|| &UNION), true),
            ],
        );
        let value = Describer::new("protos", false).message(&BOTH);
        assert_eq!(
            value,
            serde_json::json!({"pair": "[]interface {}", "mode": "string", "union": "interface {}"})
        );
    }

    /// A million messages, if each is described where it is used.
    #[test]
    fn huge_description_is_cut_off() {
        for names in [false, true] {
            let value = Describer::new("protos", names).message(&A);
            let size = size(&value);
            assert!((LIMIT..4 * LIMIT).contains(&size), "{size}");
        }
    }
}
