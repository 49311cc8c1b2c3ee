//! The `.proto` form of a schema: [`write()`] makes one, [`check()`] compares one with the schema.
//!
//! Both look at the messages with a Protobuf form, and at the enums in them. A field is described by its type as
//! `.proto` files write it, such as `repeated sint32`. Two fields with one number and one description are the same on
//! the wire.

mod check;
mod form;
mod shape;
#[cfg(test)]
mod tests;
mod write;

pub use check::{Difference, check};
pub use write::{WriteError, write};
