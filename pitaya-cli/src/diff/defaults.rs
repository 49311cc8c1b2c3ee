//! Compares what an absent field means.

use pitaya_schema::{EnumDef, EnumRepr, Field, Schema, Type, TypeDef};

use super::finding::{Rule, Severity};
use super::shape::{Place, Shapes};

impl<'a> Shapes<'a> {
    /// Compares the defaults of a field that both messages may leave out. Only that of an enum can change.
    ///
    /// In Protobuf the default of an enum is 0, always.
    pub(super) fn default_value(&mut self, place: &Place<'a>, before: &Field, after: &Field) {
        let (Some(old), Some(new)) = (enum_of(self.old, before), enum_of(self.new, after)) else { return };
        let (Some(old_first), Some(new_first)) = (old.values.first(), new.values.first()) else { return };
        let same = match new.repr {
            EnumRepr::Number => old_first.number == new_first.number,
            EnumRepr::Name => old_first.name == new_first.name,
        };
        if !same && old.repr == new.repr {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::DefaultChanged,
                format!("absent means {}", old_first.name),
                format!("absent means {}", new_first.name),
                "Readers take an absent field for another value. Keep the first value of the enum.",
            ));
        }
    }
}

/// Returns the enum of a field that may be absent and then has a value.
fn enum_of<'s>(schema: &'s Schema, field: &Field) -> Option<&'s EnumDef> {
    match &field.ty {
        Type::Named(name) if !field.required => match schema.types.get(name)? {
            TypeDef::Enum(def) => Some(def),
            TypeDef::Struct(_) => None,
        },
        _ => None,
    }
}
