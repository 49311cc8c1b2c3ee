//! The fields of a message, on the wire and in the schema.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Field, Ident, Type, parse_quote};

use super::field_attr::{self, Form};
use super::proto::{self, Empty, Tag};
use super::serde_attr;
use crate::attr::{Args, Ctx, doc_text};
use crate::block::signature::tidy;
use crate::errors::Sink;
use crate::ungroup::{self, last_name};

/// A field that travels.
pub(crate) struct WireField {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) ty: Type,
    /// The tag, with its place.
    pub(crate) tag: Option<(u32, Span)>,
    pub(crate) enumeration: Option<syn::Path>,
    /// The Protobuf type, if it is not the usual one.
    pub(crate) encoding: Option<String>,
    /// Its form in JSON and MessagePack (`#[field(…)]`).
    pub(crate) form: Option<Form>,
    pub(crate) required: bool,
    pub(crate) cfgs: Vec<Attribute>,
}

/// The options of a struct for all its fields.
pub(crate) struct Rules {
    pub(crate) proto: bool,
    pub(crate) lenient: bool,
    /// Whether fields with their default stay in JSON and MessagePack.
    pub(crate) full: bool,
    pub(crate) container: serde_attr::Container,
}

impl Rules {
    pub(crate) fn read(args: &Args, attrs: &[Attribute], sink: &Sink<'_>) -> Self {
        Self {
            proto: args.has("proto"),
            lenient: args.has("lenient"),
            full: args.has("json"),
            container: serde_attr::container(attrs, sink),
        }
    }
}

/// Reads a field and gives it the attributes that serde and prost need.
pub(crate) fn read(ctx: &Ctx, rules: &Rules, field: &mut Field, sink: &Sink<'_>) -> Option<WireField> {
    let sink = sink.child();
    let ident = field.ident.clone()?;
    let serde = serde_attr::field(&field.attrs, &sink);
    let tag = take_tag(rules, field, &ident, &sink);
    if let Type::Reference(reference) = ungroup::ty(&field.ty) {
        let owned = match tidy(&reference.elem).as_str() {
            "str" => "String".to_owned(),
            other => other.to_owned(),
        };
        sink.on(
            &field.ty,
            format!("messages own their data: write `{owned}` instead of `{}`", tidy(&field.ty)),
        );
    }
    let optional = last_name(&field.ty).is_some_and(|name| name == "Option");
    let default = serde.default || rules.lenient || rules.proto || rules.container.default;
    if serde.skip && rules.proto {
        sink.on(&ident, format!("`{ident}` has no place in Protobuf: a field of a proto message cannot be `skip`; move it elsewhere"));
    }
    if let (Some(span), false) = (serde.skip_if, optional || default) {
        sink.at(
            span,
            format!("readers refuse a message without `{ident}`: add `default`, or make it an `Option`"),
        );
    }
    let form = field_attr::take(field, &sink);
    if let (Some(form), true) = (form, serde.skip) {
        let word = form.word();
        sink.on(&ident, format!("`{ident}` is `skip`, so it does not travel: remove `#[field({word})]`"));
    }
    if form == Some(Form::Nanos) && rules.proto {
        sink.on(
            &field.ty,
            format!("Protobuf has no `{}`: write `i64`, for instance with the nanoseconds", tidy(&field.ty)),
        );
    }
    let mut added: Vec<Attribute> = Vec::new();
    // serde takes an absent `Option` for `None` by itself, unless a function of this crate reads the field.
    let absent = rules.lenient || rules.proto || (form.is_some() && optional);
    if let Some(form) = form {
        let with = ctx.path_text(form.code());
        added.push(parse_quote!(#[serde(with = #with)]));
    }
    if absent && !serde.default && !serde.skip && !rules.container.default {
        added.push(parse_quote!(#[serde(default)]));
    }
    if let (true, Some(tag), false) = (rules.proto, &tag, sink.failed())
        && let Some(form) = proto::form(&field.ty, tag, &sink)
    {
        let prost = form.prost;
        added.push(parse_quote!(#[prost(#prost)]));
        let by = match form.empty {
            Empty::By(path) => path.to_owned(),
            Empty::Equal => ctx.path_text("is_default"),
        };
        if serde.skip_if.is_none() && !rules.full {
            added.push(parse_quote!(#[serde(skip_serializing_if = #by)]));
        }
    }
    let cfgs = field.attrs.iter().filter(|a| a.path().is_ident("cfg")).cloned().collect();
    let doc = doc_text(&field.attrs);
    field.attrs.extend(added);
    if serde.skip || sink.failed() {
        return None;
    }
    let plain = ident.unraw().to_string();
    Some(WireField {
        name: serde
            .rename
            .unwrap_or_else(|| serde_attr::rename(rules.container.rename_all.as_deref(), &plain)),
        doc,
        ty: field.ty.clone(),
        tag: tag.as_ref().map(|tag| (tag.number, tag.span)),
        enumeration: tag.as_ref().and_then(Tag::enumeration).cloned(),
        encoding: tag.as_ref().and_then(|tag| tag.encoding(&field.ty)),
        form,
        required: !optional && !default,
        cfgs,
    })
}

fn take_tag(rules: &Rules, field: &mut Field, ident: &Ident, sink: &Sink<'_>) -> Option<Tag> {
    let (tags, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut field.attrs).into_iter().partition(|a| a.path().is_ident("tag"));
    field.attrs = rest;
    for second in tags.iter().skip(1) {
        sink.on(second, format!("`{ident}` has two tags: keep one"));
    }
    match (tags.first(), rules.proto) {
        (Some(tag), true) => Tag::read(tag, sink),
        (Some(tag), false) => {
            sink.on(tag, "tags are for Protobuf: write `#[message(proto)]`, or remove the tag");
            None
        }
        (None, true) => {
            sink.on(ident, format!("`{ident}` needs its number in Protobuf: write `#[tag(1)]`, with a number of its own, before it"));
            None
        }
        (None, false) => None,
    }
}

/// Reports tags and names that two fields share.
pub(crate) fn check_unique(fields: &[(Ident, WireField)], sink: &Sink<'_>) {
    for (i, (ident, field)) in fields.iter().enumerate() {
        let same = |what: fn(&WireField, &WireField) -> bool| {
            fields[..i].iter().find(|(_, other)| what(field, other)).map(|(ident, _)| ident)
        };
        if !field.cfgs.is_empty() {
            continue; // one of several that are never there together
        }
        if let (Some(first), Some((number, span))) =
            (same(|a, b| a.tag.is_some() && a.tag.map(|t| t.0) == b.tag.map(|t| t.0)), field.tag)
        {
            let taken = |n: &u32| fields.iter().any(|(_, f)| f.tag.is_some_and(|(tag, _)| tag == *n));
            let free = (1..).find(|n| !taken(n)).unwrap_or(1);
            sink.at(
                span,
                format!("`{first}` and `{ident}` have the same tag {number}: write another, such as `#[tag({free})]`"),
            );
        }
        if let Some(first) = same(|a, b| a.name == b.name) {
            sink.on(
                ident,
                format!(
                    "`{first}` and `{ident}` have the same name `{}` on the wire: rename one of them",
                    field.name
                ),
            );
        }
    }
}

/// A field's type in the schema.
pub(crate) fn schema_type(private: &TokenStream, field: &WireField) -> TokenStream {
    let ty = &field.ty;
    let span = crate::block::method::place_of(ty);
    match &field.enumeration {
        None => {
            let field_trait = field.form.map_or_else(|| quote!(FieldType), |form| form.field_trait(private));
            quote_spanned!(span=> <#ty as #private::#field_trait>::TYPE)
        }
        Some(path) => {
            let of_enum = quote_spanned!(span=> <#path as #private::FieldType>::TYPE);
            match last_name(ty).as_deref() {
                Some("Option") => quote_spanned!(span=> #private::Type::Optional(&#of_enum)),
                Some("Vec") => quote_spanned!(span=> #private::Type::List(&#of_enum)),
                _ => of_enum,
            }
        }
    }
}
