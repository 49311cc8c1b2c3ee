//! `#[message(proto)] enum`: a set of names with numbers, for fields of messages.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DataEnum, DeriveInput, Fields};

use super::Derives;
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;
use crate::ungroup;

/// Writes the enum with its derives and its traits. It travels as its number, in every format.
pub(crate) fn expand(
    ctx: &Ctx,
    args: &Args,
    input: &DeriveInput,
    data: &DataEnum,
    sink: &Sink<'_>,
) -> Option<TokenStream> {
    let name = &input.ident;
    if data.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit))
        && data.variants.iter().all(|variant| variant.discriminant.is_none())
    {
        sink.on(
            name,
            format!("`{name}` has several shapes, which have no Protobuf form: remove `proto`, or write a `struct` with an `Option` for each"),
        );
        return None;
    }
    refuse_keys(args, sink);
    for variant in &data.variants {
        let ident = &variant.ident;
        if !matches!(variant.fields, Fields::Unit) {
            sink.on(
                variant,
                format!("`{ident}` travels as a number, so it has no fields: write `{ident} = …`"),
            );
        } else if variant.discriminant.is_none() {
            sink.on(
                ident,
                format!(
                    "`{ident}` needs its number on the wire: write `{ident} = 1`, with a number of its own"
                ),
            );
        }
    }
    let number = |variant: &syn::Variant| {
        let (_, expr) = variant.discriminant.as_ref()?;
        let expr = ungroup::expr(expr);
        Some(quote!(#expr).to_string())
    };
    for (i, variant) in data.variants.iter().enumerate() {
        let twin = data.variants.iter().take(i).find(|v| number(v).is_some() && number(v) == number(variant));
        if let (Some(twin), true) = (twin, crate::block::cfgs(&variant.attrs).is_empty()) {
            sink.on(
                variant,
                format!("`{}` has this number already: write another for `{}`", twin.ident, variant.ident),
            );
        }
    }
    let zero = |expr: &syn::Expr| {
        let expr = ungroup::expr(expr);
        quote!(#expr).to_string() == "0"
    };
    match data.variants.first() {
        None => sink.on(name, format!("`{name}` has no value: write a variant with the number 0")),
        Some(first) if first.discriminant.as_ref().is_some_and(|(_, expr)| !zero(expr)) => sink.on(
            first,
            format!(
                "the first variant is what an absent field means, so its number is 0: write `{} = 0`",
                first.ident
            ),
        ),
        Some(_) => {}
    }
    let serde_attrs = input.attrs.iter().chain(data.variants.iter().flat_map(|v| &v.attrs));
    for attr in serde_attrs.filter(|a| a.path().is_ident("serde")) {
        sink.on(attr, format!("`{name}` travels as its number, so its names never do: remove `#[serde(…)]`"));
    }
    if sink.failed() {
        return None;
    }
    let private = ctx.private();
    let mut item = input.clone();
    let mut derives = Derives::take(&input.attrs);
    item.attrs = std::mem::take(&mut derives.rest);
    derives.remove("Default");
    let mut added = derived();
    added.push(("Serialize", quote!(#private::serde::Serialize)));
    added.push(("Deserialize", quote!(#private::serde::Deserialize)));
    added.push(("Enumeration", quote!(#private::prost::Enumeration)));
    let derives = derives.with(&added, name);
    let (serde, prost) = (ctx.path_text("serde"), ctx.path_text("prost"));
    let (text, doc, place) = (super::name(args, name), doc_text(&input.attrs), super::place_text(name));
    let variants = data.variants.iter().map(|variant| {
        let (ident, label) = (&variant.ident, variant.ident.unraw().to_string());
        let (cfgs, doc) = (crate::block::cfgs(&variant.attrs), doc_text(&variant.attrs));
        quote!(#cfgs #private::EnumValue::new(#label, #name::#ident as i32, #doc))
    });
    Some(quote! {
        #derives
        #[serde(crate = #serde, into = "i32", try_from = "i32")]
        #[prost(prost_path = #prost)]
        #[repr(i32)]
        #item
        #[automatically_derived]
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Enum(
                &#private::EnumSchema::new(#text, #doc, &[#(#variants),*]).with_place(#place),
            );
        }
    })
}

/// Reports the keys that only a message can have.
pub(super) fn refuse_keys(args: &Args, sink: &Sink<'_>) {
    for key in ["push", "validate", "lenient", "json"] {
        if let Some(span) = args.span(key) {
            sink.at(
                span,
                format!("an enum is a field of messages, so it has no `{key}`: write it on the message"),
            );
        }
    }
}

/// The derives of every enum whose variants have no fields.
pub(super) fn derived() -> Vec<(&'static str, TokenStream)> {
    vec![
        ("Clone", quote!(::core::clone::Clone)),
        ("Copy", quote!(::core::marker::Copy)),
        ("Debug", quote!(::core::fmt::Debug)),
        ("PartialEq", quote!(::core::cmp::PartialEq)),
        ("Eq", quote!(::core::cmp::Eq)),
        ("Hash", quote!(::core::hash::Hash)),
        ("PartialOrd", quote!(::core::cmp::PartialOrd)),
        ("Ord", quote!(::core::cmp::Ord)),
    ]
}
