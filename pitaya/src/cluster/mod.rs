//! The cluster: servers that find each other, call each other, and reach each other's users.
//!
//! | part | job |
//! |---|---|
//! | [`server`] | one server as the others see it |
//! | [`Servers`] | the known servers, kept current by a [`Discovery`]: over etcd (`EtcdDiscovery`), in memory ([`MemoryRegistry`]) |
//! | [`Transport`] | carries messages: over NATS (`NatsTransport`) or gRPC (`GrpcTransport`), in memory ([`MemoryBroker`]) |
//! | [`Router`] | chooses the server of a call |
//! | [`protos`] | the messages |
//! | [`request`] [`response`] | encode and decode calls and answers |
//! | [`subject`] [`key`] | the formats of addresses and of the registry's keys |
//!
//! A node (`node.rs`) has two halves. To other servers:
//!
//! | file | job |
//! |---|---|
//! | `outbound.rs`, `selection.rs`, `suspects.rs` | chooses a server, sends a call, waits for its answer |
//! | `forward.rs`, `rpc.rs` | messages of clients; calls of remotes |
//! | `users.rs` | pushes to users of other servers, and kicks them |
//! | `presence.rs`, `binds.rs` | announces binds; which of two binds of one user stays |
//! | `remote_session.rs` | asks the frontend of a session to change it |
//! | `peers.rs` | implements `Peers`, through which sessions, users and groups use the cluster |
//!
//! From other servers:
//!
//! | file | job |
//! |---|---|
//! | `receive.rs` | delivers received messages, the same for every transport |
//! | `inbound.rs`, `local_tables.rs` | serves calls |
//! | `local_sessions.rs`, `sys.rs` | applies pushes, kicks, announced binds and changes to the sessions of this server |
//! | `order.rs`, `keyed.rs` | the order of what one call does to a session; calls by key while a server drains |
//!
//! `docs/cluster.md` describes the protocol.

mod binds;
mod discovery;
mod encode_request;
mod error;
#[cfg(feature = "etcd")]
mod etcd;
mod forward;
#[cfg(feature = "grpc")]
mod grpc;
mod inbound;
#[doc(hidden)]
pub mod key;
mod keyed;
mod local_sessions;
mod local_tables;
mod memory;
mod metrics;
#[cfg(feature = "nats")]
mod nats;
mod node;
mod order;
mod outbound;
mod peers;
mod presence;
mod proto_writer;
#[doc(hidden)]
pub mod protos;
mod receive;
mod recoded_push;
mod remote_session;
#[doc(hidden)]
pub mod request;
#[doc(hidden)]
pub mod response;
mod router;
mod rpc;
mod selection;
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
pub(crate) use forward::Forwarded;
#[cfg(feature = "grpc")]
#[doc(hidden)]
pub use grpc::grpc_address_keys;
#[cfg(feature = "grpc")]
#[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
pub use grpc::{BadGrpcOption, GrpcOptions, GrpcTls, GrpcTransport};
#[cfg(feature = "testing")]
pub(crate) use memory::{InTransit, Interceptor};
pub use memory::{MemoryBroker, MemoryDiscovery, MemoryRegistry, MemoryTransport};
pub(crate) use metrics::ClusterMetrics;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub use nats::{BadNatsOption, NatsCounts, NatsOptions, NatsTls, NatsTransport};
pub(crate) use node::Node;
pub(crate) use outbound::{Outbound, OutboundLimits, OutboundParts};
pub(crate) use router::Routers;
pub use router::{Router, Routing};
pub use server::Server;
pub use servers::{Change, Servers, View};
pub use transport::{Address, Receiver, Transport};
