//! A value of a format that describes itself, kept until its type is known.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StringDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::super::whole;
use crate::wire::json::NUMBER;

/// The most entries that are reserved in advance, because a list in MessagePack may claim any length.
const RESERVED: usize = 64;

pub(super) enum Content {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    String(String),
    Bytes(Vec<u8>),
    Seq(Vec<Self>),
    Map(Vec<(Self, Self)>),
}

impl Content {
    /// Whether a `String` reads as this text from it.
    fn is_text(&self, text: &str) -> bool {
        match self {
            Self::String(own) => own == text,
            Self::Bytes(own) => own == text.as_bytes(),
            _ => false,
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Unit)
    }
    fn visit_none<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Unit)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Signed(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Unsigned(value))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Float(value))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::String(value.to_owned()))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Content, E> {
        Ok(Content::String(value))
    }
    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Content, E> {
        Ok(Content::Bytes(value.to_vec()))
    }
    fn visit_byte_buf<E: Error>(self, value: Vec<u8>) -> Result<Content, E> {
        Ok(Content::Bytes(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut entries = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(RESERVED));
        while let Some(entry) = seq.next_element()? {
            entries.push(entry);
        }
        Ok(Content::Seq(entries))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(RESERVED));
        while let Some(key) = map.next_key::<Content>()? {
            // The form of numbers if a crate of the program switches on `serde_json/arbitrary_precision`.
            if matches!(&key, Content::String(key) if key == NUMBER) {
                return number(&map.next_value::<String>()?);
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Content::Map(entries))
    }
}

fn number<E: Error>(text: &str) -> Result<Content, E> {
    let integer = text.parse().map(Content::Unsigned).or_else(|_| text.parse().map(Content::Signed));
    let float = || text.parse().ok().filter(|float: &f64| float.is_finite()).map(Content::Float);
    integer.ok().or_else(float).ok_or_else(|| E::custom(format_args!("invalid number `{text}`")))
}

/// Reads a value that was kept.
pub(super) struct ContentDeserializer<E> {
    content: Content,
    /// Whether it came from a format such as JSON, whose keys are texts and whose numbers have exact types.
    human: bool,
    /// Whether it is the key of a map.
    key: bool,
    error: PhantomData<E>,
}

impl<E> ContentDeserializer<E> {
    pub(super) fn new(content: Content, human: bool) -> Self {
        Self { content, human, key: false, error: PhantomData }
    }

    fn key(content: Content, human: bool) -> Self {
        Self { key: true, ..Self::new(content, human) }
    }
}

impl<'de, E: Error> IntoDeserializer<'de, E> for ContentDeserializer<E> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<E: Error> ContentDeserializer<E> {
    /// Reads an integer, which may be text in a key, and a whole floating-point number in MessagePack.
    fn integer<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match &self.content {
            Content::Float(value) if !self.human => match whole::integer(*value) {
                Some(integer) => integer.visit(visitor),
                None => visitor.visit_f64(*value),
            },
            Content::String(text) if self.key && self.human => match (text.parse(), text.parse()) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_str(text),
            },
            _ => self.deserialize_any(visitor),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            self.integer(visitor)
        }
    )* };
}

impl<'de, E: Error> Deserializer<'de> for ContentDeserializer<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        let human = self.human;
        match self.content {
            Content::Unit => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(value),
            Content::Signed(value) => visitor.visit_i64(value),
            Content::Unsigned(value) => visitor.visit_u64(value),
            Content::Float(value) => visitor.visit_f64(value),
            Content::String(value) => visitor.visit_string(value),
            Content::Bytes(value) => visitor.visit_byte_buf(value),
            Content::Seq(entries) => {
                let mut seq = SeqDeserializer::new(entries.into_iter().map(|entry| Self::new(entry, human)));
                let value = visitor.visit_seq(&mut seq)?;
                seq.end()?;
                Ok(value)
            }
            Content::Map(entries) => visitor.visit_map(map(entries, human)),
        }
    }

    integers!(
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    );

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match &self.content {
            Content::String(text) if self.key && self.human => match text.parse() {
                Ok(value) => visitor.visit_bool(value),
                Err(_) => visitor.visit_str(text),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        match self.content {
            Content::Unit => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    /// Shows the entry of a single field first, so that a message of several shapes keeps nothing a second time.
    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        if let (Content::Map(entries), [field]) = (&mut self.content, fields)
            && let Some(at) = entries.iter().position(|(key, _)| key.is_text(field))
        {
            entries.swap(0, at);
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        match self.content {
            Content::String(text) => StringDeserializer::new(text).deserialize_enum(name, variants, visitor),
            Content::Map(entries) => {
                MapAccessDeserializer::new(map(entries, self.human)).deserialize_enum(name, variants, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        self.human
    }

    serde::forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
        ignored_any
    }
}

type Entries<E> = std::iter::Map<
    std::iter::Zip<std::vec::IntoIter<(Content, Content)>, std::iter::Repeat<bool>>,
    fn(((Content, Content), bool)) -> (ContentDeserializer<E>, ContentDeserializer<E>),
>;

fn map<'de, E: Error>(entries: Vec<(Content, Content)>, human: bool) -> MapDeserializer<'de, Entries<E>, E> {
    let each: fn(((Content, Content), bool)) -> _ = |((key, value), human)| {
        (ContentDeserializer::key(key, human), ContentDeserializer::new(value, human))
    };
    MapDeserializer::new(entries.into_iter().zip(std::iter::repeat(human)).map(each))
}
