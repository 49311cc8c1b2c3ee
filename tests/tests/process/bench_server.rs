//! The server of the benchmarks as a process: all its acceptors, what it says it holds, and what the system says.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;

use pitaya_tests::certificate::Certificate;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::{soon, until};
use rustix::process::{Pid, Signal, kill_process};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Another process may take a port between our finding it free and the server's binding it.
const ATTEMPTS: usize = 10;

/// One of the ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp,
    Ws,
    Tls,
    Proxy,
}

/// The resources that a server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) sessions: usize,
    pub(crate) tasks: usize,
    pub(crate) descriptors: usize,
}

/// The answer of `bench.alive`.
#[derive(Deserialize)]
struct Stats {
    sessions: usize,
    tasks: usize,
}

pub(crate) struct BenchServer {
    child: Child,
    at: [SocketAddr; 4],
    pub(crate) tls: TlsConnector,
    _stderr: Lines<BufReader<ChildStderr>>,
    _certificate: Certificate,
}

impl BenchServer {
    /// Starts one with all acceptors, configured by `env` alone.
    pub(crate) async fn start(env: &[(&str, &str)]) -> Self {
        let made = Certificate::of(&["localhost"]);
        let (cert, key) = (made.cert_file(), made.key_file());
        for _ in 0..ATTEMPTS {
            let at = free_addresses();
            let [tcp, ws, tls, proxy] = at.map(|address| address.to_string());
            let mut child = Command::new(env!("CARGO_BIN_EXE_tested-bench-server"))
                .args(["--tcp", &tcp, "--ws", &ws, "--tls", &tls, "--proxy", &proxy])
                .args(["--cert".as_ref(), cert.as_os_str(), "--key".as_ref(), key.as_os_str()])
                .args(["--compression", "off"])
                .env_clear()
                .envs(env.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the server starts");
            let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
            let line = soon("the server to be ready", stderr.next_line()).await.unwrap();
            if line.as_deref() == Some("ready") {
                let tls = TlsConnector::from(client_config(&[CertificateDer::from_pem_slice(
                    made.cert.as_bytes(),
                )
                .unwrap()]));
                return Self { child, at, tls, _stderr: stderr, _certificate: made };
            }
        }
        panic!("the server did not start in {ATTEMPTS} attempts");
    }

    /// Where a door is.
    pub(crate) fn at(&self, door: Door) -> SocketAddr {
        self.at[door as usize]
    }

    /// Returns the resources it holds; `client` is connected to it.
    pub(crate) async fn held(&self, watcher: &mut RawClient) -> Held {
        let stats: Stats = serde_json::from_str(&watcher.ask("bench.stats", "").await).expect("its stats");
        Held { sessions: stats.sessions, tasks: stats.tasks, descriptors: self.descriptors() }
    }

    /// Its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("its descriptors").count()
    }

    /// Stops the whole process, until [`go_on`](Self::go_on).
    pub(crate) async fn stand_still(&self) {
        self.signal(Signal::STOP);
        until("every thread to stand still", || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
            threads.flatten().all(|thread| {
                // The state comes after the name, which is in parentheses and may be anything.
                std::fs::read_to_string(thread.path().join("stat"))
                    .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
            })
        })
        .await;
    }

    /// Continues the process.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).expect("the server lives");
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("the server lives")
    }
}

/// Addresses that were free a moment ago.
fn free_addresses() -> [SocketAddr; 4] {
    let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address"))
}

/// The configuration of a client that trusts these certificates.
pub(crate) fn client_config(certificates: &[CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
