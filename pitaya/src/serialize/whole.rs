//! Whole floating-point numbers for integer fields of MessagePack bodies, because JavaScript has no other numbers.
//!
//! A body is read a second time in this way only if it cannot be read as it is. Everything goes through [`Whole`] and
//! [`Seen`], which wrap the types of serde. They change only the type of a number where the reader asks for an integer.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::error::CodecError;
use super::msgpack::msgpack_read;

/// Reads a body whose integers may be floating-point numbers; `None` if it cannot be read in this way either.
#[cold]
pub(super) fn decode<T>(
    body: &[u8],
    read: fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<T, erased_serde::Error>,
) -> Option<T> {
    let decoded = msgpack_read(body, |deserializer| {
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(Whole(deserializer))).map_err(CodecError::new)
    });
    decoded.ok()
}

/// An integer that was a floating-point number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Signed(i64),
    Unsigned(u64),
}

impl Integer {
    pub(super) fn visit<'de, V: Visitor<'de>, E: Error>(self, visitor: V) -> Result<V::Value, E> {
        match self {
            Self::Signed(value) => visitor.visit_i64(value),
            Self::Unsigned(value) => visitor.visit_u64(value),
        }
    }
}

/// Returns a whole number as an integer; `None` for fractions, and for values that are not finite or exceed 64 bits.
pub(super) fn integer(value: f64) -> Option<Integer> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if value.fract() != 0.0 {
        return None; // also for what is not finite, whose fraction is no number
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    if (-TWO_63..0.0).contains(&value) {
        Some(Integer::Signed(value as i64))
    } else if (0.0..2.0 * TWO_63).contains(&value) {
        Some(Integer::Unsigned(value as u64))
    } else {
        None
    }
}

/// Wraps a type of serde, so that integers may be floating-point numbers.
struct Whole<T>(T);

/// A visitor, and whether it was given to a method that reads an integer.
struct Seen<V> {
    visitor: V,
    integer: bool,
}

impl<V> Seen<V> {
    fn any(visitor: V) -> Self {
        Self { visitor, integer: false }
    }
}

macro_rules! forward {
    ($lifetime:lifetime: $($method:ident($($arg:ident: $ty:ty),*)),* $(,)?) => { $(
        fn $method<V: Visitor<$lifetime>>(self, $($arg: $ty,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($arg,)* Seen::any(visitor))
        }
    )* };
}

macro_rules! integers {
    ($($method:ident),*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Seen { visitor, integer: true })
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Whole<D> {
    type Error = D::Error;

    integers!(
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_i128,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_u128
    );
    forward!('de:
        deserialize_any(), deserialize_bool(), deserialize_f32(), deserialize_f64(), deserialize_char(),
        deserialize_str(), deserialize_string(), deserialize_bytes(), deserialize_byte_buf(), deserialize_option(),
        deserialize_unit(), deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str), deserialize_seq(), deserialize_tuple(len: usize),
        deserialize_tuple_struct(name: &'static str, len: usize), deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
        deserialize_identifier(), deserialize_ignored_any(),
    );

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! plain {
    ($($method:ident($ty:ty)),* $(,)?) => { $(
        fn $method<E: Error>(self, value: $ty) -> Result<V::Value, E> {
            self.visitor.$method(value)
        }
    )* };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Seen<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    plain!(
        visit_bool(bool),
        visit_i8(i8),
        visit_i16(i16),
        visit_i32(i32),
        visit_i64(i64),
        visit_i128(i128),
        visit_u8(u8),
        visit_u16(u16),
        visit_u32(u32),
        visit_u64(u64),
        visit_u128(u128),
        visit_char(char),
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>),
    );

    fn visit_f32<E: Error>(self, value: f32) -> Result<V::Value, E> {
        if self.integer { self.visit_f64(value.into()) } else { self.visitor.visit_f32(value) }
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        match integer(value).filter(|_| self.integer) {
            Some(integer) => integer.visit(self.visitor),
            None => self.visitor.visit_f64(value),
        }
    }
    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_none()
    }
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.visitor.visit_unit()
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_some(Whole(deserializer))
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.visitor.visit_newtype_struct(Whole(deserializer))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_seq(Whole(seq))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Whole(map))
    }
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_enum(Whole(data))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Whole<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Whole(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Whole<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Whole(seed))
    }
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Whole<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Whole(seed))
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Whole(seed))
    }
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Whole<A> {
    type Error = A::Error;
    type Variant = Whole<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(Whole(seed))?;
        Ok((value, Whole(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Whole<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Whole(seed))
    }
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Seen::any(visitor))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Seen::any(visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_in_range_are_integers() {
        let max = 18_446_744_073_709_549_568.0; // the last before 2^64
        for (value, expected) in [
            (0.0, Integer::Unsigned(0)),
            (-0.0, Integer::Unsigned(0)),
            (3.0, Integer::Unsigned(3)),
            (-3.0, Integer::Signed(-3)),
            (max, Integer::Unsigned(18_446_744_073_709_549_568)),
            (-9_223_372_036_854_775_808.0, Integer::Signed(i64::MIN)),
        ] {
            assert_eq!(integer(value), Some(expected), "{value}");
        }
        for value in
            [0.5, -1.25, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 18_446_744_073_709_551_616.0]
        {
            assert_eq!(integer(value), None, "{value}");
        }
        assert_eq!(integer(-9_223_372_036_854_777_856.0), None);
    }
}
