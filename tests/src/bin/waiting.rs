//! A server of a cluster that logs to standard output and stops at a signal, for tests of a start that waits.

use pitaya::config::Config;
use pitaya::prelude::*;

/// Serves something, as each server has to.
#[derive(Component)]
struct Idle;

#[handler(server = "waiting")]
impl Idle {
    /// Nothing.
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_ansi(false).init();
    App::builder().config(Config::from_env()?).server_type("waiting").backend().cluster().run().await
}
