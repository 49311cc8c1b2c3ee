//! `#[message] enum` with data: a message of several shapes.
//!
//! serde derives the code that writes, on a twin of the enum as for a struct (`expand`). The code that reads is
//! `pitaya::serialize::union`, and serde derives the code for the fields of each variant, on a struct of its own.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{DataEnum, DeriveInput, Field, Fields, Ident, Type, Variant};

use super::expand::{
    field_of_twin, field_schema, for_serde, is_plain, push, push_schema, twin_span, validate, without_serde,
};
use super::fields::{self, Rules, WireField};
use super::{Derives, names, serde_attr};
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;

/// A variant as it travels.
struct Shape {
    variant: Variant,
    /// The name on the wire.
    name: String,
    doc: String,
    cfgs: TokenStream,
    /// The rule of `rename_all` for its fields.
    rename_all: Option<String>,
    body: Body,
}

enum Body {
    Unit,
    Fields(Vec<(Ident, WireField)>),
    Value(Box<Type>),
}

/// Writes the enum with its derives and its traits.
pub(crate) fn expand(
    ctx: &Ctx,
    args: &Args,
    input: &DeriveInput,
    data: &DataEnum,
    sink: &Sink<'_>,
) -> Option<TokenStream> {
    let (private, name) = (ctx.private(), &input.ident);
    refuse_keys(args, name, sink);
    let union = serde_attr::union(&input.attrs, sink);
    let key = union.tag.clone().unwrap_or_else(|| "type".to_owned());
    if union.content.as_ref() == Some(&key) {
        sink.on(name, format!("the variant and its value both have the key `{key}`: rename one of them"));
    }
    let shapes: Vec<Shape> = data
        .variants
        .iter()
        .filter_map(|variant| Shape::read(ctx, args, &union, &key, variant, sink))
        .collect();
    names::check(shapes.iter().map(|shape| (&shape.variant, shape.name.as_str())), sink);
    if sink.failed() {
        return None;
    }
    let mut item = input.clone();
    let mut derives = Derives::take(&input.attrs);
    item.attrs = std::mem::take(&mut derives.rest);
    derives.remove("Serialize");
    derives.remove("Deserialize");
    if let syn::Data::Enum(data) = &mut item.data {
        data.variants = shapes.iter().map(|shape| shape.variant.clone()).collect();
    }
    let writer = writer(ctx, &item, &shapes, union.tag.is_none());
    let reader = reader(ctx, name, &shapes, &key, union.content.as_deref());
    without_serde(&mut item);
    let added = [("Clone", quote!(::core::clone::Clone)), ("Debug", quote!(::core::fmt::Debug))];
    let derives = derives.with(&added, name);
    let (text, doc, place) = (super::name(args, name), doc_text(&input.attrs), super::place_text(name));
    let content = option(union.content.as_deref());
    let variants = shapes.iter().map(|shape| shape.schema(&private));
    let checks = union.content.is_none().then(|| checks(&private, &shapes, &key));
    let (validate, push_schema, push) =
        (validate(&private, args), push_schema(args), push(&private, args, name));
    Some(quote! {
        #[automatically_derived]
        impl #private::Message for #name {
            const CODECS: #private::Codecs<Self> = #private::Codecs::serde();
            const SCHEMA: &'static #private::Schema = &#private::Schema::new(#text, #doc, &[])
                .with_place(#place)
                .with_union(&#private::UnionSchema::new(#key, #content, &[#(#variants),*]))
                #push_schema;
            #validate
        }
        #checks
        #derives
        #item
        const _: () = {
            #writer
            #reader
        };
        #[automatically_derived]
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Message(|| <#name as #private::Message>::SCHEMA);
        }
        #push
    })
}

fn refuse_keys(args: &Args, name: &Ident, sink: &Sink<'_>) {
    if let Some(span) = args.span("json") {
        sink.at(span, format!("`{name}` is not `proto`, so its JSON has every field already: remove `json`"));
    }
}

impl Shape {
    fn read(
        ctx: &Ctx,
        args: &Args,
        union: &serde_attr::Union,
        key: &str,
        variant: &Variant,
        sink: &Sink<'_>,
    ) -> Option<Self> {
        let mut variant = variant.clone();
        let ident = variant.ident.clone();
        let attrs = serde_attr::union_variant(&variant.attrs, sink);
        if let Some((_, number)) = &variant.discriminant {
            sink.on(number, format!("`{ident}` travels by its name, so its number never does: remove it"));
        }
        let rename_all = attrs.rename_all.or_else(|| union.rename_all_fields.clone());
        let body = match &mut variant.fields {
            Fields::Unit => Body::Unit,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let field = &fields.unnamed[0];
                if let Some(attr) = field.attrs.iter().find(|attr| !attr.path().is_ident("doc")) {
                    sink.on(attr, "the value of a variant takes no attribute: remove it");
                }
                Body::Value(Box::new(field.ty.clone()))
            }
            Fields::Unnamed(fields) => {
                sink.on(
                    fields,
                    format!("the fields of `{ident}` need names on the wire: write `{ident} {{ name: … }}`, or one message"),
                );
                return None;
            }
            Fields::Named(named) => {
                let rules = Rules {
                    proto: false,
                    lenient: args.has("lenient"),
                    full: false,
                    container: serde_attr::Container { rename_all: rename_all.clone(), default: false },
                };
                let mut wire = Vec::new();
                for field in &mut named.named {
                    let ident = field.ident.clone()?;
                    let Some(read) = fields::read(ctx, &rules, field, sink) else { continue };
                    if union.content.is_none() && read.name == key {
                        sink.on(
                            &ident,
                            format!("the key `{key}` names the variant: rename the field, or write `#[serde(tag = \"…\")]`"),
                        );
                    }
                    wire.push((ident, read));
                }
                fields::check_unique(&wire, sink);
                Body::Fields(wire)
            }
        };
        Some(Self {
            name: attrs.rename.unwrap_or_else(|| {
                serde_attr::rename_variant(union.rename_all.as_deref(), &ident.unraw().to_string())
            }),
            doc: doc_text(&variant.attrs),
            cfgs: crate::block::cfgs(&variant.attrs),
            variant,
            rename_all,
            body,
        })
    }

    fn schema(&self, private: &TokenStream) -> TokenStream {
        let Self { name, doc, cfgs, .. } = self;
        let body = match &self.body {
            Body::Unit => quote!(Unit),
            Body::Fields(wire) => {
                let fields = wire.iter().map(|(_, field)| field_schema(private, field));
                quote!(Fields(&[#(#fields),*]))
            }
            Body::Value(ty) => {
                let span = crate::block::method::place_of(ty);
                let ty = quote_spanned!(span=> <#ty as #private::FieldType>::TYPE);
                quote!(Value(#ty))
            }
        };
        quote!(#cfgs #private::VariantSchema::new(#name, #doc, #private::VariantBody::#body))
    }

    /// The name of the struct with the value of the variant, for the code that reads it.
    fn twin(&self, name: &Ident) -> Ident {
        format_ident!("__{}Variant{}", name.unraw(), self.variant.ident.unraw(), span = twin_span(name))
    }
}

/// Refuses values without fields, and with a field that has the key of the variant.
fn checks(private: &TokenStream, shapes: &[Shape], key: &str) -> TokenStream {
    let checks = shapes.iter().filter_map(|shape| {
        let Body::Value(ty) = &shape.body else { return None };
        let (cfgs, ident) = (&shape.cfgs, &shape.variant.ident);
        let text = format!(
            "the fields of the message in `{ident}` travel beside `{key}`: give it named fields, none of them `{key}`, or \
             write `#[serde(tag = \"{key}\", content = \"…\")]` on the enum"
        );
        let span = crate::block::place(crate::block::method::place_of(ty));
        Some(quote_spanned! {span=>
            #cfgs
            const _: () = if !<#ty as #private::Message>::SCHEMA.has_fields_without(#key) {
                ::core::panic!(#text)
            };
        })
    });
    quote!(#(#checks)*)
}

fn option(text: Option<&str>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

/// Writes `Serialize`.
fn writer(ctx: &Ctx, item: &DeriveInput, shapes: &[Shape], add_tag: bool) -> TokenStream {
    let (private, name) = (ctx.private(), &item.ident);
    let mut twin = item.clone();
    twin.ident = format_ident!("__{}OnTheWire", name.unraw(), span = twin_span(name));
    twin.vis = syn::Visibility::Inherited;
    for_serde(&mut twin.attrs);
    if let syn::Data::Enum(data) = &mut twin.data {
        for (variant, shape) in data.variants.iter_mut().zip(shapes) {
            for_serde(&mut variant.attrs);
            for field in &mut variant.fields {
                for_twin(ctx, field, name, shape);
            }
        }
    }
    let (of, called, serde, ident) =
        (name.to_string(), name.unraw().to_string(), ctx.path_text("serde"), &twin.ident);
    let tag = add_tag.then(|| quote!(#[serde(tag = "type")]));
    let derives = Derives::take(&[]).with(&[("Serialize", quote!(#private::serde::Serialize))], name);
    quote! {
        #derives
        #[serde(crate = #serde, remote = #of, rename = #called)]
        #tag
        #[allow(dead_code)]
        #twin
        #[automatically_derived]
        impl #private::serde::Serialize for #name {
            fn serialize<__S: #private::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                #[allow(unused_imports)]
                use #private::fields::Missing as _;
                #ident::serialize(self, serializer)
            }
        }
    }
}

fn for_twin(ctx: &Ctx, field: &mut Field, name: &Ident, shape: &Shape) {
    let is_plain = match &shape.body {
        Body::Fields(wire) => is_plain(wire, field),
        Body::Unit | Body::Value(_) => true,
    };
    field_of_twin(ctx, field, name, is_plain);
}

/// Writes `Deserialize`.
fn reader(ctx: &Ctx, name: &Ident, shapes: &[Shape], key: &str, content: Option<&str>) -> TokenStream {
    let (private, content) = (ctx.private(), option(content));
    let names = shapes.iter().map(|shape| {
        let (cfgs, name, has_value) = (&shape.cfgs, &shape.name, !matches!(shape.body, Body::Unit));
        quote!(#cfgs (#name, #has_value))
    });
    let twins = shapes.iter().map(|shape| variant_twin(ctx, name, shape));
    let arms = shapes.iter().map(|shape| {
        let (cfgs, called, ident) = (&shape.cfgs, &shape.name, &shape.variant.ident);
        let read = match &shape.body {
            Body::Unit => quote! {{
                <#private::serde::de::IgnoredAny as #private::serde::Deserialize>::deserialize(value)?;
                #name::#ident
            }},
            Body::Value(_) => {
                let twin = shape.twin(name);
                quote!({
                    let read: #twin = #twin::deserialize(value)?;
                    #name::#ident(read.0)
                })
            }
            Body::Fields(_) => {
                let twin = shape.twin(name);
                let fields: Vec<TokenStream> = shape
                    .variant
                    .fields
                    .iter()
                    .map(|field| {
                        let (cfgs, ident) = (crate::block::cfgs(&field.attrs), &field.ident);
                        quote!(#cfgs #ident: read.#ident)
                    })
                    .collect();
                quote!({
                    let read: #twin = #twin::deserialize(value)?;
                    #name::#ident { #(#fields),* }
                })
            }
        };
        quote!(#cfgs #called => #read)
    });
    quote! {
        #(#twins)*
        #[automatically_derived]
        impl #private::union::Union for #name {
            const KEY: &'static str = #key;
            const CONTENT: ::core::option::Option<&'static str> = #content;
            const VARIANTS: &'static [(&'static str, bool)] = &[#(#names),*];

            fn read<'de, __D: #private::serde::Deserializer<'de>>(
                name: &str,
                value: __D,
            ) -> ::core::result::Result<::core::option::Option<Self>, __D::Error> {
                #[allow(unused_imports)]
                use #private::fields::Missing as _;
                ::core::result::Result::Ok(::core::option::Option::Some(match name {
                    #(#arms,)*
                    _ => return ::core::result::Result::Ok(::core::option::Option::None),
                }))
            }
        }
        #[automatically_derived]
        impl<'de> #private::serde::Deserialize<'de> for #name {
            fn deserialize<__D: #private::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                #private::union::read(deserializer)
            }
        }
    }
}

fn variant_twin(ctx: &Ctx, name: &Ident, shape: &Shape) -> Option<TokenStream> {
    let (private, serde, twin, cfgs) = (ctx.private(), ctx.path_text("serde"), shape.twin(name), &shape.cfgs);
    let called = &shape.name;
    let fields = shape.variant.fields.iter().map(|field| {
        let mut field = field.clone();
        for_twin(ctx, &mut field, name, shape);
        field
    });
    let (rule, fields) = match &shape.body {
        Body::Unit => return None,
        Body::Fields(_) => {
            let rename_all = shape.rename_all.as_ref().map(|rule| quote!(#[serde(rename_all = #rule)]));
            (rename_all, quote!({ #(#fields),* }))
        }
        Body::Value(_) => (Some(quote!(#[serde(transparent)])), quote!((#(#fields),*);)),
    };
    let derives = Derives::take(&[]).with(&[("Deserialize", quote!(#private::serde::Deserialize))], name);
    Some(quote! {
        #cfgs
        #derives
        #[serde(crate = #serde, remote = "Self", rename = #called)]
        #rule
        struct #twin #fields
    })
}
