//! Clients that come, shake hands and go.

use std::io;
use std::time::Instant;

use serde_json::Value;

use crate::args::Args;
use crate::connection::Connection;
use crate::measure;

/// One operation is: connect, upgrade where that is the transport, handshake, ack, and a close by both sides.
pub(crate) fn run(args: &Args) -> io::Result<Value> {
    let shared = args.clone();
    measure::run(args, args.connections, 1.0, move |mut worker| {
        let args = shared.clone().for_worker(worker.number);
        async move {
            worker.open(Connection::open(&args)).await?.leave().await?;
            loop {
                let begun = Instant::now();
                Connection::open(&args).await?.leave().await?;
                if !worker.done(begun) {
                    return Ok(());
                }
            }
        }
    })
}
