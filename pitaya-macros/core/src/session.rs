//! `#[session]`.
use proc_macro2::TokenStream;
use quote::quote;
/// Expands `#[session]`.
pub fn session(_args: TokenStream, item: TokenStream) -> TokenStream {
    let Ok(s) = syn::parse2::<syn::ItemStruct>(item.clone()) else { return item };
    let name = &s.ident;
    quote! { #[derive(::core::clone::Clone, ::core::fmt::Debug, ::pitaya::__private::serde::Serialize, ::pitaya::__private::serde::Deserialize)] #[serde(crate = "::pitaya::__private::serde", default)] #s impl ::pitaya::__private::SessionData for #name {} }
}
