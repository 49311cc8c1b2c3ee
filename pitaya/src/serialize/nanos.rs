//! Spans of time that travel as their nanoseconds (`#[field(nanos)]`), as `time.Duration` of Go does.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected};
use serde::ser::{Error as _, Serialize, Serializer};

use super::schema::Type;

/// A type of fields with `#[field(nanos)]`: [`Duration`], or an `Option` or a `Vec` of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no span of time",
    label = "not a `std::time::Duration`",
    note = "remove `#[field(nanos)]`, which is for `Duration`, also in an `Option` or a `Vec`"
)]
pub trait NanosField: Sized {
    /// The type in the schema.
    const TYPE: Type;
    /// Writes the nanoseconds.
    #[doc(hidden)]
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads the nanoseconds.
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// For generated code: the `serialize` of serde's `with`.
///
/// # Errors
/// If a span is longer than 2⁶³ ns, which are 292 years, and the error of the serializer.
pub fn serialize<T: NanosField, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write(serializer)
}

/// For generated code: the `deserialize` of serde's `with`.
///
/// # Errors
/// If the value is no integer of 64 bits, or is negative.
pub fn deserialize<'de, T: NanosField, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

impl NanosField for Duration {
    const TYPE: Type = Type::Duration;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = i64::try_from(self.as_nanos());
        let nanos =
            nanos.map_err(|_| S::Error::custom("a span of time is at most 2⁶³ ns, which are 292 years"))?;
        serializer.serialize_i64(nanos)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nanos = i64::deserialize(deserializer)?;
        let expected = &"the nanoseconds of a span of time, which is not negative";
        let nanos = u64::try_from(nanos);
        nanos
            .map(Self::from_nanos)
            .map_err(|_| D::Error::invalid_value(Unexpected::Other("a negative number"), expected))
    }
}

/// A value inside of an `Option` or a `Vec`.
struct Nanos<T>(T);

impl<T: NanosField> Serialize for Nanos<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

impl<'de, T: NanosField> Deserialize<'de> for Nanos<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<T: NanosField> NanosField for Option<T> {
    const TYPE: Type = Type::Optional(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Nanos).serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<Nanos<T>>::deserialize(deserializer)?;
        Ok(value.map(|nanos| nanos.0))
    }
}

impl<T: NanosField> NanosField for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Nanos))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Nanos<T>>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|nanos| nanos.0).collect())
    }
}
