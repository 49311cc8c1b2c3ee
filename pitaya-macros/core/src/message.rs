//! `#[message]`.
use crate::{args::Args, errors::Sink};
use proc_macro2::TokenStream;
use quote::quote;
/// Expands `#[message]`.
pub fn message(args: TokenStream, item: TokenStream) -> TokenStream {
    let sink = Sink::default();
    let args = Args::parse("message", args, &["proto", "push", "lenient", "validate", "crate"], &sink);
    let mut s = match syn::parse2::<syn::ItemStruct>(item.clone()) {
        Ok(s) => s,
        Err(e) => {
            sink.push(e);
            return crate::output(item, sink, None);
        }
    };
    let p = quote!(::pitaya::__private);
    let name = s.ident.clone();
    let n = name.to_string();
    if args.proto {
        for f in &mut s.fields {
            let mut tag = None;
            f.attrs.retain(|a| {
                if a.path().is_ident("tag") {
                    tag = a.parse_args::<syn::LitInt>().ok();
                    false
                } else {
                    true
                }
            });
            let ty = crate::method::last_segment(&f.ty).unwrap_or_default();
            let t = tag.map(|t| t.to_string()).unwrap_or_default();
            let kind = syn::Ident::new(
                match ty.as_str() {
                    "String" => "string",
                    "i32" => "int32",
                    "i64" => "int64",
                    "u32" => "uint32",
                    "u64" => "uint64",
                    "bool" => "bool",
                    _ => "message",
                },
                proc_macro2::Span::call_site(),
            );
            f.attrs.push(syn::parse_quote!(#[prost(#kind, tag = #t)]));
            f.attrs.push(syn::parse_quote!(#[serde(default)]));
        }
    }
    let container = if args.lenient {
        for f in &mut s.fields {
            f.attrs.push(syn::parse_quote!(#[serde(default)]));
        }
        quote!()
    } else {
        quote!()
    };
    let push = args.push.map(|r| quote!(impl #p::Push for #name { const ROUTE: &'static str = #r; }));
    let (derive, codecs, proto) = if args.proto {
        (
            quote!(#[derive(::core::clone::Clone, #p::prost::Message, #p::serde::Serialize, #p::serde::Deserialize)] #[prost(prost_path = "::pitaya::__private::prost")]),
            quote!(serde_and_proto),
            quote!(.with_proto()),
        )
    } else {
        (
            quote!(#[derive(::core::clone::Clone, ::core::fmt::Debug, #p::serde::Serialize, #p::serde::Deserialize)]),
            quote!(serde),
            quote!(),
        )
    };
    let validate = args.validate.then(|| quote!(const VALIDATE: ::core::option::Option<fn(&Self) -> ::core::result::Result<(), #p::Error>> = ::core::option::Option::Some(#p::validate::<Self>);));
    crate::output(
        quote!(),
        sink,
        Some(
            quote! { #derive #[serde(crate = "::pitaya::__private::serde")] #container #s impl #p::Message for #name { const CODECS: #p::Codecs<Self> = #p::Codecs::#codecs(); const SCHEMA: &'static #p::Schema = &#p::Schema::new(#n, "", &[])#proto; #validate } #push },
        ),
    )
}
