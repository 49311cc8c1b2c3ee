//! The serde attributes of messages: those that the schema can state.
//!
//! The schema is data from which documentation and clients in other languages are made. An attribute that makes
//! the bytes differ from it is refused, each with what to do instead.

use syn::meta::ParseNestedMeta;
use syn::parse::ParseBuffer;
use syn::punctuated::Punctuated;
use syn::{Attribute, Lit, Meta, Token};

use crate::attr::list;
use crate::errors::Sink;

/// The serde attributes of a container.
#[derive(Default)]
pub(crate) struct Container {
    pub(crate) rename_all: Option<String>,
    pub(crate) default: bool,
}

/// The serde attributes of a field.
#[derive(Default)]
pub(crate) struct Field {
    pub(crate) rename: Option<String>,
    pub(crate) default: bool,
    pub(crate) skip: bool,
    /// `skip_serializing_if`, with its place.
    pub(crate) skip_if: Option<proc_macro2::Span>,
}

/// Why an attribute is refused.
fn reason(key: &str) -> &'static str {
    match key {
        "flatten" => "it mixes the fields of two types: write the fields out, or nest the type",
        "with" | "serialize_with" | "deserialize_with" | "into" | "from" | "try_from" | "remote" => {
            "it gives the bytes another type than the field has: give the field the type that travels"
        }
        "tag" | "untagged" | "content" => {
            "it gives a message one of several shapes: write a field for each, as `Option`"
        }
        "alias" => "it gives one field several names: keep one",
        "skip_serializing" | "skip_deserializing" => {
            "it gives the two directions different fields: write `skip`, or two messages"
        }
        "deny_unknown_fields" => "messages ignore what they do not know, so that they can grow: remove it",
        "transparent" => "it takes the message's own shape away: use the inner type",
        "rename_all_fields" => "it is for enums: write `rename_all`",
        "borrow" => "messages own their data: write `String` or `Vec<u8>`",
        "crate" => "the macro sets it: remove it",
        _ => {
            "it is not known to `#[message]`, which takes `rename`, `rename_all`, `default`, `skip` and `skip_serializing_if`"
        }
    }
}

fn refuse(meta: &ParseNestedMeta<'_>, sink: &Sink<'_>) -> syn::Result<()> {
    let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    sink.on(&meta.path, format!("the schema of a message cannot state `{key}`: {}", reason(&key)));
    swallow(meta)
}

/// Skips a value.
fn swallow(meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    if meta.input.peek(Token![=]) {
        meta.value()?.parse::<syn::Expr>()?;
    } else if meta.input.peek(syn::token::Paren) {
        let inner;
        syn::parenthesized!(inner in meta.input);
        inner.parse::<proc_macro2::TokenStream>()?;
    }
    Ok(())
}

/// One name for both directions.
fn one_name(meta: &ParseNestedMeta<'_>, sink: &Sink<'_>) -> syn::Result<Option<String>> {
    if meta.input.peek(syn::token::Paren) {
        sink.on(
            &meta.path,
            "the schema of a message has one name for both directions: write `rename = \"…\"` or `rename_all = \"…\"`",
        );
        swallow(meta)?;
        return Ok(None);
    }
    let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let text = meta.value().and_then(ParseBuffer::parse::<Lit>);
    let Ok(Lit::Str(text)) = text else {
        sink.on(&meta.path, format!("`{key}` takes a string: write `{key} = \"…\"`"));
        return Ok(None);
    };
    Ok(Some(text.value()))
}

/// The rules of `rename_all` that serde has.
const RULES: [&str; 8] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "SCREAMING-KEBAB-CASE",
];

fn each(attrs: &[Attribute], sink: &Sink<'_>, mut read: impl FnMut(ParseNestedMeta<'_>) -> syn::Result<()>) {
    for attr in attrs {
        if attr.path().is_ident("serde") {
            match attr.meta.require_list() {
                Ok(_) => drop(sink.ok(attr.parse_nested_meta(&mut read))),
                Err(_) => sink.on(attr, "`#[serde]` has no arguments: remove it"),
            }
        } else if is_conditional(attr) {
            sink.on(
                attr,
                "the schema of a message cannot state a condition: write two fields, each under a `#[cfg(…)]` of its own",
            );
        } else if attr.path().is_ident("prost") {
            sink.on(attr, "`#[message]` writes what Protobuf needs by itself: remove this, and write `#[tag(…)]` on fields");
        }
    }
}

/// Refuses a `cfg_attr` whose attribute would change the bytes, because only the compiler knows whether it applies.
pub(crate) fn is_conditional(attr: &Attribute) -> bool {
    let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let ours = |meta: &Meta| ["serde", "tag", "prost", "cfg"].iter().any(|name| meta.path().is_ident(name));
    attr.path().is_ident("cfg_attr") && metas.iter().flatten().skip(1).any(ours)
}

pub(crate) fn container(attrs: &[Attribute], sink: &Sink<'_>) -> Container {
    let mut found = Container::default();
    each(attrs, sink, |meta| {
        if meta.path.is_ident("rename_all") {
            found.rename_all = read_rename_all(&meta, sink)?;
        } else if meta.path.is_ident("default") {
            found.default = true;
            swallow(&meta)?;
        } else if meta.path.is_ident("rename") {
            sink.on(
                &meta.path,
                "a message is known by its routes, not by a name on the wire: remove `rename`",
            );
            swallow(&meta)?;
        } else {
            refuse(&meta, sink)?;
        }
        Ok(())
    });
    found
}

/// Reads the attributes of an enum whose values travel by name, and returns the rule of `rename_all`.
pub(crate) fn enumeration(attrs: &[Attribute], sink: &Sink<'_>) -> Option<String> {
    let mut rename_all = None;
    each(attrs, sink, |meta| {
        if meta.path.is_ident("rename_all") {
            rename_all = read_rename_all(&meta, sink)?;
            Ok(())
        } else {
            refuse_in_enum(&meta, "an enum", "`rename_all`", sink)
        }
    });
    rename_all
}

/// Reads the attributes of a variant, and returns the name that it travels by.
pub(crate) fn variant(attrs: &[Attribute], sink: &Sink<'_>) -> Option<String> {
    let mut rename = None;
    each(attrs, sink, |meta| {
        if meta.path.is_ident("rename") {
            rename = one_name(&meta, sink)?;
            Ok(())
        } else {
            refuse_in_enum(&meta, "a variant", "`rename`", sink)
        }
    });
    rename
}

/// The serde attributes of a message of several shapes.
#[derive(Default)]
pub(crate) struct Union {
    pub(crate) tag: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) rename_all: Option<String>,
    pub(crate) rename_all_fields: Option<String>,
}

pub(crate) fn union(attrs: &[Attribute], sink: &Sink<'_>) -> Union {
    let mut found = Union::default();
    let mut content = None;
    each(attrs, sink, |meta| {
        if meta.path.is_ident("tag") {
            found.tag = one_name(&meta, sink)?;
        } else if meta.path.is_ident("content") {
            content = meta.path.get_ident().cloned();
            found.content = one_name(&meta, sink)?;
        } else if meta.path.is_ident("rename_all") {
            found.rename_all = read_rename_all(&meta, sink)?;
        } else if meta.path.is_ident("rename_all_fields") {
            found.rename_all_fields = read_rename_all(&meta, sink)?;
        } else if meta.path.is_ident("untagged") {
            sink.on(
                &meta.path,
                "readers need the name of the variant: remove `untagged`; the name is in the key `type`, or in that of \
                 `#[serde(tag = \"…\")]`",
            );
        } else {
            let takes = "`tag`, `content`, `rename_all` and `rename_all_fields`";
            refuse_in_enum(&meta, "an enum with data", takes, sink)?;
        }
        Ok(())
    });
    if let (Some(content), None) = (content, &found.tag) {
        sink.on(content, "the value has a key but the variant has none: write `tag = \"…\"` too");
    }
    found
}

/// The serde attributes of a variant with data.
#[derive(Default)]
pub(crate) struct UnionVariant {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<String>,
}

pub(crate) fn union_variant(attrs: &[Attribute], sink: &Sink<'_>) -> UnionVariant {
    let mut found = UnionVariant::default();
    each(attrs, sink, |meta| {
        if meta.path.is_ident("rename") {
            found.rename = one_name(&meta, sink)?;
        } else if meta.path.is_ident("rename_all") {
            found.rename_all = read_rename_all(&meta, sink)?;
        } else {
            refuse_in_enum(&meta, "a variant", "`rename` and `rename_all`", sink)?;
        }
        Ok(())
    });
    found
}

fn refuse_in_enum(meta: &ParseNestedMeta<'_>, what: &str, takes: &str, sink: &Sink<'_>) -> syn::Result<()> {
    let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    sink.on(
        &meta.path,
        format!("the schema of {what} cannot state `{key}`: remove it; {what} takes {takes}"),
    );
    swallow(meta)
}

fn read_rename_all(meta: &ParseNestedMeta<'_>, sink: &Sink<'_>) -> syn::Result<Option<String>> {
    Ok(one_name(meta, sink)?.filter(|rule| {
        let known = RULES.contains(&rule.as_str());
        if !known {
            sink.on(&meta.path, format!("unknown case `{rule}`: write one of {}", list(RULES, "or")));
        }
        known
    }))
}

pub(crate) fn field(attrs: &[Attribute], sink: &Sink<'_>) -> Field {
    let mut found = Field::default();
    each(attrs, sink, |meta| {
        if meta.path.is_ident("rename") {
            found.rename = one_name(&meta, sink)?;
        } else if meta.path.is_ident("default") {
            found.default = true;
            swallow(&meta)?;
        } else if meta.path.is_ident("skip") {
            found.skip = true;
            if meta.input.peek(Token![=]) {
                sink.on(&meta.path, "`skip` takes no value: write just `skip`");
                swallow(&meta)?;
            }
        } else if meta.path.is_ident("skip_serializing_if") {
            found.skip_if = meta.path.get_ident().map(syn::Ident::span);
            swallow(&meta)?;
        } else {
            refuse(&meta, sink)?;
        }
        Ok(())
    });
    found
}

/// A field's name by serde's `rename_all`.
pub(crate) fn rename(rule: Option<&str>, name: &str) -> String {
    let words = || name.split('_').filter(|word| !word.is_empty());
    let title = |word: &str| {
        let mut chars = word.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    match rule {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_ascii_uppercase(),
        Some("PascalCase") => words().map(title).collect(),
        Some("camelCase") => {
            let pascal: String = words().map(title).collect();
            let mut chars = pascal.chars();
            chars
                .next()
                .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
        }
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// A variant's name by serde's `rename_all`.
pub(crate) fn rename_variant(rule: Option<&str>, name: &str) -> String {
    let snake = || {
        let mut snake = String::new();
        for (i, c) in name.char_indices() {
            if i > 0 && c.is_uppercase() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        snake
    };
    match rule {
        Some("lowercase") => name.to_ascii_lowercase(),
        Some("UPPERCASE") => name.to_ascii_uppercase(),
        Some("camelCase") => {
            let mut chars = name.chars();
            chars
                .next()
                .map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
        }
        Some("snake_case") => snake(),
        Some("SCREAMING_SNAKE_CASE") => snake().to_ascii_uppercase(),
        Some("kebab-case") => snake().replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => snake().to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{rename, rename_variant};

    #[test]
    fn variants_are_renamed_as_serde_renames_them() {
        let rules = [
            ("lowercase", "bestofthree"),
            ("UPPERCASE", "BESTOFTHREE"),
            ("PascalCase", "BestOfThree"),
            ("camelCase", "bestOfThree"),
            ("snake_case", "best_of_three"),
            ("SCREAMING_SNAKE_CASE", "BEST_OF_THREE"),
            ("kebab-case", "best-of-three"),
            ("SCREAMING-KEBAB-CASE", "BEST-OF-THREE"),
        ];
        for (rule, expected) in rules {
            assert_eq!(rename_variant(Some(rule), "BestOfThree"), expected, "{rule}");
        }
        assert_eq!(rename_variant(None, "BestOfThree"), "BestOfThree");
    }

    #[test]
    fn fields_are_renamed_as_serde_renames_them() {
        let rules = [
            ("lowercase", "room_id"),
            ("UPPERCASE", "ROOM_ID"),
            ("PascalCase", "RoomId"),
            ("camelCase", "roomId"),
            ("snake_case", "room_id"),
            ("SCREAMING_SNAKE_CASE", "ROOM_ID"),
            ("kebab-case", "room-id"),
            ("SCREAMING-KEBAB-CASE", "ROOM-ID"),
        ];
        for (rule, expected) in rules {
            assert_eq!(rename(Some(rule), "room_id"), expected, "{rule}");
        }
        assert_eq!(rename(None, "room_id"), "room_id");
    }
}
