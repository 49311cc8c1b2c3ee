//! The servers that are measured: started when first needed, ended with the fleet.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::scenario::{Side, Transport};

/// How long a server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// Servers by side; of the bare echo there is one a transport.
pub(super) struct Fleet {
    programs: PathBuf,
    running: HashMap<(Side, Transport), Server>,
}

impl Fleet {
    /// No server yet.
    pub(super) fn new(programs: &Path) -> Self {
        Self { programs: programs.to_owned(), running: HashMap::new() }
    }

    /// The server of this side, started if it does not run.
    pub(super) fn server(&mut self, side: Side, transport: Transport) -> Result<&Server, String> {
        let key = key(side, transport);
        if !self.running.contains_key(&key) {
            let server = Server::start(&self.programs, side, transport)?;
            self.running.insert(key, server);
        }
        Ok(&self.running[&key])
    }

    /// Ends the server of this side, if it runs.
    pub(super) fn stop(&mut self, side: Side, transport: Transport) {
        self.running.remove(&key(side, transport));
    }
}

/// One `bench-server` serves both transports.
fn key(side: Side, transport: Transport) -> (Side, Transport) {
    (side, if side == Side::Bare { transport } else { Transport::Tcp })
}

/// A process that ends when it is dropped.
pub(super) struct Server {
    child: Child,
    tcp: SocketAddr,
    ws: SocketAddr,
}

impl Server {
    fn start(programs: &Path, side: Side, transport: Transport) -> Result<Self, String> {
        let (tcp, ws) = (free_address()?, free_address()?);
        let (tcp_text, ws_text) = (tcp.to_string(), ws.to_string());
        let (program, args): (&str, Vec<&str>) = match (side, transport) {
            (Side::Bare, Transport::Tcp) => ("bare-tcp", vec![&tcp_text]),
            (Side::Bare, Transport::WebSocket) => ("bare-ws", vec![&ws_text]),
            _ => {
                let compression = if side == Side::Compressing { "on" } else { "off" };
                let serializer = if side == Side::Protobuf { "protobuf" } else { "json" };
                let mut args = vec!["--tcp", &tcp_text, "--ws", &ws_text];
                args.extend(["--compression", compression, "--serializer", serializer]);
                args.extend(["--observed", if side == Side::Observed { "on" } else { "off" }]);
                ("bench-server", args)
            }
        };
        let child = Command::new(programs.join(program))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program}: {error}"))?;
        let mut server = Self { child, tcp, ws };
        let stderr = server.child.stderr.take().ok_or("no stderr")?;
        wait_ready(stderr).map_err(|error| format!("{program}: {error}"))?;
        Ok(server)
    }

    /// Where it listens.
    pub(super) fn address(&self, transport: Transport) -> String {
        if transport == Transport::Tcp { self.tcp } else { self.ws }.to_string()
    }

    /// Its process id.
    pub(super) fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("== process {} could not be ended: {error}", self.child.id());
        }
    }
}

/// Waits for the line `ready`. Everything else that the server writes is shown, now and later.
fn wait_ready(stderr: ChildStderr) -> Result<(), String> {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if line == "ready" {
                // The receiver is gone if the line came too late. Then the start has failed already.
                let _ = ready.send(());
            } else {
                eprintln!("{line}");
            }
        }
    });
    is_ready.recv_timeout(START).map_err(|_| "it did not say that it is ready".to_owned())
}

/// An address on loopback that was free a moment ago.
pub(super) fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| error.to_string())
}
