//! `#[derive(Component)]`: a component that the app builds.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Index};

use crate::attr::{Args, Ctx, Key, named};
use crate::block::method::place_of;
use crate::block::signature::{state_of_object, tidy};
use crate::errors::{Errors, Expansion, Sink};

/// Expands `#[derive(Component)]`; the item is not repeated.
pub fn component(item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let tokens = match syn::parse2::<DeriveInput>(item) {
        Ok(input) => expand(&input, &sink),
        Err(error) => {
            sink.absorb(error);
            TokenStream::new()
        }
    };
    errors.expansion(tokens)
}

fn expand(input: &DeriveInput, sink: &Sink<'_>) -> TokenStream {
    let name = &input.ident;
    let args = container_args(input, sink);
    let ctx = Ctx::new(&args);
    if !input.generics.params.is_empty() {
        sink.on(
            &input.generics,
            format!("the app makes one `{name}`, so its type cannot be generic: write the types out, or `.register(…)` one"),
        );
    }
    let private = ctx.private();
    let text = name.unraw().to_string();
    let built = match &input.data {
        Data::Struct(data) => {
            let fields: Vec<_> = data
                .fields
                .iter()
                .enumerate()
                .map(|(i, field)| value(&private, &text, i, field, sink))
                .collect();
            quote!(Self { #(#fields),* })
        }
        Data::Enum(data) => {
            sink.on(
                data.enum_token,
                format!(
                    "the app cannot choose a variant of `{name}`: make it a `struct`, or `.register(…)` one"
                ),
            );
            quote!()
        }
        Data::Union(data) => {
            sink.on(data.union_token, format!("a component cannot be a union: make `{name}` a `struct`"));
            quote!()
        }
    };
    if sink.failed() {
        // The type stays a component for the rest of the crate, so that each use of it is not one more error.
        return match input.generics.params.is_empty() {
            true => implement(&private, name, &quote!(::core::panic!("the component has errors"))),
            false => TokenStream::new(),
        };
    }
    implement(&private, name, &quote!(::core::result::Result::Ok(#built)))
}

fn implement(private: &TokenStream, name: &syn::Ident, result: &TokenStream) -> TokenStream {
    let services = format_ident!("services", span = proc_macro2::Span::mixed_site());
    quote! {
        #[automatically_derived]
        impl #private::Component for #name {
            fn build(#services: &#private::Services) -> #private::Result<Self> {
                let _ = #services;
                #result
            }
        }
    }
}

/// The arguments of all `#[component(…)]` of an item, as of one.
fn arguments(attrs: &[Attribute], example: &str, sink: &Sink<'_>) -> TokenStream {
    let mut all = TokenStream::new();
    for attr in named(attrs, "component") {
        match attr.meta.require_list() {
            Ok(list) if list.tokens.is_empty() => {}
            Ok(list) => {
                let tokens = &list.tokens;
                all.extend(quote!(#tokens,));
            }
            Err(_) => {
                sink.on(attr, format!("`#[component]` has no arguments: write `#[component({example})]`"))
            }
        }
    }
    all
}

fn container_args(input: &DeriveInput, sink: &Sink<'_>) -> Args {
    let tokens = arguments(&input.attrs, "crate = path::to::pitaya", sink);
    Args::parse(tokens, "#[component]", &[Key::CRATE], sink)
}

fn value(
    private: &TokenStream,
    component: &str,
    index: usize,
    field: &Field,
    sink: &Sink<'_>,
) -> TokenStream {
    let tokens = arguments(&field.attrs, "default", sink);
    let args = Args::parse(tokens, "#[component]", &[Key::flag("default")], sink);
    let (member, label) = match &field.ident {
        Some(ident) => (ident.to_token_stream(), ident.unraw().to_string()),
        None => (Index::from(index).to_token_stream(), index.to_string()),
    };
    let cfgs = crate::block::cfgs(&field.attrs);
    let (ty, span) = (&field.ty, place_of(&field.ty));
    if args.has("default") {
        let value = quote_spanned!(span=> <#ty as ::core::default::Default>::default());
        return quote!(#cfgs #member: #value);
    }
    if let Some(object) = state_of_object(&field.ty) {
        let object = tidy(object);
        sink.on(
            &field.ty,
            format!(
                "the state of `{component}.{label}` has no size: write `State<Arc<{object}>>` instead of \
                 `State<{object}>`, and give the app that with `.state::<Arc<{object}>>(…)`"
            ),
        );
    }
    let services = format_ident!("services", span = proc_macro2::Span::mixed_site());
    let value =
        quote_spanned!(span=> #private::assert::component_field::<#ty>(#services, #component, #label)?);
    quote!(#cfgs #member: #value)
}
