//! The promises of every transport, over memory. `nats.rs` has the same over NATS.

use pitaya::cluster::{MemoryBroker, MemoryTransport};
use pitaya_tests::transport::TestPeers;

async fn start() -> (MemoryBroker, TestPeers<MemoryTransport>) {
    let broker = MemoryBroker::new();
    let peers = TestPeers::start(|| broker.transport()).await;
    (broker, peers)
}

pitaya_tests::transport_promises! {
    [#[tokio::test(start_paused = true)]]
    start()
}
