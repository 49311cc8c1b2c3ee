//! The model of one method: what it is called, what it takes and what it gives.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, GenericArgument, Ident, LitStr, PathArguments, ReceiverKind, ReturnType, Type};

use crate::args::{Case, check_segment, doc, is_marker};
use crate::block::Function;
use crate::errors::Sink;

/// A method that is exposed.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The last part of its route.
    pub(crate) name: String,
    /// Where that name stands.
    pub(crate) name_span: Span,
    pub(crate) doc: String,
    /// `#[cfg]`s, which guard whatever is made for it.
    pub(crate) cfgs: Vec<Attribute>,
    /// Documentation, deprecation and `#[cfg]`s, which a client's method has too.
    pub(crate) shown: Vec<Attribute>,
    pub(crate) concurrent: bool,
    pub(crate) args: Vec<Arg>,
    pub(crate) output: Output,
}

/// One argument after `&self`.
pub(crate) struct Arg {
    pub(crate) ty: Type,
    /// Marked `#[extract]`.
    pub(crate) extract: bool,
}

/// What is returned.
pub(crate) struct Output {
    /// The whole type.
    pub(crate) ty: TokenStream,
    /// The message in it, as far as its looks tell.
    pub(crate) ok: Option<TokenStream>,
    pub(crate) span: Span,
}

/// Which methods of a block are meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The public ones of an impl.
    Impl,
    /// All of a contract.
    Contract,
}

/// Types that are extractors by their name: enough to guess the message of a remote.
const EXTRACTORS: &[&str] =
    &["Session", "Context", "State", "App", "Groups", "Users", "Timers", "SessionPool"];

impl Arg {
    /// Whether it looks like the message.
    pub(crate) fn looks_like_message(&self) -> bool {
        !self.extract && !last_segment(&self.ty).is_some_and(|name| EXTRACTORS.contains(&name.as_str()))
    }
}

/// The last segment of a path type.
pub(crate) fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// Takes the markers off a function and makes its model; `None` if it is not exposed or has mistakes.
pub(crate) fn model(
    function: &mut Function,
    of: Of,
    kind: &str,
    case: Option<Case>,
    sink: &Sink,
) -> Option<Method> {
    let markers = Markers::take(function, sink);
    let extracts = take_extracts(function);
    if of == Of::Impl && !matches!(function.vis, syn::Visibility::Public(_)) {
        if markers.route.is_some() || markers.concurrent {
            sink.on(
                &function.sig.ident,
                format!(
                    "`{}` is private, so it is no {kind}: write `pub async fn`, or take its marker off",
                    function.sig.ident
                ),
            );
        }
        return None;
    }
    if markers.skip {
        return None;
    }
    let before = sink.len();
    check_signature(function, of, kind, sink);
    let args: Vec<Arg> = function
        .sig
        .inputs
        .iter()
        .filter_map(|input| if let FnArg::Typed(typed) = input { Some((*typed.ty).clone()) } else { None })
        .zip(extracts)
        .map(|(ty, extract)| Arg { ty, extract })
        .collect();
    for arg in &args {
        check_argument(arg, &function.sig.ident, sink);
    }
    let ident = function.sig.ident.clone();
    let plain = ident.to_string().trim_start_matches("r#").to_owned();
    let (name, name_span) = match markers.route {
        Some(lit) => {
            check_segment(&lit, sink);
            (lit.value(), lit.span())
        }
        None => (case.map_or_else(|| plain.clone(), |case| case.apply(&plain)), ident.span()),
    };
    if sink.len() > before {
        return None;
    }
    let pick = |names: &[&str]| -> Vec<Attribute> {
        function
            .attrs
            .iter()
            .filter(|attr| names.iter().any(|name| attr.path().is_ident(name)))
            .cloned()
            .collect()
    };
    Some(Method {
        doc: doc(&function.attrs),
        cfgs: pick(&["cfg"]),
        shown: pick(&["cfg", "doc", "deprecated"]),
        concurrent: markers.concurrent,
        output: output(&function.sig.output, ident.span()),
        args,
        name,
        name_span,
        ident,
    })
}

#[derive(Default)]
struct Markers {
    route: Option<LitStr>,
    skip: bool,
    concurrent: bool,
}

impl Markers {
    fn take(function: &mut Function, sink: &Sink) -> Self {
        let mut markers = Self::default();
        function.attrs.retain(|attr| {
            if is_marker(attr, "route") {
                match attr.parse_args::<LitStr>() {
                    Ok(name) => markers.route = Some(name),
                    Err(_) => sink
                        .on(attr, "`#[route]` takes the name of the method in routes: `#[route(\"name\")]`"),
                }
            } else if is_marker(attr, "skip") {
                markers.skip = true;
            } else if is_marker(attr, "concurrent") {
                markers.concurrent = true;
            } else {
                return true;
            }
            false
        });
        markers
    }
}

/// Takes `#[extract]` off the arguments; gives which had it.
fn take_extracts(function: &mut Function) -> Vec<bool> {
    let mut all = Vec::new();
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(typed) = input {
            let before = typed.attrs.len();
            typed.attrs.retain(|attr| !is_marker(attr, "extract"));
            all.push(typed.attrs.len() < before);
        }
    }
    all
}

fn check_signature(function: &Function, of: Of, kind: &str, sink: &Sink) {
    let sig = &function.sig;
    let name = &sig.ident;
    if let Some(token) = &sig.constness {
        sink.on(token, format!("{kind} `{name}` must not be `const`: remove it"));
    }
    if let syn::Safety::Unsafe(token) = &sig.safety {
        sink.on(token, format!("{kind} `{name}` must not be `unsafe`: remove it"));
    }
    if let Some(abi) = &sig.abi {
        sink.on(abi, format!("{kind} `{name}` must not have an ABI: remove it"));
    }
    if sig.asyncness.is_none() {
        let help =
            if of == Of::Impl { "write `pub async fn`, or mark it `#[skip]`" } else { "write `async fn`" };
        sink.on(name, format!("{kind} `{name}` must be async: {help}"));
    }
    if !sig.generics.params.is_empty() {
        sink.on(
            &sig.generics,
            format!("{kind} `{name}` must not be generic: a route has one message type; name it"),
        );
    }
    if let Some(clause) = &sig.generics.where_clause {
        sink.on(clause, format!("{kind} `{name}` must not have a `where` clause: remove it"));
    }
    if of == Of::Contract && function.body.is_some() {
        sink.on(
            name,
            format!("`{name}` has a body: a contract says what there is, its impls say how; end it with `;`"),
        );
    }
    match sig.receiver() {
        Some(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, None, None) => {}
            ReceiverKind::Reference(_, Some(lifetime), None) => {
                sink.on(lifetime, format!("{kind} `{name}` must take a plain `&self`"));
            }
            _ => sink.on(
                receiver,
                format!("{kind} `{name}` must take `&self`: the component is shared by all calls; keep what changes in a `Mutex` or an atomic"),
            ),
        },
        None => sink.on(name, format!("{kind} `{name}` must take `&self` first: it is a method of the shared component")),
    }
}

fn check_argument(arg: &Arg, method: &Ident, sink: &Sink) {
    match &arg.ty {
        Type::Reference(reference) => {
            let owned = &reference.elem;
            let owned = quote!(#owned).to_string();
            sink.on(
                &arg.ty,
                format!("an argument of `{method}` is a reference: take `{owned}` by value; messages are owned, `Session` and `Context` are cheap clones"),
            );
        }
        Type::ImplTrait(_) => {
            sink.on(&arg.ty, format!("an argument of `{method}` is `impl Trait`: name the message type"));
        }
        _ => {}
    }
}

fn output(output: &ReturnType, fallback: Span) -> Output {
    match output {
        ReturnType::Default => Output { ty: quote!(()), ok: Some(quote!(())), span: fallback },
        ReturnType::Type(_, ty) => Output { ty: quote!(#ty), ok: ok_type(ty), span: ty.span() },
    }
}

/// `T` of `Result<T, …>` or of `Result<Option<T>, …>`.
fn ok_type(ty: &Type) -> Option<TokenStream> {
    let inner = argument(ty, "Result")?;
    let inner = argument(inner, "Option").unwrap_or(inner);
    Some(quote!(#inner))
}

fn argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path.path.segments.last().filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}
