//! Reading and writing the client's request.
//!
//! Real clients were written against a tolerant parser, so this one takes what that one took: keys in any case, `null` for
//! "absent", an object given twice, unknown fields, text that is not UTF-8, halves of surrogate pairs.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{HandshakeError, Request, Sys};
use crate::wire::utf8;

impl Request {
    /// Reads the body of a client's handshake packet, which is never compressed. Nesting is limited to 128.
    ///
    /// # Errors
    /// [`HandshakeError::Json`] for anything but one JSON object or `null`, for a member of `sys` that is not a string and
    /// for a `user` that is not an object.
    ///
    /// ```
    /// use pitaya::wire::handshake::Request;
    ///
    /// let request = Request::parse(br#"{"SYS":{"platform":"ios","build":null},"user":{"age":30}}"#)?;
    /// assert_eq!(request.sys.platform, "ios");
    /// assert_eq!(request.user.unwrap()["age"], 30);
    /// # Ok::<(), pitaya::wire::handshake::HandshakeError>(())
    /// ```
    pub fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        let text = utf8::mend_json(body);
        let mut json = serde_json::Deserializer::from_str(&text);
        let mut request = Self::default();
        Merge(&mut request).deserialize(&mut json)?;
        json.end()?;
        Ok(request)
    }

    /// The body of a client's handshake packet.
    ///
    /// # Errors
    /// None that this type can cause; what the JSON library gives is passed on.
    pub fn to_json(&self) -> Result<Vec<u8>, HandshakeError> {
        Ok(serde_json::to_vec(self)?)
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sys", &self.sys)?;
        if let Some(user) = &self.user {
            map.serialize_entry("user", user)?;
        }
        map.end()
    }
}

impl Serialize for Sys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("platform", &self.platform)?;
        map.serialize_entry("libVersion", &self.lib_version)?;
        map.serialize_entry("clientBuildNumber", &self.client_build_number)?;
        map.serialize_entry("clientVersion", &self.client_version)?;
        map.end()
    }
}

/// Reads an object into what is there already, so that one given twice adds to the first.
struct Merge<'a, T>(&'a mut T);

trait Fields: Sized {
    const NAMES: &'static [&'static str];
    const EXPECTED: &'static str;

    /// Reads the value of field number `at`.
    fn set<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error>;
}

impl Fields for Request {
    const NAMES: &'static [&'static str] = &["sys", "user"];
    const EXPECTED: &'static str = "a handshake object";

    fn set<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error> {
        if at == 0 {
            return map.next_value_seed(Merge(&mut self.sys));
        }
        match (
            map.next_value::<Option<Map<String, Value>>>()?,
            &mut self.user,
        ) {
            (Some(more), Some(user)) => user.extend(more),
            (user, slot) => *slot = user,
        }
        Ok(())
    }
}

impl Fields for Sys {
    const NAMES: &'static [&'static str] = &[
        "platform",
        "libVersion",
        "clientBuildNumber",
        "clientVersion",
    ];
    const EXPECTED: &'static str = "an object of strings";

    fn set<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error> {
        let slot = match at {
            0 => &mut self.platform,
            1 => &mut self.lib_version,
            2 => &mut self.client_build_number,
            _ => &mut self.client_version,
        };
        if let Some(text) = map.next_value::<Option<String>>()? {
            *slot = text;
        }
        Ok(())
    }
}

impl<'de, T: Fields> DeserializeSeed<'de> for Merge<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Fields> Visitor<'de> for Merge<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(OneOf(T::NAMES))? {
            match field {
                Some(at) => self.0.set(at, &mut map)?,
                None => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Which of these names a key is, if any.
struct OneOf(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for OneOf {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OneOf {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self
            .0
            .iter()
            .position(|name| key.chars().map(folded).eq(name.chars().map(folded))))
    }
}

/// A character without its case, by Unicode's simple folding as far as it can meet an ASCII letter.
const fn folded(c: char) -> char {
    match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    }
}
