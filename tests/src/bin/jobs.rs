//! A worker that prints the jobs it runs, for tests that kill it. With the variable `HANG`, no job ends.

use std::future::pending;
use std::io::Write;

use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::worker::Worker;

/// The argument of a job.
#[message]
struct Work {
    text: String,
}

/// Runs jobs.
#[derive(Component)]
struct Runs;

#[remote(server = "killed", service = "runs")]
impl Runs {
    /// Prints that the job began, then ends or hangs.
    #[idempotent]
    pub async fn run(&self, work: Work) -> Result<()> {
        println!("began {}", work.text);
        let _ = std::io::stdout().flush();
        if std::env::var_os("HANG").is_some() {
            pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    App::builder()
        .config(Config::from_env()?)
        .server_type("killed")
        .backend()
        .worker(Worker::new())
        .run()
        .await
}
