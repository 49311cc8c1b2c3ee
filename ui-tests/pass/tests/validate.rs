//! A message with rules.
use pitaya::prelude::*;
use pitaya::serialize::Message;

#[message(validate)]
#[derive(garde::Validate)]
pub struct Say {
    #[garde(length(min = 1))]
    pub text: String,
}

#[test]
fn compiles() {
    let rules = <Say as Message>::VALIDATE.unwrap();
    rules(&Say { text: "hi".into() }).unwrap();
    assert_eq!(rules(&Say { text: String::new() }).unwrap_err().code(), "PIT-000");
}
