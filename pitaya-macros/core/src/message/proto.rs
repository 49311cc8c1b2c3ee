//! The Protobuf form of a field, from its Rust type and its `#[tag(n)]`.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Ident, LitInt, Path, Token, Type};

use crate::block::signature::tidy;
use crate::errors::Sink;
use crate::ungroup::named;

/// The largest tag that Protobuf has.
const MAX_TAG: u32 = 536_870_911;
/// Tags that Protobuf keeps for itself.
const RESERVED: std::ops::RangeInclusive<u32> = 19_000..=19_999;

/// `#[tag(3)]`, `#[tag(3, sint32)]`, `#[tag(3, enum(Color))]`.
pub(crate) struct Tag {
    pub(crate) number: u32,
    pub(crate) span: Span,
    encoding: Option<Encoding>,
}

enum Encoding {
    Named(Ident),
    Enum(Path),
}

struct Parsed {
    number: LitInt,
    encoding: Option<Encoding>,
}

impl Parse for Parsed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let number = input.parse()?;
        let mut encoding = None;
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            if input.parse::<Option<Token![enum]>>()?.is_some() {
                let inner;
                syn::parenthesized!(inner in input);
                encoding = Some(Encoding::Enum(inner.parse()?));
            } else {
                encoding = Some(Encoding::Named(input.parse()?));
            }
        }
        Ok(Self { number, encoding })
    }
}

impl Tag {
    pub(crate) fn read(attr: &Attribute, sink: &Sink<'_>) -> Option<Self> {
        let Ok(parsed) = attr.parse_args::<Parsed>() else {
            sink.on(attr, "a tag is the field's number in Protobuf: write `#[tag(1)]`, `#[tag(1, sint32)]` or `#[tag(1, enum(Color))]`");
            return None;
        };
        let number = parsed.number.base10_parse::<u32>().unwrap_or(0);
        if number == 0 || number > MAX_TAG || RESERVED.contains(&number) {
            sink.on(
                &parsed.number,
                format!(
                    "`{}` is an invalid Protobuf tag: write a number from 1 to {MAX_TAG}, outside of {} to {}",
                    parsed.number,
                    RESERVED.start(),
                    RESERVED.end()
                ),
            );
            return None;
        }
        Some(Self { number, span: parsed.number.span(), encoding: parsed.encoding })
    }

    /// The Protobuf type of a field, if the schema cannot tell it from the Rust type.
    pub(crate) fn encoding(&self, ty: &Type) -> Option<String> {
        match &self.encoding {
            Some(Encoding::Named(name)) => Some(name.to_string()),
            Some(Encoding::Enum(_)) => None,
            None => holds_bytes(ty).then(|| "bytes".to_owned()),
        }
    }

    /// The enum of an `enum(…)` field.
    pub(crate) fn enumeration(&self) -> Option<&Path> {
        match &self.encoding {
            Some(Encoding::Enum(path)) => Some(path),
            _ => None,
        }
    }
}

/// Whether a type is or contains a `Vec<u8>`, which is `bytes` in Protobuf and a list elsewhere.
fn holds_bytes(ty: &Type) -> bool {
    matches!(scalar(ty), Some(Scalar::Bytes("vec")))
        || named(ty).is_some_and(|(_, args)| args.into_iter().any(holds_bytes))
}

/// How a field is left out of JSON when it has its default.
pub(crate) enum Empty {
    /// By `Option::is_none`, `Vec::is_empty`, `HashMap::is_empty`, …
    By(&'static str),
    /// By comparing.
    Equal,
}

/// The attributes of a field for prost and serde.
pub(crate) struct Form {
    pub(crate) prost: TokenStream,
    pub(crate) empty: Empty,
}

enum Scalar {
    Named(&'static str),
    /// `bytes = "vec"` or `bytes = "bytes"`.
    Bytes(&'static str),
    Message,
}

fn scalar(ty: &Type) -> Option<Scalar> {
    let (name, args) = named(ty)?;
    Some(match (name.as_str(), args.as_slice()) {
        ("bool", []) => Scalar::Named("bool"),
        ("i32", []) => Scalar::Named("int32"),
        ("i64", []) => Scalar::Named("int64"),
        ("u32", []) => Scalar::Named("uint32"),
        ("u64", []) => Scalar::Named("uint64"),
        ("f32", []) => Scalar::Named("float"),
        ("f64", []) => Scalar::Named("double"),
        ("String", []) => Scalar::Named("string"),
        ("Bytes", []) => Scalar::Bytes("bytes"),
        ("Vec", [byte]) if named(byte)?.0 == "u8" => Scalar::Bytes("vec"),
        ("i8" | "i16" | "u8" | "u16" | "i128" | "u128" | "isize" | "usize" | "char" | "str", []) => {
            return None;
        }
        (_, []) => Scalar::Message,
        _ => return None,
    })
}

fn word(name: &str) -> TokenStream {
    let ident = Ident::new(name, Span::mixed_site());
    quote!(#ident)
}

impl Scalar {
    fn prost(&self) -> TokenStream {
        match self {
            Self::Named(name) => word(name),
            Self::Bytes(kind) => quote!(bytes = #kind),
            Self::Message => quote!(message),
        }
    }
}

/// The encodings that a tag may choose, by the default of the Rust type.
fn others(own: &str) -> &'static [&'static str] {
    match own {
        "int32" => &["sint32", "sfixed32"],
        "int64" => &["sint64", "sfixed64"],
        "uint32" => &["fixed32"],
        "uint64" => &["fixed64"],
        _ => &[],
    }
}

/// Returns the form of a field, or reports that Protobuf has no form for it.
pub(crate) fn form(ty: &Type, tag: &Tag, sink: &Sink<'_>) -> Option<Form> {
    let number = tag.number.to_string();
    let wrapped = |inner: TokenStream, empty| Some(Form { prost: quote!(#inner, tag = #number), empty });
    let (name, args) = named(ty).unwrap_or_default();
    let (label, inner, empty) = match (name.as_str(), args.as_slice()) {
        ("Option", [inner]) => (Some("optional"), *inner, Empty::By("::core::option::Option::is_none")),
        ("Vec", [inner]) if named(inner).is_none_or(|(name, _)| name != "u8") => {
            (Some("repeated"), *inner, Empty::By("::std::vec::Vec::is_empty"))
        }
        ("HashMap" | "BTreeMap", [key, value]) if tag.encoding.is_none() => {
            let kind = if name == "HashMap" { word("map") } else { word("btree_map") };
            let (Some(Scalar::Named(key)), Some(value)) = (scalar(key), scalar(value)) else {
                return no_form(ty, sink);
            };
            let value = match value {
                Scalar::Named(name) => name,
                Scalar::Bytes(_) => "bytes",
                Scalar::Message => "message",
            };
            if matches!(key, "float" | "double") {
                return no_form(ty, sink);
            }
            let types = format!("{key}, {value}");
            let empty = if name == "HashMap" {
                "::std::collections::HashMap::is_empty"
            } else {
                "::std::collections::BTreeMap::is_empty"
            };
            return wrapped(quote!(#kind = #types), Empty::By(empty));
        }
        _ => (None, ty, Empty::Equal),
    };
    let label = label.map(|label| {
        let label = word(label);
        quote!(#label,)
    });
    if let Some(path) = tag.enumeration() {
        if !matches!(scalar(inner), Some(Scalar::Named("int32"))) {
            sink.on(
                inner,
                format!("an enum travels as its number: write `i32` instead of `{}`", tidy(inner)),
            );
            return None;
        }
        let path = quote!(#path).to_string().replace(' ', "");
        return wrapped(quote!(#label enumeration = #path), empty);
    }
    let boxed = match named(inner) {
        Some((name, args)) if name == "Box" && args.len() == 1 => Some(args[0]),
        _ => None,
    };
    if let (Some(inner), Some(_)) = (boxed, &label)
        && matches!(scalar(inner), Some(Scalar::Message))
    {
        return wrapped(quote!(#label message, boxed), empty);
    }
    if matches!(named(inner), Some((name, _)) if name == "HashSet" || name == "BTreeSet") {
        return no_form(ty, sink);
    }
    let Some(own) = scalar(inner) else { return no_form(ty, sink) };
    if matches!(own, Scalar::Message) && label.is_none() {
        sink.on(
            ty,
            format!(
                "a message inside a message may be absent in Protobuf: write `Option<{0}>` (an enum is `i32` with \
                 `#[tag({1}, enum({0}))]`)",
                tidy(ty),
                tag.number
            ),
        );
        return None;
    }
    let prost = match (&tag.encoding, &own) {
        (Some(Encoding::Named(asked)), own) => {
            let possible = match own {
                Scalar::Named(own) => others(own),
                _ => &[],
            };
            if !possible.iter().any(|name| asked == name) {
                let instead = if possible.is_empty() {
                    "remove it".to_owned()
                } else {
                    format!("write {}", crate::attr::list(possible.iter().copied(), "or"))
                };
                sink.on(asked, format!("`{}` cannot be encoded as `{asked}`: {instead}", tidy(inner)));
                return None;
            }
            quote!(#asked)
        }
        _ => own.prost(),
    };
    wrapped(quote!(#label #prost), empty)
}

fn no_form(ty: &Type, sink: &Sink<'_>) -> Option<Form> {
    sink.on(
        ty,
        format!(
            "`{}` has no form in Protobuf: write bool, i32, i64, u32, u64, f32, f64, String, Vec<u8>, Bytes, a \
             message in an `Option`, or a `Vec`, an `Option` or a map of these",
            tidy(ty)
        ),
    );
    None
}
