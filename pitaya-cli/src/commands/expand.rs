//! `pitaya expand`: prints a Rust file with the macros of the framework expanded, readable.

use clap::Args;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, Item, Meta};

use super::{Done, print, read};

/// An attribute macro of the framework.
type Attr = fn(TokenStream, TokenStream) -> pitaya_macros_core::Expansion;
/// A derive macro of the framework.
type Derive = fn(TokenStream) -> pitaya_macros_core::Expansion;

const ATTRS: &[(&str, Attr)] = &[
    ("handler", pitaya_macros_core::handler),
    ("remote", pitaya_macros_core::remote),
    ("message", pitaya_macros_core::message),
    ("session", pitaya_macros_core::session),
];
const DERIVES: &[(&str, Derive)] =
    &[("Component", pitaya_macros_core::component), ("PitayaError", pitaya_macros_core::pitaya_error)];

#[derive(Args)]
pub(crate) struct Expand {
    /// The Rust file; `-` is the standard input
    file: String,
}

impl Expand {
    pub(crate) fn run(self) -> Done {
        let text = expand(&read(&self.file)?).map_err(|error| format!("{}: {error}", self.file))?;
        print(text.as_bytes())
    }
}

/// Returns a file with its items expanded.
fn expand(text: &str) -> Result<String, String> {
    let at = |error: syn::Error| {
        let place = error.span().start();
        format!("line {}, column {}: {error}", place.line, place.column + 1)
    };
    let file = syn::parse_file(text).map_err(at)?;
    let attrs = &file.attrs;
    let items: TokenStream = file.items.into_iter().map(item).collect();
    let file = syn::parse2(quote!(#(#attrs)* #items)).map_err(|error| error.to_string())?;
    Ok(prettyplease::unparse(&file))
}

/// An item, expanded if it has one of our attributes or derives.
fn item(mut item: Item) -> TokenStream {
    if let Item::Mod(module) = &mut item
        && let Some((_, items)) = module.content.take()
    {
        let (attrs, vis, ident) = (&module.attrs, &module.vis, &module.ident);
        let items: TokenStream = items.into_iter().map(self::item).collect();
        return quote!(#(#attrs)* #vis mod #ident { #items });
    }
    let Some(attrs) = attributes(&mut item) else { return item.into_token_stream() };
    let found = attrs.iter().enumerate().find_map(|(at, attr)| Some((at, named(attr, ATTRS)?)));
    if let Some((at, expander)) = found {
        let arguments = match &attrs.remove(at).meta {
            Meta::List(list) => list.tokens.clone(),
            _ => TokenStream::new(),
        };
        let made = expander(arguments, item.into_token_stream()).into_tokens();
        // An item may have several of our macros, as `#[message]` with a derive.
        return match syn::parse2::<syn::File>(made.clone()) {
            Ok(file) => file.items.into_iter().map(derived).collect(),
            Err(_) => made,
        };
    }
    derived(item)
}

/// An item with what our derives make of it.
fn derived(mut item: Item) -> TokenStream {
    let input = item.to_token_stream();
    let mut made = TokenStream::new();
    for attr in attributes(&mut item).into_iter().flatten().filter(|attr| attr.path().is_ident("derive")) {
        // A derive that does not parse is the compiler's to report.
        let _ = attr.parse_nested_meta(|meta| {
            let name = meta.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
            if let Some((_, expander)) = DERIVES.iter().find(|(known, _)| *known == name) {
                made.extend(expander(input.clone()).into_tokens());
            }
            Ok(())
        });
    }
    quote!(#input #made)
}

fn named(attr: &Attribute, known: &[(&str, Attr)]) -> Option<Attr> {
    let name = attr.path().segments.last()?.ident.to_string();
    known.iter().find(|(known, _)| *known == name).map(|(_, expander)| *expander)
}

fn attributes(item: &mut Item) -> Option<&mut Vec<Attribute>> {
    match item {
        Item::Impl(item) => Some(&mut item.attrs),
        Item::Trait(item) => Some(&mut item.attrs),
        Item::Struct(item) => Some(&mut item.attrs),
        Item::Enum(item) => Some(&mut item.attrs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn macros_of_the_framework_are_expanded() {
        let text =
            expand("mod inner { #[message] pub struct Join { pub name: String } }\n#[inline] fn kept() {}")
                .unwrap();
        assert!(text.contains("impl ::pitaya::__private::Message for Join"), "{text}");
        assert!(text.contains("#[inline]\nfn kept() {}"), "{text}");
    }

    #[test]
    fn file_that_is_not_rust_is_rejected() {
        let error = expand("fn main() {\n    let x = ;\n}").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }
}
