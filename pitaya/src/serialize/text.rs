//! Integers of 64 bits that travel as text (`#[field(text)]`), because JavaScript rounds them above 2⁵³.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use super::schema::{FieldType, Type};
use super::whole;
use crate::wire::json::NUMBER;

/// A type of fields with `#[field(text)]`: an integer, or an `Option` or a `Vec` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as text",
    label = "not an integer of 64 bits",
    note = "remove `#[field(text)]`, which is for `i64` and `u64`, also in an `Option` or a `Vec`"
)]
pub trait TextField: Sized {
    /// The type in the schema.
    const TYPE: Type;
    /// Writes it as text.
    #[doc(hidden)]
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads it from text or from a number.
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// For generated code: the `serialize` of serde's `with`.
///
/// # Errors
/// The error of the serializer.
pub fn serialize<T: TextField, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

/// For generated code: the `deserialize` of serde's `with`.
///
/// # Errors
/// If the value is neither an integer of the type nor the text of one.
pub fn deserialize<'de, T: TextField, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

macro_rules! integers {
    ($($int:ty),*) => { $(
        impl TextField for $int {
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

/// A value inside of an `Option` or a `Vec`.
struct Text<T>(T);

impl<T: TextField> Serialize for Text<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, T: TextField> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<T: TextField> TextField for Option<T> {
    const TYPE: Type = Type::Optional(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Text).serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<Text<T>>::deserialize(deserializer)?;
        Ok(value.map(|text| text.0))
    }
}

impl<T: TextField> TextField for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Text))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Text<T>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|text| text.0).collect())
    }
}
