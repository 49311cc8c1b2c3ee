//! Integers of 64 bits that travel as text (`#[field(text)]`), because JavaScript rounds them above 2⁵³.

use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Unexpected, Visitor};
use serde::ser::Serializer;

use super::field_form::{FieldForm, Formed};
use super::schema::{FieldType, Type};
use super::whole;
use crate::wire::json::NUMBER;

/// The form of `#[field(text)]`.
#[derive(Debug)]
pub enum Text {}

/// The code for serde's `with`. For generated code.
pub type TextForm = Formed<Text>;

macro_rules! integers {
    ($($int:ty),*) => { $(
        impl FieldForm<Text> for $int {
            const TYPE: Type = Type::Text(&<$int as FieldType>::TYPE);

            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Integer { floats: bool }

                impl<'de> Visitor<'de> for Integer {
                    type Value = $int;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!(stringify!($int), " as decimal text, or as a number"))
                    }
                    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<$int, E> {
                        value.try_into().map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
                    }
                    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<$int, E> {
                        value.try_into().map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
                    }
                    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<$int, E> {
                        match whole::integer(value).filter(|_| self.floats) {
                            Some(integer) => integer.visit(self),
                            None => Err(E::invalid_type(Unexpected::Float(value), &self)),
                        }
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$int, E> {
                        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
                    }
                    // The form of numbers if a crate of the program switches on `serde_json/arbitrary_precision`.
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$int, A::Error> {
                        match map.next_key::<String>()? {
                            Some(key) if key == NUMBER => {
                                let text = map.next_value::<String>()?;
                                match (text.parse(), text.parse()) {
                                    (Ok(integer), _) => Ok(integer),
                                    (_, Ok(float)) => self.visit_f64(float),
                                    _ => self.visit_str(&text),
                                }
                            }
                            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
                        }
                    }
                }

                // As for other integers: JSON has its own, and takes no number with a fraction for one.
                let floats = !deserializer.is_human_readable();
                deserializer.deserialize_any(Integer { floats })
            }
        }
    )* };
}

integers!(i64, u64, isize, usize);
