//! One says, and all of a group hear.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Notify;

use crate::args::Args;
use crate::body::{self, Expected};
use crate::connection::Connection;
use crate::measure::{self, Worker};
use crate::message::{self, Requests};

/// The state that the speaker and the members share.
struct Round {
    /// Members that have not heard yet.
    missing: AtomicUsize,
    /// All have heard; before the first round, one more has joined.
    heard: Notify,
    /// Members that have joined.
    joined: AtomicUsize,
}

/// Worker 0 speaks, the others are the members. An operation is one member's push; latencies are those of a whole
/// broadcast, until the last member has it.
pub(crate) fn run(args: &Args) -> io::Result<Value> {
    let body = body::make(args);
    let members = args.connections;
    let round =
        Arc::new(Round { missing: AtomicUsize::new(0), heard: Notify::new(), joined: AtomicUsize::new(0) });
    let shared = args.clone();
    measure::run(args, members + 1, members as f64, move |worker| {
        let args = shared.clone().for_worker(worker.number);
        let (body, round) = (body.clone(), Arc::clone(&round));
        async move {
            if worker.number == 0 {
                speak(worker, args, body, round).await
            } else {
                hear(worker, args, body, round).await
            }
        }
    })
}

async fn speak(mut worker: Worker, args: Args, body: Vec<u8>, round: Arc<Round>) -> io::Result<()> {
    let mut connection = worker.open(Connection::open(&args)).await?;
    let mut say = Vec::new();
    let route = format!("{}.fan.say", args.fan);
    message::packet(args.transport, 4, &message::notify(&route, &body), &mut say);
    while round.joined.load(SeqCst) < args.connections {
        round.heard.notified().await;
    }
    loop {
        let begun = Instant::now();
        round.missing.store(args.connections, SeqCst);
        connection.write(&say).await?;
        while round.missing.load(SeqCst) > 0 {
            round.heard.notified().await;
        }
        if !worker.done(begun) {
            return Ok(());
        }
    }
}

async fn hear(mut worker: Worker, args: Args, body: Vec<u8>, round: Arc<Round>) -> io::Result<()> {
    // Where a server cannot know when the member has gone, it is the same one in the next run.
    let name = format!("{{\"text\":\"member-{}\"}}", worker.number);
    let mut join = Requests::new(args.transport, &format!("{}.fan.join", args.fan), name.as_bytes(), 1);
    let mut connection = worker
        .open(async {
            let mut connection = Connection::open(&args).await?;
            let (bytes, id) = join.fresh();
            connection.write(bytes).await?;
            message::response(connection.packet().await?, id)?;
            round.joined.fetch_add(1, SeqCst);
            round.heard.notify_one();
            Ok(connection)
        })
        .await?;
    let mut expected = Expected::new(body);
    loop {
        let (body, deflated) = message::push(connection.packet().await?, "onSay")?;
        expected.check(body, deflated)?;
        if round.missing.fetch_sub(1, SeqCst) == 1 {
            round.heard.notify_one();
        }
        if !worker.count() {
            return Ok(());
        }
    }
}
