//! From models to code: one table row per method, and the code that calls it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path, Type};

use crate::method::Method;

/// Handlers or remotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Handler,
    Remote,
}

impl Kind {
    /// As messages to users say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Remote => "remote",
        }
    }

    /// The marker type of the framework.
    pub(crate) fn marker(self, p: &TokenStream) -> TokenStream {
        match self {
            Self::Handler => quote!(#p::Handler),
            Self::Remote => quote!(#p::Remote),
        }
    }

    fn arg(self) -> Ident {
        format_ident!("{}_arg", self.name())
    }

    fn variant(self) -> Ident {
        format_ident!("{}", if self == Self::Handler { "Handler" } else { "Remote" })
    }

    fn erase(self) -> Ident {
        format_ident!("{}s", self.name())
    }
}

/// Where the framework keeps what generated code calls.
pub(crate) fn private(krate: &Path) -> TokenStream {
    quote!(#krate::__private)
}

/// One row of a method table. `target` is the method's path, `component` the type it is called on.
pub(crate) fn row(
    p: &TokenStream,
    kind: Kind,
    method: &Method,
    component: &TokenStream,
    target: &TokenStream,
) -> TokenStream {
    let Method { name, doc, cfgs, concurrent, args, output, ident, .. } = method;
    let slots: Vec<_> =
        (0..args.len()).map(|i| format_ident!("a{i}", span = proc_macro2::Span::mixed_site())).collect();
    let types: Vec<_> = args.iter().map(|arg| &arg.ty).collect();
    let hold = kind.arg();
    let holds = types.iter().zip(&slots).map(|(ty, slot)| {
        // At the argument's type: that is what the compiler points at if it is no argument.
        let call = quote_spanned!(ty.span()=> #p::#hold::<#ty, _>);
        quote!(let mut #slot = #call(&call, body);)
    });
    let gives = slots.iter().map(|slot| quote!(let #slot = #slot.give(&mut call).await?;));
    let line = quote_spanned!(ident.span()=> ::core::line!());
    let ret = &output.ty;
    let finish = quote_spanned!(output.span=> call.finish::<#ret>(reply).await);
    let mutable = (!args.is_empty()).then(|| quote!(mut));
    let _ = mutable;
    quote! {
        #(#cfgs)*
        #p::Method {
            name: #name,
            doc: #doc,
            line: #line,
            concurrent: #concurrent,
            notify: <#ret as #p::Reply>::NOTIFY,
            message: || ::core::option::Option::None,
            reply: #p::reply_schema::<#ret>,
            call: |this: ::std::sync::Arc<#component>, mut call, body| {
                #(#holds)*
                ::std::boxed::Box::pin(async move {
                    let reply = async {
                        call.before(&mut [#(&mut #slots),*]).await?;
                        #(#gives)*
                        ::core::result::Result::Ok(#target(&this, #(#slots),*).await)
                    }
                    .await;
                    #finish
                })
            },
        }
    }
}

/// What a block is called in routes.
pub(crate) struct Names {
    pub(crate) server: TokenStream,
    pub(crate) service: TokenStream,
}

/// The submission of one block.
pub(crate) fn submit(
    p: &TokenStream,
    kind: Kind,
    names: &Names,
    doc: &str,
    component: &Type,
    methods: &TokenStream,
) -> TokenStream {
    let (variant, erase) = (kind.variant(), kind.erase());
    let Names { server, service } = names;
    quote! {
        #p::inventory::submit! {
            #p::Block {
                kind: #p::BlockKind::#variant,
                server: #server,
                service: #service,
                doc: #doc,
                file: ::core::file!(),
                component: || {
                    #[allow(unused_imports)]
                    use #p::probe::*;
                    #p::ComponentType::new::<#component>(
                        (&&Probe::<#component>::NEW).build(),
                        (&&Probe::<#component>::NEW).lifecycle(),
                    )
                },
                methods: || #p::Methods::#erase(#methods),
            }
        }
    }
}
