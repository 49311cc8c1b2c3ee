//! Snapshots of expansions, one of each shape, and the rules for all of them.
//!
//! A snapshot is the code as a reader of `pitaya expand` sees it. `INSTA_UPDATE=always` rewrites them.

mod crate_path;
mod kept;
mod messages;
mod routes;
mod types;

use proc_macro2::TokenStream;

use crate::Expansion;

/// The code of an expansion without mistakes, formatted.
fn code(expansion: Expansion) -> String {
    let errors: Vec<String> = expansion.errors.iter().map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{errors:?}");
    pretty(expansion.tokens)
}

/// Tokens of items, formatted.
fn pretty(tokens: TokenStream) -> String {
    match syn::parse2(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        Err(error) => panic!("what was made does not parse: {error}\n{tokens}"),
    }
}

/// The code and the mistakes of an expansion.
fn with_errors(expansion: Expansion) -> String {
    let errors: Vec<String> = expansion.errors.iter().map(|error| format!("// error: {error}\n")).collect();
    errors.concat() + &pretty(expansion.tokens)
}
