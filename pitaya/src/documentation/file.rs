//! Makes Protobuf files from the schemas of messages.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::descriptor::{
    Enum, EnumOptions, EnumValue, Field, File, Message, MessageOptions, Oneof, kind, label,
};
use super::framework;
use crate::serialize::{self, BodyForm, EnumSchema, Schema, Type};

/// The file of an app's messages.
#[derive(Debug)]
pub(super) struct AppFile(File);

impl AppFile {
    /// Makes the file of these messages, and of all messages in them.
    ///
    /// # Errors
    /// Two types have one name.
    pub(super) fn new(
        server_type: &str,
        package: &str,
        schemas: impl Iterator<Item = &'static Schema>,
    ) -> Result<Self, String> {
        let mut types = Types::default();
        for schema in schemas.filter(|schema| schema.proto && schema.body == BodyForm::Fields) {
            types.add(schema)?;
        }
        types.walk()?;
        let name = format!("{server_type}/messages.proto");
        let messages = types.messages.values().map(|schema| message(package, schema)).collect();
        let file = File { enums: enums(&types.enums), ..new_file(&name, package, messages) };
        if package == framework::PACKAGE
            && let Some(name) = file.names().find(|name| framework::file_of(name).is_some())
        {
            return Err(format!(
                "message `{name}` has the name of a message of the framework: set another package"
            ));
        }
        Ok(Self(file))
    }

    /// Returns the file with this name, or with a message of this full name.
    pub(super) fn find(&self, name: &str) -> Result<File, String> {
        let short = name.strip_prefix(&*self.0.package).and_then(|name| name.strip_prefix('.'));
        if name == self.0.name || short.is_some_and(|short| self.0.names().any(|name| name == short)) {
            return Ok(self.0.clone());
        }
        Err(format!("no message and no file is named `{name}`"))
    }
}

impl File {
    /// The names of its messages and enums.
    fn names(&self) -> impl Iterator<Item = &str> {
        let enums = self.enums.iter().map(|it| &*it.name);
        self.messages.iter().map(|it| &*it.name).chain(enums)
    }
}

/// Returns a file in the syntax `proto3`.
pub(super) fn new_file(name: &str, package: &str, messages: Vec<Message>) -> File {
    let (name, package) = (name.to_owned(), package.to_owned());
    File { name, package, messages, syntax: "proto3".to_owned(), ..File::default() }
}

/// All types of a file.
#[derive(Default)]
struct Types {
    messages: BTreeMap<&'static str, &'static Schema>,
    enums: BTreeMap<&'static str, &'static EnumSchema>,
    pending: VecDeque<&'static Schema>,
}

impl Types {
    fn add(&mut self, schema: &'static Schema) -> Result<(), String> {
        if framework::contains(schema) {
            return Ok(());
        }
        match self.messages.insert(schema.name, schema) {
            None => self.pending.push_back(schema),
            Some(known) if is_same(known, schema) => {}
            Some(_) => return Err(format!("two messages are named `{}`", schema.name)),
        }
        Ok(())
    }

    /// Adds the types of all fields. Each message is visited once, so messages may nest in themselves.
    fn walk(&mut self) -> Result<(), String> {
        while let Some(schema) = self.pending.pop_front() {
            for field in schema.fields {
                self.field(&field.ty)?;
            }
        }
        Ok(())
    }

    fn field(&mut self, ty: &Type) -> Result<(), String> {
        match ty {
            Type::Optional(inner) | Type::List(inner) | Type::Text(inner) => self.field(inner),
            Type::Map(key, value) => self.field(key).and_then(|()| self.field(value)),
            Type::Message(schema) => self.add(schema()),
            Type::Enum(of) => match self.enums.insert(of.name, of) {
                Some(known) if known.place != of.place => Err(format!("two enums are named `{}`", of.name)),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Whether both are the schema of one type. Each use may have a copy of it.
fn is_same(one: &Schema, other: &Schema) -> bool {
    let tags =
        |schema: &Schema| schema.fields.iter().map(|field| (field.name, field.tag)).collect::<Vec<_>>();
    one.place == other.place && tags(one) == tags(other)
}

/// Returns the enums of a file. Their values share one scope: a name of several enums gets its enum's name before it.
fn enums(all: &BTreeMap<&'static str, &'static EnumSchema>) -> Vec<Enum> {
    let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for value in all.values().flat_map(|of| of.values) {
        if !seen.insert(value.name) {
            twice.insert(value.name);
        }
    }
    let mut all: Vec<_> = all.values().map(|of| enumeration(of)).collect();
    for of in &mut all {
        let name = &of.name;
        for value in of.values.iter_mut().filter(|value| twice.contains(&*value.name)) {
            value.name = format!("{name}_{}", value.name);
        }
    }
    all
}

/// Returns the descriptor of an enum.
pub(super) fn enumeration(of: &EnumSchema) -> Enum {
    let value =
        |value: &serialize::EnumValue| EnumValue { name: value.name.to_owned(), number: Some(value.number) };
    let numbers: BTreeSet<_> = of.values.iter().map(|value| value.number).collect();
    let options = (numbers.len() < of.values.len()).then_some(EnumOptions { allow_alias: true });
    Enum { name: of.name.to_owned(), values: of.values.iter().map(value).collect(), options }
}

/// Returns the descriptor of a message.
pub(super) fn message(package: &str, schema: &Schema) -> Message {
    let mut message = Message { name: schema.name.to_owned(), ..Message::default() };
    for field in schema.fields {
        if let Some(tag) = field.tag {
            add_field(&mut message, package, field, tag);
        }
    }
    message
}

fn add_field(message: &mut Message, package: &str, of: &serialize::Field, tag: u32) {
    let mut field = new_field(of.name, tag);
    let mut ty = &of.ty;
    let is_bytes = of.encoding == Some("bytes");
    loop {
        match ty {
            Type::Optional(inner) => {
                let is_message = matches!(inner, Type::Message(_));
                field.proto3_optional = !is_message;
                ty = inner;
            }
            Type::List(inner) if is_bytes && matches!(inner, Type::Uint(8)) => {
                field.kind = kind::scalar("bytes").unwrap_or_default();
                break;
            }
            Type::List(inner) => {
                field.label = label::REPEATED;
                ty = inner;
            }
            Type::Map(key, value) => {
                let name = format!("{}Entry", camel(&field.name, true));
                let mut entry = Message { name: name.clone(), ..Message::default() };
                for (name, tag, ty) in [("key", 1, key), ("value", 2, value)] {
                    add_field(
                        &mut entry,
                        package,
                        &serialize::Field {
                            name,
                            ty: **ty,
                            encoding: of.encoding.filter(|_| is_bytes),
                            ..*of
                        },
                        tag,
                    );
                }
                entry.options = Some(MessageOptions { map_entry: true });
                (field.label, field.kind) = (label::REPEATED, kind::MESSAGE);
                field.type_name = format!(".{package}.{}.{name}", message.name);
                message.nested.push(entry);
                break;
            }
            other => {
                (field.kind, field.type_name) = leaf(package, other, of.encoding);
                break;
            }
        }
    }
    if field.proto3_optional {
        field.oneof_index = i32::try_from(message.oneofs.len()).ok();
        message.oneofs.push(Oneof { name: format!("_{}", field.name) });
    }
    message.fields.push(field);
}

/// Returns the Protobuf type of a field, and its name if it is a message or an enum.
fn leaf(package: &str, ty: &Type, encoding: Option<&str>) -> (i32, String) {
    let usual = match ty {
        Type::Message(schema) => {
            let schema = schema();
            let package = if framework::contains(schema) { framework::PACKAGE } else { package };
            return (kind::MESSAGE, format!(".{package}.{}", schema.name));
        }
        Type::Enum(of) => return (kind::ENUM, format!(".{package}.{}", of.name)),
        Type::Text(inner) => return leaf(package, inner, encoding),
        Type::Bool => "bool",
        Type::Int(64) => "int64",
        Type::Int(_) => "int32",
        Type::Uint(64) => "uint64",
        Type::Uint(_) => "uint32",
        Type::Float(64) => "double",
        Type::Float(_) => "float",
        Type::String => "string",
        // A message with a Protobuf form has no others.
        _ => "bytes",
    };
    let name = encoding.filter(|_| matches!(ty, Type::Int(_) | Type::Uint(_))).unwrap_or(usual);
    (kind::scalar(name).unwrap_or_default(), String::new())
}

fn new_field(name: &str, tag: u32) -> Field {
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name: String = name.chars().map(|c| if is_valid(c) { c } else { '_' }).collect();
    Field {
        json_name: camel(&name, false),
        name,
        number: i32::try_from(tag).unwrap_or_default(),
        label: label::OPTIONAL,
        ..Field::default()
    }
}

/// Returns a name in camel case, as `protoc` makes it.
fn camel(name: &str, mut upper: bool) -> String {
    let mut camel = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                camel.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => camel.push(c),
        }
    }
    camel
}
