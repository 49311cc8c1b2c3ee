//! Messages of several shapes: discriminated unions for the compiler, and data for the runtime.

use pitaya_schema::{UnionDef, Variant, VariantBody};

use super::Gen;
use super::names::{property, text};
use super::types::{fields_data, type_data};
use super::writer::Writer;

impl Gen<'_> {
    /// Declares a union. Its last member is a variant of a newer server.
    pub(super) fn union(&self, name: &str, def: &UnionDef, out: &mut Writer) {
        let received = self.reach.received.contains(name);
        out.line(&format!("export type {} =", self.names.of(name)));
        out.indented(|out| {
            for variant in &def.variants {
                out.doc(&variant.doc);
                self.variant(def, variant, received, out);
            }
            out.line(&format!("| pitaya.UnknownVariant<{}>;", text(&def.key)));
        });
    }

    fn variant(&self, def: &UnionDef, variant: &Variant, received: bool, out: &mut Writer) {
        let key = format!("{}: {}", property(&def.key), text(&variant.name));
        match (&variant.body, &def.content) {
            (VariantBody::Unit, _) => out.line(&format!("| {{ {key} }}")),
            (VariantBody::Fields(fields), content) => out.block("| {", "}", |out| {
                out.line(&format!("{key};"));
                match content {
                    None => self.fields(fields, received, out),
                    Some(content) => out.block(&format!("{}: {{", property(content)), "};", |out| {
                        self.fields(fields, received, out);
                    }),
                }
            }),
            (VariantBody::Message(ty), None) => out.line(&format!("| ({{ {key} }} & {})", self.ty(ty))),
            (VariantBody::Message(ty), Some(content)) => {
                out.line(&format!("| {{ {key}; {} }}", self.property(content, ty, false)));
            }
        }
    }
}

/// Writes a union as data.
pub(super) fn union_data(name: &str, def: &UnionDef, out: &mut Writer) {
    out.block(&format!("{}: {{", property(name)), "},", |out| {
        out.line(&format!("key: {},", text(&def.key)));
        if let Some(content) = &def.content {
            out.line(&format!("content: {},", text(content)));
        }
        out.block("variants: {", "},", |out| {
            for variant in &def.variants {
                variant_data(variant, out);
            }
        });
    });
}

fn variant_data(variant: &Variant, out: &mut Writer) {
    let name = property(&variant.name);
    let tag = variant.tag.map(|tag| format!("tag: {tag}"));
    match &variant.body {
        VariantBody::Fields(fields) => out.block(&format!("{name}: {{"), "},", |out| {
            fields_data(fields, out);
            if let Some(tag) = tag {
                out.line(&format!("{tag},"));
            }
        }),
        body => {
            let message = match body {
                VariantBody::Message(ty) => Some(format!("message: {}", type_data(ty))),
                VariantBody::Unit | VariantBody::Fields(_) => None,
            };
            let parts: Vec<_> = message.into_iter().chain(tag).collect();
            let space = if parts.is_empty() { "" } else { " " };
            out.line(&format!("{name}: {{{space}{}{space}}},", parts.join(", ")));
        }
    }
}
