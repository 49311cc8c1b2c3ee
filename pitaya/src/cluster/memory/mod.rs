//! Transport and discovery within one process: for tests, and for several apps in one program.
//!
//! | module | job |
//! |---|---|
//! | `broker` | routes each message to the queues of its subject |
//! | `delivery` | the messages and the queues, and which servers are reachable |
//! | `transport` `queue` | one app's transport, and the task of each of its subscriptions |
//! | `registry` `discovery` | the registered servers, and one app's membership |
//! | `interceptor` | a hook that decides when, whether and how often each message arrives |

mod broker;
mod delivery;
mod discovery;
#[cfg(feature = "testing")]
mod interceptor;
mod queue;
mod registry;
mod transport;

pub use broker::MemoryBroker;
pub use discovery::MemoryDiscovery;
#[cfg(feature = "testing")]
pub(crate) use interceptor::{InTransit, Interceptor};
pub use registry::MemoryRegistry;
pub use transport::MemoryTransport;
