//! The expanders of the `pitaya` macros, as an ordinary library.
//!
//! A proc-macro crate can export nothing but its macros, but the snapshot tests and `pitaya expand` have to call
//! the expanders. So each macro is a function over [`proc_macro2`] tokens that returns an [`Expansion`].
//!
//! Each one parses the item (bodies stay tokens), checks it and collects all errors, then writes the code. The user's item
//! is always in the result.

#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

mod attr;
mod block;
mod component;
mod errors;
mod handler;
mod link;
mod marker;
mod message;
mod names;
mod pitaya_error;
mod remote;
mod session;
mod ungroup;

pub use block::every::timers;
pub use component::component;
pub use errors::Expansion;
pub use handler::handler;
pub use link::link;
pub use marker::marker;
pub use message::message;
pub use pitaya_error::pitaya_error;
pub use remote::remote;
pub use session::session;

#[cfg(test)]
mod tests;
