//! `pitaya schema pull`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pitaya::Bytes;
use pitaya::client::Client;
use pitaya_schema::Schema;

use super::{Done, print};
use crate::client::{Address, Target, TlsArgs, duration};

/// The route of `pitaya::schema::SchemaRoute`, on the server that the client is connected to.
const ROUTE: &str = "docs.schema";

#[derive(Args)]
pub(crate) struct Pull {
    /// The server: `HOST:PORT` for TCP, or `ws://HOST:PORT/PATH`, `wss://…`, `tls://HOST:PORT`
    address: Address,
    /// The file to write; the standard output by default
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
    /// The longest that connecting and the answer may each take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
}

impl Pull {
    pub(crate) fn run(self) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("failed to start: {error}"))?;
        let schema = runtime.block_on(self.pull())?;
        match self.out {
            None => print(schema.to_json().as_bytes()),
            Some(path) => {
                std::fs::write(&path, schema.to_json()).map_err(|error| format!("{path}: {error}"))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    async fn pull(&self) -> Result<Schema, String> {
        let address = &self.address;
        let builder = Client::builder().connect_timeout(self.timeout).request_timeout(self.timeout);
        let client = Target::new(address.clone(), &self.tls)?.connect(&builder).await?;
        let answer = client.request_raw(ROUTE, Bytes::new()).await;
        client.disconnect().await;
        let text = answer.map_err(|error| match error.code() {
            "PIT-404" => format!(
                "{address} does not serve its schema: its program must register \
                 `pitaya::schema::SchemaRoute`"
            ),
            code => format!("{address}: {code}: {}", error.msg()),
        })?;
        let text = std::str::from_utf8(&text).map_err(|error| format!("{address}: {error}"))?;
        Schema::from_json(text).map_err(|error| format!("{address}: {error}"))
    }
}
