//! `#[message]`: a type that travels, with its code for each format and its shape as data.

mod enumeration;
mod expand;
mod field_attr;
mod fields;
mod names;
mod proto;
mod serde_attr;
mod union;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitStr, Meta, Path, Token};

use crate::attr::{Args, Ctx, Key};
use crate::block::misplaced;
use crate::errors::{Errors, Expansion, Sink};

const KEYS: [Key; 7] = [
    Key::text("name", "name = \"Name\""),
    Key::flag("proto"),
    Key::text("json", "json = \"full\""),
    Key::text("push", "push = \"onMessage\""),
    Key::flag("lenient"),
    Key::flag("validate"),
    Key::CRATE,
];

/// The longest route that a push can have, in bytes: its length travels as one byte.
const MAX_ROUTE: usize = 255;

/// Expands `#[message(args)] item`.
pub fn message(args: TokenStream, item: TokenStream) -> Expansion {
    let errors = Errors::default();
    let sink = errors.sink();
    let args = Args::parse(args, "#[message]", &KEYS, &sink);
    let tokens = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => expand(&args, input, &sink),
        Err(_) => {
            sink.on(
                misplaced(&item),
                "a message is a type: put `#[message]` on a `struct` with named fields",
            );
            item
        }
    };
    errors.expansion(tokens)
}

/// Returns the item without the attributes of the macro, for an item that cannot be expanded.
fn bare(input: &DeriveInput) -> TokenStream {
    let mut input = input.clone();
    let strip = |attrs: &mut Vec<Attribute>| {
        attrs.retain(|a| {
            let ours = ["tag", "field", "serde", "prost", "garde"].iter().any(|name| a.path().is_ident(name));
            !ours && !serde_attr::is_conditional(a)
        });
    };
    strip(&mut input.attrs);
    match &mut input.data {
        Data::Struct(data) => data.fields.iter_mut().for_each(|field| strip(&mut field.attrs)),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                // Numbers that are wrong would be one more error each.
                variant.discriminant = None;
                strip(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| strip(&mut field.attrs));
            }
        }
        Data::Union(_) => return quote!(#input),
    }
    let mut derives = Derives::take(&input.attrs);
    input.attrs = std::mem::take(&mut derives.rest);
    let kept = ["Clone", "Copy", "Debug", "Default", "PartialEq", "Eq", "Hash", "PartialOrd", "Ord"];
    derives.written.retain(|path| kept.iter().any(|name| is(path, name)));
    let added = [("Clone", quote!(::core::clone::Clone)), ("Debug", quote!(::core::fmt::Debug))];
    let derives = derives.with(&added, &input.ident);
    quote!(#derives #input)
}

fn expand(args: &Args, input: DeriveInput, sink: &Sink<'_>) -> TokenStream {
    let ctx = Ctx::new(args);
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        sink.on(
            &input.generics,
            format!(
                "message `{name}` has one form on the wire, so it cannot be generic: write its types out"
            ),
        );
    }
    if let Some(text) = args.text("push") {
        check_push(text, sink);
    }
    if let Some(text) = args.text("name") {
        check_name(text, sink);
    }
    if let (Some(text), Data::Struct(_)) = (args.text("json"), &input.data) {
        if text.value() != "full" {
            sink.on(text, format!("unknown form `{}`: write `json = \"full\"`", text.value()));
        } else if !args.has("proto") {
            sink.on(
                text,
                format!(
                    "message `{name}` is not `proto`, so its JSON has every field already: remove `json`"
                ),
            );
        }
    }
    let made = match &input.data {
        Data::Struct(data) => {
            match &data.fields {
                Fields::Unnamed(fields) => {
                    sink.on(
                        fields,
                        format!(
                            "the fields of message `{name}` need names on the wire: write `{{ name: … }}`"
                        ),
                    );
                    None
                }
                Fields::Unit => {
                    sink.on(name, format!("message `{name}` is a map on the wire, if an empty one: write `struct {name} {{}}`"));
                    None
                }
                Fields::Named(_) => expand::structure(&ctx, args, &input, sink),
            }
        }
        Data::Enum(data) if args.has("proto") => enumeration::expand(&ctx, args, &input, data, sink),
        Data::Enum(data) if data.variants.iter().any(|variant| !matches!(variant.fields, Fields::Unit)) => {
            union::expand(&ctx, args, &input, data, sink)
        }
        Data::Enum(data) => names::expand(&ctx, args, &input, data, sink),
        Data::Union(data) => {
            sink.on(data.union_token, format!("message `{name}` cannot be a union: write a `struct`"));
            None
        }
    };
    match made {
        Some(made) if !sink.failed() => made,
        _ => {
            let bare = bare(&input);
            let stand_in = stand_in(&ctx, &input);
            quote!(#bare #stand_in)
        }
    }
}

/// Implements `Message` for a type with an error, so that its uses in the rest of the crate are not more errors.
fn stand_in(ctx: &Ctx, input: &DeriveInput) -> TokenStream {
    if !input.generics.params.is_empty() {
        return TokenStream::new();
    }
    let (private, name) = (ctx.private(), &input.ident);
    quote! {
        impl #private::Message for #name {
            const CODECS: #private::Codecs<Self> = ::core::panic!("the message has errors");
            const SCHEMA: &'static #private::Schema = &#private::Schema::new("", "", &[]);
        }
        impl #private::FieldType for #name {
            const TYPE: #private::Type = #private::Type::Any;
        }
        impl #private::serde::Serialize for #name {
            fn serialize<__S: #private::serde::Serializer>(
                &self,
                serializer: __S,
            ) -> ::core::result::Result<__S::Ok, __S::Error> {
                <Self as #private::fields::Missing>::serialize(self, serializer)
            }
        }
        impl<'de> #private::serde::Deserialize<'de> for #name {
            fn deserialize<__D: #private::serde::Deserializer<'de>>(
                deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                <Self as #private::fields::Missing>::deserialize(deserializer)
            }
        }
    }
}

/// The name of a type in the schema.
fn name(args: &Args, ident: &Ident) -> String {
    args.text("name").map_or_else(|| ident.unraw().to_string(), LitStr::value)
}

/// The file and line of a type, as an expression.
fn place_text(ident: &Ident) -> TokenStream {
    // `line!` tells the line of the type only if it stands there with the user's own hygiene.
    quote_spanned!(ident.span()=> ::core::concat!(::core::file!(), ":", ::core::line!()))
}

fn check_name(text: &LitStr, sink: &Sink<'_>) {
    let name = text.value();
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|first| first.is_alphabetic());
    if !begins || !chars.all(|c| c.is_alphanumeric() || c == '_') || !name.contains(char::is_uppercase) {
        sink.on(
            text,
            "clients name their type so: write it like a Rust type, such as `name = \"GameResult\"`",
        );
    }
}

fn check_push(text: &LitStr, sink: &Sink<'_>) {
    let route = text.value();
    if route.is_empty() {
        sink.on(text, "a push needs a route that clients listen on: write `push = \"onMessage\"`");
    } else if route.len() > MAX_ROUTE {
        sink.on(
            text,
            format!(
                "the route of a push has at most {MAX_ROUTE} bytes, and this has {}: write a shorter one",
                route.len()
            ),
        );
    }
}

/// The derives that the user wrote, and the other attributes.
pub(crate) struct Derives {
    written: Vec<Path>,
    pub(crate) rest: Vec<Attribute>,
}

impl Derives {
    pub(crate) fn take(attrs: &[Attribute]) -> Self {
        let mut derives = Self { written: Vec::new(), rest: Vec::new() };
        for attr in attrs {
            let list = attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
            match (&attr.meta, list) {
                (Meta::List(meta), Ok(list)) if meta.path.is_ident("derive") => derives.written.extend(list),
                _ => derives.rest.push(attr.clone()),
            }
        }
        derives
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.written.iter().any(|path| is(path, name))
    }

    /// Removes a derive that the macro writes.
    pub(crate) fn remove(&mut self, name: &str) {
        self.written.retain(|path| !is(path, name));
    }

    /// Returns the derives of the user and those that the macro adds. The errors of the added ones have the place of
    /// `name`.
    pub(crate) fn with(&self, added: &[(&str, TokenStream)], name: &Ident) -> TokenStream {
        let written = &self.written;
        let added = added.iter().filter(|(derive, _)| !self.has(derive));
        let added = added.map(|(_, path)| shown_at(path.clone(), name.span()));
        quote!(#[derive(#(#written,)* #(#added),*)])
    }
}

fn shown_at(path: TokenStream, place: Span) -> TokenStream {
    let shown = path.into_iter().map(|mut tree| {
        tree.set_span(tree.span().located_at(place));
        tree
    });
    shown.collect()
}

fn is(path: &Path, name: &str) -> bool {
    path.segments.last().is_some_and(|s| s.ident == name)
}
