//! Threads that work, and the window in which it counts.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pitaya_bench::proc::{Cpu, Others};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};

use crate::args::Args;

/// Connections that one thread opens at a time: the server's queue of new ones is bounded.
const OPENING: usize = 128;
/// How long workers have, after the end, to get the answers that they still wait for.
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// The share of its time in which a thread that is always at work is seen to be.
const BUSY: f64 = 0.95;

const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// The task of a worker: its number, and when to begin, to count and to end.
pub(crate) struct Worker {
    pub(crate) number: usize,
    phase: Arc<AtomicU8>,
    /// Until it is ready; when no worker holds one any more, all are, or some have failed.
    ready: Option<mpsc::Sender<()>>,
    opening: Rc<Semaphore>,
    times: Rc<RefCell<Histogram<u64>>>,
    /// Operations that are left, in a run of a given number.
    left: Option<u64>,
}

impl Worker {
    /// Opens the worker's connections, a few at a time, and reports that it is ready.
    pub(crate) async fn open<T>(&mut self, open: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let _turn = self.opening.acquire().await.map_err(io::Error::other)?;
        let opened = open.await?;
        if let Some(ready) = self.ready.take() {
            ready.send(()).map_err(io::Error::other)?;
        }
        Ok(opened)
    }

    /// Counts one operation. Returns whether another one follows, which is always so in a timed run.
    pub(crate) fn count(&mut self) -> bool {
        let Some(left) = &mut self.left else { return true };
        *left = left.saturating_sub(1);
        *left > 0
    }

    /// One operation is done that was begun then. Says whether to go on.
    pub(crate) fn done(&mut self, begun: Instant) -> bool {
        if !self.count() {
            return false;
        }
        match self.phase.load(Relaxed) {
            MEASURE => {
                self.times.borrow_mut().saturating_record(nanos(begun.elapsed()));
                true
            }
            phase => phase != STOP,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Runs `workers` workers on the threads asked for, and measures once all are ready. Each operation that a worker
/// reports counts as `weight`.
pub(crate) fn run<F, Fut>(args: &Args, workers: usize, weight: f64, work: F) -> io::Result<Value>
where
    F: Fn(Worker) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = io::Result<()>> + 'static,
{
    let phase = Arc::new(AtomicU8::new(0));
    let (ready, readies) = mpsc::channel();
    let (stop, stopped) = watch::channel(());
    let threads: Vec<_> = (0..args.threads)
        .map(|first| {
            let numbers = (first..workers).step_by(args.threads);
            let (phase, ready, work) = (Arc::clone(&phase), ready.clone(), work.clone());
            let (stopped, operations) = (stopped.clone(), args.operations);
            thread::spawn(move || event_loop(numbers, operations, &phase, ready, stopped, work))
        })
        .collect();
    drop((ready, stopped));
    // The iterator ends early if a thread fails; joining it tells why.
    let all_ready = readies.iter().take(workers).count() == workers;
    let mut window = None;
    if all_ready && args.operations.is_none() {
        thread::sleep(args.warmup);
        window = Some(measure(args, &phase)?);
    }
    let mut stop = Some(stop);
    if args.operations.is_none() || !all_ready {
        phase.store(STOP, Relaxed);
        stop = None;
    }
    let mut times = histogram()?;
    for thread in threads {
        let part = thread.join().map_err(|_| io::Error::other("a thread of the generator panicked"))??;
        times.add(part).map_err(io::Error::other)?;
    }
    drop(stop);
    if let Some(operations) = args.operations.filter(|_| all_ready) {
        return Ok(json!({ "connections": args.connections, "operations": operations }));
    }
    let window = window.ok_or_else(|| io::Error::other("not all connections were ready"))?;
    if times.is_empty() {
        return Err(io::Error::other("nothing was answered while it counted"));
    }
    Ok(window.report(args, &times, weight))
}

/// One thread: its workers, on an event loop of its own.
fn event_loop<F, Fut>(
    numbers: impl Iterator<Item = usize>,
    operations: Option<u64>,
    phase: &Arc<AtomicU8>,
    ready: mpsc::Sender<()>,
    mut stopped: watch::Receiver<()>,
    work: F,
) -> io::Result<Histogram<u64>>
where
    F: Fn(Worker) -> Fut,
    Fut: Future<Output = io::Result<()>> + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let times = Rc::new(RefCell::new(histogram()?));
    let (local, mut tasks) = (LocalSet::new(), JoinSet::new());
    let opening = Rc::new(Semaphore::new(OPENING));
    for number in numbers {
        let worker = Worker {
            number,
            phase: Arc::clone(phase),
            ready: Some(ready.clone()),
            opening: Rc::clone(&opening),
            times: Rc::clone(&times),
            left: operations,
        };
        tasks.spawn_local_on(work(worker), &local);
    }
    drop(ready);
    local.block_on(&runtime, async {
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                ended.map_err(io::Error::other)??;
            }
            io::Result::Ok(())
        };
        let stopped = async {
            // The channel is only ever closed.
            while stopped.changed().await.is_ok() {}
            tokio::time::sleep(LAST_ANSWERS).await;
        };
        tokio::select! {
            biased;
            ended = all => ended,
            () = stopped => Ok(()),
        }
    })?;
    let times = times.borrow().clone();
    Ok(times)
}

fn histogram() -> io::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).map_err(io::Error::other)
}

/// The processor time that was spent while operations counted.
struct Window {
    time: Duration,
    servers: Vec<Cpu>,
    generator: Cpu,
    messages: u64,
}

fn measure(args: &Args, phase: &AtomicU8) -> io::Result<Window> {
    let mut others = Others::new(args.pids.clone(), args.monitor);
    others.begin()?;
    let (begun, own_before) = (Instant::now(), Cpu::of("self")?);
    phase.store(MEASURE, Relaxed);
    thread::sleep(args.seconds);
    phase.store(STOP, Relaxed);
    let time = begun.elapsed();
    let generator = Cpu::of("self")?.since(own_before);
    let (servers, messages) = others.end()?;
    Ok(Window { time, servers, generator, messages })
}

impl Window {
    fn report(&self, args: &Args, times: &Histogram<u64>, weight: f64) -> Value {
        let (ops, seconds) = (times.len() as f64 * weight, self.time.as_secs_f64());
        let micros = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1000.0;
        // A thread that waits for a processor has work to do, so it counts as busy.
        let busy = |cpu: Cpu| (cpu.ran + cpu.waited).as_secs_f64() / seconds;
        let processors = thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
        let server = self.servers[0];
        let (load_busy, server_busy) =
            (busy(self.generator) / args.threads as f64, busy(server) / processors);
        let each = |cpu: &Cpu| cpu.ran.as_secs_f64() * 1e6 / ops;
        json!({
            "scenario": format!("{:?}", args.scenario).to_lowercase(),
            "connections": args.connections,
            "burst": args.burst,
            "body": args.body,
            "ops": ops,
            "seconds": seconds,
            "ops_per_second": ops / seconds,
            "p50_us": micros(0.5),
            "p90_us": micros(0.9),
            "p99_us": micros(0.99),
            "p999_us": micros(0.999),
            "max_us": micros(1.0),
            "server_us_per_op": server.ran.as_secs_f64() * 1e6 / ops,
            "server_cores": server.ran.as_secs_f64() / seconds,
            "load_cores": self.generator.ran.as_secs_f64() / seconds,
            "load_us_per_op": self.generator.ran.as_secs_f64() * 1e6 / ops,
            "us_per_op": self.servers.iter().map(each).collect::<Vec<_>>(),
            "messages_per_op": self.messages as f64 / ops,
            "load_busy": load_busy,
            "server_busy": server_busy,
            "load_was_the_limit": load_busy >= BUSY && server_busy < BUSY,
            "threads": args.threads,
        })
    }
}
