//! A cluster of our programs when something breaks: the broker, the registry, a server, a client, a peer's sense.
//!
//! Each test prints, for each client, what it saw: `cargo test -p pitaya-tests --all-features --test outages --
//! --nocapture`. The outages here last seconds.

mod broker;
mod callers;
mod foreign_peers;
mod garbage;
mod registry;
mod slow;
mod test_cluster;
