//! Compares a `.proto` file with a schema.

use std::fmt;
use std::path::{Path, PathBuf};

use heck::ToShoutySnakeCase as _;
use pitaya_schema::Schema;
use prost_reflect::{DescriptorPool, EnumDescriptor, MessageDescriptor};

use super::form::{self, EnumForm, MessageForm};
use super::shape;

/// A difference between a `.proto` file and a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The message or the enum, with the field or the value: `Join.name`.
    pub place: String,
    /// The values of the schema and of the file.
    pub what: String,
    /// How to mend it.
    pub help: String,
    /// Whether programs that use the file misread messages. Otherwise only names differ, which do not travel.
    pub breaks: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.breaks { "breaks" } else { "note" };
        write!(f, "{kind}  {}: {}\n    {}", self.place, self.what, self.help)
    }
}

/// Returns what differs in the messages with a Protobuf form and in the enums in them, in the order of their names.
///
/// Types are found by their name; the package may be another one, because it does not travel. The file may have more
/// types than the schema. `folders` are searched for what the file imports, after its own folder.
///
/// # Errors
/// A text for the user: the file is missing, or is no valid `.proto` file.
pub fn check(schema: &Schema, file: &Path, folders: &[PathBuf]) -> Result<Vec<Difference>, String> {
    let pool = compile(file, folders)?;
    let own = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    // Top-level types of the file come first, then those of the package, of imported files too.
    let rank =
        |is_nested: bool, file: &str, package: &str| (is_nested, file != own, package != schema.package);
    let mut found = Vec::new();
    for message in &form::messages(schema)? {
        let others = pool.all_messages().filter(|other| other.name() == message.name);
        let best = others.min_by_key(|other| {
            rank(other.parent_message().is_some(), other.parent_file().name(), other.package_name())
        });
        match best {
            Some(other) => fields(&message.name, message, &other, &mut found),
            None => found.push(missing(&message.name, "message")),
        }
    }
    for values in &form::enums(schema) {
        let others = pool.all_enums().filter(|other| other.name() == values.name);
        let best = others.min_by_key(|other| {
            rank(other.parent_message().is_some(), other.parent_file().name(), other.package_name())
        });
        match best {
            Some(other) => enum_values(values, &other, &mut found),
            None => found.push(missing(&values.name, "enum")),
        }
    }
    Ok(found)
}

fn compile(file: &Path, folders: &[PathBuf]) -> Result<DescriptorPool, String> {
    let shown = file.display();
    let text = |error: &dyn fmt::Display| format!("{shown}: {error}");
    let own = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let includes = std::iter::once(own.to_owned()).chain(folders.iter().cloned());
    let mut compiler = protox::Compiler::new(includes).map_err(|error| text(&error))?;
    let name = file.file_name().ok_or_else(|| text(&"the path names no file"))?;
    compiler.include_imports(true).open_file(name).map_err(|error| text(&error))?;
    Ok(compiler.descriptor_pool())
}

fn missing(name: &str, kind: &str) -> Difference {
    Difference {
        place: name.to_owned(),
        what: format!("the file has no {kind} of this name"),
        help: format!("Add it: `pitaya gen proto` prints the {kind}."),
        breaks: true,
    }
}

fn fields(path: &str, message: &MessageForm, other: &MessageDescriptor, found: &mut Vec<Difference>) {
    for field in &message.fields {
        let place = format!("{path}.{}", field.name);
        let (name, tag) = (&field.name, field.tag);
        let ty = described(&field.ty, message.oneof);
        let Some(other) = other.get_field(tag) else {
            found.push(Difference {
                place,
                what: format!("the file has no field with the number {tag}"),
                help: format!("Add `{} {name} = {tag};`.", field.ty),
                breaks: true,
            });
            continue;
        };
        let other_type = described(
            &shape::of_field(&other, |values| values.name().to_owned()),
            shape::is_in_oneof(&other),
        );
        if ty != other_type {
            found.push(Difference {
                place,
                what: format!("{tag} is `{ty}` in the schema and `{other_type}` in the file"),
                help: format!("Write `{} {name} = {tag};`, or change the type in the program.", field.ty),
                breaks: true,
            });
        } else if other.name() != name {
            found.push(Difference {
                place,
                what: format!("{tag} is named `{}` in the file", other.name()),
                help: "Names do not travel in Protobuf. Rename it if programs use the file for JSON."
                    .to_owned(),
                breaks: false,
            });
        }
    }
    for extra in other.fields().filter(|other| message.fields.iter().all(|field| field.tag != other.number()))
    {
        found.push(Difference {
            place: format!("{path}.{}", extra.name()),
            what: format!("the schema has no field with the number {}", extra.number()),
            help: "Remove it from the file, or add the field to the program.".to_owned(),
            breaks: true,
        });
    }
    for nested in &message.nested {
        let path = format!("{path}.{}", nested.name);
        match other.child_messages().find(|other| other.name() == nested.name) {
            Some(other) => fields(&path, nested, &other, found),
            None => found.push(missing(&path, "message")),
        }
    }
}

/// Returns a type as reports have it.
fn described(ty: &str, is_in_oneof: bool) -> String {
    if is_in_oneof { format!("{ty} in a oneof") } else { ty.to_owned() }
}

fn enum_values(values: &EnumForm, other: &EnumDescriptor, found: &mut Vec<Difference>) {
    let prefix = format!("{}_", values.name.to_shouty_snake_case());
    for value in &values.values {
        let place = format!("{}.{}", values.name, value.name);
        let Some(other) = other.get_value(value.number) else {
            found.push(Difference {
                place,
                what: format!("the file has no value with the number {}", value.number),
                help: format!("Add `{} = {};`.", value.full, value.number),
                breaks: true,
            });
            continue;
        };
        let name = other.name().to_shouty_snake_case();
        if name != value.full && Some(name.as_str()) != value.full.strip_prefix(&prefix) {
            found.push(Difference {
                place,
                what: format!("{} is named `{}` in the file", value.number, other.name()),
                help: "Check that both mean the same.".to_owned(),
                breaks: false,
            });
        }
    }
    let is_known = |number: i32| values.values.iter().any(|value| value.number == number);
    // Each enum of proto3 has 0, with or without a meaning.
    for extra in other.values().filter(|other| other.number() != 0 && !is_known(other.number())) {
        found.push(Difference {
            place: format!("{}.{}", values.name, extra.name()),
            what: format!("the schema has no value with the number {}", extra.number()),
            help: "Remove it from the file, or add the value to the program.".to_owned(),
            breaks: true,
        });
    }
}
