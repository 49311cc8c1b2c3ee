//! `link!`: names crates, so that the linker keeps their components.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token};

use crate::errors::{Errors, Expansion};

/// Expands `link!(a, b)`.
pub fn link(crates: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let mut names: Vec<Ident> = Vec::new();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match input.call(Ident::parse_any) {
                Ok(name) => names.push(name),
                Err(_) => {
                    let tree: TokenTree = input.parse()?;
                    sink.on(tree, "expected a crate name: write `pitaya::link!(connector, room);`");
                }
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                let rest: TokenStream = input.parse()?;
                names.pop();
                sink.on(rest, "crates have commas between them, and stand there by their names: write `pitaya::link!(connector, room);`");
            }
        }
        Ok(())
    };
    let _ = sink.ok(read.parse2(crates));
    let uses = names.iter().map(|name| quote_spanned!(name.span()=> use ::#name as _;));
    errors.expansion(uses.collect())
}
