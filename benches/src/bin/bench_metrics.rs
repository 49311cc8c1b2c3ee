//! Records one metric at both exporters, again and again, as a handler does: through a handle.
//!
//! ```text
//! bench-metrics counter|gauge|summary|histogram OPERATIONS
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use pitaya::config::Config;
use pitaya::metrics::{
    BoundMetric, CHANNEL_CAPACITY, CONNECTED_CLIENTS, EXCEEDED_RATE_LIMITING, Metrics, Prometheus,
    RESPONSE_TIME, Statsd,
};

fn handle(kind: &str) -> Option<BoundMetric> {
    let config = Config::default();
    let statsd = Statsd::from_config(&config).ok()?;
    let metrics = Metrics::new(&config, "bench", vec![Arc::new(Prometheus::new()), Arc::new(statsd)]).ok()?;
    match kind {
        "counter" => metrics.bind(&EXCEEDED_RATE_LIMITING, &[]),
        "gauge" => metrics.bind(&CONNECTED_CLIENTS, &[]),
        "summary" => {
            let labels = [("route", "bench.echo.raw"), ("status", "ok"), ("type", "handler"), ("code", "")];
            metrics.bind(&RESPONSE_TIME, &labels)
        }
        "histogram" => metrics.bind(&CHANNEL_CAPACITY, &[("channel", "agent_chsend")]),
        _ => return None,
    }
    .ok()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match &args[..] {
        [kind, operations] => handle(kind).zip(operations.parse::<u32>().ok()),
        _ => None,
    };
    let Some((handle, operations)) = parsed else {
        eprintln!("usage: bench-metrics counter|gauge|summary|histogram OPERATIONS");
        return ExitCode::from(2);
    };
    for operation in 0..operations {
        // 40 µs to 60 µs
        handle.record(f64::from(40_000 + operation % 20_000));
    }
    ExitCode::SUCCESS
}
