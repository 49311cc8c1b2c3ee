//! `link!`: naming crates, so that the linker keeps their components.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token};

use crate::errors::{Errors, Expansion};

/// Expands `link!(a, b)`.
pub fn link(crates: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let mut names = Vec::new();
    let read = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match input.call(Ident::parse_any) {
                Ok(name) => names.push(name),
                Err(_) => {
                    let tree: TokenTree = input.parse()?;
                    sink.on(tree, "a crate is written by its name: `pitaya::link!(connector, room);`");
                }
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                let rest: TokenStream = input.parse()?;
                sink.on(rest, "crates are separated by commas, and written by their names: `pitaya::link!(connector, room);`");
            }
        }
        Ok(())
    };
    let _ = sink.ok(read.parse2(crates));
    errors.expansion(quote!(#(use #names as _;)*))
}
