//! Reading and writing the client's request.
//!
//! The parser of Go Pitaya is tolerant, and clients depend on it. This one accepts the same: keys in any case, `null` for
//! "absent", an object given twice, unknown fields, text that is not UTF-8, halves of surrogate pairs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{HandshakeError, Request, Sys};
use crate::wire::json::{self, NUMBER};
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
    /// assert_eq!(request.user::<serde_json::Value>()?.unwrap()["age"], 30);
    /// # Ok::<(), pitaya::wire::handshake::HandshakeError>(())
    /// ```
    pub fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        let text = utf8::mend_json(body);
        let mut json = serde_json::Deserializer::from_str(&text);
        let mut parts = Parts::default();
        Merge(&mut parts).deserialize(&mut json)?;
        json.end()?;
        Ok(Self { sys: parts.sys, user: merged(parts.users)? })
    }

    /// Adds data of the user.
    ///
    /// # Errors
    /// [`HandshakeError::Json`] for a value that has no JSON form, or another one than an object.
    pub fn with_user(mut self, user: &impl Serialize) -> Result<Self, HandshakeError> {
        self.user = Some(object(serde_json::value::to_raw_value(user)?)?);
        Ok(self)
    }

    /// Returns the data of the user as a type of the application; `None` if there is no such data. Integers keep all
    /// their digits.
    ///
    /// ```
    /// use pitaya::wire::handshake::Request;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login { token: String }
    ///
    /// let request = Request::parse(br#"{"user":{"token":"t-1"}}"#)?;
    /// assert_eq!(request.user::<Login>()?.unwrap().token, "t-1");
    /// # Ok::<(), pitaya::wire::handshake::HandshakeError>(())
    /// ```
    ///
    /// # Errors
    /// [`HandshakeError::Json`] if it is not of that type.
    pub fn user<T: DeserializeOwned>(&self) -> Result<Option<T>, HandshakeError> {
        Ok(self.user.as_deref().map(serde_json::from_str).transpose()?)
    }

    /// The same as JSON: an object.
    pub fn user_json(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The body of a client's handshake packet.
    ///
    /// # Errors
    /// The error of the JSON library, which this type never causes.
    pub fn to_json(&self) -> Result<Vec<u8>, HandshakeError> {
        Ok(serde_json::to_vec(self)?)
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("sys", &self.sys)?;
        if let Some(user) = &self.user {
            let user: &RawValue = serde_json::from_str(user).map_err(serde::ser::Error::custom)?;
            map.serialize_entry("user", user)?;
        }
        map.end()
    }
}

impl Serialize for Sys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("platform", &self.platform)?;
        map.serialize_entry("libVersion", &self.lib_version)?;
        map.serialize_entry("clientBuildNumber", &self.client_build_number)?;
        map.serialize_entry("clientVersion", &self.client_version)?;
        for (name, value) in [("serializer", &self.serializer), ("schema", &self.schema)] {
            if !value.is_empty() {
                map.serialize_entry(name, value)?;
            }
        }
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

/// The members of a request as they arrive. A repeated `user` is kept and merged at the end, because merging at each
/// repetition would take time quadratic in the body's length.
#[derive(Default)]
struct Parts {
    sys: Sys,
    /// JSON objects, checked.
    users: Vec<Box<str>>,
}

impl Fields for Parts {
    const NAMES: &'static [&'static str] = &["sys", "user"];
    const EXPECTED: &'static str = "a handshake object";

    fn set<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error> {
        if at == 0 {
            return map.next_value_seed(Merge(&mut self.sys));
        }
        match map.next_value::<Option<Box<RawValue>>>()? {
            Some(user) => self.users.push(object(user).map_err(Error::custom)?),
            None => self.users.clear(),
        }
        Ok(())
    }
}

/// The text of a JSON object that can be read later.
fn object(raw: Box<RawValue>) -> serde_json::Result<Box<str>> {
    if !raw.get().starts_with('{') {
        return Err(Error::custom("`user` is not an object"));
    }
    serde_json::from_str::<Readable>(raw.get())?;
    Ok(Box::<str>::from(raw))
}

/// Merges objects into one, in time linear in their length. The last value of a member wins.
fn merged(mut objects: Vec<Box<str>>) -> serde_json::Result<Option<Box<str>>> {
    if objects.len() < 2 {
        return Ok(objects.pop());
    }
    // The values stay text, so that numbers keep all their digits.
    let mut all: BTreeMap<String, &RawValue> = BTreeMap::new();
    for object in &objects {
        all.extend(serde_json::from_str::<BTreeMap<String, &RawValue>>(object)?);
    }
    Ok(Some(serde_json::to_string(&all)?.into()))
}

/// Any JSON value, checked and dropped. A value that cannot become a [`Value`] is an error.
struct Readable;

impl<'de> Deserialize<'de> for Readable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Readable {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key_seed(OneOf(&[NUMBER]))? {
            if key.is_none() {
                map.next_value::<Self>()?;
            } else if !map.next_value::<Cow<'_, str>>()?.parse().is_ok_and(f64::is_finite) {
                return Err(Error::custom("number out of range"));
            }
        }
        Ok(self)
    }
}

impl Fields for Sys {
    const NAMES: &'static [&'static str] =
        &["platform", "libVersion", "clientBuildNumber", "clientVersion", "serializer", "schema"];
    const EXPECTED: &'static str = "an object of strings";

    fn set<'de, A: MapAccess<'de>>(&mut self, at: usize, map: &mut A) -> Result<(), A::Error> {
        let slot = match at {
            0 => &mut self.platform,
            1 => &mut self.lib_version,
            2 => &mut self.client_build_number,
            3 => &mut self.client_version,
            _ => {
                // Go Pitaya ignores these members, so a client may send any value.
                let value = map.next_value::<&RawValue>()?;
                let slot = if at == 4 { &mut self.serializer } else { &mut self.schema };
                *slot = serde_json::from_str(value.get()).unwrap_or_default();
                return Ok(());
            }
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
        // Not `any`: with `arbitrary_precision` a number would look like a map.
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Fields> Visitor<'de> for Merge<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
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
        Ok(self.0.iter().position(|name| json::names_match(key, name)))
    }
}
