//! The types of messages: declarations for the compiler, and data for the runtime.

use pitaya_schema::{EnumDef, EnumRepr, Field, Scalar, StructDef, Type, TypeDef};

use super::Gen;
use super::names::{property, text};
use super::unions::union_data;
use super::writer::Writer;

impl Gen<'_> {
    /// Declares the messages and enums that clients see.
    pub(super) fn declare_types(&self, out: &mut Writer) {
        for name in self.visible() {
            let Some(def) = self.schema.types.get(name) else { continue };
            out.line("");
            out.doc(def.doc());
            match def {
                TypeDef::Struct(def) => self.interface(name, def, out),
                TypeDef::Union(def) => self.union(name, def, out),
                TypeDef::Enum(def) => {
                    let values: Vec<String> = def.values.iter().map(|value| text(&value.name)).collect();
                    out.line(&format!(
                        "export type {} = pitaya.Open<{}>;",
                        self.names.of(name),
                        values.join(" | ")
                    ));
                }
            }
        }
    }

    fn interface(&self, name: &str, def: &StructDef, out: &mut Writer) {
        let received = self.reach.received.contains(name);
        out.block(&format!("export interface {} {{", self.names.of(name)), "}", |out| {
            self.fields(&def.fields, received, out);
        });
    }

    /// Declares fields. A reader always gets a value, and who only sends may leave it out.
    pub(super) fn fields(&self, fields: &[Field], received: bool, out: &mut Writer) {
        for field in fields {
            out.doc(&field.doc);
            out.line(&format!("{};", self.property(&field.name, &field.ty, !field.required && !received)));
        }
    }

    /// Declares a property. One of an `opt` may always miss.
    pub(super) fn property(&self, name: &str, ty: &Type, may_miss: bool) -> String {
        let name = property(name);
        match ty {
            Type::Opt(inner) => format!("{name}?: {} | undefined", self.ty(inner)),
            ty if may_miss => format!("{name}?: {} | undefined", self.ty(ty)),
            ty => format!("{name}: {}", self.ty(ty)),
        }
    }

    /// Returns a type in TypeScript.
    pub(super) fn ty(&self, ty: &Type) -> String {
        match ty {
            Type::Named(name) => self.names.of(name).to_owned(),
            Type::List(inner) => match &**inner {
                Type::Opt(_) => format!("({})[]", self.ty(inner)),
                inner => format!("{}[]", self.ty(inner)),
            },
            Type::Tuple(entries) => {
                let entries: Vec<_> = entries.iter().map(|entry| self.ty(entry)).collect();
                format!("[{}]", entries.join(", "))
            }
            Type::Map(_, value) => format!("{{ [key: string]: {} }}", self.ty(value)),
            Type::Opt(inner) => format!("{} | undefined", self.ty(inner)),
            Type::Text(_) => self.wide().to_owned(),
            Type::Scalar(scalar) => match scalar {
                Scalar::Bool => "boolean",
                Scalar::I64 | Scalar::U64 | Scalar::Duration => self.wide(),
                Scalar::String => "string",
                Scalar::Bytes => "Uint8Array",
                Scalar::Any => "unknown",
                _ => "number",
            }
            .to_owned(),
        }
    }

    fn wide(&self) -> &'static str {
        if self.bigint { "bigint" } else { "number" }
    }

    /// Writes the types as data.
    pub(super) fn type_data(&self, out: &mut Writer) {
        out.block("types: {", "},", |out| {
            for name in self.visible() {
                match self.schema.types.get(name) {
                    Some(TypeDef::Struct(def)) => structure(name, def, out),
                    Some(TypeDef::Enum(def)) => enumeration(name, def, out),
                    Some(TypeDef::Union(def)) => union_data(name, def, out),
                    None => {}
                }
            }
        });
    }
}

fn structure(name: &str, def: &StructDef, out: &mut Writer) {
    if def.fields.is_empty() {
        out.line(&format!("{}: {{ fields: {{}} }},", property(name)));
        return;
    }
    out.block(&format!("{}: {{", property(name)), "},", |out| fields_data(&def.fields, out));
}

/// Writes fields as data.
pub(super) fn fields_data(fields: &[Field], out: &mut Writer) {
    out.block("fields: {", "},", |out| {
        for field in fields {
            out.line(&format!("{}: {},", property(&field.name), field_data(field)));
        }
    });
}

fn field_data(field: &Field) -> String {
    let mut data = format!("{{ type: {}", type_data(&field.ty));
    if !field.required {
        data.push_str(", optional: true");
    }
    if let Some(tag) = field.tag {
        data.push_str(&format!(", tag: {tag}"));
    }
    // A list of `u8` is bytes in every Protobuf message.
    if let Some(encoding) = field.encoding.filter(|encoding| encoding.as_str() != "bytes") {
        data.push_str(&format!(", wire: {}", text(encoding.as_str())));
    }
    data.push_str(" }");
    data
}

fn enumeration(name: &str, def: &EnumDef, out: &mut Writer) {
    let values: Vec<String> =
        def.values.iter().map(|value| format!("{}: {}", property(&value.name), value.number)).collect();
    let by = if def.repr == EnumRepr::Name { ", by: \"name\"" } else { "" };
    out.line(&format!("{}: {{ values: {{ {} }}{by} }},", property(name), values.join(", ")));
}

/// Returns a type as data.
pub(super) fn type_data(ty: &Type) -> String {
    match ty {
        Type::Scalar(Scalar::Duration) => text(Scalar::I64.as_str()),
        Type::Scalar(scalar) => text(scalar.as_str()),
        Type::Tuple(entries) => {
            let entries: Vec<_> = entries.iter().map(type_data).collect();
            format!("{{ tuple: [{}] }}", entries.join(", "))
        }
        Type::Named(name) => format!("{{ ref: {} }}", text(name)),
        Type::List(inner) => format!("{{ list: {} }}", type_data(inner)),
        Type::Map(key, value) => format!("{{ map: [{}, {}] }}", type_data(key), type_data(value)),
        Type::Opt(inner) => format!("{{ opt: {} }}", type_data(inner)),
        Type::Text(scalar) => format!("{{ text: {} }}", text(scalar.as_str())),
    }
}

/// Returns the type of a whole body as data. Bytes are a raw body.
pub(super) fn body_data(ty: &Type) -> String {
    match ty {
        Type::Scalar(Scalar::Bytes) => "\"raw\"".to_owned(),
        ty => type_data(ty),
    }
}
