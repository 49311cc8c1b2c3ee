//! What is known of one method of a block, once nothing is wrong with it.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, ReturnType, Type, Visibility, parse_quote};

use super::Surface;
use super::constants::makes_a_constant;
use super::hidden;
use super::parse::{Body, Function, MARKERS, conditional};
use super::signature;
use crate::attr::{doc_text, is_marker};
use crate::errors::Sink;
use crate::names::{Rename, check_part};
use crate::ungroup::last_name;

/// A route of a block.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The last part of the route.
    pub(crate) name: String,
    /// Where that name comes from.
    pub(crate) name_span: Span,
    pub(crate) doc: String,
    /// Docs, conditions and deprecation, for what is generated beside the method.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) concurrent: bool,
    pub(crate) args: Vec<Arg>,
    pub(crate) ret: Type,
    /// Whether a return type is written.
    pub(crate) replies: bool,
}

/// An argument of a route, without the receiver.
pub(crate) struct Arg {
    pub(crate) ty: Type,
    /// Whether the macro takes it for the message, whose type the route's constant has.
    pub(crate) message: bool,
}

/// Types that are known for extractors by their name. What the macro cannot know is marked `#[extract]`.
pub(super) const EXTRACTORS: [&str; 5] = ["Session", "Context", "State", "App", "Arc"];
/// Services of the framework whose names an application's message may have as well. They are taken for extractors where
/// there is another argument beside them.
const SERVICES: [&str; 8] =
    ["Groups", "Users", "Timers", "Modules", "SessionPool", "Metrics", "Config", "Rpc"];

impl Method {
    /// Reads a function of a block; `None` if it is a helper, or if something is wrong with it.
    pub(crate) fn read(
        function: &Function,
        surface: Surface,
        rename: Rename,
        sink: &Sink<'_>,
    ) -> Option<Self> {
        let sink = sink.child();
        let markers = Markers::read(function, surface, &sink);
        no_conditional_markers(function, &sink);
        let exposed = surface == Surface::Contract || matches!(function.vis, Visibility::Public(_));
        if !exposed || markers.skip {
            helper_has_no_markers(function, surface, &markers, &sink);
            return None;
        }
        let right = signature::check(function, surface, &sink);
        let sig = &function.sig;
        if !makes_a_constant(&sig.ident) {
            sink.on(
                &sig.ident,
                format!(
                    "`{0}` makes no name for the constant of its route: call it otherwise, and keep the route with \
                     `#[route(\"…\")]`",
                    sig.ident
                ),
            );
            return None;
        }
        let (name, name_span) = match &markers.route {
            Some(text) => {
                check_part(&text.value(), "a part of a route", text.span(), &sink);
                (text.value(), text.span())
            }
            None => {
                let name = rename.apply(&sig.ident.unraw().to_string());
                if name.is_empty() || !name.is_ascii() {
                    sink.on(
                        &sig.ident,
                        format!("`{name}` cannot be a part of a route: name it with `#[route(\"…\")]`"),
                    );
                }
                (name, sig.ident.span())
            }
        };
        if let (Body::Block(body), Surface::Contract) = (&function.body, surface) {
            sink.at(
                body.span(),
                format!(
                    "`{0}` is only promised here: write `;` for its body, and the body into `#[remote] impl … for …`",
                    sig.ident
                ),
            );
        }
        let args = read_args(function, &right, surface, &sink);
        let ret = match &sig.output {
            ReturnType::Default => parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let kept = ["doc", "cfg", "deprecated"];
        (!sink.failed()).then(|| Self {
            ident: sig.ident.clone(),
            name,
            name_span,
            doc: doc_text(&function.attrs),
            attrs: function
                .attrs
                .iter()
                .filter(|a| kept.iter().any(|k| a.path().is_ident(k)))
                .cloned()
                .collect(),
            concurrent: markers.concurrent,
            args,
            ret,
            replies: matches!(sig.output, ReturnType::Type(..)),
        })
    }

    /// What the macro takes for the message.
    pub(crate) fn message(&self) -> Option<&Type> {
        self.args.iter().find(|arg| arg.message).map(|arg| &arg.ty)
    }

    /// The attributes of one name.
    pub(crate) fn attrs(&self, names: &[&str]) -> TokenStream {
        self.attrs
            .iter()
            .filter(|a| names.iter().any(|n| a.path().is_ident(n)))
            .map(|a| a.to_token_stream())
            .collect()
    }
}

struct Markers {
    route: Option<LitStr>,
    concurrent: bool,
    skip: bool,
}

impl Markers {
    fn read(function: &Function, surface: Surface, sink: &Sink<'_>) -> Self {
        let mut markers = Self { route: None, concurrent: false, skip: false };
        let mut seen: Vec<&str> = Vec::new();
        for attr in &function.markers {
            let Some(name) = MARKERS.into_iter().find(|m| is_marker(attr, m)) else { continue };
            if seen.contains(&name) {
                sink.on(attr, format!("`#[{name}]` is given twice: keep one of them"));
                continue;
            }
            seen.push(name);
            match name {
                "route" => match attr.parse_args::<LitStr>() {
                    Ok(text) => markers.route = Some(text),
                    Err(_) => sink.on(attr, "`#[route]` takes the last part of the route: write `#[route(\"join\")]`"),
                },
                "every" => sink.on(
                    attr,
                    "a contract holds remotes only: write `#[every]` on a method of the component, in a `#[timers]` block",
                ),
                "extract" => sink.on(
                    attr,
                    "`#[extract]` belongs on an argument: write `#[extract] player: Player`",
                ),
                _ if attr.meta.require_path_only().is_err() => {
                    sink.on(attr, format!("`#[{name}]` takes no value: write just `#[{name}]`"));
                }
                "concurrent" if surface != Surface::Handler => sink.on(
                    attr,
                    "remotes always run concurrently: remove `#[concurrent]`, which is for handlers, whose session \
                     would wait for them",
                ),
                "concurrent" => markers.concurrent = true,
                "skip" if surface == Surface::Contract => {
                    sink.on(attr, "every method of a contract is a remote: remove `#[skip]` or move the method elsewhere");
                }
                _ => markers.skip = true,
            }
        }
        markers
    }
}

/// What a `cfg_attr` says is not known here, so it can neither be a marker nor take the method away.
pub(super) fn no_conditional_markers(function: &Function, sink: &Sink<'_>) {
    for meta in function.markers.iter().filter_map(conditional) {
        let name = meta.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        sink.on(
            meta,
            format!(
                "`{name}` decides what is made of `{0}`, so it cannot have a condition: write two functions, each \
                 under a `#[cfg(…)]` of its own",
                function.sig.ident
            ),
        );
    }
}

/// A helper with a marker is a route that somebody forgot to expose.
fn helper_has_no_markers(function: &Function, surface: Surface, markers: &Markers, sink: &Sink<'_>) {
    let name = &function.sig.ident;
    let word = surface.word();
    for attr in &function.markers {
        if is_marker(attr, "skip") && !markers.skip || conditional(attr).is_some() {
            continue; // reported already
        }
        if markers.skip && !is_marker(attr, "skip") {
            sink.on(attr, format!("`{name}` is skipped, so it is no {word}: remove either marker"));
        } else if !markers.skip {
            sink.on(attr, format!("`{name}` is a helper, because it is not `pub`: write `pub async fn {name}` to make it a {word}"));
        } else if !matches!(function.vis, Visibility::Public(_)) && hidden::message(function).is_none() {
            sink.on(attr, format!("`{name}` is a helper anyway, because it is not `pub`: remove `#[skip]`"));
        }
    }
}

/// The arguments. `right` tells of each whether nothing was said against it: of the others nothing more is said.
fn read_args(function: &Function, right: &[bool], surface: Surface, sink: &Sink<'_>) -> Vec<Arg> {
    let mut args = Vec::new();
    let typed = function.sig.inputs.iter().zip(&function.extract).filter_map(|(arg, extract)| match arg {
        syn::FnArg::Typed(arg) => Some((arg, extract)),
        syn::FnArg::Receiver(_) => None,
    });
    for ((arg, extract), right) in typed.zip(right) {
        if let Some(extract) = extract.as_ref().filter(|extract| extract.meta.require_path_only().is_err()) {
            sink.on(extract, "`#[extract]` takes no value: write just `#[extract]`");
        }
        let known = last_name(&arg.ty).is_some_and(|name| EXTRACTORS.contains(&name.as_str()));
        let message = extract.is_none() && !known && *right;
        if surface != Surface::Handler
            && extract.is_none()
            && last_name(&arg.ty).is_some_and(|n| n == "Session")
        {
            sink.on(
                &arg.ty,
                format!(
                    "remote `{}` cannot take a `Session`: it is called by a server, not by a client; \
                     write what it needs, such as the uid, into its message",
                    function.sig.ident
                ),
            );
        }
        args.push(Arg { ty: (*arg.ty).clone(), message });
    }
    let service = |arg: &Arg| last_name(&arg.ty).is_some_and(|name| SERVICES.contains(&name.as_str()));
    if args.iter().filter(|arg| arg.message).count() > 1 {
        args.iter_mut().filter(|arg| service(arg)).for_each(|arg| arg.message = false);
    }
    for second in args.iter().filter(|arg| arg.message).skip(1) {
        sink.on(
            &second.ty,
            format!(
                "{} `{}` takes two messages, but a call carries one: put both into one `#[message]` struct, \
                 or mark an extractor of yours `#[extract]`",
                surface.word(),
                function.sig.ident
            ),
        );
    }
    args
}

/// The first span of a type, for what is generated about it.
pub(crate) fn place_of(ty: &Type) -> Span {
    super::place(ty.span())
}
