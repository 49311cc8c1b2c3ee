//! `crate = path`: nothing that is generated knows the framework by another name, nor the user's prelude.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;

use crate::{Expansion, component, handler, message, pitaya_error, remote, session, timers};

/// An expansion of each shape, with `crate = game::engine`.
fn all() -> Vec<(&'static str, Expansion)> {
    let path = quote!(crate = game::engine);
    vec![
        (
            "handler",
            handler(
                quote!(server = "a", client, #path),
                quote! { impl Entry {
                    pub async fn join(&self, session: Session, msg: Join) -> Result<Joined, E> {}
                    pub async fn say(&self) {}
                    pub async fn other(&self) -> JoinResult {}
                    async fn hidden(&self, msg: Join) {}
                    #[every("1s")]
                    async fn tick(&self) -> Result<(), E> {}
                } },
            ),
        ),
        (
            "contract",
            remote(
                quote!(server = "a", #path),
                quote! { trait RoomApi { async fn enter(&self, msg: Join, cx: Context) -> Result<Joined, E>; } },
            ),
        ),
        (
            "implementation",
            remote(
                path.clone(),
                quote! { impl RoomApi for Room { async fn enter(&self) -> Result<Joined, E> {} } },
            ),
        ),
        (
            "remotes",
            remote(
                quote!(server = "a", #path),
                quote! { impl Shop { pub async fn buy(&self, #[extract] who: Who, msg: Buy) -> Result<Bought, E> {} } },
            ),
        ),
        (
            "timers",
            timers(
                path.clone(),
                quote! { impl Entry { #[every("1s")] async fn tick(&self) -> Result<(), E> {} } },
            ),
        ),
        (
            "message",
            message(
                quote!(push = "onJoin", lenient, validate, #path),
                quote! { struct Join { name: String, room: Option<Room>, #[field(text)] id: u64 } },
            ),
        ),
        (
            "proto message",
            message(
                quote!(proto, #path),
                quote! { struct Enter {
                    #[tag(1)] uid: String, #[tag(2)] place: Option<Place>, #[tag(3, enum(Team))] team: i32,
                    #[tag(4)] scores: HashMap<u32, i64>
                } },
            ),
        ),
        ("proto enum", message(quote!(proto, #path), quote! { enum Team { Red = 0 } })),
        ("session", session(path.clone(), quote! { struct Player { name: String } })),
        (
            "component",
            component(
                quote! { #[component(crate = game::engine)] struct Entry { room: Client, #[component(default)] n: u8 } },
            ),
        ),
        (
            "error",
            pitaya_error(quote! {
                #[pitaya(crate = game::engine)]
                enum Failed { #[pitaya(code = "E-1", metadata(what))] One { what: u8 }, #[pitaya(transparent)] Two(Error) }
            }),
        ),
    ]
}

/// Every word of the tokens; of texts too, because serde and prost take paths as texts.
fn words(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => self::words(group.stream(), words),
            TokenTree::Ident(ident) => {
                words.insert(ident.to_string());
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                words.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
            }
            TokenTree::Punct(_) => {}
        }
    }
}

#[test]
fn crate_path_replaces_every_framework_path() {
    for (shape, expansion) in all() {
        assert!(expansion.errors.is_empty(), "{shape}: {:?}", expansion.errors);
        let mut found = BTreeSet::new();
        words(expansion.tokens, &mut found);
        let mut banned = ["pitaya", "pitaya_macros", "pitaya_macros_core"].into_iter();
        assert!(banned.all(|name| !found.contains(name)), "{shape}: {found:?}");
        assert!(found.contains("engine"), "{shape} does not use the path it was given");
    }
}

#[test]
fn the_words_of_texts_are_seen_too() {
    let mut found = BTreeSet::new();
    words(
        quote!(
            #[serde(crate = "::pitaya::serde")]
            {
                a::b
            }
        ),
        &mut found,
    );
    assert!(["pitaya", "serde", "a", "b"].iter().all(|word| found.contains(*word)), "{found:?}");
}

#[test]
fn names_of_the_prelude_are_written_by_their_paths() {
    // Without the names that the items above use themselves.
    let names = [
        "Some", "None", "Ok", "Err", "Box", "Vec", "ToString", "Default", "Into", "From", "Send", "Sync",
        "Clone",
    ];
    for (shape, expansion) in all() {
        let text = expansion.tokens.to_string();
        for name in names {
            let bare = format!(" {name} ");
            let mut found = text.match_indices(&bare).map(|(at, _)| &text[..at]);
            assert!(found.all(|before| before.ends_with("::")), "{shape} has a bare `{name}`: {text}");
        }
    }
}
