//! The common part of `#[handler]` and `#[remote]`: parses a block, checks its methods and writes their table.

pub(crate) mod constants;
mod duration;
pub(crate) mod every;
mod handler_client;
mod hidden;
pub(crate) mod inherent;
pub(crate) mod method;
pub(crate) mod parse;
pub(crate) mod signature;
pub(crate) mod table;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Ident, ItemImpl, LitStr, Type};

use self::method::Method;
use self::parse::Function;
use crate::attr::{Args, Key, named};
use crate::errors::Sink;
use crate::names::{Rename, check_part, service_of};
use crate::ungroup;

/// The kind of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `#[handler] impl T`.
    Handler,
    /// `#[remote] impl T`.
    Remote,
    /// `#[remote] trait T`.
    Contract,
}

impl Surface {
    /// Returns the word for one method in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Remote | Self::Contract => "remote",
        }
    }

    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Handler => "#[handler]",
            Self::Remote | Self::Contract => "#[remote]",
        }
    }

    /// Returns the first words of a method.
    pub(crate) fn opening(self) -> &'static str {
        match self {
            Self::Contract => "async fn",
            _ => "pub async fn",
        }
    }
}

/// The keys of `#[remote]`.
pub(crate) const KEYS: [Key; 5] = [SERVER, SERVICE, RENAME_ALL, TIMEOUT, Key::CRATE];
/// The keys of `#[handler]`.
pub(crate) const HANDLER_KEYS: [Key; 6] =
    [SERVER, SERVICE, RENAME_ALL, TIMEOUT, Key::flag("client"), Key::CRATE];

const SERVER: Key = Key::text("server", "server = \"room\"");
const SERVICE: Key = Key::text("service", "service = \"room\"");
const RENAME_ALL: Key = Key::text("rename_all", "rename_all = \"camelCase\"");
const TIMEOUT: Key = Key::text("timeout", "timeout = \"5s\"");

/// The keys of a block, which concern all its routes.
pub(crate) struct Names {
    /// `None`: every server type.
    pub(crate) server: Option<String>,
    pub(crate) service: String,
    pub(crate) rename: Rename,
    /// The timeout of each route in nanoseconds, unless the method has its own.
    pub(crate) timeout: Option<u64>,
}

impl Names {
    pub(crate) fn new(args: &Args, type_name: &Ident, surface: Surface, sink: &Sink<'_>) -> Self {
        let server = args.text("server").map(|text| {
            check_part(&text.value(), "a server type", text.span(), sink);
            text.value()
        });
        let service = match args.text("service") {
            Some(text) => {
                check_part(&text.value(), "a service", text.span(), sink);
                text.value()
            }
            None => {
                let name = service_of(&type_name.unraw().to_string(), surface == Surface::Contract);
                if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    sink.on(
                        type_name,
                        format!(
                            "the service of `{type_name}` would be `{name}`, which cannot be a part of a route: \
                             name it with `service = \"…\"`"
                        ),
                    );
                }
                name
            }
        };
        let rename = args.text("rename_all").map(|text| Rename::parse(text, sink)).unwrap_or_default();
        let timeout = args.text("timeout").and_then(|text| timeout(text, sink));
        Self { server, service, rename, timeout }
    }

    /// Returns the route of a method, with the server type if there is one.
    pub(crate) fn route(&self, method: &str) -> String {
        match &self.server {
            Some(server) => format!("{server}.{}.{method}", self.service),
            None => format!("{}.{method}", self.service),
        }
    }

    /// Returns the route of the block.
    pub(crate) fn base(&self) -> String {
        match &self.server {
            Some(server) => format!("{server}.{}", self.service),
            None => self.service.clone(),
        }
    }
}

/// Reads a timeout, in nanoseconds.
fn timeout(text: &LitStr, sink: &Sink<'_>) -> Option<u64> {
    let parsed = duration::parse(&text.value());
    parsed.map_err(|invalid| sink.on(text, format!("invalid timeout `{}`: {invalid}", text.value()))).ok()
}

/// Returns the type of an impl block with its name, or reports that it is not a named type.
pub(crate) fn named_type<'a>(
    item: &'a ItemImpl,
    attribute: &str,
    sink: &Sink<'_>,
) -> Option<(&'a Type, Ident)> {
    let ty = ungroup::ty(&item.self_ty);
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        let at = match &item.generics.where_clause {
            Some(clause) if item.generics.params.is_empty() => quote!(#clause),
            _ => {
                let generics = &item.generics;
                quote!(#generics)
            }
        };
        sink.on(
            at,
            format!(
                "a component is one value of one type, so its {attribute} block cannot be generic: write the type out, \
                 as in `impl Shop<PgStore>`"
            ),
        );
        return None;
    }
    let name = match ungroup::ty(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|s| s.ident.clone()),
        _ => None,
    };
    if name.is_none() {
        sink.on(ty, format!("a component is a struct or an enum: put {attribute} on `impl TheType`"));
    }
    Some((ty, name?))
}

/// Returns the `#[cfg]`s of an item, which apply to everything that is generated for it.
pub(crate) fn cfgs(attrs: &[Attribute]) -> TokenStream {
    let cfgs = named(attrs, "cfg");
    quote!(#(#cfgs)*)
}

/// Returns a place of the user with the hygiene of the macro: errors point there, and lints know that it is generated.
pub(crate) fn place(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// Returns the first words of an item with a misplaced attribute, such as `pub async fn join`.
pub(crate) fn misplaced(item: &TokenStream) -> TokenStream {
    let mut trees = item.clone().into_iter().peekable();
    while matches!(trees.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '#') {
        trees.nth(1);
    }
    let words = trees.take_while(|tree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::None,
        TokenTree::Punct(_) => false,
        _ => true,
    });
    words.collect()
}

/// Reads the routes of a block, without those that have an error.
pub(crate) fn read_methods<'a>(
    functions: impl IntoIterator<Item = &'a Function>,
    names: &Names,
    surface: Surface,
    sink: &Sink<'_>,
) -> Vec<Method> {
    let read = |function| Method::read(function, surface, names, sink);
    let methods: Vec<_> = functions.into_iter().filter_map(read).collect();
    for (i, method) in methods.iter().enumerate() {
        let conditional = |m: &Method| named(&m.attrs, "cfg").next().is_some();
        let first = methods[..i].iter().find(|m| m.name == method.name && !conditional(m));
        if let (Some(first), false) = (first, conditional(method)) {
            sink.at(
                method.name_span,
                format!(
                    "`{}` and `{}` have the same route `{}`: give one of them another, as in `#[route(\"{}_2\")]`",
                    first.ident,
                    method.ident,
                    names.route(&method.name),
                    method.name
                ),
            );
        }
    }
    methods
}
