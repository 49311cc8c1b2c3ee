//! `#[derive(PitayaError)]`.
use proc_macro2::TokenStream;
/// Expands the derive.
pub fn pitaya_error(_item: TokenStream) -> TokenStream {
    TokenStream::new()
}
