//! A type as it is in the file: a name, or an object with one key.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::{Scalar, Type};

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = match self {
            Self::Scalar(scalar) => return serializer.serialize_str(scalar.as_str()),
            Self::Named(name) => return serializer.serialize_str(name),
            _ => serializer.serialize_map(Some(1))?,
        };
        match self {
            Self::List(inner) => map.serialize_entry("list", inner)?,
            Self::Map(key, value) => map.serialize_entry("map", &[key, value])?,
            Self::Tuple(entries) => map.serialize_entry("tuple", entries)?,
            Self::Opt(inner) => map.serialize_entry("opt", inner)?,
            Self::Text(scalar) => map.serialize_entry("text", scalar.as_str())?,
            Self::Scalar(_) | Self::Named(_) => {}
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TypeVisitor)
    }
}

struct TypeVisitor;

impl<'de> Visitor<'de> for TypeVisitor {
    type Value = Type;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a type: a name, or an object with one of `list`, `map`, `tuple`, `opt` and `text`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Type, E> {
        Ok(Scalar::from_name(name).map_or_else(|| Type::named(name), Type::Scalar))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type, A::Error> {
        let Some(key) = map.next_key::<String>()? else {
            return Err(de::Error::invalid_length(0, &self));
        };
        let found = match key.as_str() {
            "list" => Type::List(map.next_value()?),
            "opt" => Type::Opt(map.next_value()?),
            "map" => {
                let (key, value) = map.next_value()?;
                Type::Map(key, value)
            }
            "tuple" => Type::Tuple(map.next_value()?),
            "text" => {
                let name: String = map.next_value()?;
                let scalar = Scalar::from_name(&name).filter(|s| s.is_integer() && s.bits() == Some(64));
                Type::Text(scalar.ok_or_else(|| {
                    de::Error::custom(format!("`text` is of `i64` or `u64`, and not of `{name}`"))
                })?)
            }
            other => return Err(de::Error::unknown_field(other, &["list", "map", "tuple", "opt", "text"])),
        };
        match map.next_key::<String>()? {
            None => Ok(found),
            Some(second) => Err(de::Error::custom(format!("a type has one of `{key}` and `{second}`"))),
        }
    }
}
