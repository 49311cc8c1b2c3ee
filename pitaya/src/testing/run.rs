//! Runs a simulation in its own runtime.

use std::sync::Arc;
use std::thread::panicking;

use super::Cluster;

/// Runs a scenario in its own runtime, with one thread and paused time: for one scenario under many seeds.
///
/// At the end it [kills](Cluster::crash) the running servers. If the scenario panics, it prints the seed.
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
///         assert_eq!(hall.app().servers().unwrap().view().of_type("hall").len(), 1);
///     });
/// }
/// ```
///
/// # Panics
/// If the scenario panics, within another runtime (call it from a plain `#[test]`), or if the runtime cannot be
/// created.
pub fn run<T>(seed: u64, scenario: impl AsyncFnOnce(Cluster) -> T) -> T {
    let _seed = PrintSeed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("the machine gives a runtime").block_on(async {
        let cluster = Cluster::seeded(seed);
        let shared = Arc::clone(&cluster.shared);
        let result = scenario(cluster).await;
        shared.end(); // also drops what outlives the run
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
