//! Requests, each answered before the next; or bursts of them, each in one write.

use std::io;
use std::time::Instant;

use serde_json::Value;

use crate::args::Args;
use crate::body::{self, Expected};
use crate::connection::Connection;
use crate::measure::{self, Worker};
use crate::message::{self, Requests};

/// Latencies are those of a whole burst.
pub(crate) fn run(args: &Args) -> io::Result<Value> {
    let body = body::make(args);
    let requests = Requests::new(args.transport, &args.route, &body, args.burst);
    let expected = Expected::new(body);
    let shared = args.clone();
    measure::run(args, args.connections, f64::from(args.burst), move |worker| {
        let args = shared.clone().for_worker(worker.number);
        client(worker, args, requests.clone(), expected.clone())
    })
}

async fn client(
    mut worker: Worker,
    args: Args,
    mut requests: Requests,
    mut expected: Expected,
) -> io::Result<()> {
    let mut connection = worker.open(Connection::open(&args)).await?;
    loop {
        let begun = Instant::now();
        burst(&mut connection, &mut requests, &mut expected, args.burst).await?;
        if !worker.done(begun) {
            return Ok(());
        }
    }
}

/// One burst and all its answers, which must come in order.
pub(crate) async fn burst(
    connection: &mut Connection,
    requests: &mut Requests,
    expected: &mut Expected,
    size: u16,
) -> io::Result<()> {
    let (bytes, first) = requests.fresh();
    connection.write(bytes).await?;
    for id in first..first + size {
        let (body, deflated) = message::response(connection.packet().await?, id)?;
        expected.check(body, deflated)?;
    }
    Ok(())
}
