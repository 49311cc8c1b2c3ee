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

mod absent;
mod answering;
mod broker;
mod callee;
mod discovery;
#[cfg(feature = "etcd")]
mod etcd;
mod failure;
mod fields;
#[doc(hidden)]
pub mod key;
mod keyed;
#[cfg(any(feature = "etcd", feature = "nats"))]
pub(crate) mod local;
mod meters;
#[cfg(feature = "nats")]
mod nats;
mod node;
mod order;
mod outgoing;
mod owner;
#[doc(hidden)]
pub mod protos;
mod registry;
#[doc(hidden)]
pub mod request;
#[doc(hidden)]
pub mod response;
mod router;
pub mod server;
mod servers;
#[doc(hidden)]
pub mod subject;
mod sys;
mod transport;
mod unique;
mod users;

#[cfg(feature = "testing")]
pub(crate) use broker::{Courier, Parcel};
pub use broker::{MemoryBroker, MemoryTransport};
pub(crate) use callee::Callee;
pub use discovery::Discovery;
#[cfg(feature = "etcd")]
#[cfg_attr(docsrs, doc(cfg(feature = "etcd")))]
pub use etcd::{EtcdDiscovery, EtcdOptions};
pub use failure::TransportError;
pub(crate) use meters::Meters;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub use nats::{BadNatsOption, NatsCounts, NatsOptions, NatsTls, NatsTransport};
pub(crate) use node::{Cluster, Limits, Node, Parts};
pub use registry::{MemoryDiscovery, MemoryRegistry};
pub(crate) use router::Routers;
pub use router::{Router, Routing};
pub use server::Server;
pub use servers::{Change, Servers, View};
pub use transport::{Address, Receiver, Transport};
