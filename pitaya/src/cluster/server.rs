//! One server as the others see it (`docs/cluster.md`, "Discovery").

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::key;
use super::subject::{BadPart, bad, check_name};
use crate::wire::json;

mod read;

/// The metadata key of a draining server, with the value `true`. Routers skip it.
pub const DRAINING: &str = "draining";

/// The metadata key of a frontend that receives broadcasts to its users, with the value `1`
/// (`docs/cluster.md`, "Broadcasts").
pub const BROADCASTS: &str = "broadcasts";

/// The metadata key of a frontend that keeps the order of each server's messages, with the value `1`
/// (`docs/cluster.md`, "Order").
pub const ORDER: &str = "order";

/// A server of the cluster, as discovery lists it. It is immutable: a changed server is registered again and replaces
/// the entry.
///
/// ```
/// use pitaya::cluster::Server;
///
/// let json = br#"{"id":"room-1","type":"room","metadata":{},"frontend":false,"hostname":"h"}"#;
/// let server = Server::from_entry("servers/room/room-1", json)?;
/// assert_eq!(&*server.id, "room-1");
/// assert_eq!(server.to_json(), json);
/// # Ok::<(), pitaya::cluster::server::ServerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Unique in the cluster; a UUID unless the app chose one.
    pub id: Arc<str>,
    /// The first part of its routes.
    pub server_type: Arc<str>,
    /// Further properties, such as its gRPC address.
    pub metadata: BTreeMap<String, String>,
    /// Whether clients connect to it.
    pub frontend: bool,
    /// The name of its machine. Empty if unknown.
    pub hostname: String,
}

/// Why an entry of the registry is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The key is not `servers/<type>/<id>`.
    #[error("`{0}` is not the key of a server")]
    Key(String),
    /// The value is not the JSON of a server.
    #[error("the value is not the JSON of a server: {0}")]
    Json(#[from] serde_json::Error),
    /// Key and value name different servers.
    #[error("the key is that of `{key}`, but the value is that of `{value}`")]
    Mismatch {
        /// Type and id in the key.
        key: String,
        /// Type and id in the value.
        value: String,
    },
}

impl Server {
    /// Returns a backend without metadata, of an unknown machine.
    ///
    /// ```
    /// use pitaya::cluster::Server;
    ///
    /// let server = Server::new("connector", "conn-1").frontend(true).with_metadata("region", "eu");
    /// assert_eq!(server.key()?, "servers/connector/conn-1");
    /// # Ok::<(), pitaya::cluster::subject::BadPart>(())
    /// ```
    #[must_use]
    pub fn new(server_type: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            server_type: server_type.into(),
            metadata: BTreeMap::new(),
            frontend: false,
            hostname: String::new(),
        }
    }

    /// Sets whether clients connect to it.
    #[must_use]
    pub fn frontend(mut self, frontend: bool) -> Self {
        self.frontend = frontend;
        self
    }

    /// Sets a metadata value, and replaces an earlier one of the same key.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Encodes the value of its entry: JSON, byte for byte as Go Pitaya writes it. Without metadata it has an empty
    /// object.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        // Strings, a flag and a map of strings always encode, and a `Vec` accepts them.
        let written = json::write(&mut out, self);
        debug_assert!(written.is_ok(), "{written:?}");
        out
    }

    /// Decodes that JSON as tolerantly as Go Pitaya: names in any case, unknown ones skipped, missing ones empty, the
    /// last of two wins. An empty string means no metadata, as other implementations write it.
    ///
    /// The result may have an empty id or type; see [`from_entry`](Self::from_entry).
    ///
    /// # Errors
    /// [`ServerError::Json`]: it is not JSON or not an object, or a field has the wrong type.
    pub fn from_json(json: &[u8]) -> Result<Self, ServerError> {
        Ok(read::server(json)?)
    }

    /// Decodes an entry of the registry: a key without the prefix, and its value. Both must name the same server,
    /// because a deletion has only the key.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn from_entry(key: &str, value: &[u8]) -> Result<Self, ServerError> {
        let (server_type, id) = key::parse_server(key).ok_or_else(|| ServerError::Key(key.to_owned()))?;
        let server = Self::from_json(value)?;
        if (&*server.server_type, &*server.id) != (server_type, id) {
            return Err(ServerError::Mismatch {
                key: format!("{server_type}/{id}"),
                value: format!("{}/{}", server.server_type, server.id),
            });
        }
        Ok(server)
    }

    /// Returns the key of its entry, without the prefix.
    ///
    /// # Errors
    /// Its type or its id is invalid in a key.
    pub fn key(&self) -> Result<String, BadPart> {
        key::server(&self.server_type, &self.id)
    }

    /// Checks the id and the type of a server of this framework.
    ///
    /// # Errors
    /// Its type or its id is invalid in a key or a subject, or the type has a dot, which routes do not allow.
    pub fn check(&self) -> Result<(), BadPart> {
        check_name(&self.id)?;
        check_name(&self.server_type)?;
        if self.server_type.contains('.') {
            return Err(bad(&self.server_type, "has a dot, and it is the first part of routes"));
        }
        Ok(())
    }

    /// Whether it accepts no new work.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.metadata.get(DRAINING).is_some_and(|value| value == "true")
    }
}

impl Serialize for Server {
    /// Writes the fields in the order of Go Pitaya.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Server", 5)?;
        fields.serialize_field("id", &*self.id)?;
        fields.serialize_field("type", &*self.server_type)?;
        fields.serialize_field("metadata", &self.metadata)?;
        fields.serialize_field("frontend", &self.frontend)?;
        fields.serialize_field("hostname", &self.hostname)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_whose_key_and_value_differ_is_refused() {
        let value = Server::new("room", "a").to_json();
        assert_eq!(Server::from_entry("servers/room/a", &value).unwrap(), Server::new("room", "a"));
        for key in ["servers/room/b", "servers/hall/a"] {
            assert!(matches!(Server::from_entry(key, &value), Err(ServerError::Mismatch { .. })), "{key}");
        }
        assert!(matches!(Server::from_entry("servers/room", &value), Err(ServerError::Key(_))));
        for value in ["", "null", "{}", "\"\"", "[]", "7", "{\"id\":\"a\"}", "{\"id\":\"a\",\"type\":null}"] {
            assert!(Server::from_entry("servers/room/a", value.as_bytes()).is_err(), "{value}");
        }
    }

    /// An address is a key, a subject or a route.
    #[test]
    fn name_that_breaks_an_address_is_refused() {
        assert_eq!(Server::new("room", "room-1.eu").check(), Ok(()));
        for (server_type, id) in
            [("", "a"), ("room", ""), ("a/b", "a"), ("room", "a b"), ("room", "*"), ("a.b", "a")]
        {
            assert!(Server::new(server_type, id).check().is_err(), "{server_type}/{id}");
        }
        assert!(Server::new("a/b", "c").key().is_err());
    }

    #[test]
    fn new_server_is_a_backend_without_metadata() {
        let new = Server::new("room", "a");
        assert_eq!(new, Server::from_json(br#"{"id":"a","type":"room"}"#).unwrap());
        let more = br#"{"id":"a","type":"room","metadata":{"k":"2"},"frontend":true}"#;
        let it = new.frontend(true).with_metadata("k", "1").with_metadata("k", "2");
        assert_eq!(it, Server::from_json(more).unwrap());
    }

    #[test]
    fn a_server_says_when_it_drains() {
        let it = Server::new("room", "a");
        assert!(!it.is_draining());
        assert!(it.with_metadata(DRAINING, "true").is_draining());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            id in ".*", server_type in ".*", hostname in ".*", frontend: bool,
            metadata in proptest::collection::btree_map(".*", ".*", 0..4),
        ) {
            let server = Server { id: id.into(), server_type: server_type.into(), metadata, frontend, hostname };
            prop_assert_eq!(Server::from_json(&server.to_json()).unwrap(), server);
        }

        #[test]
        fn no_entry_makes_the_reader_panic(key in ".*", value in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Server::from_entry(&key, &value);
            let _ = Server::from_entry("servers/room/a", &value);
        }
    }
}
