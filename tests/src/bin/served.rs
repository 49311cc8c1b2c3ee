//! The arena as a process of its own, for tests of signals. Its configuration comes from the environment; it prints
//! the address it listens on and serves until a signal.

use std::io::Write;
use std::sync::Arc;

use pitaya::config::Config;
use pitaya::module::{Module, SessionModule};
use pitaya::prelude::*;
use pitaya::schema::Schema;
use pitaya_tests::server::{self, Recorder};

/// A module that has sessions of its own for as long as a file exists.
struct Held(String);

impl Module for Held {
    async fn shutdown(&self) -> Result<()> {
        println!("module shutdown");
        Ok(())
    }
}

impl SessionModule for Held {
    fn start_session_draining(&self) {
        println!("draining");
        let _ = std::io::stdout().flush();
    }

    fn session_count(&self) -> usize {
        usize::from(!self.0.is_empty() && std::path::Path::new(&self.0).exists())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config::from_env()?;
    let recorder = Arc::new(Recorder::default());
    let held = std::env::var("HELD").unwrap_or_default();
    let mut app = server::builder(config, &recorder).session_module("held", Held(held));
    if std::env::var_os("SCHEMA").is_some() {
        app = app.schema(&Schema::new("arena"));
    }
    let app = app.start().await?;
    let address = app.addresses()[0].to_owned();
    let wait = app.wait(); // signals are listened to before anybody knows where to find us
    println!("{address}");
    wait.await;
    println!("stopped");
    Ok(())
}
