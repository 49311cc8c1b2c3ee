//! `#[handler]`, and what it shares with `#[remote]` on an inherent impl.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::args::{Args, doc};
use crate::block::{ImplBlock, Item};
use crate::errors::Sink;
use crate::expand::{Kind, Names, private, row, submit};
use crate::method::{Method, Of, last_segment, model};
use crate::output;

/// Expands `#[handler]`.
pub fn handler(args: TokenStream, item: TokenStream) -> TokenStream {
    let sink = Sink::default();
    let mut block = match syn::parse2::<ImplBlock>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let misplaced = syn::parse2::<syn::ItemFn>(item.clone()).is_ok();
            if misplaced {
                sink.on(&item, "`#[handler]` goes on an impl block, not on a function: write `#[handler] impl Component { pub async fn … }`");
            } else {
                sink.push(error);
            }
            return output(item, sink, None);
        }
    };
    let args = Args::parse("handler", args, &["server", "service", "rename_all", "crate"], &sink);
    if let Some(contract) = &block.contract {
        sink.on(
            contract,
            "`#[handler]` goes on an inherent impl: write `impl Type { … }`; contracts are for `#[remote]`",
        );
    }
    let made = inherent(&args, &mut block, Kind::Handler, &sink).map(|made| made.table);
    let made = sink.is_empty().then_some(made).flatten();
    output(kept(&block), sink, made)
}

/// What an inherent block becomes.
pub(crate) struct Made {
    pub(crate) table: TokenStream,
    pub(crate) methods: Vec<Method>,
    /// `server.service`, or only the service if the block serves on every server type.
    pub(crate) base: String,
    pub(crate) type_name: String,
}

/// The user's block, with the two lints off that our own rules would set off.
pub(crate) fn kept(block: &ImplBlock) -> TokenStream {
    quote!(#[allow(clippy::unused_async, unreachable_pub)] #block)
}

/// Makes the methods of a block; the block loses its markers.
pub(crate) fn inherent(args: &Args, block: &mut ImplBlock, kind: Kind, sink: &Sink) -> Option<Made> {
    let name = kind.name();
    if !block.generics.params.is_empty() || block.generics.where_clause.is_some() {
        sink.on(
            block.generics.params.to_token_stream(),
            format!(
                "a component must not be generic: `#[{name}]` makes one table for one type; name the type"
            ),
        );
    }
    let Some(type_name) = last_segment(&block.self_ty) else {
        sink.on(&block.self_ty, format!("`#[{name}]` goes on an impl of a named type"));
        return None;
    };
    let before = sink.len();
    let mut methods = Vec::new();
    for item in &mut block.items {
        if let Item::Fn(function) = item {
            methods.extend(model(function, Of::Impl, name, args.rename_all, sink));
        }
    }
    if methods.is_empty() && sink.len() == before {
        sink.on(
            &block.self_ty,
            format!("`#[{name}]` found no `pub async fn` in this block: public async methods are its routes, private ones are helpers"),
        );
    }
    same_names(&methods, name, sink);
    let krate = args.krate();
    let p = private(&krate);
    let service = args.service.as_ref().map_or_else(|| service_name(&type_name), syn::LitStr::value);
    let self_ty = &block.self_ty;
    let rows = methods.iter().map(|method| {
        let ident = &method.ident;
        row(&p, kind, method, &quote!(#self_ty), &quote!(<#self_ty>::#ident))
    });
    let marker = kind.marker(&p);
    let rows = quote!(static METHODS: &[#p::Method<#self_ty, #marker>] = &[#(#rows),*];);
    let server = match &args.server {
        Some(server) => quote!(::core::option::Option::Some(#server)),
        None => quote!(::core::option::Option::None),
    };
    let names = Names { server, service: quote!(#service) };
    let submission = submit(&p, kind, &names, &doc(&block.attrs), self_ty, &quote!(METHODS));
    let base = match &args.server {
        Some(server) => format!("{}.{service}", server.value()),
        None => service,
    };
    Some(Made { table: quote!(const _: () = { #rows #submission };), methods, base, type_name })
}

/// Two methods of one name are one route.
pub(crate) fn same_names(methods: &[Method], kind: &str, sink: &Sink) {
    for (i, method) in methods.iter().enumerate() {
        if methods[..i]
            .iter()
            .any(|other| other.name == method.name && other.cfgs.is_empty() && method.cfgs.is_empty())
        {
            sink.at(
                method.name_span,
                format!("two {kind}s of this block are called `{}` in routes: give one another name with `#[route(\"…\")]`", method.name),
            );
        }
    }
}

fn service_name(type_name: &str) -> String {
    use heck::ToSnakeCase;
    type_name.to_snake_case()
}
