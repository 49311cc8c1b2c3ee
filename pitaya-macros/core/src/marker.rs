//! `#[route]`, `#[skip]` and `#[concurrent]` where no block takes them away.

use proc_macro2::TokenStream;

use crate::block::misplaced;
use crate::errors::{Errors, Expansion};

/// Expands a marker that stands outside of a block: the item, and where the marker belongs.
pub fn marker(name: &str, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    errors.sink().on(
        misplaced(&item),
        format!("`#[{name}]` says something of a route: write it on a method in a `#[handler]` or `#[remote]` block"),
    );
    errors.expansion(item)
}
