//! The cluster: servers that find each other, call each other, and reach each other's users.
//!
//! | part | holds |
//! |---|---|
//! | [`server`] | one server as the others see it |
//! | [`Servers`] | all that are known, kept true by a [`Discovery`]: over etcd (`EtcdDiscovery`), within a process ([`MemoryRegistry`]) |
//! | [`Transport`] | how they reach each other: over NATS (`NatsTransport`), within a process ([`MemoryBroker`]) |
//! | [`Router`] | which one is called |
//! | [`protos`] | what they say |
//! | [`request`] [`response`] | how calls and their answers are made and read |
//! | [`subject`] [`key`] | the formats of addresses and of the registry's keys |
//!
//! `docs/cluster.md` has the protocol in words.

mod discovery;
mod encode_request;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod frontend_proxy;
mod inbound;
#[doc(hidden)]
pub mod key;
mod keyed;
#[cfg(any(feature = "etcd", feature = "nats"))]
pub(crate) mod local;
mod memory;
mod metrics;
#[cfg(feature = "nats")]
mod nats;
mod node;
mod order;
mod presence;
mod proto_writer;
#[doc(hidden)]
pub mod protos;
mod receive;
#[doc(hidden)]
pub mod request;
#[doc(hidden)]
pub mod response;
mod router;
pub mod server;
mod servers;
#[doc(hidden)]
pub mod subject;
mod suspects;
mod sys;
mod transport;
mod users;

pub use discovery::Discovery;
pub use error::TransportError;
#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use etcd::{EtcdDiscovery, EtcdOptions};
pub(crate) use inbound::Inbound;
#[cfg(feature = "testing")]
pub(crate) use memory::{InTransit, Interceptor};
pub use memory::{MemoryBroker, MemoryDiscovery, MemoryRegistry, MemoryTransport};
pub(crate) use metrics::ClusterMetrics;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub use nats::{BadNatsOption, NatsCounts, NatsOptions, NatsTls, NatsTransport};
pub(crate) use node::{Cluster, Limits, Node, Parts};
pub(crate) use router::Routers;
pub use router::{Router, Routing};
pub use server::Server;
pub use servers::{Change, Servers, View};
pub use transport::{Address, Receiver, Transport};
