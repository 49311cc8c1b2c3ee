//! `#[field(…)]`: another form of a field in JSON and MessagePack.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Field, Ident, Type};

use crate::block::signature::tidy;
use crate::errors::Sink;
use crate::ungroup::named;

const USAGE: &str = "`#[field]` takes `text` for integers, or `nanos` for `Duration`: write `#[field(text)]` or `#[field(nanos)]`";

/// The form of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Integers of 64 bits as text, because JavaScript has no such numbers.
    Text,
    /// A `Duration` as its nanoseconds.
    Nanos,
}

impl Form {
    /// Returns the word of the attribute.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Nanos => "nanos",
        }
    }

    /// Returns the type with the code for serde.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Text => "TextForm",
            Self::Nanos => "NanosForm",
        }
    }

    /// Returns the trait of the types that have this form.
    pub(crate) fn field_trait(self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Text => quote!(FieldForm<#private::Text>),
            Self::Nanos => quote!(FieldForm<#private::Nanos>),
        }
    }

    /// Returns the error for a type that certainly has no such form.
    fn refuse(self, ty: &Type) -> Option<String> {
        let shown = tidy(ty);
        match self {
            Self::Text => is_never(ty, is_no_integer).then(|| {
                format!(
                    "`{shown}` cannot travel as text: remove `#[field(text)]`, which is for `i64` and `u64`, also in an \
                     `Option` or a `Vec`"
                )
            }),
            Self::Nanos => is_never(ty, |name| is_no_integer(name) || is_integer(name)).then(|| {
                format!(
                    "`{shown}` is no span of time: remove `#[field(nanos)]`, which is for `Duration`, also in an `Option` \
                     or a `Vec`"
                )
            }),
        }
    }
}

/// Removes the `#[field(…)]` of a field, and returns its form.
pub(crate) fn take(field: &mut Field, sink: &Sink<'_>) -> Option<Form> {
    let (own, rest): (Vec<Attribute>, _) =
        std::mem::take(&mut field.attrs).into_iter().partition(|attr| attr.path().is_ident("field"));
    field.attrs = rest;
    let mut found = None;
    for attr in &own {
        match attr.parse_args::<Ident>() {
            Ok(word) if word == "text" => found = found.or(Some(Form::Text)),
            Ok(word) if word == "nanos" => found = found.or(Some(Form::Nanos)),
            Ok(word) => sink.on(&word, USAGE),
            Err(_) => sink.on(attr, USAGE),
        }
    }
    for second in own.iter().skip(1) {
        sink.on(second, "`#[field(…)]` is given twice: keep one of them");
    }
    if let Some(error) = found.and_then(|form| form.refuse(&field.ty)) {
        sink.on(&field.ty, error);
    }
    found
}

/// Whether a type, or what an `Option` or a `Vec` holds, is certainly not of the form. An alias may be.
fn is_never(ty: &Type, is_other: impl Fn(&str) -> bool + Copy) -> bool {
    let Some((name, args)) = named(ty) else { return true };
    match (name.as_str(), args.as_slice()) {
        ("Option" | "Vec", [inner]) => is_never(inner, is_other),
        (name, args) => is_other(name) || !args.is_empty(),
    }
}

/// Whether a name is that of a type which is no integer of 64 bits.
fn is_no_integer(name: &str) -> bool {
    matches!(
        name,
        "bool"
            | "char"
            | "f32"
            | "f64"
            | "String"
            | "Bytes"
            | "i8"
            | "i16"
            | "i32"
            | "i128"
            | "u8"
            | "u16"
            | "u32"
            | "u128"
    )
}

fn is_integer(name: &str) -> bool {
    matches!(name, "i64" | "u64" | "isize" | "usize")
}
