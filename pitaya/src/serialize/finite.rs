//! Finds floats that JSON cannot express: NaN and the infinities.

use std::cell::Cell;

use serde::Serialize;
use serde::de::value::Error;
use serde::ser::{self, Error as _, Serializer};

/// The reason why a value is refused where JSON would have `null`.
pub(super) const NOT_FINITE: &str = "a number is not finite, which JSON cannot express";

/// Returns whether all floats of a value are finite.
pub(super) fn is_finite(value: &dyn erased_serde::Serialize) -> bool {
    let found = Cell::new(false);
    // Another error is one of the value's type, which its format reports.
    let _ = value.serialize(Check(&found));
    !found.get()
}

/// Serializes to nothing. Stops at a float that is not finite.
#[derive(Clone, Copy)]
struct Check<'a>(&'a Cell<bool>);

impl Check<'_> {
    fn float(self, finite: bool) -> Result<(), Error> {
        if finite {
            return Ok(());
        }
        self.0.set(true);
        Err(Error::custom(NOT_FINITE))
    }
}

macro_rules! skip {
    ($($method:ident($($ty:ty),*)),* $(,)?) => { $(
        fn $method(self, $(_: $ty),*) -> Result<(), Error> {
            Ok(())
        }
    )* };
}

macro_rules! open {
    ($($method:ident($($ty:ty),*)),* $(,)?) => { $(
        fn $method(self, $(_: $ty),*) -> Result<Self, Error> {
            Ok(self)
        }
    )* };
}

impl Serializer for Check<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.float(value.is_finite())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.float(value.is_finite())
    }

    skip!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_none(),
        serialize_unit(),
        serialize_unit_struct(&'static str),
        serialize_unit_variant(&'static str, u32, &'static str),
    );

    open!(
        serialize_seq(Option<usize>),
        serialize_tuple(usize),
        serialize_tuple_struct(&'static str, usize),
        serialize_tuple_variant(&'static str, u32, &'static str, usize),
        serialize_map(Option<usize>),
        serialize_struct(&'static str, usize),
        serialize_struct_variant(&'static str, u32, &'static str, usize),
    );

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }
}

macro_rules! parts {
    ($($part:ident: $($method:ident($($ty:ty),*)),*;)*) => { $(
        impl ser::$part for Check<'_> {
            type Ok = ();
            type Error = Error;
            $(
                fn $method<T: ?Sized + Serialize>(&mut self, $(_: $ty,)* value: &T) -> Result<(), Error> {
                    value.serialize(*self)
                }
            )*
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    )* };
}

parts! {
    SerializeSeq: serialize_element();
    SerializeTuple: serialize_element();
    SerializeTupleStruct: serialize_field();
    SerializeTupleVariant: serialize_field();
    SerializeMap: serialize_key(), serialize_value();
    SerializeStruct: serialize_field(&'static str);
    SerializeStructVariant: serialize_field(&'static str);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        None,
        One(f64),
        Two(u8, f32),
        Named { at: Option<f64> },
    }

    #[test]
    fn floats_are_found_wherever_they_are() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.5] {
            #[expect(clippy::cast_possible_truncation, reason = "it stays finite or not")]
            let values: [&dyn erased_serde::Serialize; 7] = [
                &value,
                &(value as f32),
                &[Shape::None, Shape::One(value)],
                &Shape::Two(1, value as f32),
                &Shape::Named { at: Some(value) },
                &BTreeMap::from([("k", vec![(1, value)])]),
                &Box::new(Some(((), "text", value))),
            ];
            for (at, each) in values.into_iter().enumerate() {
                assert_eq!(is_finite(each), value.is_finite(), "{at}: {value}");
            }
        }
    }
}
