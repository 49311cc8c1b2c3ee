//! Reads messages of several shapes. For generated code.
//!
//! A derive of serde keeps the whole message until it knows the variant. That loses integers as keys of maps, whole
//! floating-point numbers for integers, and every number if a crate of the program switches on
//! `serde_json/arbitrary_precision`. This code keeps only what comes before the variant's name, which our encoders write
//! first, and keeps it without these losses. Entries are kept once, because a kept message shows its name first.

mod content;

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

use self::content::{Content, ContentDeserializer};

/// A message of several shapes.
pub trait Union: Sized {
    /// The key of the variant's name.
    const KEY: &'static str;
    /// The key of the variant's value; `None` if the fields of the value are beside [`KEY`](Self::KEY).
    const CONTENT: Option<&'static str>;
    /// The names of the variants, and whether each has a value.
    const VARIANTS: &'static [(&'static str, bool)];

    /// Reads the value of a variant; `None` if no variant has the name.
    ///
    /// # Errors
    /// The error of the deserializer.
    fn read<'de, D: Deserializer<'de>>(name: &str, value: D) -> Result<Option<Self>, D::Error>;
}

/// Reads a message of several shapes from a map whose entries may have any order.
///
/// # Errors
/// If the name of the variant is missing or unknown, or the value is not of the variant.
pub fn read<'de, U: Union, D: Deserializer<'de>>(deserializer: D) -> Result<U, D::Error> {
    let human = deserializer.is_human_readable();
    // Formats ignore the field, except `ContentDeserializer`, which shows it first.
    deserializer.deserialize_struct("", const { &[U::KEY] }, Shapes::<U> { human, of: PhantomData })
}

struct Shapes<U> {
    human: bool,
    of: PhantomData<U>,
}

impl<'de, U: Union> Visitor<'de> for Shapes<U> {
    type Value = U;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with a variant in `{}`", U::KEY)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<U, A::Error> {
        match U::CONTENT {
            None => self.beside(map),
            Some(content) => self.within(content, map),
        }
    }
}

impl<U: Union> Shapes<U> {
    /// Reads a value whose fields are beside the name.
    fn beside<'de, A: MapAccess<'de>>(self, mut map: A) -> Result<U, A::Error> {
        let mut before = VecDeque::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == U::KEY {
                let name = map.next_value::<String>()?;
                let rest = Rest { before, map, value: None, human: self.human };
                return variant(&name, MapAccessDeserializer::new(rest));
            }
            before.push_back((key, map.next_value::<Content>()?));
        }
        Err(A::Error::missing_field(U::KEY))
    }

    /// Reads a value that has a key of its own.
    fn within<'de, A: MapAccess<'de>>(self, content: &'static str, mut map: A) -> Result<U, A::Error> {
        let (mut name, mut before, mut read) = (None::<String>, None::<Content>, None);
        while let Some(key) = map.next_key::<String>()? {
            if key == U::KEY {
                if name.is_some() {
                    return Err(A::Error::duplicate_field(U::KEY));
                }
                name = Some(map.next_value()?);
            } else if key == content {
                if before.is_some() || read.is_some() {
                    return Err(A::Error::duplicate_field(content));
                }
                match &name {
                    Some(name) => read = Some(map.next_value_seed(Value::<U> { name, of: PhantomData })?),
                    None => before = Some(map.next_value()?),
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field(U::KEY))?;
        match (read, before) {
            (Some(read), _) => Ok(read),
            (None, Some(before)) => variant(&name, ContentDeserializer::new(before, self.human)),
            (None, None) if U::VARIANTS.contains(&(&name, true)) => Err(A::Error::missing_field(content)),
            (None, None) => variant(&name, ContentDeserializer::new(Content::Unit, self.human)),
        }
    }
}

fn variant<'de, U: Union, D: Deserializer<'de>>(name: &str, value: D) -> Result<U, D::Error> {
    let read = U::read(name, value)?;
    read.ok_or_else(|| D::Error::invalid_value(Unexpected::Str(name), &Names(U::VARIANTS)))
}

struct Value<'a, U> {
    name: &'a str,
    of: PhantomData<U>,
}

impl<'de, U: Union> DeserializeSeed<'de> for Value<'_, U> {
    type Value = U;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<U, D::Error> {
        variant(self.name, deserializer)
    }
}

struct Names(&'static [(&'static str, bool)]);

impl serde::de::Expected for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of")?;
        for (i, (name, _)) in self.0.iter().enumerate() {
            write!(f, "{} `{name}`", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The entries before the name of the variant, and then those after it.
struct Rest<A> {
    before: VecDeque<(String, Content)>,
    map: A,
    /// The value of the entry before the name whose key was read last.
    value: Option<Content>,
    human: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        match self.before.pop_front() {
            None => self.map.next_key_seed(seed),
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(ContentDeserializer::new(Content::String(key), self.human)).map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        match self.value.take() {
            None => self.map.next_value_seed(seed),
            Some(value) => seed.deserialize(ContentDeserializer::new(value, self.human)),
        }
    }
}
