//! Servers as processes: those of this repository, and a peer of another implementation.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::etcd::{self, Etcd};
use crate::nats::Nats;
use crate::raw_client::RawClient;
use crate::soon;

/// Another process may take a port between our finding it free and the server's binding it.
const ATTEMPTS: usize = 10;

/// The brokers and the registry of one cluster.
#[derive(Debug)]
pub struct Brokers {
    /// `None` in a cluster over gRPC.
    nats: Option<Nats>,
    etcd: &'static Etcd,
    prefix: String,
    /// The number of servers that each started program has listed.
    listed: Mutex<Vec<watch::Receiver<usize>>>,
}

impl Brokers {
    /// A broker of its own, and a part of the registry of its own.
    pub async fn start() -> Self {
        let (nats, etcd) = (Nats::start().await, Etcd::shared().await);
        Self { nats: Some(nats), etcd, prefix: etcd::prefix(), listed: Mutex::default() }
    }

    /// A registry without a broker: the servers call each other over gRPC.
    pub async fn without_nats() -> Self {
        Self { nats: None, etcd: Etcd::shared().await, prefix: etcd::prefix(), listed: Mutex::default() }
    }

    /// Whether the servers call each other over gRPC.
    #[must_use]
    pub fn over_grpc(&self) -> bool {
        self.nats.is_none()
    }

    /// Its broker.
    ///
    /// # Panics
    /// In a cluster over gRPC.
    #[must_use]
    pub fn nats(&self) -> &Nats {
        self.nats.as_ref().expect("a cluster over NATS")
    }

    /// Its broker, to kill and restart it.
    ///
    /// # Panics
    /// In a cluster over gRPC.
    pub fn nats_mut(&mut self) -> &mut Nats {
        self.nats.as_mut().expect("a cluster over NATS")
    }

    /// The same with a registry of its own, that the test may kill and freeze. It lives as long as the test binary.
    pub async fn start_apart() -> Self {
        let (nats, etcd) = (Nats::start().await, Etcd::start().await);
        Self {
            nats: Some(nats),
            etcd: Box::leak(Box::new(etcd)),
            prefix: etcd::prefix(),
            listed: Mutex::default(),
        }
    }

    /// Returns the prefix of the keys of this cluster.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Its registry.
    #[must_use]
    pub fn etcd(&self) -> &'static Etcd {
        self.etcd
    }

    /// Waits until so many servers of a type are registered.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn until_registered(&self, server_type: &str, count: i64) {
        let mut client = self.etcd.client().await;
        let key = format!("{}servers/{server_type}/", self.prefix);
        soon("servers to register", async {
            loop {
                let counted = etcd_client::GetOptions::new().with_prefix().with_count_only();
                if client.get(&*key, Some(counted)).await.expect("etcd answers").count() >= count {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// Waits until each started program lists all of them. For programs of this framework, which all run.
    ///
    /// # Panics
    /// If it does not come to that.
    pub async fn until_all_listed(&self) {
        let mut listed = self.listed.lock().expect("no thread panicked with it").clone();
        let all = listed.len();
        let wait = listed.iter_mut().map(|count| count.wait_for(|count| *count >= all));
        for count in soon("the servers to list each other", join_all(wait)).await {
            count.expect("the program runs");
        }
    }

    /// Starts a program as a server of this cluster, with no environment but the addresses of broker and registry.
    ///
    /// # Panics
    /// If it does not say within [`PATIENCE`](crate::PATIENCE) that it is ready.
    pub async fn server(&self, program: &Path, server_type: &str, frontend: bool) -> Program {
        self.server_with(program, server_type, frontend, &[]).await
    }

    /// The same with more variables of the environment.
    ///
    /// # Panics
    /// As [`server`](Self::server).
    pub async fn server_with(
        &self,
        program: &Path,
        server_type: &str,
        frontend: bool,
        env: &[(&str, &str)],
    ) -> Program {
        for _ in 0..ATTEMPTS {
            let (port, grpc_port) = (free_port(), free_port());
            let nats = self.nats.as_ref().map_or_else(|| "nats://127.0.0.1:1".to_owned(), Nats::url);
            let grpc = self.nats.is_none();
            let mut child = Command::new(program)
                .args(["-type", server_type, "-port", &port.to_string(), "-sdprefix", &self.prefix])
                .args([&format!("-frontend={frontend}"), &format!("-grpc={grpc}"), "-serializer=json"])
                .args(["-grpcport", &grpc_port.to_string()])
                .env_clear()
                .env("RUST_LOG", "error,pitaya::cluster::servers=info")
                .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", self.etcd.url())
                .env("PITAYA_MODULES_BINDINGSTORAGE_ETCD_ENDPOINTS", self.etcd.url())
                .env("PITAYA_MODULES_BINDINGSTORAGE_ETCD_PREFIX", &self.prefix)
                .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", &nats)
                .env("PITAYA_CLUSTER_RPC_SERVER_NATS_CONNECT", &nats)
                .envs(env.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the program starts");
            let mut lines = BufReader::new(child.stderr.take().expect("its errors")).lines();
            let mut said = Vec::new();
            let ready = soon("the server to be ready", async {
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.contains("all modules started!") {
                        return true;
                    }
                    said.push(line);
                }
                false
            })
            .await;
            if ready {
                let is_listing = |line: &str| line.contains("server added");
                let (sender, listed) = watch::channel(said.iter().filter(|line| is_listing(line)).count());
                self.listed.lock().expect("no thread panicked with it").push(listed);
                // A task reads its output, so that the program never waits for a reader.
                tokio::spawn(async move {
                    while let Ok(Some(line)) = lines.next_line().await {
                        sender.send_modify(|count| *count += usize::from(is_listing(&line)));
                    }
                });
                return Program { child, port };
            }
            eprintln!("{} did not start: {}", program.display(), said.join("\n"));
        }
        panic!("{} did not start in {ATTEMPTS} attempts", program.display());
    }

    /// Type and id of every server that is registered.
    ///
    /// # Panics
    /// If the registry is unreachable.
    pub async fn registered(&self) -> Vec<(String, String)> {
        let mut etcd = self.etcd.client().await;
        let list = etcd_client::GetOptions::new().with_prefix().with_keys_only();
        let under = format!("{}servers/", self.prefix);
        let keys = etcd.get(under.clone(), Some(list)).await.expect("the registry answers");
        let parts = |key: &str| {
            let (server_type, id) = key.strip_prefix(&under)?.split_once('/')?;
            Some((server_type.to_owned(), id.to_owned()))
        };
        keys.kvs().iter().filter_map(|kv| parts(kv.key_str().ok()?)).collect()
    }
}

/// A server as a process. It is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    port: u16,
}

impl Program {
    /// A client that has shaken hands with it.
    ///
    /// # Panics
    /// If it is no frontend.
    pub async fn client(&self) -> RawClient {
        RawClient::ready(([127, 0, 0, 1], self.port).into()).await
    }

    /// Its process.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The memory it holds, in bytes.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1024
    }

    /// Kills it, without a chance to say anything.
    ///
    /// # Panics
    /// If it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is ours");
    }

    /// Sends it a signal, such as `STOP` and `CONT`.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("it is ours");
    }

    /// Asks it to end, as an operator would, and waits until it has.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        soon("the server to end", self.child.wait()).await.expect("it has ended");
    }
}

/// The program that `PITAYA_PEER_SERVER` names, if it names one.
#[must_use]
pub fn peer() -> Option<PathBuf> {
    std::env::var_os("PITAYA_PEER_SERVER").map(PathBuf::from)
}

/// A port that was free just now.
///
/// # Panics
/// If no port is free.
#[must_use]
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
