//! A simulation of its own runtime.

use std::sync::Arc;
use std::thread::panicking;

use super::Cluster;

/// Runs a scenario in a runtime of its own, of one thread and with paused time: for one scenario under many seeds. When it
/// is over, servers that still run are [killed](Cluster::crash). If it panics, the seed is printed.
///
/// A run leaves nothing open, and some kilobytes for each server with a component that has the [`App`](crate::app::App),
/// its sessions, users or groups: what such a component holds is not dropped.
///
/// ```standalone_crate
/// use pitaya::prelude::*;
/// use pitaya::testing;
///
/// #[derive(Component)]
/// pub struct Hall;
///
/// #[handler(server = "hall")]
/// impl Hall {
///     pub async fn echo(&self, body: Bytes) -> Result<Bytes> { Ok(body) }
/// }
///
/// for seed in 0..10 {
///     testing::run(seed, async |cluster| {
///         let hall = cluster.backend("hall", |app| app).await.unwrap();
///         cluster.lose_lease(&hall);
///         cluster.settle().await;
///         assert_eq!(hall.servers().unwrap().view().of_type("hall").len(), 1);
///     });
/// }
/// ```
///
/// # Panics
/// If the scenario does; within another runtime, so call it from a plain `#[test]`; if the machine gives no runtime.
pub fn run<T>(seed: u64, scenario: impl AsyncFnOnce(Cluster) -> T) -> T {
    let _seed = PrintSeed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("the machine gives a runtime").block_on(async {
        let cluster = Cluster::seeded(seed);
        let shared = Arc::clone(&cluster.shared);
        let result = scenario(cluster).await;
        shared.end(); // also what it keeps for after the run
        result
    })
}

struct PrintSeed(u64);

impl Drop for PrintSeed {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("the seed of this simulation is {}", self.0);
        }
    }
}
