//! Compares what an absent field means.

use std::collections::HashSet;

use pitaya_schema::{EnumRepr, Field, Schema, Type, TypeDef, VariantBody};

use super::finding::{Rule, Severity};
use super::shape::{Place, Shapes};

impl<'a> Shapes<'a> {
    /// Compares the defaults of a field that both messages may leave out.
    ///
    /// In Protobuf the default of an enum is 0, always.
    pub(super) fn default_value(&mut self, place: &Place<'a>, before: &Field, after: &Field) {
        if before.required || after.required {
            return;
        }
        if let Some((old, new)) = changed(self.old, self.new, &before.ty, &after.ty) {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::DefaultChanged,
                format!("absent means {old}"),
                format!("absent means {new}"),
                "Readers take an absent field for another value. Keep the first value of the enum or the union.",
            ));
        }
    }
}

/// Returns the first values of two enums or two unions in the defaults of the types, if they differ.
///
/// An absent message has the defaults of its fields. Types nest in themselves, so this is a loop.
fn changed<'s>(
    old_schema: &'s Schema,
    new_schema: &'s Schema,
    old: &'s Type,
    new: &'s Type,
) -> Option<(&'s str, &'s str)> {
    let mut seen = HashSet::new();
    let mut pending = vec![(old, new)];
    while let Some(pair) = pending.pop() {
        let (old, new) = match pair {
            (Type::Named(old), Type::Named(new)) => (old, new),
            // An absent tuple has the defaults of its entries.
            (Type::Tuple(old), Type::Tuple(new)) => {
                pending.extend(old.iter().zip(new));
                continue;
            }
            _ => continue,
        };
        if !seen.insert((old, new)) {
            continue;
        }
        match (old_schema.types.get(old)?, new_schema.types.get(new)?) {
            (TypeDef::Enum(old), TypeDef::Enum(new)) => {
                let (before, after) = (old.values.first()?, new.values.first()?);
                let same = match new.repr {
                    EnumRepr::Number => before.number == after.number,
                    EnumRepr::Name => before.name == after.name,
                };
                if !same && old.repr == new.repr {
                    return Some((&before.name, &after.name));
                }
            }
            (TypeDef::Union(old), TypeDef::Union(new)) => {
                let (before, after) = (old.variants.first()?, new.variants.first()?);
                if before.name != after.name {
                    return Some((&before.name, &after.name));
                }
                match (&before.body, &after.body) {
                    (VariantBody::Message(old), VariantBody::Message(new)) => pending.push((old, new)),
                    _ => pending.extend(same_fields(before.fields(), after.fields())),
                }
            }
            (TypeDef::Struct(old), TypeDef::Struct(new)) => {
                pending.extend(same_fields(&old.fields, &new.fields));
            }
            _ => {}
        }
    }
    None
}

/// Returns the types of the fields that both have.
fn same_fields<'s>(old: &'s [Field], new: &'s [Field]) -> impl Iterator<Item = (&'s Type, &'s Type)> {
    old.iter().filter_map(|before| {
        let after = new.iter().find(|after| after.name == before.name)?;
        Some((&before.ty, &after.ty))
    })
}
