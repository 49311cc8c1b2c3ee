//! Compares the values of two enums.

use pitaya_schema::{EnumDef, EnumRepr, EnumValue};

use super::finding::{Direction, Rule, Severity};
use super::shape::{Place, Shapes};

impl<'a> Shapes<'a> {
    /// Compares the definitions of two enums.
    pub(super) fn values(&mut self, place: &Place<'a>, old: &'a EnumDef, new: &'a EnumDef) {
        if place.formats.named && old.repr != new.repr {
            let shown = |repr| match repr {
                EnumRepr::Number => "travels as its number".to_owned(),
                EnumRepr::Name => "travels by name".to_owned(),
            };
            self.findings.push(place.finding(
                Severity::Break,
                Rule::TypeChanged,
                shown(old.repr),
                shown(new.repr),
                "Readers reject the other form. Add a new field with an enum of its own.",
            ));
        }
        let numbers = place.formats.proto || new.repr == EnumRepr::Number;
        let names = place.formats.named && new.repr == EnumRepr::Name;
        for before in &old.values {
            self.value(&Place { field: &before.name, ..place.clone() }, before, new, numbers, names);
        }
        for after in &new.values {
            let known = old.values.iter().any(|before| {
                before.name == after.name || (numbers && !names && before.number == after.number)
            });
            if !known && place.direction == Direction::Out {
                let (severity, help) = if place.formats.servers && place.formats.named {
                    (Severity::Break, "Old servers reject the value. Update all of them before one sends it.")
                } else {
                    (Severity::Note, "Old clients read an unknown value. Generated clients keep it as such.")
                };
                self.findings.push(Place { field: &after.name, ..place.clone() }.finding(
                    severity,
                    Rule::ValueAdded,
                    "absent".to_owned(),
                    shown(after),
                    help,
                ));
            }
        }
    }

    fn value(&mut self, place: &Place<'a>, before: &EnumValue, new: &EnumDef, numbers: bool, names: bool) {
        let by_number = new.values.iter().find(|after| after.number == before.number);
        let (severity, rule, after, help) = match new.values.iter().find(|after| after.name == before.name) {
            Some(after) if after.number == before.number || !numbers => return,
            Some(after) => (
                Severity::Break,
                Rule::ValueRenumbered,
                shown(after),
                "Readers take the value for another one. Restore the number.",
            ),
            None => match by_number.filter(|_| numbers && !names) {
                Some(after) => (
                    Severity::Source,
                    Rule::ValueRenamed,
                    shown(after),
                    "The number travels, and not the name.",
                ),
                None if place.direction == Direction::Out => return,
                None => (
                    Severity::Break,
                    Rule::ValueRemoved,
                    "absent".to_owned(),
                    "The server rejects the value that old callers send. Keep it and refuse it in the handler.",
                ),
            },
        };
        self.findings.push(place.finding(severity, rule, shown(before), after, help));
    }
}

fn shown(value: &EnumValue) -> String {
    format!("{} = {}", value.name, value.number)
}
