//! Runs the compiler over `pass/` and `fail/`.

#[test]
fn what_must_compile_compiles() {
    trybuild::TestCases::new().pass("tests/pass/*.rs");
}
