//! Serde code of messages that reports no error for a type that cannot be a field. For generated code.
//!
//! `#[message]` reports such a type once, through [`FieldType`](super::FieldType). The code that serde derives would add
//! four errors for the same type. Two traits prevent that:
//!
//! - The derived functions assume [`Assumed`] for the type of each field. The compiler does not check a condition with a
//!   lifetime of its own where it is written, so the code inside of these functions compiles.
//! - A type that is no field makes the derived functions unavailable. Name resolution then finds those of [`Missing`],
//!   which every type has.
//!
//! Every [`FieldType`](super::FieldType) can be serialized and deserialized (a test below proves it for those of this
//! crate), so the functions of [`Missing`] never run.

use serde::Serialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::ser::{Error as _, Serializer};

/// A type that can be serialized and deserialized.
///
/// The lifetime has no meaning: it makes `for<'f> Type: Assumed<'f>` an assumption.
pub trait Assumed<'f>: Serialize + DeserializeOwned {}

impl<T: Serialize + DeserializeOwned> Assumed<'_> for T {}

const MISSING: &str = "the message has a field that cannot be serialized";

/// Stands in for the functions that serde derives.
pub trait Missing {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    fn serialize<T, S: Serializer>(_value: &T, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(MISSING))
    }

    /// Fails.
    ///
    /// # Errors
    /// Always.
    fn deserialize<'de, T, D: Deserializer<'de>>(_deserializer: D) -> Result<T, D::Error> {
        Err(D::Error::custom(MISSING))
    }
}

impl<T> Missing for T {}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::hash::{BuildHasher, Hash};

    use bytes::Bytes;

    use super::Assumed;
    use crate::serialize::FieldType;

    /// Compiles if a type is a field and can be serialized.
    fn both<T: FieldType + for<'f> Assumed<'f>>() {}

    /// Compiles if every container is a field whose elements are, and can be serialized, under the same conditions.
    fn containers<T, K, S>()
    where
        T: FieldType + for<'f> Assumed<'f>,
        K: FieldType + for<'f> Assumed<'f> + Eq + Hash + Ord,
        S: BuildHasher + Default,
    {
        both::<Option<T>>();
        both::<Vec<T>>();
        both::<Box<T>>();
        both::<[T; 32]>();
        both::<HashSet<K, S>>();
        both::<BTreeSet<K>>();
        both::<(T, K)>();
        both::<(T, K, T, K, T, K, T, K, T, K, T, K)>();
        both::<HashMap<K, T, S>>();
        both::<BTreeMap<K, T>>();
    }

    #[test]
    fn every_field_type_can_be_serialized() {
        both::<bool>();
        both::<String>();
        both::<Bytes>();
        both::<()>();
        both::<serde_json::Value>();
        both::<serde_json::Map<String, serde_json::Value>>();
        containers::<u8, String, std::hash::RandomState>();
    }
}
