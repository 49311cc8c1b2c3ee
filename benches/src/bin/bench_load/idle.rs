//! Measures the memory of connections that have made some requests and are idle.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pitaya_bench::proc;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::args::Args;
use crate::body::{self, Expected};
use crate::connection::Connection;
use crate::echo;
use crate::message::Requests;

/// Connections that open, or make their requests, at a time.
const AT_ONCE: usize = 256;

/// All connections open, then each makes its requests, then all rest, and the server's memory is read.
pub(crate) fn run(args: &Args) -> io::Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let before = proc::resident(args.pids[0])?;
        let mut connections = Vec::with_capacity(args.connections);
        for connection in at_once((0..args.connections).map(|number| {
            let args = args.clone().for_worker(number);
            async move { Connection::open(&args).await }
        }))
        .await?
        {
            connections.push(connection);
        }
        let body = body::make(args);
        let requests = Requests::new(args.transport, &args.route, &body, 1);
        let expected = Expected::new(body);
        let connections = at_once(connections.into_iter().map(|mut connection| {
            let (mut requests, mut expected, count) = (requests.clone(), expected.clone(), args.requests);
            async move {
                for _ in 0..count {
                    echo::burst(&mut connection, &mut requests, &mut expected, 1).await?;
                }
                Ok(connection)
            }
        }))
        .await?;
        tokio::time::sleep(args.seconds.max(Duration::from_millis(1))).await;
        let after = proc::resident(args.pids[0])?;
        Ok(json!({
            "scenario": "idle",
            "connections": connections.len(),
            "requests": args.requests,
            "resident_before": before,
            "resident_after": after,
            "bytes_per_connection": after.saturating_sub(before) as f64 / connections.len() as f64,
        }))
    })
}

/// Runs all, some at a time. Returns their results.
async fn at_once<T, Fut>(all: impl Iterator<Item = Fut>) -> io::Result<Vec<T>>
where
    T: Send + 'static,
    Fut: Future<Output = io::Result<T>> + Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for one in all {
        let turns = Arc::clone(&turns);
        tasks.spawn(async move {
            let _turn = turns.acquire_owned().await.map_err(io::Error::other)?;
            one.await
        });
    }
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(ended) = tasks.join_next().await {
        results.push(ended.map_err(io::Error::other)??);
    }
    Ok(results)
}
