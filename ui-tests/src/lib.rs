//! What must not compile and how the compiler says so, and what must compile whatever the user's crate is like.
//! See `tests/ui.rs`, and `tests/expected.rs` for what every expected error has to be.
