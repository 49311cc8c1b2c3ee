//! `#[route]`, `#[skip]` and `#[concurrent]` where no block takes them away.

use proc_macro2::TokenStream;

use crate::block::misplaced;
use crate::errors::{Errors, Expansion};

/// Expands a marker that stands outside of a block: the item, and where the marker belongs.
pub fn marker(name: &str, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let text = match name {
        "every" => {
            "`#[every]` calls a method of a component: write it on one in a `#[timers]`, `#[handler]` or \
                    `#[remote]` block"
                .to_owned()
        }
        _ => format!(
            "`#[{name}]` says something of a route: write it on a method in a `#[handler]` or `#[remote]` block"
        ),
    };
    errors.sink().on(misplaced(&item), text);
    errors.expansion(item)
}
