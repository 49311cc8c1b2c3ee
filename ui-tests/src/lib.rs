//! Code that must not compile, with the errors of the compiler.
//!
//! `tests/ui.rs` compiles the cases in `tests/fail`; `tests/expected.rs` has the rules for what every expected error has
//! to be. Code that must compile in any crate is in the package `pitaya-ui-pass`, whose test programs cargo builds with
//! the others. Trybuild would build all dependencies once more for it.
