//! Reliable RPC: a room enqueues log entries, and a worker has the metagame server write them.
//!
//! Routes and messages are those of Go Pitaya's worker demo, so that each of the three servers may be Go Pitaya's.

use std::sync::atomic::{AtomicU32, Ordering};

use pitaya::app::Builder;
use pitaya::prelude::*;
use pitaya::worker::{Reliable, Worker};

/// A log entry.
#[message(proto)]
pub struct Arg {
    /// The text.
    #[tag(1)]
    pub msg: String,
}

/// The answer of the metagame server.
#[message(proto)]
#[derive(PartialEq)]
pub struct Response {
    /// 200.
    #[tag(1)]
    pub code: i32,
    /// The text.
    #[tag(2)]
    pub msg: String,
}

/// The remotes of the metagame server.
#[remote(server = "metagame", service = "metagame")]
pub trait MetagameApi {
    /// Writes a log entry.
    #[route("logremote")]
    async fn log_remote(&self, req: Arg) -> Result<Response>;
}

/// The server that players connect to.
#[derive(Debug, Component)]
pub struct Room {
    reliable: Reliable,
}

#[handler(server = "room", service = "room")]
impl Room {
    /// Enqueues a log entry and answers with the id of the job.
    #[route("calllog")]
    pub async fn call_log(&self, msg: Arg) -> Result<Response> {
        let job = self.reliable.call(&MetagameApiClient::LOG_REMOTE, &msg).await?;
        Ok(Response { code: 200, msg: job.to_string() })
    }
}

/// The server that writes the log.
#[derive(Debug, Default)]
pub struct Metagame {
    /// Entries written so far.
    pub entries: AtomicU32,
}

#[remote]
impl MetagameApi for Metagame {
    async fn log_remote(&self, req: Arg) -> Result<Response> {
        // Fails once, to show a retry.
        if self.entries.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Error::new("METAGAME-001", "the first entry fails"));
        }
        tracing::info!(entry = req.msg, "logged");
        Ok(Response { code: 200, msg: "ok".to_owned() })
    }
}

/// Makes an app the server that players connect to.
#[must_use]
pub fn room(app: Builder) -> Builder {
    app.server_type("room")
}

/// Makes an app the server that writes the log.
#[must_use]
pub fn metagame(app: Builder) -> Builder {
    app.server_type("metagame").backend().register(Metagame::default())
}

/// Makes an app the server that runs jobs.
#[must_use]
pub fn worker(app: Builder) -> Builder {
    // It serves no route of its own.
    let app = app.server_type("worker").backend().explicit_components();
    app.worker(Worker::new().route(&MetagameApiClient::LOG_REMOTE))
}
