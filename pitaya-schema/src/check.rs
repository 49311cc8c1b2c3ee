//! Finds contradictions in a schema.

use std::collections::BTreeSet;
use std::fmt;

use crate::types::{Encoding, EnumDef, Field, Method, Scalar, StructDef, Type, TypeDef};
use crate::{ErrorCode, Push, Schema, UnionDef, VariantBody};

/// The largest tag that Protobuf has.
const MAX_TAG: u32 = 536_870_911;

/// A contradiction in a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place: a path of keys, such as `types.Join.fields.name`.
    pub place: String,
    /// The contradiction.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl Schema {
    /// Returns everything that makes the schema unusable: names that are missing, and names that clash.
    ///
    /// [`Schema::from_json`] returns only schemas without problems.
    pub fn check(&self) -> Vec<Problem> {
        let mut check = Check { schema: self, problems: Vec::new() };
        for (name, def) in &self.types {
            check.type_def(name, def);
        }
        for (section, methods) in [("handlers", &self.handlers), ("remotes", &self.remotes)] {
            for (route, method) in methods {
                check.method(&format!("{section}.{route}"), route, method);
            }
        }
        for (route, push) in &self.pushes {
            check.push(route, push);
        }
        for (code, error) in &self.errors {
            check.error(code, error);
        }
        let mut codes = BTreeSet::new();
        for (route, code) in &self.dictionary {
            check.require(codes.insert(code), &format!("dictionary.{route}"), || {
                format!("code {code} is of another route too")
            });
        }
        check.problems
    }
}

struct Check<'a> {
    schema: &'a Schema,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn require(&mut self, holds: bool, place: &str, text: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(Problem { place: place.to_owned(), text: text() });
        }
    }

    fn type_def(&mut self, name: &str, def: &TypeDef) {
        let place = format!("types.{name}");
        self.require(is_identifier(name), &place, || {
            "the name of a type is a letter, then letters and digits".to_owned()
        });
        self.require(Scalar::from_name(name).is_none(), &place, || {
            "the format has a type of this name".to_owned()
        });
        match def {
            TypeDef::Struct(StructDef { proto, fields, .. }) => self.fields(&place, *proto, fields),
            TypeDef::Enum(def) => self.enumeration(&place, def),
            TypeDef::Union(def) => self.union(&place, def),
        }
    }

    fn fields(&mut self, place: &str, proto: bool, fields: &[Field]) {
        let (mut names, mut tags) = (BTreeSet::new(), BTreeSet::new());
        for field in fields {
            let place = format!("{place}.fields.{}", field.name);
            self.require(names.insert(&field.name), &place, || "two fields have this name".to_owned());
            self.ty(&place, &field.ty);
            self.require(!(field.required && matches!(field.ty, Type::Opt(_))), &place, || {
                "the field is both `required` and `opt`".to_owned()
            });
            self.tag(&place, proto, field.tag, "field");
            if let Some(tag) = field.tag {
                self.require(tags.insert(tag), &place, || format!("two fields have the tag {tag}"));
            }
            self.require(!(proto && has_tuple(&field.ty)), &place, || {
                "a tuple has no Protobuf form".to_owned()
            });
            if let Some(encoding) = field.encoding {
                self.require(proto && fits(encoding, field), &place, || {
                    format!("the encoding `{}` is not one of {}", encoding.as_str(), field.ty)
                });
            }
        }
    }

    /// Checks the tag of a field or a variant.
    fn tag(&mut self, place: &str, proto: bool, tag: Option<u32>, of: &str) {
        match tag {
            Some(tag) => {
                self.require(proto, place, || "a tag is for messages with `proto`".to_owned());
                let valid = (1..=MAX_TAG).contains(&tag) && !(19_000..=19_999).contains(&tag);
                self.require(valid, place, || format!("{tag} is an invalid Protobuf tag"));
            }
            None => {
                self.require(!proto, place, || format!("a {of} of a message with `proto` has a tag"));
            }
        }
    }

    fn union(&mut self, place: &str, def: &UnionDef) {
        let (mut names, mut tags) = (BTreeSet::new(), BTreeSet::new());
        self.require(!def.variants.is_empty(), place, || "a union has a variant".to_owned());
        self.require(!def.key.is_empty(), place, || "the `key` of a union is not empty".to_owned());
        if let Some(content) = &def.content {
            self.require(!content.is_empty(), place, || "the `content` of a union is not empty".to_owned());
            self.require(*content != def.key, place, || "`key` and `content` are one name".to_owned());
        }
        for variant in &def.variants {
            let place = format!("{place}.union.{}", variant.name);
            self.require(names.insert(&variant.name), &place, || "two variants have this name".to_owned());
            self.tag(&place, def.proto, variant.tag, "variant");
            if let Some(tag) = variant.tag {
                self.require(tags.insert(tag), &place, || format!("two variants have the tag {tag}"));
            }
            let beside = match &variant.body {
                VariantBody::Unit => continue,
                VariantBody::Fields(fields) => {
                    self.fields(&place, def.proto, fields);
                    Some(fields)
                }
                VariantBody::Message(ty) => {
                    self.ty(&place, ty);
                    let is_single = matches!(ty, Type::Scalar(scalar) if *scalar != Scalar::Any)
                        || matches!(ty, Type::Named(_) | Type::Text(_));
                    self.require(!def.proto || is_single, &place, || {
                        format!("a {ty} cannot be in a `oneof` of Protobuf")
                    });
                    match ty {
                        Type::Named(name) => match self.schema.types.get(name) {
                            Some(TypeDef::Struct(def)) => Some(&def.fields),
                            _ => None,
                        },
                        _ => None,
                    }
                }
            };
            // With `content`, names of fields and the key are in different objects.
            if def.content.is_some() {
                continue;
            }
            self.require(beside.is_some(), &place, || {
                "the value of a variant without `content` is a message with fields".to_owned()
            });
            let clashes = beside.into_iter().flatten().any(|field| field.name == def.key);
            self.require(!clashes, &place, || format!("the key `{}` is the name of a field too", def.key));
        }
    }

    fn enumeration(&mut self, place: &str, def: &EnumDef) {
        let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        self.require(!def.values.is_empty(), place, || "an enum has a value".to_owned());
        for value in &def.values {
            let place = format!("{place}.enum.{}", value.name);
            self.require(names.insert(&value.name), &place, || "two values have this name".to_owned());
            self.require(numbers.insert(value.number), &place, || {
                format!("two values have the number {}", value.number)
            });
        }
    }

    fn method(&mut self, place: &str, route: &str, method: &Method) {
        let parts = route.split('.').count();
        let valid = (2..=3).contains(&parts) && route.split('.').all(|part| !part.is_empty());
        self.require(valid, place, || "a route is `server.service.method` or `service.method`".to_owned());
        for ty in method.message.iter().chain(&method.reply) {
            self.ty(place, ty);
        }
        self.require(!(method.notify && method.reply.is_some()), place, || {
            "a method with `notify` has no `reply`".to_owned()
        });
        let mut codes = BTreeSet::new();
        for code in method.errors.iter().flatten() {
            self.require(self.schema.errors.contains_key(code), place, || {
                format!("the error `{code}` is not in `errors`")
            });
            self.require(codes.insert(code), place, || format!("the error `{code}` is there twice"));
        }
    }

    fn push(&mut self, route: &str, push: &Push) {
        let place = format!("pushes.{route}");
        self.require((1..=255).contains(&route.len()), &place, || {
            "the route of a push has 1 to 255 bytes".to_owned()
        });
        self.ty(&place, &push.message);
    }

    fn error(&mut self, code: &str, error: &ErrorCode) {
        let place = format!("errors.{code}");
        self.require(!code.is_empty(), &place, || "a code is not empty".to_owned());
        let mut keys = BTreeSet::new();
        for key in &error.metadata {
            self.require(keys.insert(key), &place, || format!("the key `{key}` is there twice"));
        }
    }

    fn ty(&mut self, place: &str, ty: &Type) {
        match ty {
            Type::Scalar(_) | Type::Text(_) => {}
            Type::Named(name) => self.require(self.schema.types.contains_key(name), place, || {
                format!("the type `{name}` is not in `types`")
            }),
            Type::List(inner) | Type::Opt(inner) => self.ty(place, inner),
            Type::Tuple(entries) => {
                self.require((2..=Type::MAX_TUPLE).contains(&entries.len()), place, || {
                    format!("a tuple has 2 to {} entries", Type::MAX_TUPLE)
                });
                entries.iter().for_each(|entry| self.ty(place, entry));
            }
            Type::Map(key, value) => {
                let names_it = match &**key {
                    Type::Scalar(scalar) => {
                        scalar.is_integer() || matches!(scalar, Scalar::Bool | Scalar::String)
                    }
                    Type::Text(_) => true,
                    Type::Named(name) => {
                        let def = self.schema.types.get(name);
                        !matches!(def, Some(TypeDef::Struct(_) | TypeDef::Union(_)))
                    }
                    Type::List(_) | Type::Map(..) | Type::Tuple(_) | Type::Opt(_) => false,
                };
                self.require(names_it, place, || format!("a {key} cannot be the key of a map"));
                self.ty(place, key);
                self.ty(place, value);
            }
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

fn has_tuple(ty: &Type) -> bool {
    match ty {
        Type::Tuple(_) => true,
        Type::List(inner) | Type::Opt(inner) => has_tuple(inner),
        Type::Map(key, value) => has_tuple(key) || has_tuple(value),
        Type::Scalar(_) | Type::Named(_) | Type::Text(_) => false,
    }
}

/// Whether a field can have this encoding in Protobuf.
fn fits(encoding: Encoding, field: &Field) -> bool {
    let whole = match &field.ty {
        Type::Opt(inner) => inner,
        ty => ty,
    };
    // The element of a list, and the value of a map.
    let element = match whole {
        Type::List(element) | Type::Map(_, element) => element,
        ty => ty,
    };
    let wanted = match encoding {
        Encoding::Bytes => {
            let is_bytes = |ty: &Type| matches!(ty, Type::List(byte) if **byte == Type::Scalar(Scalar::U8));
            return is_bytes(whole) || is_bytes(element);
        }
        Encoding::Sint32 | Encoding::Sfixed32 => Scalar::I32,
        Encoding::Sint64 | Encoding::Sfixed64 => Scalar::I64,
        Encoding::Fixed32 => Scalar::U32,
        Encoding::Fixed64 => Scalar::U64,
    };
    matches!(element, Type::Scalar(scalar) | Type::Text(scalar) if *scalar == wanted)
}
