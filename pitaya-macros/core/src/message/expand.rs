//! A message that is a struct.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields};

use super::Derives;
use super::fields::{self, Rules};
use crate::attr::{Args, Ctx, doc_text};
use crate::errors::Sink;

/// The struct with its derives, and what makes it a message.
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
    let serde = ctx.path_text("serde");
    let mut added = vec![
        ("Clone", quote!(::core::clone::Clone)),
        ("Debug", quote!(::core::fmt::Debug)),
        ("Serialize", quote!(#private::serde::Serialize)),
        ("Deserialize", quote!(#private::serde::Deserialize)),
    ];
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
    let validate = args.span("validate").map(|span| {
        let rules = quote::quote_spanned!(crate::block::place(span)=> #private::fits::message_rules::<Self>);
        quote! {
            const VALIDATE: ::core::option::Option<fn(&Self) -> #private::Result<()>> =
                ::core::option::Option::Some(#rules);
        }
    });
    let push = args.text("push").map(|route| {
        quote! {
            #[automatically_derived]
            impl #private::Push for #name {
                const ROUTE: &'static str = #route;
            }
        }
    });
    // The schema comes before the item, because the compiler then reports a field's type in our words first, and in
    // those of serde's derives after that.
    Some(quote! {
        #[automatically_derived]
        impl #private::Message for #name {
            const CODECS: #private::Codecs<Self> = #private::Codecs::#codecs();
            const SCHEMA: &'static #private::Schema = &#schema;
            #validate
        }
        #derives
        #[serde(crate = #serde)]
        #prost
        #item
        #[automatically_derived]
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Message(|| <#name as #private::Message>::SCHEMA);
        }
        #push
    })
}

fn schema<'a>(
    private: &TokenStream,
    args: &Args,
    input: &DeriveInput,
    rules: &Rules,
    fields: impl Iterator<Item = &'a fields::WireField>,
) -> TokenStream {
    let name = syn::ext::IdentExt::unraw(&input.ident).to_string();
    let doc = doc_text(&input.attrs);
    let fields = fields.map(|field| {
        let ty = fields::schema_type(private, field);
        let fields::WireField { name, doc, required, cfgs, .. } = field;
        let tag = field.tag.map(|(tag, _)| quote!(.with_tag(#tag)));
        quote!(#(#cfgs)* #private::Field::new(#name, #doc, #ty, #required) #tag)
    });
    let proto = rules.proto.then(|| quote!(.with_proto()));
    let push = args.text("push").map(|route| quote!(.with_push(#route)));
    quote!(#private::Schema::new(#name, #doc, &[#(#fields),*]) #proto #push)
}
