//! The expanders behind `pitaya-macros`: each is a function from tokens to tokens, so that tests and
//! `cargo xtask expand` can call them.
//!
//! Each macro parses its input, makes a model of it, and expands the model. Mistakes are gathered on the way
//! ([`errors::Sink`]) and reported all at once; the user's item is always kept.

mod args;
mod block;
mod component;
mod error;
pub mod errors;
mod expand;
mod handler;
mod message;
mod method;
mod remote;
mod session;

use proc_macro2::TokenStream;

pub use component::component;
pub use error::pitaya_error;
pub use handler::handler;
pub use message::message;
pub use remote::remote;
pub use session::session;

/// What a macro makes: the tokens, with its errors in them.
pub(crate) fn output(item: TokenStream, errors: errors::Sink, made: Option<TokenStream>) -> TokenStream {
    let errors = errors.into_tokens();
    quote::quote!(#item #made #errors)
}
