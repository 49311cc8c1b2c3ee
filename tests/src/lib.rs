//! The helpers that the integration tests share.
//!
//! | module | helps with |
//! |---|---|
//! | [`server`] | `TestServer`: a frontend whose handlers do what a test asks for, with a `Recorder` of what they did |
//! | [`prometheus`] | `Prometheus`: a real Prometheus that scrapes a server |
//! | [`raw_client`] | `RawClient`: sends and reads packets as bytes, also invalid ones |
//! | [`ws`] | WebSocket frames and upgrades as bytes, also invalid ones |
//! | [`http`] | requests over HTTP, and a strict reader of the metrics in an answer |
//! | [`browser`] | the chat in a real browser |
//! | [`nats`] | `Nats`: a nats-server of a test, which the test may kill, freeze and restart |
//! | [`redis`] | `Redis`: a redis-server of a test, which the test may kill, freeze and restart |
//! | [`etcd`] | `Etcd`: an etcd of a test or of a test binary; `Members`: three of them in a cluster |
//! | [`tcp_proxy`] | `TcpProxy`: a connection that a test may close, stall or make a black hole |
//! | [`node`] | `Node`: a server as etcd discovery knows it, without an app |
//! | [`transport`] | `TestPeers`: three servers on a transport, and the promises of every transport |
//! | [`cluster`] | `MemoryCluster`: a cluster in this process; `HookedTransport`: its transport with a test in between |
//! | [`programs`] | `Brokers` and `Program`: a cluster whose servers are processes |
//! | [`certificate`] | `Certificate`: a self-signed certificate, in memory and as files |
//! | [`log`] | `CapturedLog`: the log lines of this thread |
//! | [`vectors`] | runs the recorded vectors of `tests/vectors` |
//!
//! A test that needs a program is marked `#[ignore = "needs nats-server"]`: `cargo test` shows it as ignored, and
//! `cargo xtask test` runs it.

pub mod browser;
pub mod certificate;
pub mod cluster;
pub mod etcd;
pub mod http;
pub mod log;
pub mod nats;
pub mod node;
pub mod programs;
pub mod prometheus;
pub mod raw_client;
pub mod redis;
pub mod server;
pub mod tcp_proxy;
pub mod transport;
pub mod vectors;
pub mod ws;

use std::future::Future;
use std::time::Duration;

/// The longest wait for an event that must happen. It is long, for slow machines; no test waits for its end.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future within [`PATIENCE`].
///
/// # Panics
/// If it takes longer. The panic names `what`.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until a condition holds. It is checked again whenever other tasks have run.
///
/// # Panics
/// If it does not hold within [`PATIENCE`]. The panic names `what`.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Waits until no other task can run. Works only in tests whose time is paused.
pub async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
