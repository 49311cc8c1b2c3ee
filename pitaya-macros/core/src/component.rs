//! `#[derive(Component)]`.
use crate::errors::Sink;
use proc_macro2::TokenStream;
use quote::quote;
/// Expands the derive.
pub fn component(item: TokenStream) -> TokenStream {
    let sink = Sink::default();
    let made = match syn::parse2::<syn::ItemStruct>(item) {
        Err(e) => {
            sink.push(e);
            quote!()
        }
        Ok(s) => {
            let p = quote!(::pitaya::__private);
            let name = &s.ident;
            let n = name.to_string();
            let fields = s.fields.iter().enumerate().map(|(i, f)| {
                let default = f.attrs.iter().any(|a| a.path().is_ident("component"));
                let member =
                    f.ident.clone().map_or_else(|| syn::Member::Unnamed(i.into()), syn::Member::Named);
                let label = f.ident.as_ref().map_or_else(|| i.to_string(), ToString::to_string);
                if default {
                    quote!(#member: ::core::default::Default::default())
                } else {
                    quote!(#member: #p::field(services, #n, #label)?)
                }
            });
            quote! { impl #p::Component for #name { fn build(services: &#p::Services) -> #p::Result<Self> { let _ = services; ::core::result::Result::Ok(Self { #(#fields),* }) } } }
        }
    };
    crate::output(quote!(), sink, Some(made))
}
