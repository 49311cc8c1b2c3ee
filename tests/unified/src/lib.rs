//! Nothing but its dependencies: cargo builds one copy of each for the whole program, with the features of all who ask.
//! The step `unified` of `cargo xtask test` runs the library's tests and some of the
//! integration tests together with this package. No other step builds it.
