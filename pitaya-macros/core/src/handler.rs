//! `#[handler]`: the methods of an impl block, as routes of clients.

use proc_macro2::TokenStream;

use crate::attr::Args;
use crate::block::parse::{Target, strip_markers};
use crate::block::{HANDLER_KEYS, Surface, inherent, misplaced};
use crate::errors::{Errors, Expansion};

/// Expands `#[handler(args)] item`.
pub fn handler(args: TokenStream, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let args = Args::parse(args, "#[handler]", &HANDLER_KEYS, &sink);
    let tokens = match Target::parse(item.clone()) {
        Ok(Target::Impl(block)) => match &block.header.trait_ {
            None => inherent::expand(&args, &block, Surface::Handler, &sink),
            Some((path, _)) => {
                sink.on(
                    path,
                    "handlers belong to a type, not to a trait: put `#[handler]` on `impl TheType` (a contract \
                     between servers is `#[remote]`)",
                );
                strip_markers(item)
            }
        },
        Ok(Target::Trait(_) | Target::Other) => {
            sink.on(
                misplaced(&item),
                "a handler is a method of a component: write it as `pub async fn` in an `impl` block, and put \
                 `#[handler]` on that block",
            );
            strip_markers(item)
        }
        Err(error) => {
            sink.absorb(error);
            strip_markers(item)
        }
    };
    errors.expansion(tokens)
}
