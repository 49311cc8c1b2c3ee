//! Compares types by what travels, not by their names.

use std::borrow::Cow;
use std::collections::HashSet;
use std::mem::discriminant;

use pitaya_schema::{Scalar, Schema, Type, TypeDef};

use super::finding::{Direction, Finding, Rule, Severity};

/// The formats in which a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Formats {
    /// A format with field names: JSON, MessagePack or one of the application.
    pub(super) named: bool,
    /// Protobuf.
    pub(super) proto: bool,
    /// Servers are among the readers. Generated clients keep an unknown value of an enum; servers reject it.
    pub(super) servers: bool,
}

/// Where a type stands.
#[derive(Clone)]
pub(super) struct Place<'a> {
    /// The route, the type, or the type and its variant.
    pub(super) subject: Cow<'a, str>,
    /// The field; empty in the body of a route.
    pub(super) field: &'a str,
    pub(super) direction: Direction,
    pub(super) formats: Formats,
}

impl Place<'_> {
    /// Creates a finding at this place.
    pub(super) fn finding(
        &self,
        severity: Severity,
        rule: Rule,
        old: String,
        new: String,
        help: &str,
    ) -> Finding {
        let (subject, field) = (self.subject.clone().into_owned(), self.field.to_owned());
        let direction = Some(self.direction);
        Finding { severity, rule, subject, field, direction, old, new, help: help.to_owned() }
    }
}

/// A pair of named types that must be compared.
type Pair<'a> = (&'a str, &'a str, Direction, Formats);

/// Compares types and the types inside of them, each pair once.
pub(super) struct Shapes<'a> {
    pub(super) old: &'a Schema,
    pub(super) new: &'a Schema,
    pub(super) findings: Vec<Finding>,
    seen: HashSet<Pair<'a>>,
    pending: Vec<Pair<'a>>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(old: &'a Schema, new: &'a Schema) -> Self {
        Self { old, new, findings: Vec::new(), seen: HashSet::new(), pending: Vec::new() }
    }

    /// Compares the definitions that were met. Types nest in themselves, so this is a loop.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        while let Some((old_name, new_name, direction, formats)) = self.pending.pop() {
            let place = Place { subject: old_name.into(), field: "", direction, formats };
            if old_name != new_name {
                self.findings.push(Finding {
                    direction: None,
                    ..place.finding(
                        Severity::Source,
                        Rule::TypeRenamed,
                        old_name.to_owned(),
                        new_name.to_owned(),
                        "Names of types do not travel. Keep the old one with `#[message(name = \"…\")]` if clients use it.",
                    )
                });
            }
            match (self.old.types.get(old_name), self.new.types.get(new_name)) {
                (Some(TypeDef::Struct(old)), Some(TypeDef::Struct(new))) => {
                    let proto = self.proto(&place, old.proto, new.proto);
                    self.fields(&place, &old.fields, &new.fields, proto);
                }
                (Some(TypeDef::Enum(old)), Some(TypeDef::Enum(new))) => self.values(&place, old, new),
                (Some(TypeDef::Union(old)), Some(TypeDef::Union(new))) => self.variants(&place, old, new),
                _ => {}
            }
        }
        self.findings
    }

    /// Compares two types at a place.
    pub(super) fn types(&mut self, place: &Place<'a>, old: &'a Type, new: &'a Type) {
        match (old, new) {
            (Type::Opt(old), Type::Opt(new)) | (Type::List(old), Type::List(new)) => {
                self.types(place, old, new)
            }
            (Type::Map(old_key, old), Type::Map(new_key, new)) => {
                self.types(place, old_key, new_key);
                self.types(place, old, new);
            }
            (Type::Tuple(old), Type::Tuple(new)) if old.len() == new.len() => {
                old.iter().zip(new).for_each(|(old, new)| self.types(place, old, new));
            }
            (Type::Named(old_name), Type::Named(new_name)) if self.same_kind(old_name, new_name) => {
                let pair = (old_name.as_str(), new_name.as_str(), place.direction, place.formats);
                if self.seen.insert(pair) {
                    self.pending.push(pair);
                }
            }
            // For example, a message became an enum.
            (Type::Named(_), Type::Named(_)) => self.changed(place, Change::Other, old, new),
            // Inside of a list or a map: a field has this in its own rules.
            (Type::Opt(inner), _) => {
                self.changed(place, Change::Narrowed, old, new);
                self.types(place, inner, new);
            }
            (_, Type::Opt(inner)) => {
                self.changed(place, Change::Widened, old, new);
                self.types(place, old, inner);
            }
            (old, new) => {
                let change = change(old, new, place);
                self.changed(place, change, old, new);
            }
        }
    }

    fn changed(&mut self, place: &Place<'a>, change: Change, old: &Type, new: &Type) {
        let (rule, severity, help) = match (change, place.direction) {
            (Change::None, _) | (Change::Widened, Direction::In) | (Change::Narrowed, Direction::Out) => {
                return;
            }
            (Change::Same, _) => (
                Rule::TypeChanged,
                Severity::Source,
                "A duration travels as its nanoseconds, so only the types in code differ.",
            ),
            (Change::Rounded, Direction::Out) => {
                (Rule::TypeNarrowed, Severity::Note, "Old clients read rounded values.")
            }
            (Change::Widened, Direction::Out) => (
                Rule::TypeWidened,
                Severity::Break,
                "Old clients cannot read every new value. Add a new field and fill both.",
            ),
            (Change::Narrowed | Change::Rounded, Direction::In) => (
                Rule::TypeNarrowed,
                Severity::Break,
                "The server rejects values that old callers send. Keep the type and check the value in the handler.",
            ),
            (Change::Other, _) => (
                Rule::TypeChanged,
                Severity::Break,
                "Readers reject the other type. Add a new field, or a new route.",
            ),
        };
        self.findings.push(place.finding(severity, rule, old.to_string(), new.to_string(), help));
    }

    /// Whether both names are messages, both are enums, or both are unions.
    fn same_kind(&self, old: &str, new: &str) -> bool {
        let (old, new) = (self.old.types.get(old), self.new.types.get(new));
        old.map(discriminant) == new.map(discriminant)
    }

    /// Returns whether a type travels in Protobuf in both schemas. Adds a finding if it no longer does.
    pub(super) fn proto(&mut self, place: &Place<'_>, old: bool, new: bool) -> bool {
        if place.formats.proto && old && !new {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::ProtoChanged,
                "with a Protobuf form".to_owned(),
                "without".to_owned(),
                "Protobuf clients can no longer exchange the message. Keep `#[message(proto)]` and the tags.",
            ));
        }
        place.formats.proto && old && new
    }
}

/// How the values of a type changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// The type has another name for the same values.
    Same,
    /// Every old value is a new one.
    Widened,
    /// Every new value is an old one.
    Narrowed,
    /// As narrowed, but values are rounded and not rejected.
    Rounded,
    Other,
}

fn change(old: &Type, new: &Type, place: &Place<'_>) -> Change {
    match (old, new) {
        _ if old == new => Change::None,
        (Type::Scalar(old), Type::Scalar(new)) => scalars(*old, *new),
        // Servers read both forms.
        (Type::Scalar(old), Type::Text(new)) if old == new && place.direction == Direction::In => {
            Change::Widened
        }
        (Type::Text(old), Type::Text(new)) => scalars(*old, *new),
        // Protobuf has no text form.
        (Type::Scalar(old), Type::Text(new)) | (Type::Text(old), Type::Scalar(new))
            if !place.formats.named =>
        {
            scalars(*old, *new)
        }
        (_, Type::Scalar(Scalar::Any)) => Change::Widened,
        (Type::Scalar(Scalar::Any), _) => Change::Narrowed,
        _ => Change::Other,
    }
}

fn scalars(old: Scalar, new: Scalar) -> Change {
    match (old, new) {
        _ if old == new => Change::None,
        (Scalar::Duration, Scalar::I64) | (Scalar::I64, Scalar::Duration) => Change::Same,
        (Scalar::F32, Scalar::F64) => Change::Widened,
        (Scalar::F64, Scalar::F32) => Change::Rounded,
        (_, Scalar::Any) => Change::Widened,
        (Scalar::Any, _) => Change::Narrowed,
        _ => match (range(old), range(new)) {
            (Some((old_min, old_max)), Some((new_min, new_max))) => {
                if new_min <= old_min && old_max <= new_max {
                    Change::Widened
                } else if old_min <= new_min && new_max <= old_max {
                    Change::Narrowed
                } else {
                    Change::Other
                }
            }
            _ => Change::Other,
        },
    }
}

/// Returns the smallest and the largest value of an integer.
fn range(scalar: Scalar) -> Option<(i128, i128)> {
    let scalar = if scalar == Scalar::Duration { Scalar::I64 } else { scalar };
    let bits = scalar.bits().filter(|_| scalar.is_integer())?;
    Some(match scalar.is_unsigned() {
        true => (0, (1 << bits) - 1),
        false => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
    })
}
