//! Writes a schema as a `.proto` file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use heck::ToShoutySnakeCase as _;
use pitaya_schema::{Method, Schema, Type};

use super::form::{self, EnumForm, MessageForm};

/// A schema that has no `.proto` form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// No message of the schema has a Protobuf form.
    Empty,
    /// The package, a type, a field or a value has a name that `.proto` files cannot have.
    Name(String),
    /// Two values of enums have one name, or a variant has that of a type or of another variant. Values of enums share the
    /// scope of their package.
    Twice(String),
    /// The messages contradict each other, which is in the text.
    Schema(String),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(error) => f.write_str(error),
            Self::Twice(name) => {
                write!(f, "`{name}` would be written twice in one scope: rename a type, a variant or a value")
            }
            Self::Empty => f.write_str("no message has a Protobuf form: write `#[message(proto)]`"),
            Self::Name(name) => write!(
                f,
                "`{name}` cannot be a name in a .proto file: use ASCII letters, digits and `_`, beginning with a letter"
            ),
        }
    }
}

impl std::error::Error for WriteError {}

/// Returns the `.proto` file, in proto3, of the messages with a Protobuf form and of the enums in them.
///
/// The text depends on the schema alone. Routes are listed in a comment, because a game server is called by routes and
/// has no `service`. The values of an enum have its name as their prefix, because the values of all enums share one scope.
///
/// # Errors
/// [`WriteError`].
pub fn write(schema: &Schema) -> Result<String, WriteError> {
    if !schema.package.is_empty() {
        schema.package.split('.').try_for_each(|part| identifier(part).map(|_| ()))?;
    }
    let messages = form::messages(schema).map_err(WriteError::Schema)?;
    if messages.is_empty() {
        return Err(WriteError::Empty);
    }
    let mut out = String::from("syntax = \"proto3\";\n");
    if !schema.package.is_empty() {
        let _ = write!(out, "\npackage {};\n", schema.package);
    }
    let enums = form::enums(schema);
    let names: Vec<_> = messages.iter().map(|message| message.name.as_str()).collect();
    routes(&mut out, schema, &names);
    let types = names.iter().copied().chain(enums.iter().map(|values| values.name.as_str()));
    let types = types.map(str::to_owned).collect();
    for message in &messages {
        out.push('\n');
        write_message(&mut out, "", message, &types)?;
    }
    let mut values_written = BTreeSet::new();
    for values in &enums {
        out.push('\n');
        write_enum(&mut out, values, &mut values_written)?;
    }
    Ok(out)
}

/// Lists the routes whose bodies are in the file.
fn routes(out: &mut String, schema: &Schema, messages: &[&str]) {
    let body = |ty: Option<&Type>| match ty {
        None => Some("nothing".to_owned()),
        Some(Type::Named(name)) if messages.contains(&name.as_str()) => Some(name.clone()),
        Some(_) => None,
    };
    let calls = |methods: &BTreeMap<String, Method>| -> Vec<String> {
        let line = |(route, method): (&String, &Method)| {
            let (message, reply) = (body(method.message.as_ref())?, body(method.reply.as_ref())?);
            Some(match method.notify {
                true => format!("{route}({message})"),
                false => format!("{route}({message}) returns ({reply})"),
            })
        };
        methods.iter().filter_map(line).collect()
    };
    let pushes = schema.pushes.iter();
    let pushes = pushes.filter_map(|(route, push)| Some(format!("{route}({})", body(Some(&push.message))?)));
    for (title, lines) in [
        ("Handlers, which clients call", calls(&schema.handlers)),
        ("Remotes, which servers call", calls(&schema.remotes)),
        ("Pushes, which the server sends", pushes.collect()),
    ] {
        if !lines.is_empty() {
            let _ = write!(out, "\n// {title}:\n");
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "//   {line}");
            });
        }
    }
}

/// Writes a message. `types` are the names of types in the scopes around it, which a nested message would hide.
fn write_message(
    out: &mut String,
    indent: &str,
    message: &MessageForm,
    types: &BTreeSet<String>,
) -> Result<(), WriteError> {
    comment(out, indent, &message.doc);
    let _ = writeln!(out, "{indent}message {} {{", identifier(&message.name)?);
    let inner = format!("{indent}  ");
    let mut types = types.clone();
    for nested in &message.nested {
        add(&mut types, nested.name.clone())?;
        write_message(out, &inner, nested, &types)?;
        out.push('\n');
    }
    let of_fields = if message.oneof { format!("{inner}  ") } else { inner.clone() };
    if message.oneof {
        let _ = writeln!(out, "{inner}oneof value {{");
    }
    let mut names = BTreeSet::new();
    for field in &message.fields {
        add(&mut names, field.name.clone())?;
        comment(out, &of_fields, &field.doc);
        let _ = writeln!(out, "{of_fields}{} {} = {};", field.ty, identifier(&field.name)?, field.tag);
    }
    if message.oneof {
        let _ = writeln!(out, "{inner}}}");
    }
    let _ = writeln!(out, "{indent}}}");
    Ok(())
}

/// Writes an enum. proto3 requires that the first value is 0.
///
/// `names` are those of all values in the file.
fn write_enum(out: &mut String, values: &EnumForm, names: &mut BTreeSet<String>) -> Result<(), WriteError> {
    comment(out, "", &values.doc);
    let _ = writeln!(out, "enum {} {{", identifier(&values.name)?);
    let (zero, others): (Vec<_>, Vec<_>) = values.values.iter().partition(|value| value.number == 0);
    if zero.is_empty() {
        let none = format!("{}_UNSPECIFIED", values.name.to_shouty_snake_case());
        let _ = writeln!(out, "  // No value: a number that the server refuses.\n  {none} = 0;");
        add(names, none)?;
    }
    for value in zero.into_iter().chain(others) {
        comment(out, "  ", &value.doc);
        let _ = writeln!(out, "  {} = {};", identifier(&value.full)?, value.number);
        add(names, value.full.clone())?;
    }
    out.push_str("}\n");
    Ok(())
}

fn add(names: &mut BTreeSet<String>, name: String) -> Result<(), WriteError> {
    if names.contains(&name) {
        return Err(WriteError::Twice(name));
    }
    names.insert(name);
    Ok(())
}

fn comment(out: &mut String, indent: &str, doc: &str) {
    for line in doc.lines() {
        let line = format!("{indent}// {line}");
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// Checks that a name is one of `.proto` files.
fn identifier(name: &str) -> Result<&str, WriteError> {
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if valid { Ok(name) } else { Err(WriteError::Name(name.to_owned())) }
}
