//! Runs all bots: the threads, the progress, the end.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bot::{Bot, Shared, lock};
use super::report::{self, Outcome};
use super::stats::Stats;

/// The time for answers that are on their way at the end.
const GRACE: Duration = Duration::from_secs(1);
/// The time after which the load ends if no bot could ever connect.
const NEVER_CONNECTED: Duration = Duration::from_secs(2);
/// The time after which the load ends if all bots have lost the server.
const LOST: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);

/// Why the load ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The duration is over.
    Duration,
    /// All bots have done their runs.
    Runs,
    /// Ctrl-C.
    Interrupted,
    /// The server is gone.
    Lost(String),
}

/// Collects the results of the threads.
struct Collector {
    shared: Arc<Shared>,
    threads: Vec<Arc<Mutex<Stats>>>,
    /// Of the last second.
    window: Stats,
    total: Stats,
}

impl Collector {
    fn collect(&mut self) {
        for stats in &self.threads {
            self.window.take(&mut lock(stats));
        }
    }

    /// Returns the answers and notifies so far.
    fn operations(&mut self) -> u64 {
        self.collect();
        let all = &self.shared.plan.labels;
        report::operations(all, &self.window) + report::operations(all, &self.total)
    }
}

/// Runs the load to its end. Fails if no bot can connect.
pub(super) async fn run(
    shared: Arc<Shared>,
    threads: usize,
    began: Instant,
    quiet: bool,
) -> Result<Outcome, String> {
    let load = shared.plan.load.clone();
    let ramp_end = began + load.ramp;
    let deadline = load.duration.map(|duration| ramp_end + duration);
    let (alive, mut all_done) = mpsc::channel::<()>(1);
    let labels = shared.plan.labels.len();
    let mut collector = Collector {
        threads: (0..threads).map(|_| Arc::new(Mutex::new(Stats::new(labels)))).collect(),
        window: Stats::new(labels),
        total: Stats::new(labels),
        shared: Arc::clone(&shared),
    };
    for (index, stats) in collector.threads.iter().enumerate() {
        spawn(index, threads, Arc::clone(&shared), Arc::clone(stats), alive.clone())?;
    }
    drop(alive);
    // One listener, so that no signal between two turns of the loop is lost.
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut ticks = tokio::time::interval_at(began + TICK, TICK);
    let mut watchdog = Watchdog::new(began);
    let mut ramped = None;
    let end = loop {
        tokio::select! {
            _ = all_done.recv() => break End::Runs,
            () = until(deadline) => break End::Duration,
            _ = &mut interrupt => break End::Interrupted,
            () = tokio::time::sleep_until(ramp_end), if ramped.is_none() => {
                ramped = Some((Instant::now(), collector.operations()));
            }
            _ = ticks.tick() => {
                collector.collect();
                if !quiet {
                    eprintln!("{}", report::progress(&shared, &collector.window, began.elapsed()));
                }
                let Collector { window, total, .. } = &mut collector;
                let (done, failed) = (window.total_done(), window.total_failed());
                total.take(window);
                if let Some(lost) = watchdog.look(&shared, done, failed, total.total_done()) {
                    if total.total_done() == 0 {
                        return Err(lost);
                    }
                    break End::Lost(lost);
                }
            }
        }
    };
    let ended = Instant::now();
    let operations = collector.operations();
    let (from, before) = ramped.unwrap_or((began, 0));
    let seconds = (ended - from).as_secs_f64().max(1e-9);
    shared.stop.set();
    // The threads of bots that still wait end with the process.
    tokio::select! {
        _ = all_done.recv() => {}
        () = tokio::time::sleep(GRACE) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    collector.collect();
    let Collector { mut window, mut total, .. } = collector;
    total.take(&mut window);
    total.finish();
    let rate = (operations - before) as f64 / seconds;
    Ok(Outcome { end, elapsed: ended - began, rate, stats: total })
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Starts a thread with every n-th bot. Bots of one thread need no locks among each other.
fn spawn(
    index: usize,
    threads: usize,
    shared: Arc<Shared>,
    stats: Arc<Mutex<Stats>>,
    alive: mpsc::Sender<()>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let work = move || {
        runtime.block_on(async {
            let load = &shared.plan.load;
            let mut bots = tokio::task::JoinSet::new();
            for number in (index..load.bots as usize).step_by(threads) {
                let delay = load.ramp.mul_f64(number as f64 / f64::from(load.bots));
                let bot = Bot::new(Arc::clone(&shared), Arc::clone(&stats), number as u64 + 1);
                bots.spawn(bot.live(delay));
            }
            while bots.join_next().await.is_some() {}
        });
        drop(alive);
    };
    std::thread::Builder::new()
        .name(format!("bots-{index}"))
        .spawn(work)
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// Notices a server that is gone.
struct Watchdog {
    /// The failures since then.
    failed: u64,
    /// The last time at which a bot was connected or a step was done.
    alive: Instant,
}

impl Watchdog {
    fn new(began: Instant) -> Self {
        Self { failed: 0, alive: began }
    }

    /// Returns the last error if the server is gone.
    fn look(&mut self, shared: &Shared, done: u64, failed: u64, total: u64) -> Option<String> {
        let now = Instant::now();
        if done > 0 || shared.connected.load(Ordering::Relaxed) > 0 {
            *self = Self::new(now);
            return None;
        }
        // Bots that only wait do not fail.
        self.failed += failed;
        let limit = if total == 0 { NEVER_CONNECTED } else { LOST };
        let lost = self.failed > 0 && now - self.alive >= limit;
        lost.then(|| lock(&shared.last_error).clone().unwrap_or_default())
    }
}
