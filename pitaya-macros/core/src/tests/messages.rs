//! `#[message]` and `#[session]`.

use insta::assert_snapshot;
use quote::quote;

use super::code;
use crate::{message, session};

#[test]
fn a_message() {
    let item = quote! {
        /// Joins.
        #[derive(PartialEq)]
        pub struct Join {
            /// Who.
            pub name: String,
            pub room: Option<String>,
        }
    };
    assert_snapshot!(code(message(quote!(), item)));
}

#[test]
fn an_empty_message() {
    assert_snapshot!(code(message(quote!(), quote! { pub struct Ping {} })));
}

#[test]
fn a_message_that_is_pushed_and_lenient_and_has_rules() {
    let item = quote! {
        #[derive(garde::Validate)]
        pub struct Say {
            #[garde(length(min = 1))]
            pub text: String,
        }
    };
    assert_snapshot!(code(message(quote!(push = "onSay", lenient, validate), item)));
}

#[test]
fn every_serde_attribute_that_a_message_may_have() {
    let item = quote! {
        #[serde(rename_all = "camelCase")]
        struct Said {
            first_name: String,
            #[serde(rename = "other", default, skip_serializing_if = "Vec::is_empty")]
            others: Vec<Said>,
            #[serde(skip)]
            cache: u32,
            #[cfg(feature = "more")]
            r#type: u8,
        }
    };
    assert_snapshot!(code(message(quote!(), item)));
}

#[test]
fn an_enum_of_names() {
    let item = quote! {
        /// How a match is played.
        #[derive(Default)]
        #[serde(rename_all = "snake_case")]
        pub enum Mode {
            #[default]
            Solo,
            /// In teams of four.
            BigTeam,
            #[serde(rename = "ffa")]
            FreeForAll,
        }
    };
    assert_snapshot!(code(message(quote!(), item)));
}

#[test]
fn a_message_of_several_shapes() {
    let item = quote! {
        /// An action of a player.
        #[derive(PartialEq)]
        #[serde(rename_all = "snake_case")]
        pub enum Command {
            /// Moves.
            Move {
                x: f32,
                #[field(text)]
                id: u64,
            },
            Say(Said),
            #[cfg(feature = "more")]
            Stop,
        }
    };
    assert_snapshot!(code(message(quote!(push = "onCommand"), item)));
}

#[test]
fn a_proto_message() {
    let item = quote! {
        #[derive(Default)]
        pub struct Enter {
            #[tag(1)]
            pub uid: String,
            #[tag(2, sint32)]
            pub level: i32,
            #[tag(3, enum(Team))]
            pub team: i32,
            #[tag(4)]
            pub place: Option<Place>,
            #[tag(5)]
            pub friends: Vec<Place>,
            #[tag(6)]
            pub scores: HashMap<String, i64>,
            #[tag(7)]
            pub next: Option<Box<Enter>>,
            #[tag(8)]
            pub body: Bytes,
            #[tag(9, fixed64)]
            pub numbers: Vec<u64>,
            #[tag(10, enum(Team))]
            pub teams: Vec<i32>,
            #[tag(11)]
            pub maybe: Option<f64>,
            #[tag(12)]
            pub by_number: BTreeMap<u32, Place>,
        }
    };
    assert_snapshot!(code(message(quote!(proto), item)));
}

#[test]
fn a_proto_enum() {
    let item = quote! { pub enum Team { Red = 0, #[cfg(feature = "blue")] Blue = 1 } };
    assert_snapshot!(code(message(quote!(proto), item)));
}

#[test]
fn session_data() {
    let item = quote! {
        #[derive(Default)]
        pub struct Player { name: String, #[serde(rename = "r")] room: Option<String> }
    };
    assert_snapshot!(code(session(quote!(), item)));
}
