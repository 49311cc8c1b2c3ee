//! Calls in flight, and the window in which they count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Instant;

use pitaya_bench::proc::{Cpu, Others};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::args::Args;

const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// Keeps the calls in flight that were asked for, and measures them.
pub(crate) async fn run<F, Fut>(args: &Args, call: F) -> io::Result<Value>
where
    F: Fn() -> Fut + Clone + Send + 'static,
    Fut: Future<Output = io::Result<()>> + Send + 'static,
{
    let phase = Arc::new(AtomicU8::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..args.calls {
        tasks.spawn(again(call.clone(), Arc::clone(&phase), args.operations.unwrap_or(u64::MAX)));
    }
    if let Some(operations) = args.operations {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(io::Error::other)??;
        }
        return Ok(json!({ "calls": args.calls, "operations": operations }));
    }
    tokio::time::sleep(args.warmup).await;
    let mut others = Others::new(args.pids.clone(), args.monitor);
    others.begin()?;
    let (begun, before) = (Instant::now(), Cpu::of("self")?);
    phase.store(MEASURE, Relaxed);
    tokio::time::sleep(args.seconds).await;
    phase.store(STOP, Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    let own = Cpu::of("self")?.since(before);
    let (spent, messages) = others.end()?;
    let mut times = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        times.extend(ended.map_err(io::Error::other)??);
    }
    times.sort_unstable();
    if times.is_empty() {
        return Err(io::Error::other("nothing was answered while it counted"));
    }
    let ops = times.len() as f64;
    let micros = |percent: usize| times[(times.len() - 1) * percent / 100] as f64 / 1000.0;
    let each = |cpu: Cpu| cpu.ran.as_secs_f64() * 1e6 / ops;
    Ok(json!({
        "calls": args.calls,
        "ops": ops,
        "seconds": seconds,
        "ops_per_second": ops / seconds,
        "p50_us": micros(50),
        "p90_us": micros(90),
        "p99_us": micros(99),
        "load_us_per_op": each(own),
        "us_per_op": spent.into_iter().map(each).collect::<Vec<_>>(),
        "messages_per_op": messages as f64 / ops,
    }))
}

/// At most so many calls, one after the other. Returns what each of those that count took, in nanoseconds.
async fn again<F, Fut>(call: F, phase: Arc<AtomicU8>, operations: u64) -> io::Result<Vec<u64>>
where
    F: Fn() -> Fut,
    Fut: Future<Output = io::Result<()>>,
{
    let mut times = Vec::new();
    for _ in 0..operations {
        let begun = Instant::now();
        call().await?;
        match phase.load(Relaxed) {
            MEASURE => times.push(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            STOP => break,
            _ => {}
        }
    }
    Ok(times)
}
