//! What the integration tests share: a raw client of the protocol, a server to talk to, an etcd and a browser.

pub mod arena;
pub mod browser;
pub mod cable;
pub mod etcd;
pub mod nats;
pub mod node;
pub mod programs;
pub mod raw;
pub mod scrape;
pub mod transport;
pub mod vectors;
pub mod ws;

use std::future::Future;
use std::time::Duration;

/// How long a test waits for what must come. Long, for slow machines; nothing waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
///
/// # Panics
/// If it does not come in time.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Waits until something holds, looking again whenever other tasks have run.
///
/// # Panics
/// If it does not hold in time.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Waits until every task rests. For tests whose time is paused: it goes on only when nothing else can.
pub async fn rest() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
