//! `#[remote]`: calls between servers, as a contract, its implementation, or a type's own methods.

pub(crate) mod client;
mod contract;

use proc_macro2::TokenStream;

use crate::attr::Args;
use crate::block::parse::{Target, strip_markers};
use crate::block::{KEYS, Surface, inherent, misplaced};
use crate::errors::{Errors, Expansion};

/// Expands `#[remote(args)] item`.
pub fn remote(args: TokenStream, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let args = Args::parse(args, "#[remote]", &KEYS, &sink);
    let tokens = match Target::parse(item.clone()) {
        Ok(Target::Impl(block)) => match &block.header.trait_ {
            None => inherent::expand(&args, &block, Surface::Remote, &sink),
            Some((path, _)) => contract::implementation(&args, &block, path, &sink),
        },
        Ok(Target::Trait(block)) => contract::declaration(&args, &block, &sink),
        Ok(Target::Other) => {
            sink.on(
                misplaced(&item),
                "`#[remote]` goes on a `trait` (the contract), on `impl TheContract for TheType`, or on `impl TheType`: \
                 write the remote as an `async fn` there",
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
