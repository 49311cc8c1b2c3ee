//! Connections of the commands `repl`, `bots` and `schema pull`: addresses, certificates, bodies of messages.

mod address;
mod contract;
mod documentation;
mod msgpack;
mod oneof;
mod protobuf;
mod shape;
mod tls;

pub(crate) use address::Address;
pub(crate) use contract::{Body, Contract, find};
pub(crate) use documentation::ask;
pub(crate) use protobuf::{Protobuf, full_name};
pub(crate) use shape::Shape;

use std::time::Duration;

use clap::Args;
use pitaya::client::{Builder, Client, ConnectError, Tls};

/// The flags that say which certificates to trust.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct TlsArgs {
    /// A PEM file with the certificates to trust, in place of those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    /// Trusts any certificate of the server
    #[arg(short = 'k', long, conflicts_with = "ca")]
    insecure: bool,
}

/// A server, and how to connect to it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: Address,
    tls: Option<Tls>,
}

impl Target {
    /// Reads the certificates if the address needs them.
    pub(crate) fn new(address: Address, args: &TlsArgs) -> Result<Self, String> {
        let tls = address.has_tls().then(|| tls::load(args.ca.as_deref(), args.insecure)).transpose()?;
        Ok(Self { address, tls })
    }

    /// Connects a client.
    pub(crate) async fn connect(&self, builder: &Builder) -> Result<Client, String> {
        let connected = match (&self.address, self.tls.clone()) {
            (Address::Tls { authority, host }, Some(tls)) => {
                builder.connect_tls(authority.as_str(), host, tls).await
            }
            (Address::Wss(url), Some(tls)) => builder.connect_wss(url, tls).await,
            (Address::Ws(url), _) => builder.connect_ws(url).await,
            (Address::Tcp(authority) | Address::Tls { authority, .. } | Address::Wss(authority), _) => {
                builder.connect_tcp(authority.as_str()).await
            }
        };
        connected.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &ConnectError) -> String {
        let hint = match (error, &self.address) {
            (ConnectError::Refused { payload: Some(payload), .. }, _) => format!(": {payload}"),
            (ConnectError::Protocol(_) | ConnectError::Closed, Address::Tcp(authority)) => {
                format!("; a server that speaks WebSocket has the address ws://{authority}")
            }
            (ConnectError::Io(_), Address::Tls { .. } | Address::Wss(_)) => {
                "; --ca FILE trusts a certificate, -k any".to_owned()
            }
            _ => String::new(),
        };
        format!("{}: {error}{hint}", self.address)
    }
}

/// Reads a duration of a flag or a file, such as `500ms`. It must not be negative.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let nanos = pitaya_duration::parse(text).map_err(|error| error.to_string())?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| format!("`{text}` is negative"))
}
