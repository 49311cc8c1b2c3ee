//! The typed client of a block of handlers: a method for each, for programs that connect to a server.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Ident, Type};

use super::Names;
use super::constants::{self, const_name};
use super::method::Method;
use crate::attr::Ctx;
use crate::errors::{Errors, Sink};
use crate::remote::client::{argument, free, typed_method};

/// The methods of every client, whose names a handler cannot have.
const RESERVED: [&str; 2] = ["new", "clone"];

/// Writes the client of a handler block. `ty` is the component, `name` the last part of its name.
pub(crate) fn expand(
    ctx: &Ctx,
    ty: &Type,
    name: &Ident,
    names: &Names,
    methods: &[Method],
    sink: &Sink<'_>,
) -> TokenStream {
    let private = ctx.private();
    let ident = format_ident!("{name}Handlers", span = name.span());
    // The constants report their mistakes themselves.
    let reported = Errors::default();
    let methods = constants::distinct(free(methods, &RESERVED, sink), &reported.sink());
    let calls = methods.iter().map(|method| call(ctx, ty, names, method));
    let doc = format!(
        " Calls the handlers of `{name}` from a client, as `{}`.\n\n\
         # Errors\n\
         A call fails with the error of the handler, or:\n\
         - `PIT-400`: the message cannot be encoded, or the answer not decoded.\n\
         - `PIT-499`: the connection is over.\n\
         - `PIT-503`: a client that reconnects is away, and its queue is full.\n\
         - `PIT-504`: there was no answer in time.",
        names.base()
    );
    quote! {
        #[doc = #doc]
        #[allow(unreachable_pub)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #ident<__Connection = #private::client::Client> {
            connection: __Connection,
        }
        #[automatically_derived]
        #[allow(dead_code, deprecated, private_interfaces, unreachable_pub, unused_imports, clippy::all, clippy::pedantic)]
        impl<__Connection: #private::client::Connection> #ident<__Connection> {
            /// Returns the client for the calls of a connection.
            pub fn new(connection: __Connection) -> Self {
                Self { connection }
            }
            #(#calls)*
        }
        #[automatically_derived]
        impl #private::client::HandlerClient for #ty {
            type Client<__Connection: #private::client::Connection> = #ident<__Connection>;
            fn client<__Connection: #private::client::Connection>(connection: __Connection) -> Self::Client<__Connection> {
                #ident { connection }
            }
        }
    }
}

fn call(ctx: &Ctx, ty: &Type, names: &Names, method: &Method) -> TokenStream {
    let (private, constant, (_, message)) = (ctx.private(), const_name(method), argument(method));
    let call = quote! {
        use #private::client::fallback::*;
        #private::client::TypedCall(&self.connection, &<#ty>::#constant).call(#message).await
    };
    typed_method(&ctx.krate, names, method, "handler", &call)
}
