//! A value that one format reads while another writes it, without a tree in between.

use std::cell::{Cell, OnceCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::CodecError;
use super::finite::NOT_FINITE;
use super::whole::{self, Integer};
use crate::wire::json::NUMBER;

/// The value that a deserializer reads. It can be serialized once.
pub(super) struct Transcode<'a, D> {
    value: Cell<Option<D>>,
    output: &'a Output,
}

/// The written serializer, and the first error.
pub(super) struct Output {
    json: bool,
    error: OnceCell<String>,
}

impl Output {
    /// `json` tells that the value is written as JSON. It then refuses floats that are not finite, and writes whole
    /// floats as integers, because JavaScript has no other numbers.
    pub(super) fn new(json: bool) -> Self {
        Self { json, error: OnceCell::new() }
    }

    /// Returns the first error, or else that of the serializer.
    pub(super) fn error(&self, last: CodecError) -> CodecError {
        self.error.get().map_or(last, |first| CodecError::new(first.as_str()))
    }
}

/// Replaces the error of a serializer, because that of an erased one panics when it is shown.
fn refused<S, E: serde::de::Error>(_: S) -> E {
    E::custom("the serializer refused a value")
}

impl<'a, D> Transcode<'a, D> {
    pub(super) fn new(deserializer: D, output: &'a Output) -> Self {
        Self { value: Cell::new(Some(deserializer)), output }
    }
}

impl<'de, D: Deserializer<'de>> Serialize for Transcode<'_, D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let deserializer = self.value.take().ok_or_else(|| S::Error::custom("the value was read already"))?;
        deserializer
            .deserialize_any(Writer { serializer, output: self.output })
            .map_err(|error| S::Error::custom(self.output.error.get_or_init(|| error.to_string())))
    }
}

/// Writes the value that a deserializer shows.
///
/// It drops the lengths that bodies claim, because a serializer may reserve memory for them.
struct Writer<'a, S> {
    serializer: S,
    output: &'a Output,
}

impl<S: Serializer> Writer<'_, S> {
    fn float<E: serde::de::Error>(
        self,
        value: f64,
        write: impl FnOnce(S) -> Result<S::Ok, S::Error>,
    ) -> Result<S::Ok, E> {
        if !self.output.json {
            return write(self.serializer).map_err(refused);
        }
        if !value.is_finite() {
            return Err(E::custom(NOT_FINITE));
        }
        let negative_zero = value == 0.0 && value.is_sign_negative();
        match whole::integer(value).filter(|_| !negative_zero) {
            Some(Integer::Signed(value)) => self.serializer.serialize_i64(value),
            Some(Integer::Unsigned(value)) => self.serializer.serialize_u64(value),
            None => write(self.serializer),
        }
        .map_err(refused)
    }
}

macro_rules! scalars {
    ($($visit:ident($ty:ty) => $serialize:ident),* $(,)?) => { $(
        fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<S::Ok, E> {
            self.serializer.$serialize(value).map_err(refused)
        }
    )* };
}

impl<'de, S: Serializer> Visitor<'de> for Writer<'_, S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that both serializers have")
    }

    scalars!(
        visit_bool(bool) => serialize_bool,
        visit_i64(i64) => serialize_i64,
        visit_u64(u64) => serialize_u64,
        visit_str(&str) => serialize_str,
        visit_bytes(&[u8]) => serialize_bytes,
    );

    fn visit_f32<E: serde::de::Error>(self, value: f32) -> Result<S::Ok, E> {
        self.float(value.into(), |serializer| serializer.serialize_f32(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<S::Ok, E> {
        self.float(value, |serializer| serializer.serialize_f64(value))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.serializer.serialize_unit().map_err(refused)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.serializer.serialize_none().map_err(refused)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<S::Ok, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<S::Ok, A::Error> {
        let mut out = self.serializer.serialize_seq(None).map_err(refused)?;
        while seq.next_element_seed(Element { out: &mut out, output: self.output })?.is_some() {}
        out.end().map_err(refused)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S::Ok, A::Error> {
        let Some(first) = map.next_key::<Key>()? else {
            let empty = self.serializer.serialize_map(Some(0)).and_then(SerializeMap::end);
            return empty.map_err(refused);
        };
        if first.is(NUMBER) {
            return number(self.serializer, &map.next_value::<String>()?);
        }
        let mut out = self.serializer.serialize_map(None).map_err(refused)?;
        let mut key = Some(first);
        while let Some(this) = key {
            out.serialize_key(&this).map_err(refused)?;
            map.next_value_seed(Member { out: &mut out, output: self.output })?;
            key = map.next_key()?;
        }
        out.end().map_err(refused)
    }
}

/// Writes a number that `serde_json` shows as its text.
fn number<S: Serializer, E: serde::de::Error>(serializer: S, text: &str) -> Result<S::Ok, E> {
    if let Ok(value) = text.parse::<u64>() {
        return serializer.serialize_u64(value).map_err(refused);
    }
    if let Ok(value) = text.parse::<i64>() {
        return serializer.serialize_i64(value).map_err(refused);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => serializer.serialize_f64(value).map_err(refused),
        _ => Err(E::custom("number out of range")),
    }
}

/// Reads an element of a list and writes it.
struct Element<'a, S> {
    out: &'a mut S,
    output: &'a Output,
}

impl<'de, S: SerializeSeq> DeserializeSeed<'de> for Element<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.out.serialize_element(&Transcode::new(value, self.output)).map_err(refused)
    }
}

/// Reads the value of a map's member and writes it.
struct Member<'a, S> {
    out: &'a mut S,
    output: &'a Output,
}

impl<'de, S: SerializeMap> DeserializeSeed<'de> for Member<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.out.serialize_value(&Transcode::new(value, self.output)).map_err(refused)
    }
}

/// The key of a map: a text, or an integer in formats that have such keys.
#[derive(serde::Deserialize, serde::Serialize)]
#[serde(untagged)]
enum Key {
    Unsigned(u64),
    Signed(i64),
    Text(String),
}

impl Key {
    fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own == text)
    }
}
