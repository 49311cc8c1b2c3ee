//! Spans of time that travel as their nanoseconds (`#[field(nanos)]`), as `time.Duration` of Go does.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected};
use serde::ser::{Error as _, Serializer};

use super::field_form::{FieldForm, Formed};
use super::schema::Type;

/// The form of `#[field(nanos)]`.
#[derive(Debug)]
pub enum Nanos {}

/// The code for serde's `with`. For generated code.
pub type NanosForm = Formed<Nanos>;

/// Fails to write a span of more than 2⁶³ ns, which are 292 years, and to read a negative number.
impl FieldForm<Nanos> for Duration {
    const TYPE: Type = Type::Duration;

    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = i64::try_from(self.as_nanos())
            .map_err(|_| S::Error::custom("a span of time is at most 2⁶³ ns, which are 292 years"))?;
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
