//! A load generator for servers of this protocol, with its own raw framing; see `benches/README.md`.
//!
//! ```text
//! bench-load echo|churn|fan|idle --addr ADDR... --pid PID... [--monitor ADDR] [--transport tcp|ws] [--threads N]
//!     [--connections N] [--warmup SECONDS] [--seconds SECONDS]
//!     [--burst N] [--requests N] [--route ROUTE] [--body BYTES] [--content text|random] [--shape raw|json|protobuf]
//!     [--fan SERVER] [--operations N]
//! ```
//! With `--operations` each connection makes that many operations, and nothing is timed: another program counts what
//! the server does meanwhile.
//!
//! Of several addresses connections take one after the other; of several processes each has its CPU time in the report,
//! the first being the server. `--monitor` is the monitoring port of a NATS server, whose messages are counted then.
//!
//! It checks every answer, and prints one line of JSON. A wrong answer, or none, ends it with an error.

mod args;
mod body;
mod churn;
mod connection;
mod echo;
mod fan;
mod idle;
mod measure;
mod message;

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = args::Args::parse(std::env::args().skip(1)).and_then(|args| {
        pitaya_bench::proc::raise_open_files()?;
        match args.scenario {
            args::Scenario::Echo => echo::run(&args),
            args::Scenario::Churn => churn::run(&args),
            args::Scenario::Fan => fan::run(&args),
            args::Scenario::Idle => idle::run(&args),
        }
    });
    match result {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-load: {error}");
            ExitCode::FAILURE
        }
    }
}
