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

/// The methods of every client, whose names a remote cannot have.
const RESERVED: [&str; 14] = [
    "to_server",
    "by_key",
    "with_context",
    "with_timeout",
    "reliable",
    "at",
    "after",
    "once",
    "with_deadline",
    "with_retry",
    "with_metadata",
    "call",
    "fake",
    "clone",
];

/// The stand-in for the server in tests.
#[derive(Clone, Copy)]
pub(crate) enum Stand {
    /// An implementation of the contract.
    Contract,
    /// A closure for each route.
    Closures,
}

/// The description of a client.
pub(crate) struct Client<'a> {
    pub(crate) ctx: &'a Ctx,
    pub(crate) vis: Visibility,
    /// The type or the contract.
    pub(crate) name: &'a Ident,
    pub(crate) names: &'a Names,
    pub(crate) methods: &'a [Method],
    pub(crate) stand: Stand,
}

/// Writes the client and its traits.
pub(crate) fn expand(client: &Client<'_>, sink: &Sink<'_>) -> TokenStream {
    let Client { ctx, vis, name, names, methods, stand } = client;
    let (krate, private) = (&ctx.krate, ctx.private());
    let ident = format_ident!("{name}Client", span = name.span());
    let methods = constants::distinct(free(methods, &RESERVED, sink), sink);
    let consts = methods.iter().map(|method| constants::constant(ctx, names, method, Surface::Remote));
    let calls = methods.iter().map(|method| call(krate, &private, names, method));
    let own = own_methods(&private);
    let reliable = reliable(client, &ident, &methods);
    let client = ident.to_string();
    let server = match &names.server {
        Some(server) => quote!(#private::Some(#server)),
        None => quote!(#private::None),
    };
    let fake = fake(&private, name, *stand);
    let target = match stand {
        // The contract has the visibility of its client, so a link to it never leads to a private item.
        Stand::Contract => format!("[`{name}`]"),
        Stand::Closures => format!("`{name}`"),
    };
    let doc = format!(
        " Calls the remotes of {target} on other servers, as `{}`.\n\n\
         A call goes to any server that serves them, unless [`to_server`](Self::to_server) or [`by_key`](Self::by_key) chooses one.\n\n\
         # Errors\n\
         A call fails with the error of the remote, or:\n\
         - `PIT-404`: the server has no such remote.\n\
         - `PIT-408`: the timeout of the call or of the remote is over.\n\
         - `PIT-500`: no server of this type is available.\n\
         - `PIT-503`: the server or the connection to it is gone.\n\
         - `PIT-000`: the request or the reply cannot be encoded or decoded.",
        names.base()
    );
    quote! {
        #[doc = #doc]
        #[allow(unreachable_pub)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #ident<Mode = #private::Rpc> {
            rpc: Mode,
        }
        #[automatically_derived]
        #[allow(dead_code, deprecated, private_interfaces, unreachable_pub, unused_imports, clippy::all, clippy::pedantic)]
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
                #private::Ok(Self { rpc })
            }
        }
        #reliable
    }
}

/// The methods that enqueue jobs. `reliable_client!` drops them if `pitaya` has no jobs. A job needs a route with a server
/// type.
fn reliable(client: &Client<'_>, ident: &Ident, methods: &[&Method]) -> Option<TokenStream> {
    let Client { ctx, names, .. } = client;
    names.server.as_ref()?;
    let (krate, private) = (&ctx.krate, ctx.private());
    let jobs = methods.iter().map(|method| {
        let (name, constant) = (&method.ident, const_name(method));
        let attrs = method.attrs(&["cfg", "deprecated"]);
        let doc =
            format!(" Enqueues a call of `{}`. Returns when Redis has the job.", names.route(&method.name));
        let (param, request) = argument(method);
        quote! {
            #[doc = #doc]
            ///
            /// # Errors
            /// `PIT-503` if Redis is unreachable or refuses the job. `PIT-400` after `to_server` or `by_key`.
            #attrs
            pub async fn #name(&self #param) -> #krate::Result<#private::JobId> {
                use #private::fallback::*;
                #private::TypedJob(&self.rpc, &<#ident>::#constant).call(#request).await
            }
        }
    });
    Some(quote!(#private::reliable_client! { #ident { #(#jobs)* } }))
}

/// The parameter of a method's message, and the request that it makes.
pub(crate) fn argument(method: &Method) -> (TokenStream, TokenStream) {
    match method.message() {
        Some(ty) => (quote!(, req: &#ty), quote!(req)),
        None => (quote!(), quote!(&())),
    }
}

/// Reports methods with the name of a method of every client, and returns the others.
pub(crate) fn free<'a>(methods: &'a [Method], reserved: &[&str], sink: &Sink<'_>) -> Vec<&'a Method> {
    let is_free = |method: &&Method| {
        let name = method.ident.unraw().to_string();
        let is_reserved = reserved.contains(&name.as_str());
        if is_reserved {
            sink.on(
                &method.ident,
                format!(
                    "`{name}` is a method of every client: rename the function and keep the route, as in \
                     `#[route(\"{}\")] … fn {name}_it`",
                    method.name
                ),
            );
        }
        !is_reserved
    };
    methods.iter().filter(is_free).collect()
}

fn call(krate: &syn::Path, private: &TokenStream, names: &Names, method: &Method) -> TokenStream {
    let (name, (_, request)) = (const_name(method), argument(method));
    let call = quote! {
        use #private::fallback::*;
        #private::TypedCall(&self.rpc, &Self::#name).call(#request).await
    };
    typed_method(krate, names, method, "remote", &call)
}

/// Writes the method of a typed client. `of` is the word for what it calls, `call` its body.
pub(crate) fn typed_method(
    krate: &syn::Path,
    names: &Names,
    method: &Method,
    of: &str,
    call: &TokenStream,
) -> TokenStream {
    let (ident, reply, (param, _)) = (&method.ident, reply(krate, &method.ret), argument(method));
    let (docs, attrs) = (method.attrs(&["doc"]), method.attrs(&["cfg", "deprecated"]));
    let gap = (!method.doc.is_empty()).then(|| quote!(#[doc = ""]));
    let doc = format!(
        " Calls `{}`.\n\n# Errors\nThe error of the {of}, or one of [the client](Self#errors).",
        names.route(&method.name)
    );
    quote! {
        #docs
        #gap
        #[doc = #doc]
        #attrs
        pub async fn #ident(&self #param) -> #krate::Result<#reply> {
            #call
        }
    }
}

fn own_methods(private: &TokenStream) -> TokenStream {
    quote! {
        /// Returns the client with this context for its calls, instead of that of the current call.
        #[must_use]
        pub fn with_context(&self, context: &#private::Context) -> Self {
            Self { rpc: self.rpc.with_context(context) }
        }
        /// Returns the client for calls of the server with this id.
        #[must_use]
        pub fn to_server(&self, server_id: &str) -> Self {
            Self { rpc: self.rpc.to_server(server_id) }
        }
        /// Returns the client for calls of the server that owns this key.
        ///
        /// A key keeps its server while the servers stay the same. A draining server keeps the keys that it was called
        /// with.
        #[must_use]
        pub fn by_key(&self, key: &str) -> Self {
            Self { rpc: self.rpc.by_key(key) }
        }
        /// Returns the client with this timeout, after which a call fails with `PIT-408`.
        #[must_use]
        pub fn with_timeout(&self, timeout: ::core::time::Duration) -> Self {
            Self { rpc: self.rpc.with_timeout(timeout) }
        }
    }
}

fn fake(private: &TokenStream, name: &Ident, stand: Stand) -> TokenStream {
    match stand {
        Stand::Contract => quote! {
            /// Returns a client for tests, whose calls the implementation answers.
            #[must_use]
            pub fn fake<Implementation: #name>(implementation: Implementation) -> Self {
                let routes = <Implementation as #name>::__WRITE_REMOTE_ON_THIS_TRAIT;
                Self { rpc: #private::Rpc::fake(#private::Fake::contract(routes, implementation)) }
            }
        },
        Stand::Closures => quote! {
            /// Returns a client for tests, whose calls closures answer.
            #[must_use]
            pub fn fake(fake: #private::Fake) -> Self {
                Self { rpc: #private::Rpc::fake(fake) }
            }
        },
    }
}
