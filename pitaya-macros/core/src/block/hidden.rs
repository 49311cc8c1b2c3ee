//! A warning for a private method that looks like a route: it takes a message, so `pub` may have been forgotten.
//!
//! The macro sees names, not types, so the compiler decides: an item that only exists for messages is deprecated, and
//! name resolution takes another one for all other types.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::{FnArg, Ident, ItemImpl, ReceiverKind, Type, Visibility};

use super::Surface;
use super::every::is_timer;
use super::method::EXTRACTORS;
use super::parse::{Block, Body, Function};
use crate::attr::is_marker;
use crate::ungroup::last_name;

/// Returns the argument of a private method that may be a message.
///
/// `None` where names tell that the method is no route: it is not async, does not take `&self`, is generic, or has an
/// argument that no route can have. `Bytes` may be a message, but is as likely to be any helper's.
pub(super) fn message(function: &Function) -> Option<&Type> {
    let sig = &function.sig;
    let private = matches!(function.vis, Visibility::Inherited);
    if !private || sig.asyncness.is_none() || !sig.generics.params.is_empty() || is_timer(function) {
        return None;
    }
    let mut inputs = sig.inputs.iter();
    let Some(FnArg::Receiver(receiver)) = inputs.next() else { return None };
    if !matches!(receiver.kind, ReceiverKind::Reference(_, _, None)) {
        return None;
    }
    let mut messages = inputs.zip(function.extract.iter().skip(1)).filter_map(|(arg, extract)| match arg {
        FnArg::Typed(arg) => {
            let known = last_name(&arg.ty).is_some_and(|name| EXTRACTORS.contains(&name.as_str()));
            (extract.is_none() && !known).then_some(&*arg.ty)
        }
        FnArg::Receiver(_) => None,
    });
    let message = messages.next()?;
    let alone = messages.next().is_none();
    (alone && last_name(message).is_some_and(|name| name != "Bytes")).then_some(message)
}

/// The warnings of a block, one for each private method that takes a message and that nothing in the block calls.
pub(super) fn warnings(private: &TokenStream, block: &Block<ItemImpl>, surface: Surface) -> TokenStream {
    let warn = |function: &Function| {
        let message = message(function)?;
        let marked = function.markers.iter().any(|marker| is_marker(marker, "skip"));
        if marked || block.functions().any(|caller| calls(caller, &function.sig.ident)) {
            return None;
        }
        Some(warning(private, function, message, surface))
    };
    block.functions().filter_map(warn).collect()
}

fn warning(private: &TokenStream, function: &Function, message: &Type, surface: Surface) -> TokenStream {
    let name = &function.sig.ident;
    let note = format!(
        "`{name}` takes a message but is private, so it is not a {}: write `pub async fn {name}`, or mark it `#[skip]`",
        surface.word()
    );
    let cfgs = super::cfgs(&function.attrs);
    // The compiler names the constant: so its name says what is wrong, and it has the place of the method.
    let hidden = Ident::new("NOT_PUB", name.span().resolved_at(Span::call_site()));
    let site = Span::mixed_site();
    let ask = quote_spanned!(name.span()=> <Private<#message>>::#hidden);
    quote_spanned! {site=>
        #cfgs
        #[allow(dead_code, clippy::all, clippy::pedantic)]
        const _: () = {
            struct Private<T>(::core::marker::PhantomData<T>);
            #[allow(private_bounds)]
            impl<T: #private::Message> Private<T> {
                #[deprecated(note = #note)]
                const #hidden: () = ();
            }
            trait Helper {
                const #hidden: () = ();
            }
            impl<T> Helper for Private<T> {}
            const _: () = #ask;
        };
    }
}

/// Whether the body of a function names a method, as in `self.name(…)` or `Self::name`.
fn calls(caller: &Function, name: &Ident) -> bool {
    match &caller.body {
        Body::Block(body) if caller.sig.ident != *name => names(body.stream(), name),
        _ => false,
    }
}

fn names(tokens: TokenStream, name: &Ident) -> bool {
    let mut before = None;
    for tree in tokens {
        let found = match &tree {
            TokenTree::Group(group) => names(group.stream(), name),
            TokenTree::Ident(ident) => matches!(before, Some('.' | ':')) && ident.unraw() == name.unraw(),
            _ => false,
        };
        if found {
            return true;
        }
        before = match tree {
            TokenTree::Punct(punct) => Some(punct.as_char()),
            _ => None,
        };
    }
    false
}
