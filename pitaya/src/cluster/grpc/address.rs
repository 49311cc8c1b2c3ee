//! The metadata of a server that says where its gRPC server is (`docs/cluster.md`, "gRPC").

use crate::cluster::Server;

/// The host of the gRPC server.
pub(super) const HOST: &str = "grpcHost";
/// The port of the gRPC server.
pub(super) const PORT: &str = "grpcPort";
/// The host for servers of other regions.
pub(super) const EXTERNAL_HOST: &str = "grpc-external-host";
/// The port for servers of other regions.
pub(super) const EXTERNAL_PORT: &str = "grpc-external-port";
/// The region of the server.
pub(super) const REGION: &str = "region";
/// Says that the server has the service `protos.Peer`, with the value `1`.
pub(super) const PEER: &str = "grpcPeer";

/// Returns the metadata keys of the host and the port of a server, for callers of a region.
///
/// ```
/// use pitaya::cluster::{Server, grpc_address_keys};
///
/// let server = Server::new("room", "a").with_metadata("grpc-external-host", "room.example.com");
/// assert_eq!(grpc_address_keys(&server, "eu"), ("grpc-external-host", "grpc-external-port"));
/// ```
#[must_use]
pub fn grpc_address_keys(server: &Server, own_region: &str) -> (&'static str, &'static str) {
    let is_external = match (value(server, REGION), value(server, EXTERNAL_HOST)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(region), Some(_)) => region != own_region,
    };
    if is_external { (EXTERNAL_HOST, EXTERNAL_PORT) } else { (HOST, PORT) }
}

/// Returns the address of a server for callers of a region, or the metadata key that is missing.
pub(super) fn of(server: &Server, own_region: &str) -> Result<String, &'static str> {
    let (host, port) = grpc_address_keys(server, own_region);
    Ok([value(server, host).ok_or(host)?, ":", value(server, port).ok_or(port)?].concat())
}

/// Returns a value of the metadata. An empty one counts as absent.
fn value<'a>(server: &'a Server, key: &str) -> Option<&'a str> {
    server.metadata.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

/// Whether a server has the service `protos.Peer`.
pub(super) fn is_peer(server: &Server) -> bool {
    server.metadata.get(PEER).is_some_and(|version| version == "1")
}

/// Returns the host of an address, without the brackets of IPv6.
#[cfg(feature = "tls")]
pub(super) fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(metadata: &[(&str, &str)]) -> Server {
        metadata
            .iter()
            .fold(Server::new("room", "a"), |server, (key, value)| server.with_metadata(*key, *value))
    }

    #[test]
    fn region_chooses_between_own_and_external_host() {
        let own = [(HOST, "h"), (PORT, "1")];
        let external = [(EXTERNAL_HOST, "e"), (EXTERNAL_PORT, "2")];
        let both = [own, external].concat();
        let in_eu = [&both[..], &[(REGION, "eu")]].concat();
        assert_eq!(of(&server(&own), "eu").unwrap(), "h:1");
        assert_eq!(of(&server(&both), "eu").unwrap(), "e:2");
        assert_eq!(of(&server(&in_eu), "eu").unwrap(), "h:1");
        assert_eq!(of(&server(&in_eu), "us").unwrap(), "e:2");
        let no_external = [&own[..], &[(REGION, "eu"), (EXTERNAL_HOST, "")]].concat();
        assert_eq!(of(&server(&no_external), "us").unwrap(), "h:1");
    }

    #[test]
    fn missing_address_names_the_key() {
        assert_eq!(of(&server(&[]), ""), Err(HOST));
        assert_eq!(of(&server(&[(HOST, ""), (PORT, "1")]), ""), Err(HOST));
        assert_eq!(of(&server(&[(HOST, "h"), (PORT, "")]), ""), Err(PORT));
        assert_eq!(of(&server(&[(EXTERNAL_HOST, "e"), (HOST, "h"), (PORT, "1")]), ""), Err(EXTERNAL_PORT));
    }

    #[cfg(feature = "tls")]
    #[test]
    fn host_of_an_address_has_no_brackets() {
        assert_eq!((host("a.b:1"), host("[::1]:1"), host("127.0.0.1:1")), ("a.b", "::1", "127.0.0.1"));
    }
}
