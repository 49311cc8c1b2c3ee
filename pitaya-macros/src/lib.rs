//! Entry points.
use proc_macro::TokenStream;
/// Handlers.
#[proc_macro_attribute]
pub fn handler(a: TokenStream, i: TokenStream) -> TokenStream {
    pitaya_macros_core::handler(a.into(), i.into()).into()
}
/// Remotes.
#[proc_macro_attribute]
pub fn remote(a: TokenStream, i: TokenStream) -> TokenStream {
    pitaya_macros_core::remote(a.into(), i.into()).into()
}
/// Messages.
#[proc_macro_attribute]
pub fn message(a: TokenStream, i: TokenStream) -> TokenStream {
    pitaya_macros_core::message(a.into(), i.into()).into()
}
/// Session data.
#[proc_macro_attribute]
pub fn session(a: TokenStream, i: TokenStream) -> TokenStream {
    pitaya_macros_core::session(a.into(), i.into()).into()
}
/// Components.
#[proc_macro_derive(Component, attributes(component))]
pub fn component(i: TokenStream) -> TokenStream {
    pitaya_macros_core::component(i.into()).into()
}
/// Errors.
#[proc_macro_derive(PitayaError, attributes(pitaya))]
pub fn pitaya_error(i: TokenStream) -> TokenStream {
    pitaya_macros_core::pitaya_error(i.into()).into()
}
