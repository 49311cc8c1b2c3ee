//! The typed client of a block of remotes: a constant and a method for each.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Ident, Visibility};

use crate::attr::Ctx;
use crate::block::constants::{self, const_name, reply};
use crate::block::method::Method;
use crate::block::{Names, Surface};
use crate::errors::Sink;

/// The client's own methods, whose names a remote cannot have.
const RESERVED: [&str; 8] = ["on", "by", "with", "timeout", "reliable", "call", "fake", "clone"];

/// Who answers in tests.
#[derive(Clone, Copy)]
pub(crate) enum Stand {
    /// An implementation of the contract.
    Contract,
    /// A closure for each route.
    Closures,
}

/// What a client is made of.
pub(crate) struct Client<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) vis: Visibility,
    /// The type or the contract.
    pub(crate) name: &'a Ident,
    pub(crate) names: &'a Names,
    pub(crate) methods: &'a [Method],
    pub(crate) stand: Stand,
}

/// The client, with what belongs to it.
pub(crate) fn expand(client: &Client<'_>, sink: &Sink<'_>) -> TokenStream {
    let Client { ctx, vis, name, names, methods, stand } = client;
    let (krate, private) = (&ctx.krate, ctx.private());
    let ident = format_ident!("{name}Client", span = name.span());
    let methods = constants::distinct(free(methods, sink), sink);
    let consts = methods.iter().map(|method| constants::constant(ctx, names, method, Surface::Remote));
    let calls = methods.iter().map(|method| call(krate, &private, names, method));
    let own = own_methods(&private);
    let client = ident.to_string();
    let server = match &names.server {
        Some(server) => quote!(::core::option::Option::Some(#server)),
        None => quote!(::core::option::Option::None),
    };
    let fake = fake(&private, name, *stand);
    let doc = format!(
        " Typed client of `{}`. Calls go to any server that serves it, unless [`on`](Self::on) or [`by`](Self::by) \
         chooses one.",
        names.base()
    );
    quote! {
        #[doc = #doc]
        #[allow(unreachable_pub)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #ident {
            rpc: #private::Rpc,
        }
        #[automatically_derived]
        #[allow(dead_code, deprecated, private_interfaces, unreachable_pub, clippy::all, clippy::pedantic)]
        impl #ident {
            #(#consts)*
            #(#calls)*
            #own
            #fake
        }
        #[automatically_derived]
        impl #private::FromServices for #ident {
            fn from_services(services: &#private::Services) -> #private::Result<Self> {
                let rpc = #private::rpc_client(services, #client, #server)?;
                ::core::result::Result::Ok(Self { rpc })
            }
        }
    }
}

/// The methods whose names are free on the client.
fn free<'a>(methods: &'a [Method], sink: &Sink<'_>) -> Vec<&'a Method> {
    let is_free = |method: &&Method| {
        let name = method.ident.unraw().to_string();
        let reserved = RESERVED.contains(&name.as_str());
        if reserved {
            sink.on(
                &method.ident,
                format!(
                    "`{name}` is a method of every client: call the function otherwise and keep the route, as in \
                     `#[route(\"{}\")] … fn {name}_it`",
                    method.name
                ),
            );
        }
        !reserved
    };
    methods.iter().filter(is_free).collect()
}

fn call(krate: &syn::Path, private: &TokenStream, names: &Names, method: &Method) -> TokenStream {
    let (ident, name, reply) = (&method.ident, const_name(method), reply(krate, &method.ret));
    let attrs = method.attrs(&["doc", "cfg", "deprecated"]);
    let gap = (!method.doc.is_empty()).then(|| quote!(#[doc = ""]));
    let doc = format!(
        " Calls `{}`. Fails with the remote's own error, or with the one that kept the call from it.",
        names.route(&method.name)
    );
    let (param, request) = match method.message() {
        Some(ty) => (quote!(, req: &#ty), quote!(req)),
        None => (quote!(), quote!(&())),
    };
    quote! {
        #attrs
        #gap
        #[doc = #doc]
        pub async fn #ident(&self #param) -> #krate::Result<#reply> {
            #[allow(unused_imports)]
            use #private::TypedCallFallback as _;
            #private::TypedCall(&self.rpc, &Self::#name).call(#request).await
        }
    }
}

fn own_methods(private: &TokenStream) -> TokenStream {
    quote! {
        /// The same client, whose calls have this context instead of that of the call which is handled now.
        #[must_use]
        pub fn with(&self, context: &#private::Context) -> Self {
            Self { rpc: self.rpc.with(context) }
        }
        /// The same client, for the server with this id.
        #[must_use]
        pub fn on(&self, server_id: &str) -> Self {
            Self { rpc: self.rpc.on(server_id) }
        }
        /// The same client, for the server that this key chooses: one key, one server, while the servers stay. A server
        /// that drains keeps the keys that it was called with.
        #[must_use]
        pub fn by(&self, key: &str) -> Self {
            Self { rpc: self.rpc.by(key) }
        }
        /// The same client, whose calls fail with `PIT-408` after this time.
        #[must_use]
        pub fn timeout(&self, timeout: ::core::time::Duration) -> Self {
            Self { rpc: self.rpc.timeout(timeout) }
        }
    }
}

fn fake(private: &TokenStream, name: &Ident, stand: Stand) -> TokenStream {
    match stand {
        Stand::Contract => quote! {
            /// A client for tests: the implementation answers, without a network.
            #[must_use]
            pub fn fake<Implementation: #name>(implementation: Implementation) -> Self {
                let (server, service, methods) = <Implementation as #name>::__WRITE_REMOTE_ON_THIS_TRAIT;
                Self { rpc: #private::Rpc::fake(#private::Fake::contract(server, service, implementation, methods)) }
            }
        },
        Stand::Closures => quote! {
            /// A client for tests: closures answer, without a network.
            #[must_use]
            pub fn fake(fake: #private::Fake) -> Self {
                Self { rpc: #private::Rpc::fake(fake) }
            }
        },
    }
}
