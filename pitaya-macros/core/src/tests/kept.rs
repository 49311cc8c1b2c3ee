//! The item of the user stays, whatever its mistakes are.

use insta::assert_snapshot;
use quote::quote;

use super::with_errors;
use crate::{component, handler, link, marker, message, pitaya_error, remote, session};

#[test]
fn a_broken_method_suppresses_only_itself() {
    let item = quote! {
        impl Entry {
            pub async fn join(&self, msg: Join) -> Result<Joined> {}
            #[route("a b")]
            pub fn broken(&mut self, msg: &Join) -> u8 {}
        }
    };
    assert_snapshot!(with_errors(handler(quote!(sever = "a"), item)));
}

#[test]
fn a_broken_promise_stays_in_its_contract() {
    let item = quote! {
        trait RoomApi {
            async fn enter(&self, msg: Enter) -> Result<Joined>;
            async fn leave(&self, session: Session) -> Result<()>;
        }
    };
    assert_snapshot!(with_errors(remote(quote!(server = "room"), item)));
}

#[test]
fn broken_message_still_implements_message() {
    let item = quote! { #[derive(Default, Hash)] pub struct Join { #[serde(flatten)] name: String } };
    assert_snapshot!(with_errors(message(quote!(proto), item)));
}

#[test]
fn broken_session_data_stays() {
    assert_snapshot!(with_errors(session(quote!(), quote! { #[derive(Default)] struct Pair(u8, u8); })));
}

#[test]
fn broken_component_and_error_still_implement() {
    assert_snapshot!(with_errors(component(quote! { enum Entry { A } })));
    assert_snapshot!(with_errors(pitaya_error(quote! { enum Failed { A } })));
}

#[test]
fn what_no_macro_can_be_on_stays() {
    let item = quote! { pub async fn join(msg: Join) {} };
    for expansion in [
        handler(quote!(), item.clone()),
        remote(quote!(), item.clone()),
        message(quote!(), item.clone()),
        session(quote!(), item.clone()),
        marker("route", item.clone()),
    ] {
        assert_eq!(expansion.errors.len(), 1, "{:?}", expansion.errors);
        assert_eq!(expansion.tokens.to_string(), item.to_string());
    }
}

#[test]
fn crates_that_are_named_right_are_linked() {
    assert_snapshot!(with_errors(link(quote!(connector, "room", shop))));
}
