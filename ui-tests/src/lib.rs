//! Code that must not compile, with the errors of the compiler, and code that must compile in any crate.
//! See `tests/ui.rs`, and `tests/expected.rs` for what every expected error has to be.
