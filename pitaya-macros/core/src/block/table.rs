//! Writes the table of a block: one entry a method, with the code that calls it.
//!
//! An entry is short; the generic code that it calls in `__private` does the work. Everything that an entry requires of a
//! type has the place of that type, so that the compiler reports a mistake once, and there.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::method::{Arg, Method, place_of};
use super::signature::tidy;
use super::{Names, Surface, cfgs, place};

/// Imports `__private` as `__p`, and the fallbacks of its probes.
pub(crate) fn imports(private: &TokenStream) -> TokenStream {
    quote!(use #private::{self as __p, fallback::*};)
}

/// Writes one entry. `target` is the path of the method.
pub(crate) fn entry(method: &Method, surface: Surface, target: &TokenStream) -> TokenStream {
    let cfgs = cfgs(&method.attrs);
    let (name, doc, ret) = (&method.name, &method.doc, &method.ret);
    let at_name = method.ident.span();
    // `line!` tells the line of its caller only if it stands there with the user's own hygiene.
    let line = quote_spanned!(at_name=> ::core::line!());
    let doc = (!doc.is_empty()).then(|| quote!(doc: #doc,));
    let concurrent = method.concurrent.then(|| quote!(concurrent: true,));
    let idempotent = method.idempotent.then(|| quote!(idempotent: true,));
    let message = method.message().map(|ty| {
        let schema = quote_spanned!(place_of(ty)=> <__p::ArgProbe<#ty>>::SCHEMA);
        quote!(message: #schema,)
    });
    let at_ret = if method.replies { place_of(ret) } else { place(at_name) };
    let reply = quote_spanned!(at_ret=> <__p::ReplyProbe<#ret>>::SCHEMA);
    let mut needs = needs(&method.args, surface).peekable();
    let needs = needs.peek().is_some().then(|| quote!(needs: &[#(#needs),*],));
    let call = call(method, surface, target);
    quote! {
        #cfgs
        __p::Method {
            #doc
            #concurrent
            #idempotent
            #message
            reply: #reply,
            #needs
            ..__p::Method::new(#name, #line, #call)
        }
    }
}

/// The checks of the extractors of a method, which the app runs when it starts.
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

/// The closure that calls a method: it decodes the body, then returns the future of the call.
fn call(method: &Method, surface: Surface, target: &TokenStream) -> TokenStream {
    let (decode, finish) = match surface {
        Surface::Handler => (format_ident!("handler"), format_ident!("finish_handler")),
        Surface::Remote | Surface::Contract => (format_ident!("remote"), format_ident!("finish_remote")),
    };
    // Each variable has the place of its type, where the compiler reports a type that does not fit.
    let vars: Vec<_> = (0..).zip(&method.args).map(|(i, arg)| variable(i, place_of(&arg.ty))).collect();
    let site = Span::mixed_site();
    let names: Vec<_> = (0..method.args.len()).map(|i| variable(i, site)).collect();
    let decoded = vars.iter().zip(&method.args).map(|(var, Arg { ty, .. })| {
        quote_spanned!(place_of(ty)=> let mut #var = <__p::ArgDecode<#ty, _>>::#decode(&call, body);)
    });
    let slots = vars.iter().map(|var| quote_spanned!(var.span()=> &mut #var));
    let resolved =
        vars.iter().map(|var| quote_spanned!(var.span()=> let #var = #var.resolve(&mut call).await?;));
    let body = if method.args.is_empty() { quote_spanned!(site=> _) } else { quote_spanned!(site=> body) };
    // The future has the place of the name: the compiler points there if it is not `Send`.
    let at_name = place(method.ident.span());
    let ret = &method.ret;
    let work = quote_spanned! {at_name=>
        async {
            call.before(&mut [#(#slots),*]).await?;
            #(#resolved)*
            __p::Ok(#target(call.component()?, #(#names),*).await)
        }
    };
    let (timeout, work) = match method.timeout {
        Some(nanos) => (
            quote_spanned!(at_name=> let timeout = call.timeout(#nanos);),
            quote_spanned!(at_name=> timeout.bound(#work)),
        ),
        None => (TokenStream::new(), work),
    };
    let called = quote_spanned! {at_name=>
        ::std::boxed::Box::pin(async move {
            let guard = call.guard();
            #timeout
            let work = #work;
            let reply = guard.run(work).await;
            <__p::ReplyProbe<#ret>>::#finish(&call, reply).await
        })
    };
    quote_spanned! {site=>
        |mut call, #body| {
            #(#decoded)*
            #called
        }
    }
}

/// The variable of an argument.
fn variable(index: usize, span: Span) -> syn::Ident {
    format_ident!("a{index}", span = span)
}

/// Checks the types of a method, each at its place. They fail in one constant, so one mistake is one error.
pub(crate) fn checks(method: &Method, surface: Surface) -> TokenStream {
    let cfgs = cfgs(&method.attrs);
    let args = method.args.iter().map(|arg| check(arg, surface));
    let ret = &method.ret;
    let at_ret = if method.replies { place_of(ret) } else { place(method.ident.span()) };
    let reply = quote_spanned!(at_ret=> __p::assert::reply::<#ret>(););
    quote! {
        #cfgs
        const _: () = {
            #(#args)*
            #reply
        };
    }
}

/// Checks the type of an argument, and what the macro guessed from its name.
fn check(arg: &Arg, surface: Surface) -> TokenStream {
    let (argument, extracts) = match surface {
        Surface::Handler => (format_ident!("handler_argument"), format_ident!("EXTRACTS_FROM_HANDLER")),
        Surface::Remote | Surface::Contract => {
            (format_ident!("remote_argument"), format_ident!("EXTRACTS_FROM_REMOTE"))
        }
    };
    let (guess, disproof) = match arg.message {
        true => (format_ident!("message"), extracts),
        false => (format_ident!("extractor"), format_ident!("IS_MESSAGE")),
    };
    let ty = &arg.ty;
    quote_spanned! {place_of(ty)=>
        __p::assert::#argument::<#ty, _>();
        __p::assert::#guess(<__p::ArgProbe<#ty>>::#disproof);
    }
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
    let (kind, table) = match surface {
        Surface::Handler => (quote!(Handler), quote!(Handlers)),
        Surface::Remote | Surface::Contract => (quote!(Remote), quote!(Remotes)),
    };
    let entries = methods.iter().map(|method| {
        let ident = &method.ident;
        entry(method, surface, &quote!(<#ty>::#ident))
    });
    let checks = methods.iter().map(|method| checks(method, surface));
    let server = option(names.server.as_deref());
    let service = Literal::string(&names.service);
    let submit = submit(ty, &server, &quote!(#service), doc, &quote!(__p::Methods::#table(__METHODS)));
    let code = quote! {
        #(#checks)*
        static __METHODS: &[__p::Method<__p::#kind>] = &[#(#entries),*];
        #submit
    };
    generated(private, &code)
}

/// Code that no lint of the user concerns, with the names of the framework.
pub(crate) fn generated(private: &TokenStream, code: &TokenStream) -> TokenStream {
    let imports = imports(private);
    quote! {
        #[allow(deprecated, unused_imports, clippy::all, clippy::pedantic)]
        const _: () = {
            #imports
            #code
        };
    }
}

/// An optional text, as an expression.
pub(crate) fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(__p::Some(#text)),
        None => quote!(__p::None),
    }
}

/// The description of a component, as an expression.
pub(crate) fn component(ty: &syn::Type) -> TokenStream {
    quote! {
        || __p::ComponentType::new(
            <__p::ComponentProbe<#ty>>::BUILD,
            <__p::ComponentProbe<#ty>>::LIFECYCLE,
        )
    }
}

/// The registration of a block.
pub(crate) fn submit(
    ty: &syn::Type,
    server: &TokenStream,
    service: &TokenStream,
    doc: &str,
    methods: &TokenStream,
) -> TokenStream {
    let component = component(ty);
    // The block is a constant of its own, because inside of the macro nothing would format it.
    quote! {
        const __BLOCK: __p::Block = __p::Block {
            server: #server,
            service: #service,
            doc: #doc,
            file: ::core::file!(),
            component: #component,
            methods: #methods,
        };
        __p::inventory::submit! { __BLOCK }
    }
}
