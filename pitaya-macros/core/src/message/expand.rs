//! A message that is a struct.
//!
//! serde derives its code on a twin of the struct (`#[serde(remote = …)]`), and not on the struct itself. The message
//! then implements serde's traits whatever its fields are, and one error reports a type that cannot be a field
//! (`pitaya::serialize::fields` has the rest of it).

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, LitStr, Type, Visibility, parse_quote};

use super::Derives;
use super::fields::{self, Rules};
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;

/// Writes the struct with its derives and its traits.
pub(crate) fn structure(ctx: &Ctx, args: &Args, input: &DeriveInput, sink: &Sink<'_>) -> Option<TokenStream> {
    let private = ctx.private();
    let rules = Rules::read(args, &input.attrs, sink);
    let mut item = input.clone();
    let mut derives = Derives::take(&input.attrs);
    item.attrs = std::mem::take(&mut derives.rest);
    let Data::Struct(data) = &mut item.data else { return None };
    let mut wire = Vec::new();
    if let Fields::Named(named) = &mut data.fields {
        for field in &mut named.named {
            let ident = field.ident.clone()?;
            if let Some(read) = fields::read(ctx, &rules, field, sink) {
                wire.push((ident, read));
            }
        }
    }
    fields::check_unique(&wire, sink);
    if sink.failed() {
        return None;
    }
    let serde = if derives.has("Serialize") || derives.has("Deserialize") {
        Serde::OfUser
    } else {
        let twin = twin(ctx, &item, &wire);
        without_serde(&mut item);
        Serde::OfTwin(twin)
    };
    let mut added = vec![("Clone", quote!(::core::clone::Clone)), ("Debug", quote!(::core::fmt::Debug))];
    let (serde_attr, twin) = match serde {
        Serde::OfUser => {
            added.push(("Serialize", quote!(#private::serde::Serialize)));
            added.push(("Deserialize", quote!(#private::serde::Deserialize)));
            let path = ctx.path_text("serde");
            (Some(quote!(#[serde(crate = #path)])), None)
        }
        Serde::OfTwin(twin) => (None, Some(twin)),
    };
    let mut prost = None;
    if rules.proto {
        // prost makes `Default`, by the rules of Protobuf; `Debug` we make, as for every message.
        derives.remove("Default");
        added.push(("Message", quote!(#private::prost::Message)));
        let path = ctx.path_text("prost");
        prost = Some(quote!(#[prost(prost_path = #path)] #[prost(skip_debug)]));
    }
    let name = &item.ident;
    let derives = derives.with(&added, name);
    let codecs = if rules.proto { quote!(serde_and_proto) } else { quote!(serde) };
    let schema = schema(&private, args, input, &rules, wire.iter().map(|(_, field)| field));
    let (validate, push) = (validate(&private, args), push(&private, args, name));
    // The schema comes before the item, because the compiler then reports a field's type in our words first, and in
    // those of other derives after that.
    Some(quote! {
        #[automatically_derived]
        impl #private::Message for #name {
            const CODECS: #private::Codecs<Self> = #private::Codecs::#codecs();
            const SCHEMA: &'static #private::Schema = &#schema;
            #validate
        }
        #derives
        #serde_attr
        #prost
        #item
        #twin
        #[automatically_derived]
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Message(|| <#name as #private::Message>::SCHEMA);
        }
        #push
    })
}

/// The rules of a message.
pub(super) fn validate(private: &TokenStream, args: &Args) -> Option<TokenStream> {
    args.span("validate").map(|span| {
        let rules =
            quote::quote_spanned!(crate::block::place(span)=> #private::assert::message_rules::<Self>);
        quote! {
            const VALIDATE: ::core::option::Option<fn(&Self) -> #private::Result<()>> =
                ::core::option::Option::Some(#rules);
        }
    })
}

/// The traits of a push.
pub(super) fn push(private: &TokenStream, args: &Args, name: &Ident) -> Option<TokenStream> {
    args.text("push").map(|route| {
        quote! {
            #[automatically_derived]
            impl #private::Push for #name {
                const ROUTE: &'static str = #route;
            }
            const _: () = {
                use #private as __p;
                __p::inventory::submit! { __p::PushType::of::<#name>() }
            };
        }
    })
}

/// The route of a push in its schema.
pub(super) fn push_schema(args: &Args) -> Option<TokenStream> {
    args.text("push").map(|route| quote!(.with_push(#route)))
}

enum Serde {
    /// The user derives serde's traits.
    OfUser,
    OfTwin(TokenStream),
}

/// Writes the twin of a message, and serde's traits of the message by the functions of the twin.
fn twin(ctx: &Ctx, item: &DeriveInput, wire: &[(Ident, fields::WireField)]) -> TokenStream {
    let private = ctx.private();
    let name = &item.ident;
    let mut twin = item.clone();
    twin.ident = Ident::new(&format!("__{}OnTheWire", name.unraw()), twin_span(name));
    twin.vis = Visibility::Inherited;
    for_serde(&mut twin.attrs);
    if let Data::Struct(data) = &mut twin.data {
        for field in &mut data.fields {
            field.vis = Visibility::Inherited;
            field_of_twin(ctx, field, name, is_plain(wire, field));
        }
    }
    let (of, called) = (name.to_string(), name.unraw().to_string());
    let serde = ctx.path_text("serde");
    let ident = &twin.ident;
    let derives = Derives::take(&[]).with(
        &[
            ("Serialize", quote!(#private::serde::Serialize)),
            ("Deserialize", quote!(#private::serde::Deserialize)),
        ],
        name,
    );
    quote! {
        const _: () = {
            #derives
            #[serde(crate = #serde, remote = #of, rename = #called)]
            #twin
            #[automatically_derived]
            impl #private::serde::Serialize for #name {
                #[inline]
                fn serialize<__S: #private::serde::Serializer>(
                    &self,
                    serializer: __S,
                ) -> ::core::result::Result<__S::Ok, __S::Error> {
                    #[allow(unused_imports)]
                    use #private::fields::Missing as _;
                    #ident::serialize(self, serializer)
                }
            }
            #[automatically_derived]
            impl<'de> #private::serde::Deserialize<'de> for #name {
                #[inline]
                fn deserialize<__D: #private::serde::Deserializer<'de>>(
                    deserializer: __D,
                ) -> ::core::result::Result<Self, __D::Error> {
                    #[allow(unused_imports)]
                    use #private::fields::Missing as _;
                    #ident::deserialize(deserializer)
                }
            }
        };
    }
}

/// Whether a field travels as its type does: it is not skipped, and has no form of its own.
pub(super) fn is_plain(wire: &[(Ident, fields::WireField)], field: &Field) -> bool {
    wire.iter().any(|(ident, wire)| field.ident.as_ref() == Some(ident) && wire.form.is_none())
}

/// Makes a field of a message one of its twin. A plain field is assumed to have serde's traits.
pub(super) fn field_of_twin(ctx: &Ctx, field: &mut Field, name: &Ident, is_plain: bool) {
    field.ty = without_self(&field.ty, name);
    for_serde(&mut field.attrs);
    if is_plain && let Some(bound) = bound(ctx, &field.ty) {
        field.attrs.push(parse_quote!(#[serde(bound = #bound)]));
    }
}

/// The place and hygiene of the name of a twin.
pub(super) fn twin_span(name: &Ident) -> Span {
    Span::mixed_site().located_at(name.span())
}

/// The assumption that a field's type can be serialized; `None` if the type cannot be written as text.
pub(super) fn bound(ctx: &Ctx, ty: &Type) -> Option<LitStr> {
    let ty_text = ty.to_token_stream().to_string();
    if ty_text.contains('$') {
        return None; // `$crate`
    }
    let assumed = ctx.path_text("fields::Assumed");
    Some(LitStr::new(
        &format!("for<'field> {ty_text}: {assumed}<'field>"),
        crate::block::method::place_of(ty),
    ))
}

/// Keeps the attributes that the twin needs: serde's, conditions, and levels of lints.
pub(super) fn for_serde(attrs: &mut Vec<Attribute>) {
    attrs.retain(|attr| {
        ["serde", "cfg", "allow", "warn", "deny", "expect"].iter().any(|name| attr.path().is_ident(name))
    });
    for attr in attrs {
        // An expectation would have to be met by the twin as well.
        if attr.path().is_ident("expect")
            && let Ok(list) = attr.meta.require_list()
        {
            let lints = &list.tokens;
            *attr = parse_quote!(#[allow(#lints)]);
        }
    }
}

pub(super) fn without_serde(item: &mut DeriveInput) {
    item.attrs.retain(|attr| !attr.path().is_ident("serde"));
    let strip = |fields: &mut Fields| {
        for field in fields {
            field.attrs.retain(|attr| !attr.path().is_ident("serde"));
        }
    };
    match &mut item.data {
        Data::Struct(data) => strip(&mut data.fields),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                variant.attrs.retain(|attr| !attr.path().is_ident("serde"));
                strip(&mut variant.fields);
            }
        }
        Data::Union(_) => {}
    }
}

/// A type with the name of the message for `Self`, which is another type in the twin.
pub(super) fn without_self(ty: &Type, name: &Ident) -> Type {
    fn replace(tokens: TokenStream, name: &Ident) -> TokenStream {
        let replaced = tokens.into_iter().map(|tree| match tree {
            TokenTree::Ident(ident) if ident == "Self" => TokenTree::Ident(name.clone()),
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), replace(group.stream(), name));
                replaced.set_span(group.span());
                TokenTree::Group(replaced)
            }
            other => other,
        });
        replaced.collect()
    }
    syn::parse2(replace(ty.to_token_stream(), name)).unwrap_or_else(|_| ty.clone())
}

fn schema<'a>(
    private: &TokenStream,
    args: &Args,
    input: &DeriveInput,
    rules: &Rules,
    fields: impl Iterator<Item = &'a fields::WireField>,
) -> TokenStream {
    let name = super::name(args, &input.ident);
    let doc = doc_text(&input.attrs);
    let place = super::place_text(&input.ident);
    let fields = fields.map(|field| field_schema(private, field));
    let proto = rules.proto.then(|| quote!(.with_proto()));
    let push = push_schema(args);
    quote!(#private::Schema::new(#name, #doc, &[#(#fields),*]).with_place(#place) #proto #push)
}

/// A field in the schema.
pub(super) fn field_schema(private: &TokenStream, field: &fields::WireField) -> TokenStream {
    let ty = fields::schema_type(private, field);
    let fields::WireField { name, doc, required, cfgs, .. } = field;
    let tag = field.tag.map(|(tag, _)| quote!(.with_tag(#tag)));
    let encoding = field.encoding.as_ref().map(|encoding| quote!(.with_encoding(#encoding)));
    quote!(#(#cfgs)* #private::Field::new(#name, #doc, #ty, #required) #tag #encoding)
}
