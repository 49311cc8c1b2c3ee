//! Runs the compiler over `fail/`.

#[test]
fn what_must_not_compile_says_why() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
