//! Variants may have the names with which generated types end.
use pitaya::prelude::*;
use pitaya::serialize::{Body, Serializer};

#[message]
#[derive(PartialEq)]
pub struct Said {
    pub text: String,
}

#[message]
#[derive(PartialEq)]
pub enum Command {
    OnTheWire { a: u8 },
    Variant { a: u8 },
    VariantOnTheWire(Said),
    VariantVariant,
}

#[message]
#[serde(tag = "type", content = "data")]
pub enum CommandVariant {
    OnTheWire(Said),
    Variant,
}

#[test]
fn compiles() {
    let read = |text: &str| Serializer::Json.decode::<Command>(&Body::borrowed(text.as_bytes())).unwrap();
    assert_eq!(read(r#"{"type":"OnTheWire","a":1}"#), Command::OnTheWire { a: 1 });
    assert_eq!(read(r#"{"type":"Variant","a":1}"#), Command::Variant { a: 1 });
    let other = CommandVariant::OnTheWire(Said { text: "hi".into() });
    let written = serde_json::to_string(&[other, CommandVariant::Variant]).unwrap();
    assert_eq!(written, r#"[{"type":"OnTheWire","data":{"text":"hi"}},{"type":"Variant"}]"#);
}
