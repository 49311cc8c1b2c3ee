//! One matrix of cases over any pair of server programs: ours, and a peer.
//!
//! The peer is the program that `PITAYA_PEER_SERVER` names; it takes the flags of our `e2e-server` and has its handlers
//! and remotes. Where the variable is not set, ours runs against itself, and the test says so. Each case is run with
//! the peer in front and ours behind, the other way round, and with both side by side as servers of both types; over NATS
//! and over gRPC.

mod cases;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use pitaya_tests::programs::{Brokers, Program, peer};

use self::cases::{CASES, Case};

const OURS: &str = env!("CARGO_BIN_EXE_tested-e2e-server");

/// Who stands where: the programs in front, and those behind.
struct Direction {
    name: &'static str,
    fronts: Vec<PathBuf>,
    backs: Vec<PathBuf>,
}

/// The servers of one direction.
pub(crate) struct TestCluster {
    pub(crate) brokers: Brokers,
    pub(crate) fronts: Vec<Program>,
    pub(crate) backs: Vec<Program>,
    /// The program of one more backend.
    pub(crate) another: PathBuf,
    /// Makes the names of one direction its own.
    pub(crate) name: &'static str,
}

impl TestCluster {
    async fn start(direction: &Direction, over_grpc: bool) -> Self {
        let brokers = if over_grpc { Brokers::without_nats().await } else { Brokers::start().await };
        let (mut fronts, mut backs) = (Vec::new(), Vec::new());
        for program in &direction.backs {
            backs.push(brokers.server(program, "game", false).await);
        }
        for program in &direction.fronts {
            fronts.push(brokers.server(program, "connector", true).await);
        }
        let another = direction.backs[0].clone();
        Self { brokers, fronts, backs, another, name: direction.name }
    }

    /// Type and id of every server that is registered.
    pub(crate) async fn servers(&self) -> Vec<(String, String)> {
        self.brokers.registered().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs nats-server and etcd"]
async fn every_case_passes_in_every_direction() {
    let ours = Path::new(OURS).to_path_buf();
    let foreign = peer();
    match &foreign {
        Some(program) => println!("the peer: {}", program.display()),
        None => println!(
            "*** NO FOREIGN PEER TOOK PART: PITAYA_PEER_SERVER is not set, ours stands in for it ***"
        ),
    }
    let peer = foreign.unwrap_or_else(|| ours.clone());
    let directions = [
        Direction { name: "peer-front", fronts: vec![peer.clone()], backs: vec![ours.clone()] },
        Direction { name: "peer-back", fronts: vec![ours.clone()], backs: vec![peer.clone()] },
        Direction { name: "side-by-side", fronts: vec![ours.clone(), peer.clone()], backs: vec![ours, peer] },
    ];
    let mut failed = Vec::new();
    let mut table = format!("{:<48} {:<5} {:<14} result\n", "case", "over", "direction");
    let axes =
        [false, true].into_iter().flat_map(|over_grpc| directions.iter().map(move |it| (over_grpc, it)));
    for (over_grpc, direction) in axes {
        let over = if over_grpc { "gRPC" } else { "NATS" };
        let mut cluster = TestCluster::start(direction, over_grpc).await;
        for Case { name, run } in CASES {
            let result = AssertUnwindSafe(run(&mut cluster)).catch_unwind().await;
            let alive = cluster.fronts.iter_mut().chain(&mut cluster.backs).all(Program::runs);
            let said = match &result {
                Ok(()) if alive => "pass".to_owned(),
                Ok(()) => "FAIL: a server has ended".to_owned(),
                Err(panic) => format!("FAIL: {}", text(&**panic)),
            };
            if !said.starts_with("pass") {
                failed.push(format!("{name}, {over}, {}: {said}", direction.name));
            }
            table += &format!("{name:<48} {over:<5} {:<14} {said}\n", direction.name);
        }
    }
    println!("{table}");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
