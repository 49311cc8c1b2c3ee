//! Checks the signature of a handler or a remote.

use heck::ToUpperCamelCase;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, ReceiverKind, ReturnType, Safety, Type};

use super::Surface;
use super::parse::Function;
use crate::errors::Sink;
use crate::ungroup::{self, last_name};

/// Notes everything that is wrong with a signature. Returns for each argument but the receiver whether it is right.
pub(crate) fn check(function: &Function, surface: Surface, sink: &Sink<'_>) -> Vec<bool> {
    let sig = &function.sig;
    let (word, name, opening) = (surface.word(), &sig.ident, surface.opening());
    if let Some(token) = &sig.constness {
        sink.on(token, format!("{word} `{name}` runs at run time: write `{opening} {name}`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        sink.on(
            token,
            format!(
                "{word} `{name}` cannot be `unsafe`, because the framework calls it: write `{opening} {name}`"
            ),
        );
    }
    if let Some(abi) = &sig.abi {
        sink.on(abi, format!("{word} `{name}` is called from Rust: write `{opening} {name}`"));
    }
    let said = sig.constness.is_some() || sig.abi.is_some() || matches!(sig.safety, Safety::Unsafe(_));
    if sig.asyncness.is_none() && !said {
        let helper = match surface {
            Surface::Contract => "",
            _ => "; a helper is private, or marked `#[skip]`",
        };
        sink.on(sig.fn_token, format!("{word} `{name}` must be async: write `{opening} {name}`{helper}"));
    }
    if !sig.generics.params.is_empty() {
        sink.on(
            &sig.generics,
            format!(
                "{word} `{name}` cannot be generic, because its route has one message: write the types out"
            ),
        );
    } else if let Some(clause) = &sig.generics.where_clause {
        sink.on(
            clause,
            format!("{word} `{name}` cannot have conditions, because its route always exists: remove them"),
        );
    }
    if let Some(variadic) = &sig.variadic {
        sink.on(variadic, format!("{word} `{name}` takes a fixed list of arguments: remove `...`"));
    }
    receiver(function, word, opening, sink);
    let mut right = Vec::new();
    for (arg, extract) in sig.inputs.iter().zip(&function.extract) {
        if let FnArg::Typed(arg) = arg {
            for condition in arg.attrs.iter().filter(|a| is_condition(a)) {
                sink.on(
                    condition,
                    format!(
                        "the arguments of {word} `{name}` are always there: write two functions, each under its condition"
                    ),
                );
            }
            let sink = sink.child();
            argument(&arg.ty, extract.is_some(), function, surface, &sink);
            right.push(!sink.failed());
        }
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        reply(ty, function, surface, sink);
    }
    right
}

/// Notes a receiver that is not `&self`. `word` is what the method is called, `opening` how one begins.
pub(crate) fn receiver(function: &Function, word: &str, opening: &str, sink: &Sink<'_>) {
    let name = &function.sig.ident;
    match function.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => match &receiver.kind {
            ReceiverKind::Reference(_, None, None) => {}
            ReceiverKind::Reference(_, Some(_), None) => {
                if !function.sig.generics.params.is_empty() {
                    return; // reported already
                }
                sink.on(receiver, format!("{word} `{name}` needs no lifetime: write `&self`"));
            }
            ReceiverKind::Reference(..) => sink.on(
                receiver,
                format!(
                    "{word} `{name}` must take `&self`, because calls run at the same time on one value: \
                     write `&self` and keep what changes in a `Mutex` or an atomic"
                ),
            ),
            _ => sink.on(
                receiver,
                format!("{word} `{name}` must take `&self`, because the component stays for the next call: write `&self`"),
            ),
        },
        _ => sink.at(
            function.sig.ident.span(),
            format!("{word} `{name}` must take `&self` first: write `{opening} {name}(&self, …)`"),
        ),
    }
}

/// Whether an attribute may take away what it stands on.
fn is_condition(attr: &Attribute) -> bool {
    attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr")
}

fn argument(ty: &Type, extracted: bool, function: &Function, surface: Surface, sink: &Sink<'_>) {
    let (word, name) = (surface.word(), &function.sig.ident);
    let ty = ungroup::ty(ty);
    let unsized_type = matches!(ty, Type::TraitObject(_) | Type::Slice(_));
    match borrowed(ty.to_token_stream()) {
        None | Some(Found::SelfType) if unsized_type => sink.on(
            ty,
            format!(
                "{word} `{name}` owns its arguments: write a type that has a size instead of `{}`",
                tidy(ty)
            ),
        ),
        Some(Found::Unknown) => {
            sink.on(ty, format!("{word} `{name}` needs to know the type: write it out instead of `_`"));
        }
        Some(Found::Borrow) => {
            let owned = match ty {
                Type::Reference(reference) => match tidy(&reference.elem).as_str() {
                    "str" => "String".to_owned(),
                    elem => elem.to_owned(),
                },
                _ => "a type that owns its data".to_owned(),
            };
            let owned = if owned.contains(' ') { owned } else { format!("`{owned}`") };
            sink.on(
                ty,
                format!("{word} `{name}` owns its arguments: write {owned} instead of `{}`", tidy(ty)),
            );
        }
        Some(Found::Impl) => sink.on(
            ty,
            format!("{word} `{name}` needs to know the type: write it out instead of `{}`", tidy(ty)),
        ),
        Some(Found::SelfType) => sink
            .on(ty, format!("`Self` cannot be an argument of {word} `{name}`: write the type by its name")),
        None => {
            if let Some(object) = state_of_object(ty) {
                let object = tidy(object);
                sink.on(
                    ty,
                    format!(
                        "the state of {word} `{name}` has no size: write `State<Arc<{object}>>` instead of \
                         `State<{object}>`, and give the app that with `.state::<Arc<{object}>>(…)`"
                    ),
                );
            } else if is_foreign(ty) && !extracted {
                let wrapper = name.unraw().to_string().to_upper_camel_case();
                sink.on(
                    ty,
                    format!(
                        "{word} `{name}` takes a message, and `{}` is not one: write \
                         `#[message] struct {wrapper} {}` and take that",
                        tidy(ty),
                        fields(ty)
                    ),
                );
            }
        }
    }
}

/// The trait object of a `State<dyn Store>`.
pub(crate) fn state_of_object(ty: &Type) -> Option<&Type> {
    match ungroup::named(ty)? {
        (name, args) if name == "State" => args.into_iter().find(|arg| matches!(arg, Type::TraitObject(_))),
        _ => None,
    }
}

/// The fields of a message that holds a value of a foreign type. A tuple is no field, so each of its values is one.
fn fields(ty: &Type) -> String {
    match ungroup::ty(ty) {
        Type::Tuple(tuple) => {
            let fields = tuple.elems.iter().zip('a'..).map(|(elem, name)| format!("{name}: {}", tidy(elem)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        ty => format!("{{ value: {} }}", tidy(ty)),
    }
}

/// Whether a type is one of the standard library's that is no message, and cannot be annotated by a user.
fn is_foreign(ty: &Type) -> bool {
    const NAMES: [&str; 25] = [
        "bool", "char", "str", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128",
        "usize", "f32", "f64", "String", "Vec", "Option", "VecDeque", "HashMap", "BTreeMap", "HashSet",
        "BTreeSet",
    ];
    match ungroup::ty(ty) {
        Type::Tuple(tuple) => !tuple.elems.is_empty(),
        Type::Array(_) => true,
        Type::Path(path) => {
            let of_serde_json = path.path.segments.len() > 1
                && path.path.segments.first().is_some_and(|first| first.ident == "serde_json");
            of_serde_json || last_name(ty).is_some_and(|name| NAMES.contains(&name.as_str()))
        }
        _ => false,
    }
}

fn reply(ty: &Type, function: &Function, surface: Surface, sink: &Sink<'_>) {
    let (word, name) = (surface.word(), &function.sig.ident);
    let ty = ungroup::ty(ty);
    match borrowed(ty.to_token_stream()) {
        Some(Found::Borrow) => sink.on(
            ty,
            format!("the reply of {word} `{name}` must own its data: write a type without `&` and lifetimes"),
        ),
        Some(Found::Impl) => {
            let note = if function.sig.asyncness.is_none() { return } else { "write it out" };
            sink.on(
                ty,
                format!(
                    "{word} `{name}` needs to know the type of its reply: {note} instead of `{}`",
                    tidy(ty)
                ),
            );
        }
        Some(Found::SelfType) => sink
            .on(ty, format!("`Self` cannot be in the reply of {word} `{name}`: write the type by its name")),
        Some(Found::Unknown) => sink.on(
            ty,
            format!("{word} `{name}` needs to know the type of its reply: write it out instead of `_`"),
        ),
        None if can_fail(ty) => {
            if let Some(message) = unwrapped(ty).filter(|message| is_foreign(message)) {
                let wrapper = format!("{}Reply", name.unraw().to_string().to_upper_camel_case());
                sink.on(
                    message,
                    format!(
                        "{word} `{name}` replies with a message, and `{}` is not one: write \
                         `#[message] struct {wrapper} {}` and return `Result<{wrapper}>`",
                        tidy(message),
                        fields(message)
                    ),
                );
            }
        }
        // A path with one argument looks like an alias of a result.
        None if ungroup::named(ty).is_some_and(|(_, args)| args.len() == 1) && !is_foreign(ty) => sink.on(
            ty,
            format!(
                "the return type of {word} `{name}` does not look like a `Result`: give `{}` a name that ends in `Result` \
                 if it is an alias of one; if not, write `Result<{}>`",
                last_name(ty).unwrap_or_default(),
                tidy(ty)
            ),
        ),
        None => sink.on(
            ty,
            format!(
                "{word} `{name}` may fail, so it returns a `Result`: write `Result<{}>`, or nothing at all if it never \
                 answers (an alias of a result has a name that ends in `Result`)",
                tidy(ty)
            ),
        ),
    }
}

/// The type of the message in a `Result<T>` or a `Result<Option<T>>`.
fn unwrapped(ty: &Type) -> Option<&Type> {
    let (name, args) = ungroup::named(ty)?;
    let ok = args.first().copied().filter(|_| name == "Result")?;
    match ungroup::named(ok) {
        Some((name, args)) if name == "Option" => args.first().copied(),
        _ => Some(ok),
    }
}

/// Whether a return type is `()`, or a `Result` by its name: the constants of routes read the reply off it.
fn can_fail(ty: &Type) -> bool {
    match ungroup::ty(ty) {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        _ => last_name(ty).is_some_and(|name| name.ends_with("Result")),
    }
}

enum Found {
    /// `_`.
    Unknown,
    Borrow,
    Impl,
    SelfType,
}

/// The first thing in a type that cannot stand outside of its function.
fn borrowed(tokens: TokenStream) -> Option<Found> {
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let lifetime = matches!(trees.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '\'');
                if !lifetime {
                    return Some(Found::Borrow);
                }
            }
            TokenTree::Punct(punct)
                if punct.as_char() == '\''
                    && !matches!(trees.next(), Some(TokenTree::Ident(name)) if name == "static") =>
            {
                return Some(Found::Borrow);
            }
            TokenTree::Ident(name) if name == "_" => return Some(Found::Unknown),
            TokenTree::Ident(name) if name == "impl" => return Some(Found::Impl),
            TokenTree::Ident(name) if name == "Self" => return Some(Found::SelfType),
            TokenTree::Group(group) => {
                if let Some(found) = borrowed(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// A type as one writes it.
pub(crate) fn tidy(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (spaced, tight) in
        [(" <", "<"), ("< ", "<"), (" >", ">"), ("& ", "&"), (" ::", "::"), (":: ", "::"), (" ,", ",")]
    {
        text = text.replace(spaced, tight);
    }
    text
}
