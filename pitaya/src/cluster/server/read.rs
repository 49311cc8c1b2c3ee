//! Decodes the JSON of a server as Go Pitaya's decoder does (`docs/cluster.md`, "JSON").

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Unexpected, Visitor};

use super::Server;
use crate::wire::json;
use crate::wire::utf8::mend_json;

pub(super) fn server(bytes: &[u8]) -> serde_json::Result<Server> {
    let Read(server) = serde_json::from_str(&mend_json(bytes))?;
    Ok(server)
}

struct Read(Server);

/// The names of the fields.
const FIELDS: [&str; 5] = ["id", "type", "metadata", "frontend", "hostname"];

/// Finds the field of a key.
fn field(key: &str) -> Option<&'static str> {
    FIELDS.into_iter().find(|name| json::names_match(key, name))
}

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ServerVisitor)
    }
}

struct ServerVisitor;

impl<'de> Visitor<'de> for ServerVisitor {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with id, type, metadata, frontend and hostname")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut id, mut server_type, mut hostname) = (String::new(), String::new(), String::new());
        let (mut frontend, mut metadata) = (false, BTreeMap::new());
        // A null leaves a field as it is.
        while let Some(key) = map.next_key::<String>()? {
            match field(&key) {
                Some("id") => set(&mut id, map.next_value()?),
                Some("type") => set(&mut server_type, map.next_value()?),
                Some("hostname") => set(&mut hostname, map.next_value()?),
                Some("frontend") => set(&mut frontend, map.next_value()?),
                Some(_) => match map.next_value()? {
                    Metadata(Some(more)) => metadata.extend(more),
                    Metadata(None) => metadata.clear(),
                },
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let (id, server_type) = (id.into(), server_type.into());
        Ok(Read(Server { id, server_type, metadata, frontend, hostname }))
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Decodes an object of strings, `null`, or the empty string that other implementations write.
struct Metadata(Option<BTreeMap<String, String>>);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings as metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
            metadata.insert(key, value.unwrap_or_default());
        }
        Ok(Metadata(Some(metadata)))
    }

    fn visit_unit<E: Error>(self) -> Result<Metadata, E> {
        Ok(Metadata(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Metadata, E> {
        if text.is_empty() { Ok(Metadata(None)) } else { Err(E::invalid_type(Unexpected::Str(text), &self)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Server, String> {
        server(json.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn names_have_any_case_and_the_last_of_two_wins() {
        let server =
            read(r#"{"ID":"a","iD":"b","TYPE":"room","ho\u017ftname":"h","FrontEnd":true}"#).unwrap();
        assert_eq!((&*server.id, &*server.server_type, &*server.hostname), ("b", "room", "h"));
        assert!(server.frontend);
    }

    #[test]
    fn null_keeps_defaults_and_unknown_names_skip() {
        let server =
            read(r#"{"id":"a","id":null,"x":{"id":[1,{"y":null}]},"frontend":true,"frontend":null}"#);
        let server = server.unwrap();
        assert_eq!(&*server.id, "a");
        assert!(server.frontend);
    }

    /// A missing field, null and an empty string are the same.
    #[test]
    fn metadata_may_be_missing_or_in_both_forms() {
        for json in ["{}", r#"{"metadata":null}"#, r#"{"metadata":""}"#, r#"{"metadata":{}}"#] {
            assert!(read(json).unwrap().metadata.is_empty(), "{json}");
        }
        let server = read(r#"{"metadata":{"a":"1","b":null},"metadata":{"a":"2","A":"3"}}"#).unwrap();
        let metadata: Vec<_> = server.metadata.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(metadata, [("A", "3"), ("a", "2"), ("b", "")]);
        assert!(read(r#"{"metadata":{"a":"1"},"metadata":null}"#).unwrap().metadata.is_empty());
    }

    #[test]
    fn foreign_shapes_are_errors() {
        for json in [
            "",
            "null",
            "\"\"",
            "7",
            "true",
            "[]",
            "{",
            "{} x",
            r#"{"id":1}"#,
            r#"{"frontend":"true"}"#,
            r#"{"metadata":"x"}"#,
            r#"{"metadata":[]}"#,
            r#"{"metadata":{"k":1}}"#,
            r#"{"metadata":{"k":{}}}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert!(read(&deep).is_err());
    }

    #[test]
    fn text_that_is_not_utf8_is_mended() {
        let server = server(b"{\"id\":\"a\xff\",\"hostname\":\"\\ud800\"}").unwrap();
        assert_eq!((&*server.id, &*server.hostname), ("a\u{fffd}", "\u{fffd}"));
    }
}
