//! The configuration of the transport over gRPC.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::address;
use crate::config::Config;

/// How a server listens, how it is reached, and how it reaches others.
///
/// ```
/// use pitaya::cluster::GrpcOptions;
///
/// let options = GrpcOptions { port: 3435, advertised_host: "10.0.0.7".into(), ..GrpcOptions::default() };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcOptions {
    /// The host to listen at. Empty, the default, listens at all addresses of both families.
    pub host: String,
    /// The port to listen at; 3434.
    pub port: u16,
    /// The host at which other servers connect, with brackets if it is an IPv6 address. Empty, the default, is
    /// [`host`](Self::host), or the name of the machine if that is empty.
    pub advertised_host: String,
    /// The host for servers of other regions. Empty, the default, without one.
    pub external_host: String,
    /// The port for servers of other regions. Zero, the default, is [`port`](Self::port).
    pub external_port: u16,
    /// The region of this server. Empty, the default, without one.
    pub region: String,
    /// The encryption of all connections. `None`, the default, sends in the clear, as Go Pitaya does.
    pub tls: Option<GrpcTls>,
    /// The longest a connection attempt may take; 5 s.
    pub dial_timeout: Duration,
    /// Whether a server is connected when it is first called, and not when it is discovered. Default: `false`.
    pub lazy_connection: bool,
    /// The longest a push, a kick or the announcement of a bind may take; 5 s. A call has a timeout of its own.
    pub request_timeout: Duration,
    /// The most bytes of one message, in both directions; 4 MiB, which is the limit of Go's servers.
    pub max_message: usize,
    /// How many connections of other servers are open at a time; 4096. Further ones are closed immediately.
    pub max_connections: usize,
    /// How many calls one connection carries at a time; 1024. Further calls of that server wait.
    pub max_streams: u32,
    /// How many requests this server may have in progress, and how many calls to one server may wait; 65 536. Further
    /// ones fail with `PIT-503` immediately.
    pub messages: usize,
}

impl Default for GrpcOptions {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 3434,
            advertised_host: String::new(),
            external_host: String::new(),
            external_port: 0,
            region: String::new(),
            tls: None,
            dial_timeout: Duration::from_secs(5),
            lazy_connection: false,
            request_timeout: Duration::from_secs(5),
            max_message: 4 << 20,
            max_connections: 4096,
            max_streams: 1024,
            messages: 65_536,
        }
    }
}

/// The certificates of a server. All servers of the cluster need them: Go Pitaya has no TLS over gRPC.
///
/// The files are read when the server starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcTls {
    /// A PEM file of the CA certificates that sign the certificates of all servers.
    pub ca_file: PathBuf,
    /// The certificate of this server, with its chain, in PEM.
    pub cert_file: PathBuf,
    /// The key of that certificate, in PEM.
    pub key_file: PathBuf,
    /// Whether a server that connects must have a certificate of the CA. Each server sends its own either way.
    pub mutual: bool,
    /// The name that the certificates of the other servers must have. `None` is the host of their address.
    pub server_name: Option<String>,
}

/// An invalid option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the gRPC option `{option}` {why}")]
pub struct BadGrpcOption {
    /// Its name.
    pub option: &'static str,
    /// Why it is invalid.
    pub why: String,
}

impl GrpcOptions {
    /// Reads the keys of [`GrpcConfig`](crate::config::GrpcConfig).
    ///
    /// # Errors
    /// TLS is enabled, and one of its files is not set.
    pub fn from_config(config: &Config) -> Result<Self, BadGrpcOption> {
        let grpc = &config.grpc;
        let file = |file: &Option<PathBuf>, name| {
            let why = || format!("is enabled, so `pitaya.cluster.rpc.grpc.tls.{name}` must be set");
            file.clone().ok_or_else(|| BadGrpcOption { option: "tls", why: why() })
        };
        let tls = || {
            Ok(GrpcTls {
                ca_file: file(&grpc.tls.ca_file, "cafile")?,
                cert_file: file(&grpc.tls.cert_file, "certfile")?,
                key_file: file(&grpc.tls.key_file, "keyfile")?,
                mutual: grpc.tls.mutual,
                server_name: Some(grpc.tls.server_name.clone()).filter(|name| !name.is_empty()),
            })
        };
        Ok(Self {
            host: grpc.host.clone(),
            port: grpc.port,
            advertised_host: grpc.advertised_host.clone(),
            external_host: grpc.external_host.clone(),
            external_port: grpc.external_port,
            region: grpc.region.clone(),
            tls: grpc.tls.enabled.then(tls).transpose()?,
            dial_timeout: grpc.dial_timeout,
            lazy_connection: grpc.lazy_connection,
            request_timeout: grpc.request_timeout,
            max_message: grpc.max_message,
            max_connections: grpc.max_connections,
            ..Self::default()
        })
    }

    /// The most bytes that a message may be allowed to have.
    const MOST_BYTES: usize = 1 << 30;

    pub(super) fn check(&self) -> Result<(), BadGrpcOption> {
        let bad = |option, why: &str| Err(BadGrpcOption { option, why: why.to_owned() });
        if !(1..=Self::MOST_BYTES).contains(&self.max_message) {
            return bad("max_message", "must be between 1 and 1073741824");
        }
        for (option, value) in [
            ("max_connections", self.max_connections),
            ("max_streams", self.max_streams as usize),
            ("messages", self.messages),
        ] {
            if value == 0 {
                return bad(option, "must be at least 1");
            }
        }
        for (option, value) in
            [("dial_timeout", self.dial_timeout), ("request_timeout", self.request_timeout)]
        {
            if value.is_zero() {
                return bad(option, "must not be zero");
            }
        }
        if self.tls.is_some() && !cfg!(feature = "tls") {
            return bad("tls", "needs the feature `tls` of pitaya");
        }
        Ok(())
    }

    /// Returns the metadata by which other servers find this one that listens at `port`.
    pub(super) fn metadata(&self, port: u16) -> Vec<(&'static str, String)> {
        let listens_everywhere =
            self.host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_unspecified());
        let host = match (&*self.advertised_host, &*self.host) {
            ("", "") => None,
            ("", _) if listens_everywhere => None,
            ("", host) | (host, _) => Some(host.to_owned()),
        };
        let mut metadata = vec![
            (address::HOST, host.unwrap_or_else(crate::util::host::name)),
            (address::PORT, port.to_string()),
            (address::PEER, "1".to_owned()),
        ];
        if !self.external_host.is_empty() {
            let external = if self.external_port == 0 { port } else { self.external_port };
            metadata.push((address::EXTERNAL_HOST, self.external_host.clone()));
            metadata.push((address::EXTERNAL_PORT, external.to_string()));
        }
        if !self.region.is_empty() {
            metadata.push((address::REGION, self.region.clone()));
        }
        metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_cannot_be_is_named() {
        let good = GrpcOptions::default;
        let bad = [
            ("max_message", GrpcOptions { max_message: 0, ..good() }),
            ("max_message", GrpcOptions { max_message: usize::MAX, ..good() }),
            ("max_connections", GrpcOptions { max_connections: 0, ..good() }),
            ("max_streams", GrpcOptions { max_streams: 0, ..good() }),
            ("messages", GrpcOptions { messages: 0, ..good() }),
            ("dial_timeout", GrpcOptions { dial_timeout: Duration::ZERO, ..good() }),
            ("request_timeout", GrpcOptions { request_timeout: Duration::ZERO, ..good() }),
        ];
        for (option, options) in bad {
            assert_eq!(options.check().expect_err(option).option, option);
        }
        assert!(good().check().is_ok());
    }

    #[test]
    fn default_configuration_has_the_default_options() {
        let mut config = Config::default();
        assert_eq!(GrpcOptions::from_config(&config), Ok(GrpcOptions::default()));
        config.grpc.tls.enabled = true;
        let error = GrpcOptions::from_config(&config).unwrap_err();
        assert!(error.to_string().contains("`pitaya.cluster.rpc.grpc.tls.cafile`"), "{error}");
    }

    #[test]
    fn metadata_has_only_what_is_known() {
        let keys = |options: &GrpcOptions| -> Vec<_> {
            options.metadata(1).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
        };
        let options = GrpcOptions { host: "h".into(), ..GrpcOptions::default() };
        assert_eq!(keys(&options), ["grpcHost=h", "grpcPort=1", "grpcPeer=1"]);
        let everywhere = GrpcOptions { host: "[::]".into(), ..options.clone() };
        assert_eq!(keys(&everywhere)[0], format!("grpcHost={}", crate::util::host::name()));
        let options = GrpcOptions {
            advertised_host: "a".into(),
            external_host: "e".into(),
            external_port: 2,
            region: "eu".into(),
            ..options
        };
        let more = ["grpc-external-host=e", "grpc-external-port=2", "region=eu"];
        assert_eq!(keys(&options), [&["grpcHost=a", "grpcPort=1", "grpcPeer=1"], &more[..]].concat());
    }
}
