//! `#[handler] impl T` and `#[remote] impl T`: the block, its table, the constants of its handlers, and the client of its
//! remotes or, if asked for, of its handlers.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{ItemImpl, parse_quote};

use super::method::is_route;
use super::parse::{Block, BlockItem};
use super::{Names, Surface, constants, every, handler_client, hidden, named_type, read_methods, table};
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
        Surface::Handler => {
            let constants = constants::of_handlers(&ctx, ty, block, &names, &methods, sink);
            let client =
                args.has("client").then(|| handler_client::expand(&ctx, ty, &name, &names, &methods, sink));
            quote!(#constants #client)
        }
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
    let timers = every::registration(&ctx.private(), ty, &name, &timers, names.server.as_deref());
    let hidden = hidden::warnings(&ctx.private(), block, surface);
    quote!(#kept #routes #table #timers #hidden)
}

/// The user's block. Lints apply to it as elsewhere, but for two that refuse what the macro asks of a route.
pub(crate) fn kept(block: &Block<ItemImpl>) -> TokenStream {
    block.stripped(|item| match item {
        BlockItem::Fn(function) if every::is_timer(function) => {
            quote!(#[allow(clippy::unused_async)] #function)
        }
        BlockItem::Fn(function) if is_route(function) => {
            quote!(#[allow(clippy::unused_async, unreachable_pub)] #function)
        }
        item => item.to_token_stream(),
    })
}
