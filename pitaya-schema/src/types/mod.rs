//! The parts of a schema: types, fields, methods, pushes, errors.

mod def;
mod field;
mod method;
mod scalar;
mod ty;
mod ty_serde;
mod union;

pub use def::{EnumDef, EnumRepr, EnumValue, StructDef, TypeDef};
pub use field::{Encoding, Field};
pub use method::{ErrorCode, Method, Push, PushClass};
pub use scalar::Scalar;
pub use ty::Type;
pub use union::{UnionDef, Variant, VariantBody};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
