//! Starts the server of end-to-end suites: see `flags.rs`.
//!
//! It writes `all modules started!` to standard error when it is ready. Without `-debug` it logs errors only, or what
//! the variable `RUST_LOG` says.

use std::process::ExitCode;

use e2e_server::flags::Flags;
use e2e_server::log::Lossy;
use pitaya::acceptor::{Tcp, Tls};
use pitaya::binding::{EtcdBindingOptions, EtcdBindingStorage};
use pitaya::config::{Config, RpcTransport};
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use tracing_subscriber::EnvFilter;

pitaya::link!(e2e_server);

#[tokio::main]
async fn main() -> ExitCode {
    let flags = match Flags::parse(std::env::args().skip(1)) {
        Ok(flags) => flags,
        Err(said) => {
            eprintln!("{said}");
            return ExitCode::from(2);
        }
    };
    match serve(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(flags: Flags) -> Result<()> {
    let level = if flags.debug { "debug" } else { "error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Lossy::start()).init();
    let mut config = Config::from_env()?;
    config.etcd.prefix = flags.sd_prefix;
    if flags.grpc {
        config.rpc_transport = RpcTransport::Grpc;
        config.grpc.port = flags.grpc_port;
        config.grpc.advertised_host = "127.0.0.1".to_owned();
    }
    let bindings = EtcdBindingOptions::from_config(&config);
    let serializer = match &*flags.serializer {
        "json" => Serializer::Json,
        "protobuf" => Serializer::Protobuf,
        other => return Err(Error::new("E2E-002", format!("-serializer {other}: json or protobuf"))),
    };
    let app = App::builder().config(config).server_type(flags.server_type).serializer(serializer).cluster();
    let app = match flags.grpc {
        // Servers of Go Pitaya find users there.
        true => app.binding_storage(EtcdBindingStorage::new(bindings)),
        false => app,
    };
    let app = if flags.frontend {
        let tcp = Tcp::new(format!("0.0.0.0:{}", flags.port));
        match (flags.tls_cert, flags.tls_key) {
            (Some(cert), Some(key)) => app.acceptor(tcp.tls(Tls::from_pem_files(cert, key).internal()?)),
            (None, None) => app.acceptor(tcp),
            _ => return Err(Error::new("E2E-003", "-tlscert and -tlskey go together")),
        }
    } else {
        app.backend()
    };
    app.run_with(|_| eprintln!("all modules started!")).await
}
