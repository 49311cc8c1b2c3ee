//! The generated table of a block: one entry a method, with the code that calls it.
//!
//! An entry is thin; what it calls in `__private` is generic and does the work. All that an entry asks of one
//! type has that type's place, so that the compiler says once that the type does not fit, and there.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::method::{Arg, Method, place_of};
use super::signature::tidy;
use super::{Names, Surface, cfgs, place};

/// The name under which generated code has `__private`.
pub(crate) fn alias(private: &TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use #private as __p;
        #[allow(unused_imports)]
        use __p::{ReplyProbeFallback as _, ArgProbeFallback as _, ArgDecodeFallback as _};
    }
}

/// One entry: of the method of a type, called as a method of `target`, which is the type or a trait of it.
pub(crate) fn entry(
    method: &Method,
    surface: Surface,
    ty: &TokenStream,
    target: &TokenStream,
) -> TokenStream {
    let cfgs = cfgs(&method.attrs);
    let (name, doc, concurrent, ret) = (&method.name, &method.doc, method.concurrent, &method.ret);
    let at_name = method.ident.span();
    // `line!` tells the line of its caller only if it stands there with the user's own hygiene.
    let line = quote_spanned!(at_name=> ::core::line!());
    let at_ret = if method.replies { place_of(ret) } else { place(at_name) };
    let notify = quote_spanned!(at_ret=> <__p::ReplyProbe<#ret>>::NOTIFY);
    let reply = quote_spanned!(at_ret=> <__p::ReplyProbe<#ret>>::schema);
    let message = message(&method.args);
    let needs = needs(&method.args, surface);
    let call = call(method, surface, ty, target);
    quote! {
        #cfgs
        __p::Method {
            name: #name,
            doc: #doc,
            line: #line,
            concurrent: #concurrent,
            notify: #notify,
            message: #message,
            reply: #reply,
            needs: &[#(#needs),*],
            call: #call,
        }
    }
}

fn message(args: &[Arg]) -> TokenStream {
    let asked = args.iter().map(|arg| ask(&arg.ty, &quote!(MESSAGE)));
    quote!(|| __p::first(&[#(#asked),*]))
}

/// What the arguments that are no message need of the app, which the app checks when it starts.
fn needs(args: &[Arg], surface: Surface) -> impl Iterator<Item = TokenStream> {
    let needs = match surface {
        Surface::Handler => format_ident!("handler_needs"),
        Surface::Remote | Surface::Contract => format_ident!("remote_needs"),
    };
    args.iter().filter(|arg| !arg.message).map(move |arg| {
        let (ty, text) = (&arg.ty, tidy(&arg.ty));
        quote_spanned!(place_of(ty)=> (#text, <__p::ArgDecode<#ty, _>>::#needs))
    })
}

fn ask(ty: &syn::Type, what: &TokenStream) -> TokenStream {
    let span = place_of(ty);
    quote_spanned!(span=> <__p::ArgProbe<#ty>>::#what)
}

fn call(method: &Method, surface: Surface, ty: &TokenStream, target: &TokenStream) -> TokenStream {
    let (take, finish) = match surface {
        Surface::Handler => (format_ident!("handler"), format_ident!("finish_handler")),
        Surface::Remote | Surface::Contract => (format_ident!("remote"), format_ident!("finish_remote")),
    };
    let vars: Vec<_> =
        (0..method.args.len()).map(|i| format_ident!("a{i}", span = Span::mixed_site())).collect();
    let types = method.args.iter().map(|arg| &arg.ty);
    let holds = vars.iter().zip(types.clone()).map(|(var, ty)| {
        let span = place_of(ty);
        let var = respan(var, span);
        quote_spanned!(span=> let mut #var = <__p::ArgDecode<#ty, _>>::#take(&call, body);)
    });
    let slots: Vec<_> = vars
        .iter()
        .zip(types.clone())
        .map(|(var, ty)| {
            let span = place_of(ty);
            let var = respan(var, span);
            quote_spanned!(span=> &mut #var)
        })
        .collect();
    let gives = vars.iter().zip(types).map(|(var, ty)| {
        let span = place_of(ty);
        let var = respan(var, span);
        quote_spanned!(span=> let #var = #var.resolve(&mut call).await?;)
    });
    let site = Span::mixed_site();
    let body = if method.args.is_empty() { quote_spanned!(site=> _) } else { quote_spanned!(site=> body) };
    // The future has the place of the name: that is what the compiler points at if it is not `Send`.
    let at_name = place(method.ident.span());
    let ret = &method.ret;
    let called = quote_spanned! {at_name=>
        ::std::boxed::Box::pin(async move {
            let guard = call.guard();
            let reply = guard.run(async {
                call.before(&mut [#(#slots),*]).await?;
                #(#gives)*
                ::core::result::Result::Ok(#target(call.component::<#ty>()?, #(#vars),*).await)
            })
            .await;
            <__p::ReplyProbe<#ret>>::#finish(&call, reply).await
        })
    };
    quote_spanned! {site=>
        |mut call, #body| {
            #(#holds)*
            #called
        }
    }
}

fn respan(var: &syn::Ident, span: Span) -> syn::Ident {
    syn::Ident::new(&var.to_string(), span)
}

/// What only the types can tell, each as a constant of its own at the argument's place.
pub(crate) fn checks(method: &Method, surface: Surface) -> TokenStream {
    let cfgs = cfgs(&method.attrs);
    let fit = match surface {
        Surface::Handler => format_ident!("handler_argument"),
        Surface::Remote | Surface::Contract => format_ident!("remote_argument"),
    };
    let fits = method.args.iter().map(|arg| {
        let ty = &arg.ty;
        quote_spanned!(place_of(ty)=> __p::assert::#fit::<#ty, _>();)
    });
    let ret = &method.ret;
    let at_ret = if method.replies { place_of(ret) } else { place(method.ident.span()) };
    let reply = quote_spanned!(at_ret=> __p::assert::reply::<#ret>(););
    let told_apart = right_guess(method, surface).into_iter().map(|check| quote!(#cfgs #check));
    quote! {
        #cfgs
        const _: () = {
            #(#fits)*
            #reply
        };
        #(#told_apart)*
    }
}

/// The macro tells the message from the extractors by their names; these constants compare that with the types.
fn right_guess(method: &Method, surface: Surface) -> Vec<TokenStream> {
    let (word, extracts) = match surface {
        Surface::Handler => ("handler", format_ident!("EXTRACTS_FROM_HANDLER")),
        Surface::Remote | Surface::Contract => ("remote", format_ident!("EXTRACTS_FROM_REMOTE")),
    };
    let check = |arg: &Arg| {
        let (ty, text) = (&arg.ty, tidy(&arg.ty));
        let span = place_of(ty);
        let is_message = ask(ty, &quote!(IS_MESSAGE));
        let is_extractor = ask(ty, &quote!(#extracts));
        if arg.message {
            let text = format!(
                "`{text}` is an extractor, but the route of {word} `{}` would take it for the message: \
                 mark it `#[extract]`",
                method.ident
            );
            quote_spanned!(span=> const _: () = if #is_extractor && !#is_message { ::core::panic!(#text) };)
        } else {
            let text = format!(
                "`{text}` is a message, but the route of {word} `{}` takes it for an extractor: remove \
                 `#[extract]`, or give the type another name if it has none",
                method.ident
            );
            quote_spanned!(span=> const _: () = if #is_message { ::core::panic!(#text) };)
        }
    };
    method.args.iter().map(check).collect()
}

/// The table of an impl block and its registration.
pub(crate) fn block(
    private: &TokenStream,
    ty: &syn::Type,
    methods: &[Method],
    names: &Names,
    doc: &str,
    surface: Surface,
) -> TokenStream {
    let alias = alias(private);
    let kind = match surface {
        Surface::Handler => quote!(Handler),
        Surface::Remote | Surface::Contract => quote!(Remote),
    };
    let entries = methods.iter().map(|method| {
        let ident = &method.ident;
        entry(method, surface, &quote!(#ty), &quote!(<#ty>::#ident))
    });
    let checks = methods.iter().map(|method| checks(method, surface));
    let server = match &names.server {
        Some(server) => quote!(::core::option::Option::Some(#server)),
        None => quote!(::core::option::Option::None),
    };
    let service = Literal::string(&names.service);
    let submit = submit(ty, &kind, &server, &quote!(#service), doc, &quote!(__METHODS));
    quote! {
        #[allow(deprecated, clippy::all, clippy::pedantic)]
        const _: () = {
            #alias
            #(#checks)*
            static __METHODS: &[__p::Method<__p::#kind>] = &[#(#entries),*];
            #submit
        };
    }
}

/// The registration of a block.
pub(crate) fn submit(
    ty: &syn::Type,
    kind: &TokenStream,
    server: &TokenStream,
    service: &TokenStream,
    doc: &str,
    methods: &TokenStream,
) -> TokenStream {
    let make = if kind.to_string() == "Handler" { quote!(handlers) } else { quote!(remotes) };
    // The block is a constant of its own, because inside of the macro nothing would format it.
    quote! {
        const __BLOCK: __p::Block = __p::Block {
            kind: __p::BlockKind::#kind,
            server: #server,
            service: #service,
            doc: #doc,
            file: ::core::file!(),
            component: || {
                #[allow(unused_imports)]
                use __p::probe::*;
                __p::ComponentType::new::<#ty>(
                    (&&Probe::<#ty>::NEW).build(),
                    (&&Probe::<#ty>::NEW).lifecycle(),
                )
            },
            methods: || __p::Methods::#make(#methods),
        };
        __p::inventory::submit! { __BLOCK }
    }
}
