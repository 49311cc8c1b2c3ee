//! The keys of the registry (`docs/cluster.md`, "Keys"), without the configured prefix.
//! Groups have [keys of their own](crate::group::key).

use super::subject::{BadPart, check, check_name};

/// The prefix of the keys of all servers.
pub const SERVERS: &str = "servers/";

#[cfg(feature = "etcd")]
pub use crate::etcd::HEALTH_CHECK;

/// Returns the key of a server.
///
/// # Errors
/// The type or the id cannot be a part of it.
///
/// ```
/// use pitaya::cluster::key;
/// assert_eq!(key::server("room", "room-1")?, "servers/room/room-1");
/// # Ok::<(), pitaya::cluster::subject::BadPart>(())
/// ```
pub fn server(server_type: &str, id: &str) -> Result<String, BadPart> {
    check_name(server_type)?;
    check_name(id)?;
    Ok(format!("{SERVERS}{server_type}/{id}"))
}

/// Returns the type and the id in the key of a server, `None` for any other key.
///
/// ```
/// use pitaya::cluster::key;
/// assert_eq!(key::parse_server("servers/room/room-1"), Some(("room", "room-1")));
/// assert_eq!(key::parse_server("servers/room"), None);
/// assert_eq!(key::parse_server("groups/room/room-1"), None);
/// ```
pub fn parse_server(key: &str) -> Option<(&str, &str)> {
    let (server_type, id) = key.strip_prefix(SERVERS)?.split_once('/')?;
    (check_name(server_type).is_ok() && check_name(id).is_ok()).then_some((server_type, id))
}

/// Returns the key that names a user's frontend, for transports that need one.
///
/// # Errors
/// The type or the uid cannot be a part of it.
pub fn binding(frontend_type: &str, uid: &str) -> Result<String, BadPart> {
    check_name(frontend_type)?;
    check(uid)?;
    Ok(format!("bindings/{frontend_type}/{uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_of_foreign_shape_are_none() {
        for key in [
            "",
            "servers",
            "servers/",
            "servers/room",
            "servers/room/",
            "servers//id",
            "servers/room/id/more",
            "servers/a b/id",
            "servers/room/*",
            "/servers/room/id",
            "Servers/room/id",
        ] {
            assert_eq!(parse_server(key), None, "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn a_key_that_is_made_is_read_back(server_type in "\\PC{0,10}", id in "\\PC{0,10}") {
            if let Ok(key) = server(&server_type, &id) {
                prop_assert_eq!(parse_server(&key), Some((&*server_type, &*id)));
            }
        }

        #[test]
        fn a_key_that_is_read_is_made_again(key in "servers/[a-z./*]{0,12}|\\PC{0,20}") {
            if let Some((server_type, id)) = parse_server(&key) {
                prop_assert_eq!(server(server_type, id), Ok(key.clone()));
            }
        }
    }
}
