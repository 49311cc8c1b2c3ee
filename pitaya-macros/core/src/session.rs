//! `#[session]`: a typed view of a session's data.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use crate::attr::{Args, Ctx, Key};
use crate::block::{misplaced, place};
use crate::errors::{Errors, Expansion, Sink};
use crate::message::Derives;

/// Expands `#[session(args)] item`.
pub fn session(args: TokenStream, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let args = Args::parse(args, "#[session]", &[Key::CRATE], &sink);
    let tokens = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => expand(&Ctx::new(&args), input, &sink),
        Err(_) => {
            sink.on(
                misplaced(&item),
                "session data is a type: put `#[session]` on a `struct` with named fields",
            );
            item
        }
    };
    errors.expansion(tokens)
}

fn expand(ctx: &Ctx, mut input: DeriveInput, sink: &Sink<'_>) -> TokenStream {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        sink.on(
            &input.generics,
            format!("session data `{name}` has one form, so it cannot be generic: write its types out"),
        );
    }
    match &input.data {
        Data::Struct(data) => {
            match &data.fields {
                Fields::Named(_) => {}
                Fields::Unit => {
                    sink.on(
                        name,
                        format!("session data is a map, if an empty one: write `struct {name} {{}}`"),
                    );
                }
                Fields::Unnamed(fields) => {
                    sink.on(fields, format!("session data is a map, so the fields of `{name}` need names: write `{{ name: … }}`"));
                }
            }
        }
        Data::Enum(_) | Data::Union(_) => {
            sink.on(
                name,
                format!(
                    "session data is a map from names to values: make `{name}` a `struct` with named fields"
                ),
            );
        }
    }
    if sink.failed() {
        return quote!(#input);
    }
    let private = ctx.private();
    let serde = ctx.path_text("serde");
    let mut derives = Derives::take(&input.attrs);
    input.attrs = std::mem::take(&mut derives.rest);
    let derives = derives.with(
        &[
            ("Clone", quote!(::core::clone::Clone)),
            ("Debug", quote!(::core::fmt::Debug)),
            ("Serialize", quote!(#private::serde::Serialize)),
            ("Deserialize", quote!(#private::serde::Deserialize)),
        ],
        &input.ident,
    );
    let name = &input.ident;
    let implementation = quote::quote_spanned!(place(name.span())=> impl #private::SessionData for #name {});
    // What is not there yet has its default: sessions outlive versions of the server.
    let default = format!("{name}::__default");
    quote! {
        #derives
        #[serde(crate = #serde, default = #default)]
        #input
        #[automatically_derived]
        impl #name {
            fn __default() -> Self {
                #[allow(unused_imports)]
                use #private::fallback::*;
                <#private::DefaultValue<Self>>::value()
            }
        }
        #[automatically_derived]
        #implementation
    }
}
