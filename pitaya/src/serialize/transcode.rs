//! A value that one format reads while another writes it, without a tree in between.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::wire::json::NUMBER;

/// The value that a deserializer reads. It can be serialized once.
pub(super) struct Transcode<D>(Cell<Option<D>>);

impl<D> Transcode<D> {
    pub(super) fn new(deserializer: D) -> Self {
        Self(Cell::new(Some(deserializer)))
    }
}

impl<'de, D: Deserializer<'de>> Serialize for Transcode<D> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let deserializer = self.0.take().ok_or_else(|| S::Error::custom("the value was read already"))?;
        deserializer.deserialize_any(Writer(serializer)).map_err(S::Error::custom)
    }
}

/// Writes the value that a deserializer shows.
struct Writer<S>(S);

macro_rules! scalars {
    ($($visit:ident($ty:ty) => $serialize:ident),* $(,)?) => { $(
        fn $visit<E: serde::de::Error>(self, value: $ty) -> Result<S::Ok, E> {
            self.0.$serialize(value).map_err(E::custom)
        }
    )* };
}

impl<'de, S: Serializer> Visitor<'de> for Writer<S> {
    type Value = S::Ok;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that both serializers have")
    }

    scalars!(
        visit_bool(bool) => serialize_bool,
        visit_i64(i64) => serialize_i64,
        visit_u64(u64) => serialize_u64,
        visit_f32(f32) => serialize_f32,
        visit_f64(f64) => serialize_f64,
        visit_str(&str) => serialize_str,
        visit_bytes(&[u8]) => serialize_bytes,
    );

    fn visit_unit<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.0.serialize_unit().map_err(E::custom)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<S::Ok, E> {
        self.0.serialize_none().map_err(E::custom)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<S::Ok, D::Error> {
        value.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<S::Ok, A::Error> {
        let mut out = self.0.serialize_seq(seq.size_hint()).map_err(A::Error::custom)?;
        while seq.next_element_seed(Element(&mut out))?.is_some() {}
        out.end().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S::Ok, A::Error> {
        let len = map.size_hint();
        let Some(first) = map.next_key::<Key>()? else {
            return self.0.serialize_map(Some(0)).and_then(SerializeMap::end).map_err(A::Error::custom);
        };
        if first.is(NUMBER) {
            return number(self.0, &map.next_value::<String>()?).map_err(A::Error::custom);
        }
        let mut out = self.0.serialize_map(len).map_err(A::Error::custom)?;
        let mut key = Some(first);
        while let Some(this) = key {
            out.serialize_key(&this).map_err(A::Error::custom)?;
            map.next_value_seed(Member(&mut out))?;
            key = map.next_key()?;
        }
        out.end().map_err(A::Error::custom)
    }
}

/// Writes a number that `serde_json` shows as its text.
fn number<S: Serializer>(serializer: S, text: &str) -> Result<S::Ok, S::Error> {
    if let Ok(value) = text.parse::<u64>() {
        return serializer.serialize_u64(value);
    }
    if let Ok(value) = text.parse::<i64>() {
        return serializer.serialize_i64(value);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => serializer.serialize_f64(value),
        _ => Err(S::Error::custom("number out of range")),
    }
}

/// Reads an element of a list and writes it.
struct Element<'a, S>(&'a mut S);

impl<'de, S: SerializeSeq> DeserializeSeed<'de> for Element<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.0.serialize_element(&Transcode::new(value)).map_err(D::Error::custom)
    }
}

/// Reads the value of a map's member and writes it.
struct Member<'a, S>(&'a mut S);

impl<'de, S: SerializeMap> DeserializeSeed<'de> for Member<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.0.serialize_value(&Transcode::new(value)).map_err(D::Error::custom)
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
