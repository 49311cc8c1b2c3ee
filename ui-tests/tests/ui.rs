//! Runs the compiler over `pass/` and `fail/`.

#[test]
fn what_must_compile_compiles() {
    trybuild::TestCases::new().pass("tests/pass/*.rs");
}

#[test]
fn what_must_not_compile_says_why() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
