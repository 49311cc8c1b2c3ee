//! A contract trait, and the implementation of one.
//!
//! The trait carries its routes in a hidden constant, so that an implementation registers with nothing but the trait
//! in scope.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{ItemImpl, ItemTrait, Path, ReturnType, Token, parse_quote};

use super::client::{self, Client, Stand};
use crate::attr::{Args, Ctx, doc_text};
use crate::block::method::Method;
use crate::block::parse::{Block, BlockItem, Function};
use crate::block::{Names, Surface, named_type, place, read_methods, table};
use crate::errors::Sink;

/// Expands `#[remote] trait T`.
pub(crate) fn declaration(args: &Args, block: &Block<ItemTrait>, sink: &Sink<'_>) -> TokenStream {
    let header = &block.header;
    let (ctx, name) = (Ctx::new(args), &header.ident);
    if !args.has("server") {
        sink.at(
            Span::call_site(),
            format!("the contract `{name}` has no server type: write `#[remote(server = \"…\")]`"),
        );
    }
    if !header.generics.params.is_empty() {
        sink.on(&header.generics, format!("the contract `{name}` cannot be generic, because its routes have one message each: write the types out"));
    }
    if let Some(token) = &header.unsafety {
        sink.on(token, format!("the contract `{name}` cannot be `unsafe`: write `trait {name}`"));
    }
    for item in &block.items {
        if let BlockItem::Other(other) = item {
            sink.on(
                other,
                format!(
                    "the contract `{name}` holds remotes only: move this elsewhere, or write an `async fn`"
                ),
            );
        }
    }
    let names = Names::new(args, name, Surface::Contract, sink);
    let body = sink.child();
    let methods = read_methods(block.functions(), &names, Surface::Contract, &body);
    if block.items.is_empty() {
        body.on(name, format!("the contract `{name}` declares no remotes: write them as `async fn name(&self, …) -> Result<…>;`"));
    }
    if !header.generics.params.is_empty() {
        return block.with_items(block.items.iter().map(ToTokens::to_token_stream)).to_token_stream();
    }
    let client = Client {
        ctx: &ctx,
        vis: header.vis.clone(),
        name,
        names: &names,
        methods: &methods,
        stand: Stand::Contract,
    };
    let client = client::expand(&client, sink);
    let kept = trait_with_table(&ctx, block, &methods, &names);
    let checks = methods.iter().map(|method| table::checks(method, Surface::Contract));
    let (server, service) = (names.server.as_deref().unwrap_or_default(), &names.service);
    let text = syn::ext::IdentExt::unraw(name).to_string();
    let line = quote_spanned!(name.span()=> ::core::line!());
    // So that an app can tell at start that a contract of its server type has no implementation with `#[remote]`.
    let contract = quote! {
        const __CONTRACT: __p::Contract = __p::Contract {
            name: #text,
            server: #server,
            service: #service,
            file: ::core::file!(),
            line: #line,
        };
        __p::inventory::submit! { __CONTRACT }
    };
    let checks = table::generated(&ctx.private(), &quote!(#(#checks)* #contract));
    quote!(#kept #checks #client)
}

fn trait_with_table(ctx: &Ctx, block: &Block<ItemTrait>, methods: &[Method], names: &Names) -> TokenStream {
    let private = ctx.private();
    let name = &block.header.ident;
    let items = block.items.iter().map(|item| match item {
        BlockItem::Fn(function) if methods.iter().any(|m| m.ident == function.sig.ident) => {
            promised(function)
        }
        other => other.to_token_stream(),
    });
    let (server, service) = (names.server.as_deref().unwrap_or_default(), &names.service);
    let entries = methods.iter().map(|method| {
        let ident = &method.ident;
        table::entry(method, Surface::Contract, &quote!(<Self as #name>::#ident))
    });
    let imports = table::imports(&private);
    let hidden = quote! {
        #[doc(hidden)]
        #[allow(deprecated, unused_imports, clippy::all, clippy::pedantic)]
        const __WRITE_REMOTE_ON_THIS_TRAIT: #private::ContractRoutes = {
            #imports
            __p::ContractRoutes { server: #server, service: #service, methods: &[#(#entries),*] }
        };
    };
    let mut item = block.with_items(items.chain([hidden]));
    if item.supertraits.is_empty() {
        item.colon_token = Some(Token![:](Span::mixed_site()));
    }
    // A message crosses threads and outlives the call that brought it, and so does the component that handles it.
    for bound in ["Sized", "Send", "Sync"] {
        let bound = syn::Ident::new(bound, Span::mixed_site());
        item.supertraits.push(parse_quote!(::core::marker::#bound));
    }
    item.supertraits.push(parse_quote!('static));
    item.to_token_stream()
}

/// `async fn f() -> T;` as a promise of a future that is `Send`, which implementations may write `async fn`.
fn promised(function: &Function) -> TokenStream {
    let mut function = function.clone();
    let at = function.sig.asyncness.take().map_or_else(Span::mixed_site, |token| place(token.span()));
    let output = match &function.sig.output {
        ReturnType::Default => quote!(()),
        ReturnType::Type(_, ty) => ty.to_token_stream(),
    };
    let promise = quote_spanned! {at=>
        -> impl ::core::future::Future<Output = #output> + ::core::marker::Send
    };
    function.sig.output = syn::parse2(promise).unwrap_or(ReturnType::Default);
    function.to_token_stream()
}

/// Expands `#[remote] impl T for S`.
pub(crate) fn implementation(
    args: &Args,
    block: &Block<ItemImpl>,
    contract: &Path,
    sink: &Sink<'_>,
) -> TokenStream {
    let kept = block.stripped(ToTokens::to_token_stream);
    for key in ["server", "service", "rename_all", "timeout"] {
        if let Some(span) = args.span(key) {
            sink.at(span, format!("`{key}` belongs on the contract: write just `#[remote]` here"));
        }
    }
    for function in block.functions() {
        let misplaced = function.markers.iter().chain(function.extract.iter().flatten());
        for marker in misplaced {
            let name = marker.path().segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
            if name == "every" {
                let text = "a contract holds remotes only: write `#[every]` in a block of its own, `#[timers] impl …`";
                sink.on(marker, text);
                continue;
            }
            sink.on(marker, format!("`#[{name}]` belongs on the contract: move it there"));
        }
    }
    let Some((ty, _)) = named_type(&block.header, Surface::Remote.attribute(), sink) else { return kept };
    let ctx = Ctx::new(args);
    let at = contract.segments.last().map_or_else(Span::call_site, |s| place(s.ident.span()));
    // What the compiler does not find if the trait is no contract: so its name says what is missing.
    let marked = syn::Ident::new("__WRITE_REMOTE_ON_THIS_TRAIT", at);
    let submit = table::submit(
        ty,
        &quote!(__p::Some(__ROUTES.server)),
        &quote!(__ROUTES.service),
        &doc_text(&block.header.attrs),
        &quote!(__p::Methods::Remotes(__ROUTES.methods)),
    );
    let routes = quote!(const __ROUTES: __p::ContractRoutes = <#ty as #contract>::#marked;);
    let table = table::generated(&ctx.private(), &quote!(#routes #submit));
    quote!(#kept #table)
}
