//! `#[remote]`: on a contract, on an impl of one, and on an inherent impl; and the typed client.

use heck::{ToShoutySnakeCase, ToSnakeCase};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, Visibility, parse_quote};

use crate::args::{Args, doc};
use crate::block::{ImplBlock, Item, TraitBlock};
use crate::errors::Sink;
use crate::expand::{Kind, Names, private, row, submit};
use crate::handler::{inherent, kept, same_names};
use crate::method::{Method, Of, model};
use crate::output;

/// Names that every client has.
const RESERVED: &[&str] = &["on", "by", "timeout", "reliable", "call", "fake", "clone", "rpc"];

/// Expands `#[remote]`.
pub fn remote(args: TokenStream, item: TokenStream) -> TokenStream {
    let sink = Sink::default();
    if let Ok(contract) = syn::parse2::<TraitBlock>(item.clone()) {
        return expand_contract(args, contract, sink);
    }
    let mut block = match syn::parse2::<ImplBlock>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            if syn::parse2::<syn::ItemFn>(item.clone()).is_ok() {
                sink.on(&item, "`#[remote]` goes on a trait, or on an impl block, not on a function: write `#[remote] impl Component { pub async fn … }`");
            } else {
                sink.push(error);
            }
            return output(item, sink, None);
        }
    };
    if block.contract.is_some() {
        return expand_contract_impl(args, &block, sink);
    }
    let args = Args::parse("remote", args, &["server", "service", "rename_all", "crate"], &sink);
    let made = inherent(&args, &mut block, Kind::Remote, &sink);
    let made = made.map(|made| {
        check_client(&made.methods, &sink);
        let krate = args.krate();
        let name = format_ident!("{}Client", made.type_name);
        let fake = quote! {
            /// A client that a stand-in answers, for tests.
            #[must_use]
            pub fn fake(fake: #krate::component::Fake) -> Self {
                Self { rpc: #krate::component::Rpc::fake(fake) }
            }
        };
        let client = client(&args, &parse_quote!(pub), &name, &made.methods, &made.base, &fake);
        let table = made.table;
        quote!(#table #client)
    });
    let made = sink.is_empty().then_some(made).flatten();
    output(kept(&block), sink, made)
}

fn expand_contract(args: TokenStream, mut contract: TraitBlock, sink: Sink) -> TokenStream {
    let args = Args::parse("remote", args, &["server", "service", "rename_all", "crate"], &sink);
    if args.server.is_none() {
        sink.on(
            &contract.ident,
            "a contract names the server type that serves it: write `#[remote(server = \"…\")]`",
        );
    }
    if !contract.generics.params.is_empty() {
        sink.on(
            &contract.generics,
            "a contract must not be generic: its routes have one message type each; name it",
        );
    }
    let before = sink.len();
    let mut methods = Vec::new();
    for item in &mut contract.items {
        if let Item::Fn(function) = item {
            methods.extend(model(function, Of::Contract, "remote", args.rename_all, &sink));
        }
    }
    if methods.is_empty() && sink.len() == before {
        sink.on(&contract.ident, "a contract without an `async fn` promises nothing: add one");
    }
    same_names(&methods, "remote", &sink);
    check_client(&methods, &sink);

    let krate = args.krate();
    let p = private(&krate);
    let TraitBlock { attrs, vis, unsafety, ident, generics, supertraits, items } = &contract;
    let ok = sink.is_empty();
    let server = args.server.as_ref().map(syn::LitStr::value).unwrap_or_default();
    let plain = ident.to_string();
    let short = plain.strip_suffix("Api").filter(|short| !short.is_empty()).unwrap_or(&plain);
    let service = args.service.as_ref().map_or_else(|| short.to_snake_case(), syn::LitStr::value);
    let fns = items.iter().map(|item| match item {
        Item::Fn(function) if function.sig.asyncness.is_some() && function.body.is_none() => {
            let (attrs, sig) = (&function.attrs, &function.sig);
            let (name, inputs, generics) = (&sig.ident, &sig.inputs, &sig.generics);
            let ret = match &sig.output {
                syn::ReturnType::Default => quote!(()),
                syn::ReturnType::Type(_, ty) => quote!(#ty),
            };
            quote!(#(#attrs)* fn #name #generics(#inputs) -> impl ::core::future::Future<Output = #ret> + ::core::marker::Send;)
        }
        other => quote!(#other),
    });
    let bounds = if supertraits.is_empty() { quote!() } else { quote!(+ #supertraits) };
    let hidden = ok.then(|| {
        let rows = methods.iter().map(|method| {
            let name = &method.ident;
            row(&p, Kind::Remote, method, &quote!(Self), &quote!(<Self as #ident>::#name))
        });
        quote! {
            #[doc(hidden)]
            const __PATH: (&'static str, &'static str) = (#server, #service);
            #[doc(hidden)]
            const __METHODS: &'static [#p::Method<Self, #p::Remote>] = &[#(#rows),*];
        }
    });
    let item = quote! {
        #(#attrs)*
        #vis #unsafety trait #ident #generics:
            ::core::marker::Sized + ::core::marker::Send + ::core::marker::Sync + 'static #bounds
        {
            #(#fns)*
            #hidden
        }
    };
    let made = ok.then(|| {
        let name = format_ident!("{ident}Client");
        let fake = quote! {
            /// A client that an implementation of the contract answers, for tests.
            #[must_use]
            pub fn fake(implementation: impl #ident) -> Self {
                fn fake<S: #ident>(implementation: S) -> #krate::component::Rpc {
                    let (server, service) = S::__PATH;
                    #krate::component::Rpc::fake(#p::Fake::contract(server, service, implementation, S::__METHODS))
                }
                Self { rpc: fake(implementation) }
            }
        };
        let client = client(&args, vis, &name, &methods, &format!("{server}.{service}"), &fake);
        client
    });
    output(item, sink, made)
}

fn expand_contract_impl(args: TokenStream, block: &ImplBlock, sink: Sink) -> TokenStream {
    let args = Args::parse("remote", args, &["crate"], &sink);
    if !block.generics.params.is_empty() {
        sink.on(
            &block.generics,
            "a component must not be generic: `#[remote]` makes one table for one type; name the type",
        );
    }
    let p = private(&args.krate());
    let self_ty = &block.self_ty;
    let made = block.contract.as_ref().filter(|_| sink.is_empty()).map(|contract| {
        let path = quote!(<#self_ty as #contract>::__PATH);
        let names = Names { server: quote!(::core::option::Option::Some(#path.0)), service: quote!(#path.1) };
        let methods = quote!(<#self_ty as #contract>::__METHODS);
        let submission = submit(&p, Kind::Remote, &names, &doc(&block.attrs), self_ty, &methods);
        quote!(const _: () = { #submission };)
    });
    output(kept(block), sink, made)
}

/// What a client cannot have: two messages, or a method of a name of its own.
fn check_client(methods: &[Method], sink: &Sink) {
    for method in methods {
        let name = &method.ident;
        if RESERVED.contains(&name.to_string().as_str()) {
            sink.on(
                name,
                format!("every client has a `{name}` of its own: call the method something else, and keep its route with `#[route(\"{name}\")]`"),
            );
        }
        for extra in method.args.iter().filter(|arg| arg.looks_like_message()).skip(1) {
            sink.on(
                &extra.ty,
                format!("`{name}` takes two messages, but a request carries one: put both into one message, or mark an extractor of yours with `#[extract]`"),
            );
        }
    }
}

fn client(
    args: &Args,
    vis: &Visibility,
    name: &Ident,
    methods: &[Method],
    base: &str,
    fake: &TokenStream,
) -> TokenStream {
    let krate = args.krate();
    let p = private(&krate);
    let consts = methods.iter().map(|method| {
        let Method { cfgs, .. } = method;
        let ident = constant(method);
        let (req, rep) = (request(method), reply(&p, method));
        let path = format!("{base}.{}", method.name);
        let text = format!("The route `{path}`.");
        quote! {
            #(#cfgs)*
            #[doc = #text]
            pub const #ident: #krate::Route<#req, #rep> = #krate::Route::new(#path);
        }
    });
    let fns = methods.iter().map(|method| {
        let Method { ident, shown, .. } = method;
        let (constant, rep) = (constant(method), reply(&p, method));
        let docs = method.doc.is_empty().then(|| {
            let text = format!("Calls `{base}.{}`.", method.name);
            quote!(#[doc = #text])
        });
        let message = method.args.iter().find(|arg| arg.looks_like_message());
        let (param, pass) = match message {
            Some(arg) => {
                let ty = &arg.ty;
                (quote!(request: &#ty), quote!(request))
            }
            None => (quote!(), quote!(&())),
        };
        quote! {
            #(#shown)*
            #docs
            ///
            /// # Errors
            /// The remote's own, or those of a call that did not come through.
            pub async fn #ident(&self, #param) -> #krate::Result<#rep> {
                self.rpc.call(&Self::#constant, #pass).await
            }
        }
    });
    let about = format!("The typed client of `{base}`.");
    quote! {
        #[doc = #about]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #name {
            rpc: #krate::component::Rpc,
        }

        #[automatically_derived]
        #[allow(clippy::pedantic, dead_code, unreachable_pub)]
        impl #name {
            #(#consts)*
            #(#fns)*

            /// The same client, pinned to one server.
            #[must_use]
            pub fn on(&self, server_id: &str) -> Self {
                Self { rpc: self.rpc.on(server_id) }
            }

            /// The same client; calls with one key go to one server.
            #[must_use]
            pub fn by(&self, key: &str) -> Self {
                Self { rpc: self.rpc.by(key) }
            }

            /// The same client, with a limit to the time a call may take.
            #[must_use]
            pub fn timeout(&self, timeout: ::core::time::Duration) -> Self {
                Self { rpc: self.rpc.timeout(timeout) }
            }

            #fake
        }

        #[automatically_derived]
        impl #p::FromServices for #name {
            fn from_services(services: &#p::Services) -> #krate::Result<Self> {
                ::core::result::Result::Ok(Self { rpc: #p::FromServices::from_services(services)? })
            }
        }
    }
}

fn constant(method: &Method) -> Ident {
    let plain = method.ident.to_string();
    Ident::new(&plain.trim_start_matches("r#").to_shouty_snake_case(), method.ident.span())
}

fn request(method: &Method) -> TokenStream {
    match method.args.iter().find(|arg| arg.looks_like_message()) {
        Some(arg) => {
            let ty = &arg.ty;
            quote!(#ty)
        }
        None => quote!(()),
    }
}

fn reply(p: &TokenStream, method: &Method) -> TokenStream {
    match &method.output.ok {
        Some(ok) => ok.clone(),
        None => {
            let ty = &method.output.ty;
            let _: Span = method.output.span;
            quote!(<#ty as #p::Reply>::Ok)
        }
    }
}
