//! `#[handler] impl T` and `#[remote] impl T`: the block itself, its table, and the routes of its handlers or the
//! client of its remotes.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ItemImpl, parse_quote};

use super::parse::Block;
use super::{Names, Surface, constants, every, hidden, named_type, read_methods, table};
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;
use crate::remote::client::{self, Client, Stand};

/// Expands a block of a type's own methods.
pub(crate) fn expand(args: &Args, block: &Block<ItemImpl>, surface: Surface, sink: &Sink<'_>) -> TokenStream {
    let kept = kept(block);
    let ctx = Ctx::new(args);
    let Some((ty, name)) = named_type(&block.header, surface.attribute(), sink) else { return kept };
    let names = Names::new(args, &name, surface, sink);
    let body = sink.child();
    let routes = block.functions().filter(|function| !every::is_timer(function));
    let methods = read_methods(routes, &names, surface, &body);
    let timers = every::read(block, &body);
    let hint = match timers.is_empty() {
        true => "",
        false => ", or `#[timers]` on a block that only has timers",
    };
    if methods.is_empty() && !body.failed() {
        body.on(
            ty,
            format!(
                "nothing in this block is a {0}, because private functions are helpers: write `pub async fn name(&self, …)`{hint}",
                surface.word()
            ),
        );
    }
    let doc = doc_text(&block.header.attrs);
    let routes = match surface {
        Surface::Handler => constants::of_handlers(&ctx, ty, block, &names, &methods, sink),
        Surface::Remote | Surface::Contract => {
            let client = Client {
                ctx: &ctx,
                vis: parse_quote!(pub),
                name: &name,
                names: &names,
                methods: &methods,
                stand: Stand::Closures,
            };
            client::expand(&client, sink)
        }
    };
    // The table has what is right, whatever else is wrong: so the compiler checks it in the same run.
    let table = table::block(&ctx.private(), ty, &methods, &names, &doc, surface);
    let timers = every::table(&ctx.private(), ty, &name, &timers, names.server.as_deref());
    let hidden = hidden::warnings(&ctx.private(), block, surface);
    quote!(#kept #routes #table #timers #hidden)
}

/// The user's block. That handlers need not await and are `pub` in private modules is what we ask for.
pub(crate) fn kept(block: &Block<ItemImpl>) -> TokenStream {
    let mut item = block.stripped();
    item.attrs.insert(0, parse_quote!(#[allow(clippy::missing_errors_doc, clippy::missing_panics_doc, clippy::unused_async, unreachable_pub)]));
    item.to_token_stream()
}
