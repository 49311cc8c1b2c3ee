//! One method of a block, without errors.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, LitStr, ReturnType, Type, Visibility, parse_quote};

use super::constants::makes_a_constant;
use super::hidden;
use super::parse::{Body, Function, MARKERS, conditional};
use super::signature;
use super::{Names, Surface, timeout};
use crate::attr::{doc_text, is_marker};
use crate::errors::Sink;
use crate::names::check_part;
use crate::ungroup::last_name;

/// A route of a block.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The last part of the route.
    pub(crate) name: String,
    /// The place of that name.
    pub(crate) name_span: Span,
    pub(crate) doc: String,
    /// Docs, conditions and deprecation, for what is generated beside the method.
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) concurrent: bool,
    pub(crate) idempotent: bool,
    /// The timeout of a call in nanoseconds.
    pub(crate) timeout: Option<u64>,
    pub(crate) args: Vec<Arg>,
    pub(crate) ret: Type,
    /// Whether a return type is written.
    pub(crate) replies: bool,
}

/// An argument of a route, without the receiver.
pub(crate) struct Arg {
    pub(crate) ty: Type,
    /// Whether the macro guesses that it is the message.
    pub(crate) message: bool,
}

/// The names of the extractors that need no `#[extract]`.
pub(super) const EXTRACTORS: [&str; 5] = ["Session", "Context", "State", "App", "Arc"];
/// Services of the framework whose names an application may use for a message. They are extractors if another argument
/// may be the message.
const SERVICES: [&str; 8] =
    ["Groups", "Users", "Timers", "Modules", "SessionPool", "Metrics", "Config", "Rpc"];

impl Method {
    /// Reads a function of a block; `None` if it is a helper or has an error.
    pub(crate) fn read(
        function: &Function,
        surface: Surface,
        names: &Names,
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
                    "`{0}` gives no name for the constant of its route: rename it, and keep the route with \
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
                let name = names.rename.apply(&sig.ident.unraw().to_string());
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
                    "`{0}` has a body, but a contract only declares remotes: write `;` here, and the body in `#[remote] impl … for …`",
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
            idempotent: markers.idempotent,
            timeout: markers.timeout.or(names.timeout),
            args,
            ret,
            replies: matches!(sig.output, ReturnType::Type(..)),
        })
    }

    /// Returns the type of the message, as the macro guesses it.
    pub(crate) fn message(&self) -> Option<&Type> {
        self.args.iter().find(|arg| arg.message).map(|arg| &arg.ty)
    }

    /// Returns the attributes of these names.
    pub(crate) fn attrs(&self, names: &[&str]) -> TokenStream {
        self.attrs
            .iter()
            .filter(|a| names.iter().any(|n| a.path().is_ident(n)))
            .map(|a| a.to_token_stream())
            .collect()
    }
}

/// Whether a function of an impl block is a route: public, and not skipped.
pub(super) fn is_route(function: &Function) -> bool {
    matches!(function.vis, Visibility::Public(_))
        && !function.markers.iter().any(|marker| is_marker(marker, "skip"))
}

struct Markers {
    route: Option<LitStr>,
    concurrent: bool,
    idempotent: bool,
    /// In nanoseconds.
    timeout: Option<u64>,
    skip: bool,
}

impl Markers {
    fn read(function: &Function, surface: Surface, sink: &Sink<'_>) -> Self {
        let mut markers =
            Self { route: None, concurrent: false, idempotent: false, timeout: None, skip: false };
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
                "timeout" => match attr.parse_args::<LitStr>() {
                    Ok(text) => markers.timeout = timeout(&text, sink),
                    Err(_) => sink.on(attr, "`#[timeout]` takes a duration: write `#[timeout(\"5s\")]`"),
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
                "idempotent" if surface == Surface::Handler => sink.on(
                    attr,
                    "`#[idempotent]` is for remotes, because jobs do not call handlers: remove it",
                ),
                "idempotent" => markers.idempotent = true,
                "skip" if surface == Surface::Contract => {
                    sink.on(attr, "every method of a contract is a remote: remove `#[skip]` or move the method elsewhere");
                }
                _ => markers.skip = true,
            }
        }
        markers
    }
}

/// Refuses a marker or a `cfg` in a `cfg_attr`, because the macro does not know whether it applies.
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

/// Refuses markers on a helper, because the user probably meant a route.
fn helper_has_no_markers(function: &Function, surface: Surface, markers: &Markers, sink: &Sink<'_>) {
    let name = &function.sig.ident;
    let word = surface.word();
    for attr in &function.markers {
        if is_marker(attr, "skip") && !markers.skip || conditional(attr).is_some() {
            continue; // reported already
        }
        if markers.skip && !is_marker(attr, "skip") {
            sink.on(attr, format!("`{name}` is skipped, so it is not a {word}: remove either marker"));
        } else if !markers.skip {
            sink.on(attr, format!("`{name}` is a helper, because it is not `pub`: write `pub async fn {name}` to make it a {word}"));
        } else if !matches!(function.vis, Visibility::Public(_)) && hidden::message(function).is_none() {
            sink.on(attr, format!("`{name}` is a helper anyway, because it is not `pub`: remove `#[skip]`"));
        }
    }
}

/// Reads the arguments. `right` holds for each whether it has no error so far; only those get more errors.
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

/// Returns the place of a type, for code that is generated about it.
pub(crate) fn place_of(ty: &Type) -> Span {
    super::place(ty.span())
}
