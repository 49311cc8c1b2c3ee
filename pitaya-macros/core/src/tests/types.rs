//! The derives.

use insta::assert_snapshot;
use quote::quote;

use super::code;
use crate::{component, pitaya_error};

#[test]
fn a_component() {
    let item = quote! {
        pub struct Entry {
            room: RoomApiClient,
            #[component(default)]
            online: AtomicU64,
            #[cfg(feature = "db")]
            r#type: State<Db>,
        }
    };
    assert_snapshot!(code(component(item)));
}

#[test]
fn a_component_without_names_or_fields() {
    assert_snapshot!(code(component(quote! { pub struct Entry(Groups, #[component(default)] u8); })));
    assert_snapshot!(code(component(quote! { pub struct Unit; })));
}

#[test]
fn an_error_with_codes() {
    let item = quote! {
        #[pitaya(code = "CHAT-000")]
        pub enum ChatError {
            #[pitaya(code = "CHAT-001", metadata(room, "max players" = limit))]
            Full { room: String, limit: u32 },
            #[pitaya(metadata(what = 0))]
            Not(String),
            #[pitaya(transparent)]
            Other(#[from] Error),
            #[cfg(feature = "more")]
            More,
        }
    };
    assert_snapshot!(code(pitaya_error(item)));
}

#[test]
fn an_error_that_is_a_struct() {
    let item = quote! { #[pitaya(code = "ROOM-1", metadata(room))] pub struct Full { room: String } };
    assert_snapshot!(code(pitaya_error(item)));
}

#[test]
fn an_error_that_cannot_be() {
    assert_snapshot!(code(pitaya_error(quote! { pub enum Never {} })));
}
