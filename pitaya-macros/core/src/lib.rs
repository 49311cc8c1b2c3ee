//! The expanders of the `pitaya` macros, as an ordinary library.
//!
//! A proc-macro crate can export nothing but its macros, while the snapshots of expansions and `cargo xtask expand`
//! need to call them: so each macro is a function here, over [`proc_macro2`] tokens, that gives an [`Expansion`].
//! Each goes the same way: read the item (bodies stay tokens), check it and note all mistakes, write the code. The
//! user's item is always in the result.

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
