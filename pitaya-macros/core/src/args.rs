//! The arguments of the attributes, and markers on methods, arguments and fields.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::{Attribute, LitStr, Path, parse_quote};

use crate::errors::Sink;

/// What may stand in the parentheses of an attribute; each macro takes some of it.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) server: Option<LitStr>,
    pub(crate) service: Option<LitStr>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) push: Option<LitStr>,
    pub(crate) proto: bool,
    pub(crate) lenient: bool,
    pub(crate) validate: bool,
    krate: Option<Path>,
}

/// How method names become routes.
#[derive(Clone, Copy)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
}

const CASES: &[(&str, Case)] = &[
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
];

impl Case {
    pub(crate) fn apply(self, name: &str) -> String {
        use heck::{ToLowerCamelCase, ToPascalCase, ToShoutySnakeCase, ToSnakeCase};
        match self {
            // As the original's routes are: a lower-cased `SendRpc` has no underscore.
            Self::Lower => name.replace('_', "").to_lowercase(),
            Self::Upper => name.replace('_', "").to_uppercase(),
            Self::Pascal => name.to_pascal_case(),
            Self::Camel => name.to_lower_camel_case(),
            Self::Snake => name.to_snake_case(),
            Self::ScreamingSnake => name.to_shouty_snake_case(),
        }
    }
}

impl Args {
    /// Reads the arguments of `macro_name`, which knows the keys in `allowed`.
    pub(crate) fn parse(macro_name: &str, tokens: TokenStream, allowed: &[&str], sink: &Sink) -> Self {
        let mut args = Self::default();
        let mut seen: Vec<String> = Vec::new();
        let parser = syn::meta::parser(|meta| {
            let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
            if !allowed.contains(&key.as_str()) {
                let list = allowed.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
                sink.on(&meta.path, format!("`#[{macro_name}]` has no `{key}`: it takes {list}"));
                if meta.input.peek(syn::Token![=]) {
                    let _: syn::Expr = meta.value()?.parse()?;
                }
                return Ok(());
            }
            if seen.contains(&key) {
                sink.on(&meta.path, format!("`{key}` is given twice: keep one"));
            }
            seen.push(key.clone());
            match key.as_str() {
                "server" => args.server = Some(meta.value()?.parse()?),
                "service" => args.service = Some(meta.value()?.parse()?),
                "push" => args.push = Some(meta.value()?.parse()?),
                "rename_all" => args.rename_all = case(&meta.value()?.parse()?, sink),
                "proto" => args.proto = true,
                "lenient" => args.lenient = true,
                "validate" => args.validate = true,
                _ => args.krate = Some(meta.value()?.call(Path::parse_mod_style)?),
            }
            Ok(())
        });
        if let Err(error) = parser.parse2(tokens) {
            sink.push(error);
        }
        for name in [&args.server, &args.service].into_iter().flatten() {
            check_segment(name, sink);
        }
        args
    }

    /// The path of the framework's crate.
    pub(crate) fn krate(&self) -> Path {
        self.krate.clone().unwrap_or_else(|| parse_quote!(::pitaya))
    }
}

fn case(name: &LitStr, sink: &Sink) -> Option<Case> {
    let found = CASES.iter().find(|(known, _)| *known == name.value());
    if found.is_none() {
        let list = CASES.iter().map(|(known, _)| format!("\"{known}\"")).collect::<Vec<_>>().join(", ");
        sink.on(name, format!("unknown case {:?}: use one of {list}", name.value()));
    }
    found.map(|(_, case)| *case)
}

/// One part of a route: letters, digits, underscores.
pub(crate) fn check_segment(name: &LitStr, sink: &Sink) {
    let value = name.value();
    if value.is_empty() || !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        sink.on(
            name,
            format!(
                "{value:?} cannot be a part of a route: use letters, digits and `_`, for example \"room\""
            ),
        );
    }
}

/// A marker such as `#[route("…")]`, by its last segment: `#[pitaya::route("…")]` is the same.
pub(crate) fn is_marker(attr: &Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
        && (attr.path().segments.len() == 1 || attr.path().segments[0].ident == "pitaya")
}

/// The text of the doc comments.
pub(crate) fn doc(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let syn::Meta::NameValue(pair) = &attr.meta {
            if let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &pair.value {
                lines.push(line.value().trim().to_owned());
            }
        }
    }
    lines.join("\n").trim().to_owned()
}

/// The attributes of one name.
pub(crate) fn named<'a>(attrs: &'a [Attribute], names: &[&str]) -> Vec<&'a Attribute> {
    attrs.iter().filter(|attr| names.iter().any(|name| attr.path().is_ident(name))).collect()
}
