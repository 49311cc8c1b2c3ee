//! `#[route]`, `#[skip]` and the other markers where no block removes them.

use proc_macro2::TokenStream;

use crate::block::misplaced;
use crate::errors::{Errors, Expansion};

/// Expands a marker outside of a block: the item, and an error that tells where the marker belongs.
pub fn marker(name: &str, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let text = match name {
        "every" => {
            "`#[every]` calls a method of a component: write it on one in a `#[timers]`, `#[handler]` or \
                    `#[remote]` block"
                .to_owned()
        }
        _ => format!(
            "`#[{name}]` configures a route: write it on a method in a `#[handler]` or `#[remote]` block"
        ),
    };
    errors.sink().on(misplaced(&item), text);
    errors.expansion(item)
}
