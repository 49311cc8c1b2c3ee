//! `#[every("100ms")]`: methods that timers of the app call, and `#[timers]` blocks, which have nothing else.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Ident, ItemImpl, LitStr, ReturnType, Safety, Type, parse_quote};

use super::inherent::kept;
use super::method::{no_conditional_markers, place_of};
use super::parse::{Block, Function, Target, strip_markers};
use super::{cfgs, duration, misplaced, named_type, place, signature, table};
use crate::attr::{Args, Ctx, Key, is_marker, named};
use crate::errors::{Errors, Expansion, Sink};
use crate::names::check_part;

const EXAMPLE: &str = "`#[every]` takes the time from one run to the next: write `#[every(\"100ms\")]`";

/// A method that a timer calls.
pub(crate) struct Timer {
    ident: Ident,
    nanos: u64,
    /// The conditions that it is compiled under.
    cfgs: Vec<Attribute>,
    ret: Type,
    replies: bool,
}

/// Expands `#[timers(args)] item`.
pub fn timers(args: TokenStream, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let args = Args::parse(args, "#[timers]", &[Key::text("server", "server = \"room\""), Key::CRATE], &sink);
    let tokens = match Target::parse(item.clone()) {
        Ok(Target::Impl(block)) if block.header.trait_.is_none() => expand(&args, &block, &sink),
        Ok(_) => {
            sink.on(
                misplaced(&item),
                "timers call methods of a component: write them as `async fn` in an `impl` block of the type, and put \
                 `#[timers]` on that block",
            );
            strip_markers(item)
        }
        Err(error) => {
            sink.absorb(error);
            strip_markers(item)
        }
    };
    errors.expansion(tokens)
}

fn expand(args: &Args, block: &Block<ItemImpl>, sink: &Sink<'_>) -> TokenStream {
    let kept = kept(block);
    let server = args.text("server").map(|text| {
        check_part(&text.value(), "a server type", text.span(), sink);
        text.value()
    });
    let Some((ty, name)) = named_type(&block.header, "#[timers]", sink) else { return kept };
    let body = sink.child();
    for function in block.functions().filter(|function| !is_timer(function)) {
        no_conditional_markers(function, &body);
        for marker in &function.markers {
            body.on(
                marker,
                "a `#[timers]` block has no routes: move this to a `#[handler]` or `#[remote]` block",
            );
        }
    }
    let timers = read(block, &body);
    if timers.is_empty() && !body.failed() {
        body.on(ty, "this block has no timers: write `#[every(\"100ms\")] async fn name(&self)`");
    }
    let table = registration(&Ctx::new(args).private(), ty, &name, &timers, server.as_deref());
    quote!(#kept #table)
}

/// Whether a method has `#[every]`, and so is not a route.
pub(crate) fn is_timer(function: &Function) -> bool {
    function.markers.iter().any(|marker| is_marker(marker, "every"))
}

/// The timers of a block, without those that something is wrong with.
pub(crate) fn read(block: &Block<ItemImpl>, sink: &Sink<'_>) -> Vec<Timer> {
    block
        .functions()
        .filter(|function| is_timer(function))
        .filter_map(|function| timer(function, sink))
        .collect()
}

fn timer(function: &Function, sink: &Sink<'_>) -> Option<Timer> {
    let sink = sink.child();
    no_conditional_markers(function, &sink);
    let mut nanos = None;
    for marker in &function.markers {
        let name = marker.path().segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if name != "every" {
            if !marker.path().is_ident("cfg_attr") {
                sink.on(marker, format!("a timer has no route: remove `#[{name}]`"));
            }
            continue;
        }
        if nanos.is_some() {
            sink.on(marker, "`#[every]` is given twice: keep one of them");
            continue;
        }
        nanos = Some(0);
        match marker.parse_args::<LitStr>() {
            Ok(text) => match duration::parse(&text.value()) {
                Ok(found) => nanos = Some(found),
                Err(invalid) => {
                    sink.on(&text, format!("invalid interval `{}`: {invalid}", text.value()));
                }
            },
            Err(_) => sink.on(marker, EXAMPLE),
        }
    }
    check(function, &sink);
    let (ret, replies) = match &function.sig.output {
        ReturnType::Default => (parse_quote!(()), false),
        ReturnType::Type(_, ty) => ((**ty).clone(), true),
    };
    let timer = Timer {
        ident: function.sig.ident.clone(),
        nanos: nanos?,
        cfgs: named(&function.attrs, "cfg").cloned().collect(),
        ret,
        replies,
    };
    (!sink.failed()).then_some(timer)
}

/// Notes everything that is wrong with the signature of a timer.
fn check(function: &Function, sink: &Sink<'_>) {
    let sig = &function.sig;
    let name = &sig.ident;
    if let Some(token) = &sig.constness {
        sink.on(token, format!("timer `{name}` runs at run time: write `async fn {name}(&self)`"));
    } else if let Safety::Unsafe(token) = &sig.safety {
        sink.on(token, format!("timer `{name}` cannot be `unsafe`, because the framework calls it: write `async fn {name}(&self)`"));
    } else if let Some(abi) = &sig.abi {
        sink.on(abi, format!("timer `{name}` is called from Rust: write `async fn {name}(&self)`"));
    } else if sig.asyncness.is_none() {
        sink.on(sig.fn_token, format!("timer `{name}` must be async: write `async fn {name}(&self)`"));
    }
    if !sig.generics.params.is_empty() {
        sink.on(&sig.generics, format!("timer `{name}` cannot be generic: write the types out"));
    } else if let Some(clause) = &sig.generics.where_clause {
        sink.on(clause, format!("timer `{name}` cannot have conditions: remove them"));
    }
    if let Some(variadic) = &sig.variadic {
        sink.on(variadic, format!("timer `{name}` takes nothing but `&self`: remove `...`"));
    }
    signature::receiver(function, "timer", "async fn", sink);
    let args = sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some(arg),
        FnArg::Receiver(_) => None,
    });
    for arg in args {
        sink.on(
            arg,
            format!(
                "timer `{name}` takes nothing but `&self`, because no call comes with it: make what it needs a field of \
                 the component"
            ),
        );
    }
}

/// The table of a block's timers and its registration; nothing if there are none.
pub(crate) fn registration(
    private: &TokenStream,
    ty: &Type,
    name: &Ident,
    timers: &[Timer],
    server: Option<&str>,
) -> TokenStream {
    if timers.is_empty() {
        return TokenStream::new();
    }
    let (server, component) = (table::option(server), table::component(ty));
    let entries = timers.iter().map(|timer| entry(ty, name, timer));
    let checks = timers.iter().map(|timer| {
        let (ret, cfgs) = (&timer.ret, cfgs(&timer.cfgs));
        let check = quote_spanned!(place_of(ret)=> __p::assert::timer::<#ret>(););
        quote!(#cfgs const _: () = #check)
    });
    let code = quote! {
        #(#checks)*
        const __TIMERS: __p::TimerBlock = __p::TimerBlock {
            server: #server,
            component: #component,
            timers: &[#(#entries),*],
        };
        __p::inventory::submit! { __TIMERS }
    };
    table::generated(private, &code)
}

fn entry(ty: &Type, name: &Ident, timer: &Timer) -> TokenStream {
    let Timer { ident, nanos, ret, replies, .. } = timer;
    let (cfgs, label) = (cfgs(&timer.cfgs), format!("{}::{}", name.unraw(), ident.unraw()));
    // The future has the place of the name: that is what the compiler points at if it is not `Send`.
    let at_name = place(ident.span());
    let at_ret = if *replies { place_of(ret) } else { place(ident.span()) };
    let finish = quote_spanned!(at_ret=> <__p::TimerProbe<#ret>>::finish);
    let this = Ident::new("this", Span::mixed_site());
    let run = quote_spanned! {at_name=>
        ::std::boxed::Box::pin(async move {
            #finish(<#ty>::#ident(__p::component_of(#this)?).await)
        })
    };
    quote! {
        #cfgs
        __p::Every { name: #label, nanos: #nanos, run: |#this| #run }
    }
}
