//! Network types that the HTTP server, the configuration, the sessions and the acceptors share.
//!
//! | file | holds |
//! |---|---|
//! | `tcp_listeners` | the listening sockets of an address |
//! | `backoff` | the pause after a failed accept |
//! | `networks` | networks, such as those of trusted proxies |
//! | `origins` | the origins that may connect over WebSocket |
//! | `upgrade_request` | the HTTP request of a WebSocket connection |

mod backoff;
mod networks;
pub(crate) mod origins;
mod tcp_listeners;
mod upgrade_request;

pub use backoff::{AcceptBackoff, Pause};
pub(crate) use networks::Networks;
pub(crate) use tcp_listeners::TcpListeners;
pub use upgrade_request::UpgradeRequest;
