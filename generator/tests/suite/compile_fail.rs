//! What does not compile, with the message that says why.

#[test]
fn what_the_types_promise() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
