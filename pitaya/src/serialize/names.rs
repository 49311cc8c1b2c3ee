//! Enums whose values travel by name. For generated code.

use std::fmt;

use serde::de::{Deserializer, Error, Unexpected, Visitor};

/// Reads a value by its name.
///
/// A derive of serde would also accept the position of a value, which changes when values are reordered.
///
/// # Errors
/// If it is not the name of a value.
pub fn read<'de, T: Copy, D: Deserializer<'de>>(
    deserializer: D,
    values: &[(&'static str, T)],
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Names(values))
}

struct Names<'a, T>(&'a [(&'static str, T)]);

impl<T: Copy> Visitor<'_> for Names<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of")?;
        for (i, (name, _)) in self.0.iter().enumerate() {
            write!(f, "{} `{name}`", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<T, E> {
        let value = self.0.iter().find(|(known, _)| *known == name);
        value.map(|(_, value)| *value).ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
    }
}
