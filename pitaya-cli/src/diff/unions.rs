//! Compares the variants of two unions.

use pitaya_schema::{Field, Schema, Type, TypeDef, UnionDef, Variant, VariantBody};

use super::finding::{Direction, Rule, Severity};
use super::shape::{Place, Shapes};

impl<'a> Shapes<'a> {
    /// Compares the definitions of two unions.
    pub(super) fn variants(&mut self, place: &Place<'a>, old: &'a UnionDef, new: &'a UnionDef) {
        let proto = self.proto(place, old.proto, new.proto);
        let same_form = (&old.key, &old.content) == (&new.key, &new.content);
        if place.formats.named && !same_form {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::UnionForm,
                form(old),
                form(new),
                "Readers look for the variant in other fields. Restore the names of `tag` and `content`.",
            ));
        }
        let by_tag = proto && !place.formats.named;
        let twin = |of: &Variant, all: &'a [Variant]| {
            all.iter().find(|other| if by_tag { other.tag == of.tag } else { other.name == of.name })
        };
        for before in &old.variants {
            let place = Place { field: &before.name, ..place.clone() };
            match twin(before, &new.variants) {
                Some(after) => {
                    self.variant(&place, before, after, proto);
                    // In other fields, all that is inside differs too.
                    if same_form || by_tag {
                        self.variant_body(&place, before, after, old.content.is_some(), proto);
                    }
                }
                None => self.variant_removed(&place, before, &new.variants, proto),
            }
        }
        for after in new.variants.iter().filter(|after| twin(after, &old.variants).is_none()) {
            self.variant_added(&Place { field: &after.name, ..place.clone() }, after);
        }
    }

    fn variant(&mut self, place: &Place<'a>, before: &Variant, after: &Variant, proto: bool) {
        if before.name != after.name {
            self.findings.push(place.finding(
                Severity::Source,
                Rule::VariantRenamed,
                before.name.clone(),
                after.name.clone(),
                "Only Protobuf clients use the message, and names do not travel in Protobuf.",
            ));
        }
        if proto && before.tag != after.tag {
            let tag = |variant: &Variant| format!("tag {}", variant.tag.unwrap_or_default());
            self.findings.push(place.finding(
                Severity::Break,
                Rule::TagChanged,
                tag(before),
                tag(after),
                "Readers take the variant for an unknown one. Restore the tag.",
            ));
        }
    }

    /// Compares the values of a variant.
    fn variant_body(
        &mut self,
        place: &Place<'a>,
        before: &'a Variant,
        after: &'a Variant,
        content: bool,
        proto: bool,
    ) {
        if let (VariantBody::Message(old), VariantBody::Message(new)) = (&before.body, &after.body) {
            let field = |ty: &Type| Field::new("", ty.clone());
            if !(proto && self.wire(place, &field(old), &field(new))) {
                self.types(place, old, new);
            }
            return;
        }
        // A variant without a value has no content, and one with fields has an object.
        let has_value = |variant: &Variant| variant.body != VariantBody::Unit;
        let content_changed = place.formats.named && content && has_value(before) != has_value(after);
        // An old client does not look at a content that it does not expect.
        let ignored = place.direction == Direction::Out && !has_value(before);
        match (fields(self.old, &before.body), fields(self.new, &after.body)) {
            (Some(old), Some(new)) if !content_changed => {
                let subject = format!("{}.{}", place.subject, before.name).into();
                self.fields(&Place { subject, field: "", ..place.clone() }, old, new, proto);
            }
            _ if content_changed && ignored => {}
            _ => self.findings.push(place.finding(
                Severity::Break,
                Rule::TypeChanged,
                shown(before),
                shown(after),
                "Readers reject the other value. Add a new variant.",
            )),
        }
    }

    fn variant_removed(&mut self, place: &Place<'a>, before: &Variant, new: &[Variant], proto: bool) {
        if proto && let Some(after) = new.iter().find(|after| after.tag == before.tag) {
            let shown = |variant: &Variant| format!("{} = {}", variant.name, variant.tag.unwrap_or_default());
            self.findings.push(place.finding(
                Severity::Break,
                Rule::TagReused,
                shown(before),
                shown(after),
                "Readers take the old variant for the new one. Give the new variant a tag of its own.",
            ));
        }
        if place.direction == Direction::In {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::VariantRemoved,
                shown(before),
                "absent".to_owned(),
                "The server rejects the variant that old callers send. Keep it and refuse it in the handler.",
            ));
        }
    }

    fn variant_added(&mut self, place: &Place<'a>, after: &Variant) {
        let (severity, help) = match place.direction {
            Direction::In => return,
            Direction::Out if place.formats.servers => {
                (Severity::Break, "Old servers reject the variant. Update all of them before one sends it.")
            }
            Direction::Out => {
                (Severity::Note, "Old clients read an unknown variant. Generated clients keep it as such.")
            }
        };
        self.findings.push(place.finding(
            severity,
            Rule::VariantAdded,
            "absent".to_owned(),
            shown(after),
            help,
        ));
    }
}

/// Returns the fields of a variant that is a message.
fn fields<'a>(schema: &'a Schema, body: &'a VariantBody) -> Option<&'a [Field]> {
    match body {
        VariantBody::Unit => Some(&[]),
        VariantBody::Fields(fields) => Some(fields),
        VariantBody::Message(Type::Named(name)) => match schema.types.get(name) {
            Some(TypeDef::Struct(def)) => Some(&def.fields),
            _ => None,
        },
        VariantBody::Message(_) => None,
    }
}

fn form(def: &UnionDef) -> String {
    match &def.content {
        None => format!("named by `{}`", def.key),
        Some(content) => format!("named by `{}`, value in `{content}`", def.key),
    }
}

fn shown(variant: &Variant) -> String {
    match &variant.body {
        VariantBody::Unit => "without a value".to_owned(),
        VariantBody::Fields(fields) => {
            let names: Vec<_> = fields.iter().map(|field| field.name.as_str()).collect();
            format!("fields {}", names.join(", "))
        }
        VariantBody::Message(ty) => ty.to_string(),
    }
}
