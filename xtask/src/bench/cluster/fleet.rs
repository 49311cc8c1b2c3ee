//! The processes: NATS, etcd, our servers, the bare ones, those of Go Pitaya. All end with the fleet.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::servers::free_address;

/// How long a process may take until it can be used.
const START: Duration = Duration::from_secs(15);
/// Where the bare echo over NATS listens.
pub(super) const SUBJECT: &str = "bench/echo";
/// The prefix of the keys of our servers.
pub(super) const OURS: &str = "bench/ours/";
/// The prefix of the keys of our servers over gRPC.
pub(super) const OVER_GRPC: &str = "bench/grpc/";
/// The prefix of the keys of Go Pitaya's servers.
const ORIGINAL: &str = "bench/original/";

/// A front, and the back that it passes messages on to.
pub(super) struct Pair {
    pub(super) front: Process,
    pub(super) back: Process,
    /// Where clients connect.
    pub(super) address: String,
}

/// All that runs. The servers end before what they are connected to: fields end in their order.
pub(super) struct Fleet {
    pub(super) ours: Pair,
    /// A second front of this framework.
    pub(super) second: Process,
    pub(super) second_address: String,
    pub(super) go: Option<Pair>,
    /// Two servers of this framework that call each other over gRPC.
    pub(super) over_grpc: Pair,
    pub(super) bare_grpc: Process,
    pub(super) bare_grpc_address: String,
    pub(super) tcp: Process,
    pub(super) tcp_address: String,
    pub(super) bare: Process,
    pub(super) nats: Process,
    pub(super) nats_url: String,
    /// The monitoring port of NATS.
    pub(super) monitor: String,
    pub(super) etcd_url: String,
    _etcd: Process,
    _folder: Folder,
}

impl Fleet {
    pub(super) fn start(programs: &Path, go: Option<&Path>) -> Result<Self, String> {
        let folder = Folder::new("bench-cluster");
        let (etcd, etcd_url) = start_etcd(&folder)?;
        let (nats, nats_url, monitor) = start_nats()?;

        let server_over = |transport: [&str; 2], prefix: &str, role: &str, tcp: Option<&str>| {
            let mut server = Command::new(programs.join("bench-server"));
            server.args(transport).args(["--role", role, "--etcd", &etcd_url, "--prefix", prefix]);
            server.args(["--compression", "off", "--serializer", "json"]);
            server.args(tcp.iter().flat_map(|address| ["--tcp", address]));
            Process::ready(server, "ready")
        };
        let server = |role: &str, tcp: Option<&str>| server_over(["--nats", &nats_url], OURS, role, tcp);
        let grpc = |role: &str, tcp: Option<&str>| {
            let port = free_address()?.port().to_string();
            server_over(["--grpc", &port], OVER_GRPC, role, tcp)
        };
        let (address, second_address) = (free_address()?.to_string(), free_address()?.to_string());
        let back = server("back", None)?;
        let front = server("front", Some(&address))?;
        let second = server("front", Some(&second_address))?;
        let grpc_address = free_address()?.to_string();
        let over_grpc = Pair {
            back: grpc("back", None)?,
            front: grpc("front", Some(&grpc_address))?,
            address: grpc_address,
        };
        let bare_grpc_address = free_address()?.to_string();
        let mut bare_grpc = Command::new(programs.join("bare-grpc"));
        bare_grpc.arg(&bare_grpc_address);
        let tcp_address = free_address()?.to_string();
        let mut tcp = Command::new(programs.join("bare-tcp"));
        tcp.arg(&tcp_address);
        let mut bare = Command::new(programs.join("bare-nats"));
        bare.args([&nats_url, SUBJECT]);
        Ok(Self {
            ours: Pair { front, back, address },
            second,
            second_address,
            go: go.map(|program| original(program, &nats_url, &etcd_url)).transpose()?,
            over_grpc,
            bare_grpc: Process::ready(bare_grpc, "ready")?,
            bare_grpc_address,
            tcp: Process::ready(tcp, "ready")?,
            tcp_address,
            bare: Process::ready(bare, "ready")?,
            nats,
            nats_url,
            monitor,
            etcd_url,
            _etcd: etcd,
            _folder: folder,
        })
    }
}

/// Starts etcd with its data in this folder. Returns the process and its URL.
pub(in crate::bench) fn start_etcd(folder: &Folder) -> Result<(Process, String), String> {
    let (etcd_address, peers) = (free_address()?, free_address()?);
    let (etcd_url, peers) = (format!("http://{etcd_address}"), format!("http://{peers}"));
    let mut etcd = Command::new("etcd");
    etcd.arg("--data-dir")
        .arg(&folder.0)
        .args(["--listen-client-urls", &etcd_url, "--advertise-client-urls", &etcd_url])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}"), "--log-level=error"]);
    Ok((Process::listening(etcd, &etcd_address.to_string())?, etcd_url))
}

/// Starts a NATS server. Returns the process, its URL, and the address of its monitoring port.
pub(in crate::bench) fn start_nats() -> Result<(Process, String, String), String> {
    let (nats_address, monitor) = (free_address()?, free_address()?);
    // Debian keeps it where only root looks.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let mut nats = Command::new("nats-server");
    nats.env("PATH", path);
    nats.args(["-a", "127.0.0.1", "-p", &nats_address.port().to_string()]);
    nats.args(["-m", &monitor.port().to_string()]);
    let nats = Process::listening(nats, &monitor.to_string())?;
    Ok((nats, format!("nats://{nats_address}"), monitor.to_string()))
}

/// A pair of servers of Go Pitaya.
fn original(program: &Path, nats: &str, etcd: &str) -> Result<Pair, String> {
    let server = |server_type: &str, frontend: bool| {
        let address = free_address()?;
        let mut server = Command::new(program);
        server
            .args(["-type", server_type, "-port", &address.port().to_string()])
            .args([&format!("-frontend={frontend}"), "-sdprefix", ORIGINAL])
            // as ours: it would make a compressor for each message
            .env("PITAYA_HANDLER_MESSAGES_COMPRESSION", "false")
            .env("PITAYA_CLUSTER_SD_ETCD_ENDPOINTS", etcd)
            .env("PITAYA_CLUSTER_RPC_CLIENT_NATS_CONNECT", nats)
            .env("PITAYA_CLUSTER_RPC_SERVER_NATS_CONNECT", nats);
        Ok::<_, String>((Process::ready(server, "all modules started!")?, address.to_string()))
    };
    let (back, _) = server("game", false)?;
    let (front, address) = server("connector", true)?;
    // it says that it has started some time before it listens and knows the others
    thread::sleep(Duration::from_secs(2));
    Ok(Pair { front, back, address })
}

/// A process; dropping it ends it.
pub(in crate::bench) struct Process {
    child: Child,
    name: String,
}

impl Process {
    fn spawn(mut command: Command) -> Result<Self, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        Ok(Self { child, name })
    }

    /// One that can be used once it has written a line with this in it.
    fn ready(command: Command, mark: &'static str) -> Result<Self, String> {
        let mut process = Self::spawn(command)?;
        let (ready, is_ready) = mpsc::channel();
        let stderr = process.child.stderr.take().map(|it| Box::new(it) as Box<dyn Read + Send>);
        let stdout = process.child.stdout.take().map(|it| Box::new(it) as Box<dyn Read + Send>);
        for output in [stderr, stdout].into_iter().flatten() {
            let ready = ready.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // The receiver is gone if the line came too late. Then the start has failed already.
                    let _ = ready.send(line);
                }
            });
        }
        let (until, mut said) = (Instant::now() + START, String::new());
        loop {
            match is_ready.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(mark) => return Ok(process),
                Ok(line) => said = said + "\n" + &line,
                Err(_) => return Err(format!("{} did not become ready:{said}", process.name)),
            }
        }
    }

    /// One that can be used once it listens there.
    fn listening(mut command: Command, address: &str) -> Result<Self, String> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{name} does not start, is it installed? {error}"))?;
        let (process, until) = (Self { child, name }, Instant::now() + START);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err(format!("{} does not listen at {address}", process.name));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(process)
    }

    /// Its process id.
    pub(super) fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if let Err(error) = ended {
            eprintln!("== {} could not be ended: {error}", self.name);
        }
    }
}

/// A folder that goes with us.
pub(in crate::bench) struct Folder(PathBuf);

impl Folder {
    /// A folder of this process for temporary files. It is not created yet.
    pub(in crate::bench) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("== {} stays: {error}", self.0.display());
        }
    }
}
