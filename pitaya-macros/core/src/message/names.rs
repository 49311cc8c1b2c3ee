//! `#[message] enum`: a set of names, for fields of messages.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DataEnum, DeriveInput, Variant};

use super::expand::without_serde;
use super::{Derives, enumeration, serde_attr};
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;

/// Writes the enum with its derives and its traits. It travels as its name.
pub(crate) fn expand(
    ctx: &Ctx,
    args: &Args,
    input: &DeriveInput,
    data: &DataEnum,
    sink: &Sink<'_>,
) -> Option<TokenStream> {
    let name = &input.ident;
    enumeration::refuse_keys(args, sink);
    let rename_all = serde_attr::enumeration(&input.attrs, sink);
    let mut names: Vec<String> = Vec::new();
    for variant in &data.variants {
        let ident = &variant.ident;
        if let Some((_, number)) = &variant.discriminant {
            sink.on(
                number,
                format!(
                    "`{ident}` travels as its name, so its number never does: remove it, or write `#[message(proto)]`"
                ),
            );
        }
        let label = serde_attr::variant(&variant.attrs, sink)
            .unwrap_or_else(|| serde_attr::rename_variant(rename_all.as_deref(), &ident.unraw().to_string()));
        names.push(label);
    }
    check(data.variants.iter().zip(names.iter().map(String::as_str)), sink);
    if names.is_empty() {
        sink.on(name, format!("`{name}` has no value: write a variant"));
    }
    if sink.failed() {
        return None;
    }
    let private = ctx.private();
    let mut item = input.clone();
    let mut derives = Derives::take(&input.attrs);
    item.attrs = std::mem::take(&mut derives.rest);
    derives.remove("Serialize");
    derives.remove("Deserialize");
    let derives = derives.with(&enumeration::derived(), name);
    without_serde(&mut item);
    let (text, doc, place) = (super::name(args, name), doc_text(&input.attrs), super::place_text(name));
    let (mut values, mut written, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (variant, label)) in (0_i32..).zip(data.variants.iter().zip(&names)) {
        let (ident, cfgs, doc) =
            (&variant.ident, crate::block::cfgs(&variant.attrs), doc_text(&variant.attrs));
        values.push(quote!(#cfgs #private::EnumValue::new(#label, #number, #doc)));
        written.push(quote!(#cfgs #name::#ident => #label));
        read.push(quote!(#cfgs (#label, #name::#ident)));
    }
    Some(quote! {
        #derives
        #item
        #[automatically_derived]
        impl #private::serde::Serialize for #name {
            fn serialize<__S: #private::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #private::serde::Serializer::serialize_str(serializer, match *self { #(#written),* })
            }
        }
        #[automatically_derived]
        impl<'de> #private::serde::Deserialize<'de> for #name {
            fn deserialize<__D: #private::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #private::names::read(deserializer, &[#(#read),*])
            }
        }
        #[automatically_derived]
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Enum(
                &#private::EnumSchema::new(#text, #doc, &[#(#values),*]).with_place(#place).with_names(),
            );
        }
    })
}

/// Refuses variants that share a name on the wire, and another default than the first variant: the schema says that an
/// absent field means the first.
pub(super) fn check<'a>(variants: impl Iterator<Item = (&'a Variant, &'a str)>, sink: &Sink<'_>) {
    let mut names = Vec::new();
    for (variant, name) in variants {
        let ident = &variant.ident;
        if names.contains(&name) && crate::block::cfgs(&variant.attrs).is_empty() {
            sink.on(ident, format!("another variant has the name `{name}` on the wire: rename one of them"));
        }
        if !names.is_empty() && variant.attrs.iter().any(|attr| attr.path().is_ident("default")) {
            sink.on(
                ident,
                format!(
                    "the schema says that an absent field means the first variant: move `{ident}` to the front, or \
                     remove `#[default]`"
                ),
            );
        }
        names.push(name);
    }
}
