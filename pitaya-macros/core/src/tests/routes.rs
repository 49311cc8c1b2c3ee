//! `#[handler]`, `#[remote]` and the markers of their methods.

use insta::assert_snapshot;
use quote::quote;

use super::code;
use crate::{handler, link, remote, timers};

#[test]
fn a_handler_block() {
    let item = quote! {
        /// The entry of the game.
        impl Entry {
            /// Signs in.
            pub async fn join(&self, session: Session<Player>, msg: Join) -> Result<Joined> {
                session.bind(&msg.name).await
            }
            fn helper(&self) {}
        }
    };
    assert_snapshot!(code(handler(quote!(server = "connector"), item)));
}

#[test]
fn handlers_with_a_client() {
    let item = quote! {
        impl Entry {
            /// Signs in.
            pub async fn join(&self, session: Session, msg: Join) -> Result<Joined> {}
            #[cfg(feature = "more")]
            #[deprecated]
            pub async fn leave(&self) {}
        }
    };
    assert_snapshot!(code(handler(quote!(server = "connector", client), item)));
}

#[test]
fn every_option_of_handlers() {
    let item = quote! {
        impl rooms::Entry {
            #[route("say")]
            #[concurrent]
            #[timeout("1m30s")]
            pub async fn say_something(&self, msg: Say) {}
            pub async fn raw(&self, body: Bytes) -> Result<Bytes, AnyError> {}
            pub async fn maybe(&self) -> Result<Option<Joined>> {}
            pub async fn by_alias(&self) -> JoinResult {}
            pub async fn loaded(&self, #[extract] player: Loaded, cx: Context, msg: Join) -> Result<()> {}
            pub async fn r#loop(&self, Join { name }: Join) {}
            #[cfg(feature = "more")]
            #[deprecated]
            pub async fn more(&self) -> Result<()> {}
            #[skip]
            pub fn members(&self) -> usize { 1 }
            const LIMIT: usize = { 1 };
        }
    };
    let keys = quote!(server = "connector", service = "front", rename_all = "camelCase");
    assert_snapshot!(code(handler(keys, item)));
}

#[test]
fn a_block_for_every_server_type() {
    let item = quote! { impl Entry { pub async fn ping(&self) {} } };
    assert_snapshot!(code(handler(quote!(), item)));
}

#[test]
fn a_contract() {
    let item = quote! {
        /// The calls that any server may send to a room.
        pub trait RoomApi {
            /// Enters.
            async fn enter(&self, req: Enter) -> Result<Joined>;
            #[route("go")]
            #[cfg(feature = "leave")]
            #[deprecated]
            async fn leave(&self, cx: Context);
        }
    };
    assert_snapshot!(code(remote(quote!(server = "room"), item)));
}

#[test]
fn the_implementation_of_a_contract() {
    let item = quote! {
        /// The room.
        impl api::RoomApi for Room {
            async fn enter(&self, req: Enter) -> Result<Joined> {}
        }
    };
    assert_snapshot!(code(remote(quote!(), item)));
}

#[test]
fn remotes_without_a_contract() {
    let item = quote! {
        impl Shop {
            pub async fn buy(&self, order: Order, #[extract] player: Loaded) -> Result<Receipt> {}
            pub async fn close(&self) {}
        }
    };
    assert_snapshot!(code(remote(quote!(server = "shop", service = "till", rename_all = "UPPERCASE"), item)));
}

#[test]
fn linked_crates() {
    assert_snapshot!(code(link(quote!(connector, r#type,))));
}

#[test]
fn timers_of_a_component() {
    let item = quote! {
        impl Room {
            #[every("100ms")]
            async fn tick(&self) {}
            #[every("1m30s")]
            #[cfg(feature = "save")]
            async fn save(&self) -> Result<()> {}
            fn helper(&self) {}
        }
    };
    assert_snapshot!(code(timers(quote!(server = "room"), item)));
}

#[test]
fn a_private_method_with_a_message() {
    let item = quote! {
        impl Entry {
            pub async fn join(&self) -> Result<()> { self.called(msg).await }
            async fn hidden(&self, session: Session, msg: Join) -> Result<()> {}
            async fn called(&self, msg: Join) -> Result<()> {}
            #[skip]
            async fn skipped(&self, msg: Join) -> Result<()> {}
        }
    };
    assert_snapshot!(code(handler(quote!(server = "a"), item)));
}
