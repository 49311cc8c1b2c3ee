//! The type of a value.

use std::fmt;

use super::Scalar;

/// The type of a field, a message or a reply.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// A type of the format.
    Scalar(Scalar),
    /// A message, an enum or a union of the schema.
    Named(String),
    /// A list.
    List(Box<Self>),
    /// A map from keys to values.
    Map(Box<Self>, Box<Self>),
    /// A list of a fixed length, with a type for each of its 2 to 12 entries.
    Tuple(Vec<Self>),
    /// A value, or none.
    Opt(Box<Self>),
    /// An integer of 64 bits that travels as decimal text in JSON and MessagePack.
    Text(Scalar),
}

impl Type {
    /// The most entries that a tuple has.
    pub const MAX_TUPLE: usize = 12;

    /// Returns the type of a message, an enum or a union.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }

    /// Calls `visit` with the name of each message, enum and union in this type.
    pub fn for_each_name<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        match self {
            Self::Scalar(_) | Self::Text(_) => {}
            Self::Named(name) => visit(name),
            Self::List(inner) | Self::Opt(inner) => inner.for_each_name(visit),
            Self::Tuple(entries) => entries.iter().for_each(|entry| entry.for_each_name(visit)),
            Self::Map(key, value) => {
                key.for_each_name(visit);
                value.for_each_name(visit);
            }
        }
    }
}

impl From<Scalar> for Type {
    fn from(scalar: Scalar) -> Self {
        Self::Scalar(scalar)
    }
}

/// Writes the type as it is in the file, on one line.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => f.write_str(scalar.as_str()),
            Self::Named(name) => f.write_str(name),
            Self::List(inner) => write!(f, "list of {inner}"),
            Self::Map(key, value) => write!(f, "map of {key} to {value}"),
            Self::Tuple(entries) => {
                f.write_str("tuple of ")?;
                for (at, entry) in entries.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{entry}")?;
                }
                Ok(())
            }
            Self::Opt(inner) => write!(f, "optional {inner}"),
            Self::Text(scalar) => write!(f, "{} as text", scalar.as_str()),
        }
    }
}
