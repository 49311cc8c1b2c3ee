//! `#[field(text)]`: integers of 64 bits that travel as text, because JavaScript has no such numbers.

use syn::{Attribute, Field, Ident, Type};

use crate::block::signature::tidy;
use crate::errors::Sink;
use crate::ungroup::named;

const FORM: &str = "`#[field]` takes `text`: write `#[field(text)]`";

/// Removes the `#[field(…)]` of a field, and returns whether the field travels as text.
pub(crate) fn take(field: &mut Field, sink: &Sink<'_>) -> bool {
    let (own, rest): (Vec<Attribute>, _) =
        std::mem::take(&mut field.attrs).into_iter().partition(|attr| attr.path().is_ident("field"));
    field.attrs = rest;
    for attr in &own {
        match attr.parse_args::<Ident>() {
            Ok(word) if word == "text" => {}
            Ok(word) => sink.on(&word, FORM),
            Err(_) => sink.on(attr, FORM),
        }
    }
    for second in own.iter().skip(1) {
        sink.on(second, "`#[field(text)]` is given twice: keep one of them");
    }
    if !own.is_empty() && never(&field.ty) {
        sink.on(
            &field.ty,
            format!(
                "`{}` cannot travel as text: remove `#[field(text)]`, which is for `i64` and `u64`, also in an `Option` or \
                 a `Vec`",
                tidy(&field.ty)
            ),
        );
    }
    !own.is_empty()
}

/// Whether a type is certainly not an integer of 64 bits. An alias may be one.
fn never(ty: &Type) -> bool {
    let Some((name, args)) = named(ty) else { return true };
    match (name.as_str(), args.as_slice()) {
        ("Option" | "Vec", [inner]) => never(inner),
        ("bool" | "char" | "f32" | "f64" | "String" | "Bytes", _) => true,
        ("i8" | "i16" | "i32" | "i128" | "u8" | "u16" | "u32" | "u128", _) => true,
        (_, args) => !args.is_empty(),
    }
}
