//! The constants of routes: `Entry::JOIN` beside the handlers of a block, `RoomApiClient::ENTER` on a client.

use heck::ToShoutySnakeCase;
use proc_macro2::{TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, ItemImpl, Type};

use super::method::Method;
use super::parse::{Block, BlockItem};
use super::{Names, Surface, place};
use crate::attr::{Ctx, named};
use crate::errors::Sink;
use crate::ungroup;

/// Writes the constants of a handler block, on the type of the component.
pub(crate) fn of_handlers(
    ctx: &Ctx,
    ty: &Type,
    block: &Block<ItemImpl>,
    names: &Names,
    methods: &[Method],
    sink: &Sink<'_>,
) -> TokenStream {
    let written: Vec<Ident> = block.items.iter().filter_map(written_constant).collect();
    let is_free = |method: &&Method| {
        let taken = written.iter().any(|name| *name == const_name(method));
        if taken {
            sink.on(
                &method.ident,
                format!(
                    "the route of `{0}` needs the constant `{1}`, which is already in this block: rename either, and keep \
                     the route with `#[route(\"{2}\")]`",
                    method.ident,
                    const_name(method),
                    method.name
                ),
            );
        }
        !taken
    };
    let methods = distinct(methods.iter().filter(is_free).collect(), sink);
    let constants = methods.iter().map(|method| constant(ctx, names, method, Surface::Handler));
    quote! {
        #[automatically_derived]
        #[allow(dead_code, deprecated, private_interfaces, unreachable_pub, clippy::all, clippy::pedantic)]
        impl #ty {
            #(#constants)*
        }
    }
}

/// Returns the name of a constant that the user wrote into the block.
fn written_constant(item: &BlockItem) -> Option<Ident> {
    let BlockItem::Other(tokens) = item else { return None };
    let mut trees = tokens.clone().into_iter().skip_while(|tree| !is_word(tree, "const"));
    trees.next();
    match trees.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}

fn is_word(tree: &TokenTree, word: &str) -> bool {
    matches!(tree, TokenTree::Ident(ident) if ident == word)
}

/// Reports methods whose constant has the name of another one or of the method, and returns the others.
pub(crate) fn distinct<'a>(methods: Vec<&'a Method>, sink: &Sink<'_>) -> Vec<&'a Method> {
    let conditional = |m: &Method| named(&m.attrs, "cfg").next().is_some();
    let mut distinct: Vec<&Method> = Vec::new();
    for method in methods {
        let (ident, constant) = (&method.ident, const_name(method));
        let twin = distinct.iter().find(|m| const_name(m) == constant && m.ident != *ident);
        if *ident == constant {
            sink.on(
                ident,
                format!(
                    "`{ident}` and the constant of its route would have one name: write the function in `snake_case`, \
                     and keep the route with `#[route(\"{}\")]`",
                    method.name
                ),
            );
        } else if let (Some(twin), false) = (twin, conditional(method)) {
            sink.on(
                ident,
                format!(
                    "`{}` and `{ident}` would have one constant `{constant}` for their routes: call one of them \
                     otherwise, and keep its route with `#[route(\"{}\")]`",
                    twin.ident, method.name
                ),
            );
        } else {
            distinct.push(method);
        }
    }
    distinct
}

/// Returns the name of a method's constant.
pub(crate) fn const_name(method: &Method) -> Ident {
    Ident::new(&method.ident.unraw().to_string().to_shouty_snake_case(), method.ident.span())
}

/// Whether the name of a function gives that of a constant. `__` and `_1` do not.
pub(crate) fn makes_a_constant(ident: &Ident) -> bool {
    let name = ident.unraw().to_string().to_shouty_snake_case();
    name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

/// Writes one constant.
pub(crate) fn constant(ctx: &Ctx, names: &Names, method: &Method, surface: Surface) -> TokenStream {
    let (krate, private) = (&ctx.krate, ctx.private());
    let (name, route) = (const_name(method), names.route(&method.name));
    let (request, reply) = (request(method), reply(krate, &method.ret));
    let kind = match surface {
        Surface::Remote | Surface::Contract => quote!(),
        Surface::Handler if is_nothing(&method.ret) => quote!(, #private::Notify),
        Surface::Handler => quote!(, #private::Handler),
    };
    let (docs, attrs) = (method.attrs(&["doc"]), method.attrs(&["cfg", "deprecated"]));
    let gap = (!method.doc.is_empty()).then(|| quote!(#[doc = ""]));
    let doc = format!(" The route `{route}`.");
    // The place of the name: the compiler points there if the user has such a constant in another block.
    let idempotent = method.idempotent.then(|| quote!(.idempotent()));
    let item = quote_spanned! {place(method.ident.span())=>
        pub const #name: #krate::Route<#request, #reply #kind> = #krate::Route::new(#route) #idempotent;
    };
    quote! {
        #docs
        #gap
        #[doc = #doc]
        #attrs
        #item
    }
}

fn request(method: &Method) -> TokenStream {
    method.message().map_or_else(|| quote!(()), |ty| quote!(#ty))
}

pub(super) fn is_nothing(ret: &Type) -> bool {
    matches!(ungroup::ty(ret), Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// Returns the message of a reply, by the type as it is written. So a type that is not a reply is reported once, at its
/// place, and not for each use in a client.
pub(crate) fn reply(krate: &syn::Path, ret: &Type) -> TokenStream {
    fn first<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
        let (own, args) = ungroup::named(ty)?;
        (own == name).then(|| args.first().copied())?
    }
    if is_nothing(ret) {
        return quote!(());
    }
    match first(ret, "Result") {
        Some(ok) => {
            let ok = first(ok, "Option").unwrap_or(ok);
            quote!(#ok)
        }
        None => quote!(<#ret as #krate::__private::Reply>::Ok),
    }
}
