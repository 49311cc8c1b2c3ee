//! Compares the fields of two messages.

use pitaya_schema::{Encoding, Field, Scalar, Type, TypeDef};

use super::finding::{Direction, Rule, Severity};
use super::shape::{Place, Shapes};

/// Whether a reader needs a field; a later one accepts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Presence {
    Required,
    /// It may be absent, but not `null`.
    Default,
    /// It may be absent or `null`.
    Opt,
}

impl Presence {
    fn of(field: &Field) -> Self {
        match field.ty {
            Type::Opt(_) => Self::Opt,
            _ if field.required => Self::Required,
            _ => Self::Default,
        }
    }
}

impl<'a> Shapes<'a> {
    /// Compares the fields of two messages. `proto` says whether they travel in Protobuf.
    pub(super) fn fields(&mut self, place: &Place<'a>, old: &'a [Field], new: &'a [Field], proto: bool) {
        // Fields that are only in one of the messages.
        let removed: Vec<_> = old.iter().filter(|field| twin(field, new, place, proto).is_none()).collect();
        let mut added: Vec<_> = new.iter().filter(|field| twin(field, old, place, proto).is_none()).collect();
        for before in old {
            if let Some(after) = twin(before, new, place, proto) {
                self.field(&Place { field: &before.name, ..place.clone() }, before, after, proto);
            }
        }
        for before in removed {
            let place = Place { field: &before.name, ..place.clone() };
            let renamed = added.iter().position(|after| is_renamed(before, after, old, new));
            let Some(after) = renamed.map(|at| added.remove(at)) else {
                self.removed(&place, before, new, proto);
                continue;
            };
            self.findings.push(place.finding(
                Severity::Break,
                Rule::FieldRenamed,
                before.name.clone(),
                after.name.clone(),
                "Names travel in JSON and MessagePack. Keep the old one with `#[serde(rename = \"…\")]`.",
            ));
        }
        for after in added {
            self.added(&Place { field: &after.name, ..place.clone() }, after);
        }
    }

    fn field(&mut self, place: &Place<'a>, before: &'a Field, after: &'a Field, proto: bool) {
        if before.name != after.name {
            self.findings.push(place.finding(
                Severity::Source,
                Rule::FieldRenamed,
                before.name.clone(),
                after.name.clone(),
                "Only Protobuf clients use the message, and names do not travel in Protobuf.",
            ));
        }
        if proto && before.tag != after.tag {
            let tag =
                |field: &Field| field.tag.map_or_else(|| "no tag".to_owned(), |tag| format!("tag {tag}"));
            self.findings.push(place.finding(
                Severity::Break,
                Rule::TagChanged,
                tag(before),
                tag(after),
                "Readers take the field for an unknown one. Restore the tag.",
            ));
        }
        if place.formats.named {
            self.presence(place, before, after);
            self.default_value(place, before, after);
        }
        // Protobuf reads other bytes for another type, so the type itself needs no second finding.
        if proto && self.wire(place, before, after) {
            return;
        }
        let strip = |ty: &'a Type| match ty {
            Type::Opt(inner) => &**inner,
            ty => ty,
        };
        self.types(place, strip(&before.ty), strip(&after.ty));
    }

    fn presence(&mut self, place: &Place<'a>, before: &Field, after: &Field) {
        let (rule, severity, help) = match (Presence::of(before).cmp(&Presence::of(after)), place.direction) {
            (std::cmp::Ordering::Less, Direction::Out) => (
                Rule::FieldOptional,
                Severity::Break,
                "Old clients reject messages without a value. Always send one, or add a new field.",
            ),
            (std::cmp::Ordering::Greater, Direction::In) => (
                Rule::FieldRequired,
                Severity::Break,
                "Old callers may send no value. Keep the field optional and check it in the handler.",
            ),
            _ => return,
        };
        self.findings.push(place.finding(severity, rule, shown(before), shown(after), help));
    }

    /// Compares how a field travels in Protobuf. Returns whether it found a difference.
    pub(super) fn wire(&mut self, place: &Place<'a>, before: &Field, after: &Field) -> bool {
        let old = wire_form(before, |name| is_enum(self.old.types.get(name)));
        let new = wire_form(after, |name| is_enum(self.new.types.get(name)));
        if old == new {
            return false;
        }
        self.findings.push(place.finding(
            Severity::Break,
            Rule::EncodingChanged,
            old,
            new,
            "Readers misread the bytes of the field. Add a new field with a tag of its own.",
        ));
        true
    }

    fn removed(&mut self, place: &Place<'a>, before: &Field, new: &[Field], proto: bool) {
        if proto && let Some(after) = new.iter().find(|after| after.tag.is_some() && after.tag == before.tag)
        {
            let shown = |field: &Field| format!("{} = {}", field.name, field.tag.unwrap_or_default());
            self.findings.push(place.finding(
                Severity::Break,
                Rule::TagReused,
                shown(before),
                shown(after),
                "Readers take the old field for the new one. Give the new field a tag of its own.",
            ));
        }
        let (severity, help) = match place.direction {
            Direction::In => (Severity::Note, "The server ignores what old callers send in it."),
            Direction::Out if place.formats.named && before.required => {
                (Severity::Break, "Old clients reject messages without it. Keep sending it.")
            }
            Direction::Out => (Severity::Note, "Old clients get the default of its type."),
        };
        self.findings.push(place.finding(
            severity,
            Rule::FieldRemoved,
            shown(before),
            "absent".to_owned(),
            help,
        ));
    }

    fn added(&mut self, place: &Place<'a>, after: &Field) {
        if place.direction == Direction::In && place.formats.named && after.required {
            self.findings.push(place.finding(
                Severity::Break,
                Rule::FieldAdded,
                "absent".to_owned(),
                shown(after),
                "The server rejects the messages of old callers. Make it optional: `Option`, or `#[serde(default)]`.",
            ));
        }
    }
}

/// Finds the field of another message that is this one: by its name, or by its tag if no name travels.
fn twin<'b>(field: &Field, other: &'b [Field], place: &Place<'_>, proto: bool) -> Option<&'b Field> {
    if proto && !place.formats.named {
        return other.iter().find(|twin| twin.tag == field.tag);
    }
    other.iter().find(|twin| twin.name == field.name)
}

/// Whether an added field is a removed one with another name: same type, and same tag or same position.
fn is_renamed(before: &Field, after: &Field, old: &[Field], new: &[Field]) -> bool {
    let at = |all: &[Field], field: &Field| all.iter().position(|other| other.name == field.name);
    let same_place = match (before.tag, after.tag) {
        (None, None) => at(old, before) == at(new, after),
        (before, after) => before == after,
    };
    same_place && before.ty == after.ty && before.required == after.required
}

fn shown(field: &Field) -> String {
    match Presence::of(field) {
        Presence::Required => format!("required {}", field.ty),
        Presence::Default => format!("{} with a default", field.ty),
        Presence::Opt => field.ty.to_string(),
    }
}

fn is_enum(def: Option<&TypeDef>) -> bool {
    matches!(def, Some(TypeDef::Enum(_)))
}

/// Returns how a field travels in Protobuf. Forms with one text can read each other.
fn wire_form(field: &Field, is_enum: impl Fn(&str) -> bool) -> String {
    let element = |ty: &Type| match (field.encoding, ty) {
        (Some(Encoding::Sint32 | Encoding::Sint64), _) => "zigzag",
        (Some(Encoding::Fixed32 | Encoding::Sfixed32), _) => "fixed 32 bits",
        (Some(Encoding::Fixed64 | Encoding::Sfixed64), _) => "fixed 64 bits",
        (_, Type::Text(_)) => "varint",
        (_, Type::Scalar(Scalar::F32)) => "float",
        (_, Type::Scalar(Scalar::F64)) => "double",
        (_, Type::Scalar(Scalar::String | Scalar::Bytes | Scalar::Any)) => "bytes",
        (_, Type::Scalar(_)) => "varint",
        (_, Type::Named(name)) if is_enum(name) => "varint",
        (Some(Encoding::Bytes), Type::List(_)) => "bytes",
        (_, Type::Named(_) | Type::List(_) | Type::Map(..) | Type::Tuple(_) | Type::Opt(_)) => "message",
    };
    let is_bytes = |ty: &Type| {
        field.encoding == Some(Encoding::Bytes)
            && matches!(ty, Type::List(byte) if **byte == Type::Scalar(Scalar::U8))
    };
    let whole = match &field.ty {
        Type::Opt(inner) => inner,
        ty => ty,
    };
    match whole {
        ty if is_bytes(ty) => "bytes".to_owned(),
        Type::List(inner) => format!("repeated {}", element(inner)),
        Type::Map(key, value) => format!("map of {} to {}", element(key), element(value)),
        ty => element(ty).to_owned(),
    }
}
