//! The arguments of the attributes: `key`, `key = "text"`, `key = path`.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, LitStr, Path, Token, parse_quote};

use crate::errors::Sink;
use crate::ungroup;

/// The value that a key takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// A string.
    Text,
    /// A path.
    Path,
}

/// A key of an attribute, with an example of its use.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) example: &'static str,
}

impl Key {
    pub(crate) const fn text(name: &'static str, example: &'static str) -> Self {
        Self { name, takes: Takes::Text, example }
    }

    pub(crate) const fn flag(name: &'static str) -> Self {
        Self { name, takes: Takes::Nothing, example: name }
    }

    pub(crate) const CRATE: Self =
        Self { name: "crate", takes: Takes::Path, example: "crate = path::to::pitaya" };
}

struct Arg {
    key: Ident,
    value: TokenStream,
}

/// The arguments of one attribute, each at most once and each known.
#[derive(Default)]
pub(crate) struct Args(Vec<(&'static str, Ident, Value)>);

enum Value {
    Nothing,
    Text(LitStr),
    Path(Path),
}

impl Args {
    /// Reads arguments; `attribute` is the attribute as users write it, for messages.
    pub(crate) fn parse(tokens: TokenStream, attribute: &str, keys: &[Key], sink: &Sink<'_>) -> Self {
        let mut args = Self::default();
        let parsed = split.parse2(tokens).map_err(|error| {
            let examples = list(keys.iter().map(|key| key.example), "or");
            syn::Error::new(
                error.span(),
                format!("`{attribute}` takes keys with commas between: write {examples}"),
            )
        });
        let Some(parsed) = sink.ok(parsed) else { return args };
        for Arg { key, value } in parsed {
            let name = key.unraw().to_string();
            let Some(known) = keys.iter().find(|k| k.name == name) else {
                sink.on(&key, unknown(&name, attribute, keys));
                continue;
            };
            if args.has(known.name) {
                sink.on(&key, format!("`{name}` is given twice: keep one of them"));
                continue;
            }
            if let Some(value) = known.read(&key, value, sink) {
                args.0.push((known.name, key, value));
            }
        }
        args
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, ..)| *known == name).map(|(.., value)| value)
    }

    /// Whether a key is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the text of a key.
    pub(crate) fn text(&self, name: &str) -> Option<&LitStr> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the place of a key.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.0.iter().find(|(known, ..)| *known == name).map(|(_, key, _)| key.span())
    }

    /// The path to the framework: `crate = …`, or `::pitaya`.
    pub(crate) fn krate(&self) -> Path {
        match self.get("crate") {
            Some(Value::Path(path)) => path.clone(),
            _ => parse_quote!(::pitaya),
        }
    }
}

impl Key {
    fn read(&self, key: &Ident, value: TokenStream, sink: &Sink<'_>) -> Option<Value> {
        let fail = |message: String| {
            if value.is_empty() { sink.on(key, message) } else { sink.on(&value, message) }
        };
        let (name, example) = (self.name, self.example);
        match self.takes {
            Takes::Nothing if value.is_empty() => return Some(Value::Nothing),
            Takes::Nothing => fail(format!("`{name}` takes no value: write just `{name}`")),
            Takes::Text => match syn::parse2(value.clone()) {
                Ok(text) => return Some(Value::Text(text)),
                Err(_) => fail(format!("`{name}` takes a string: write `{example}`")),
            },
            Takes::Path => match Path::parse_mod_style.parse2(value.clone()) {
                Ok(path) => return Some(Value::Path(path)),
                Err(_) => fail(format!("`{name}` takes a path: write `{example}`")),
            },
        }
        None
    }
}

fn unknown(name: &str, attribute: &str, keys: &[Key]) -> String {
    format!("unknown key `{name}`: `{attribute}` takes {}", list(keys.iter().map(|k| k.name), "and"))
}

/// "`a`, `b` and `c`".
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// `key`, `key = tokens`, `key(tokens)`, with commas between.
fn split(input: ParseStream<'_>) -> syn::Result<Vec<Arg>> {
    let mut args = Vec::new();
    while !input.is_empty() {
        let key = input.call(Ident::parse_any)?;
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
        }
        let mut value = TokenStream::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.extend([input.parse::<TokenTree>()?]);
        }
        args.push(Arg { key, value });
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(args)
}

/// Returns the documentation of an item as one text, without parts that are not literals (`include_str!`).
pub(crate) fn doc_text(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|a| a.path().is_ident("doc")) {
        let syn::Meta::NameValue(meta) = &attr.meta else { continue };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = ungroup::expr(&meta.value) else {
            continue;
        };
        let text = text.value();
        lines.extend(text.lines().map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned()));
        if text.is_empty() {
            lines.push(String::new());
        }
    }
    lines.join("\n").trim().to_owned()
}

/// The attributes of one name.
pub(crate) fn named<'a>(attrs: &'a [Attribute], name: &'a str) -> impl Iterator<Item = &'a Attribute> {
    attrs.iter().filter(move |a| a.path().is_ident(name))
}

/// Whether an attribute is one of the markers, by its plain name or by a path that ends in it
/// (`#[pitaya::route]`).
pub(crate) fn is_marker(attr: &Attribute, name: &str) -> bool {
    is_marker_path(attr.path(), name)
}

pub(crate) fn is_marker_path(path: &Path, name: &str) -> bool {
    path.is_ident(name) || (path.segments.len() > 1 && path.segments.last().is_some_and(|s| s.ident == name))
}

/// The path that generated code starts from.
pub(crate) struct Ctx {
    /// The framework.
    pub(crate) krate: Path,
}

impl Ctx {
    pub(crate) fn new(args: &Args) -> Self {
        Self { krate: args.krate() }
    }

    /// Returns the path of the items for generated code.
    pub(crate) fn private(&self) -> TokenStream {
        let krate = &self.krate;
        quote!(#krate::__private)
    }

    /// Returns a path below the framework, as text for serde and prost.
    pub(crate) fn path_text(&self, rest: &str) -> String {
        let krate = self.krate.to_token_stream().to_string().replace(' ', "");
        format!("{krate}::__private::{rest}")
    }
}
