//! A real etcd for tests: one for a whole test binary, or one of a test's own that it may kill and freeze.
//!
//! It lives no longer than the test binary, however that ends: a shell beside it waits for the end of a pipe that only
//! the test binary holds, then kills it and removes its data.

pub mod members;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Permission, PermissionType};
use pitaya::cluster::EtcdOptions;
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::soon;

/// Starts a program and prints its process id. At a line on stdin, or its end, kills the program. Then it removes the
/// folder too, unless the line is `keep`.
const GUARD: &str = r#"
    exec 2>/dev/null
    folder=$1; shift
    "$@" >"$folder/log" 2>&1 &
    echo $!
    read -r told
    kill -KILL $!
    wait $!
    [ "$told" = keep ] || rm -rf "$folder"
"#;

/// The name and the password of the user that [`Etcd::demand_user`] makes besides its own.
pub const ROOT: &str = "root";

/// A running etcd, or one that was killed and may be started again on the same data.
#[derive(Debug)]
pub struct Etcd {
    setup: Setup,
    port: u16,
    peer_port: u16,
    name: String,
    /// The members of its cluster, and whether the cluster exists already. None if it has no others.
    cluster: Option<(String, &'static str)>,
    folder: PathBuf,
    process: Mutex<Option<Guarded>>,
}

/// The options of a start.
#[derive(Debug, Clone, Default)]
struct Setup {
    /// The host where it listens for clients; `127.0.0.1` if it is empty.
    host: &'static str,
    tls: Option<(PathBuf, PathBuf)>,
    args: Vec<String>,
}

#[derive(Debug)]
struct Guarded {
    shell: Child,
    etcd: Pid,
}

impl Etcd {
    /// Returns the etcd of this test binary. Tests share it, each under a [`prefix`] of its own.
    ///
    /// # Panics
    /// If it does not start, or is not installed.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Etcd> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// Starts an etcd for one test.
    ///
    /// # Panics
    /// If it does not start, or is not installed.
    pub async fn start() -> Self {
        Self::start_setup(Setup::default()).await
    }

    /// One of the test's own, with more arguments.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_setup(Setup { args: owned(args), ..Setup::default() }).await
    }

    /// One of the test's own that listens on this host only, such as `[::1]`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_at(host: &'static str) -> Self {
        Self::start_setup(Setup { host, ..Setup::default() }).await
    }

    /// One of the test's own that speaks TLS with this certificate and key, in PEM.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_tls(cert: &Path, key: &Path) -> Self {
        Self::start_setup(Setup { tls: Some((cert.to_owned(), key.to_owned())), ..Setup::default() }).await
    }

    async fn start_setup(setup: Setup) -> Self {
        assert_installed();
        // Another process may take the free port before etcd binds it.
        for _ in 0..5 {
            let etcd = Self::new(setup.clone());
            if etcd.run().await {
                return etcd;
            }
        }
        panic!("etcd does not start");
    }

    /// One that does not run yet.
    fn new(setup: Setup) -> Self {
        let folder = new_folder();
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (port, peer_port) = (free_port(), free_port());
        Self { setup, port, peer_port, name, cluster: None, folder, process: Mutex::new(None) }
    }

    /// Its address: `http://127.0.0.1:…`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.setup.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.host(), self.port)
    }

    fn host(&self) -> &str {
        if self.setup.host.is_empty() { "127.0.0.1" } else { self.setup.host }
    }

    fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.peer_port)
    }

    /// Its port on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The options that reach it, with a prefix.
    #[must_use]
    pub fn options(&self, prefix: &str) -> EtcdOptions {
        EtcdOptions { endpoints: vec![self.url()], prefix: prefix.to_owned(), ..EtcdOptions::default() }
    }

    /// A client of its own, to look from outside and to play the stranger.
    ///
    /// # Panics
    /// If it cannot connect.
    pub async fn client(&self) -> Client {
        soon("a connection to etcd", Client::connect([self.url()], None)).await.expect("etcd is there")
    }

    /// Makes a user that may read and write all keys of this prefix, and demands of all clients from now on that they
    /// sign in. The other user there is, [`ROOT`], may do everything.
    ///
    /// # Panics
    /// If etcd refuses any of it.
    pub async fn demand_user(&self, user: &str, pass: &str, prefix: &str) {
        let mut auth = self.client().await.auth_client();
        for (user, pass) in [(ROOT, ROOT), (user, pass)] {
            auth.user_add(user, pass, None).await.expect("a user");
            auth.role_add(user).await.expect("a role");
            auth.user_grant_role(user, user).await.expect("the role of the user");
        }
        let may = Permission::new(PermissionType::Readwrite, prefix).with_prefix();
        auth.role_grant_permission(user, may).await.expect("the permission");
        auth.auth_enable().await.expect("authentication");
    }

    /// A client of its own that has signed in as [`ROOT`].
    ///
    /// # Panics
    /// If it cannot connect.
    pub async fn root(&self) -> Client {
        let root = ConnectOptions::new().with_user(ROOT, ROOT).with_auto_token_refresh(true);
        soon("a connection to etcd", Client::connect([self.url()], Some(root))).await.expect("etcd is there")
    }

    /// Kills it. Its connections are closed, and its data stays.
    pub fn kill(&self) {
        let guarded = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Guarded { mut shell, .. }) = guarded {
            if let Some(mut stdin) = shell.stdin.take() {
                let _ = stdin.write_all(b"keep\n");
            }
            let _ = shell.wait();
        }
    }

    /// Starts it again, on the data it had, at the address it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&self) {
        self.kill();
        assert!(self.run().await, "etcd does not start again: {}", self.log());
    }

    /// Kills it and takes all its data.
    ///
    /// # Panics
    /// If the data cannot be removed.
    pub fn erase(&self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.join("data")).expect("its data can be removed");
    }

    /// Stops it where it is: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits until it serves, as a member of its cluster.
    ///
    /// # Panics
    /// If it does not.
    pub async fn serving(&self) {
        assert!(soon("etcd", self.serves(|| true)).await, "etcd does not serve: {}", self.log());
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        if let Some(guarded) = &*self.process.lock().unwrap_or_else(PoisonError::into_inner) {
            kill_process(guarded.etcd, signal).expect("it is a child process");
        }
    }

    /// Runs it. Returns whether it serves.
    async fn run(&self) -> bool {
        let (url, peer_url) = (self.url(), self.peer_url());
        let alone = (format!("{}={peer_url}", self.name), "new");
        let (cluster, state) = self.cluster.as_ref().unwrap_or(&alone);
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(&self.folder);
        command.args(["etcd", "--unsafe-no-fsync", "--log-level=error", "--data-dir"]);
        command.arg(self.folder.join("data")).arg(format!("--name={}", self.name));
        command.arg(format!("--listen-client-urls={url}")).arg(format!("--advertise-client-urls={url}"));
        command.arg(format!("--listen-peer-urls={peer_url}"));
        command.arg(format!("--initial-advertise-peer-urls={peer_url}"));
        command.arg(format!("--initial-cluster={cluster}")).arg(format!("--initial-cluster-state={state}"));
        if let Some((cert, key)) = &self.setup.tls {
            command.arg("--cert-file").arg(cert).arg("--key-file").arg(key);
        }
        command.args(&self.setup.args);
        let mut shell =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("there is a shell");
        let etcd = pid(shell.stdout.take().expect("it was asked for"));
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(Guarded { shell, etcd });
        let running = || Path::new(&format!("/proc/{}/fd/0", etcd.as_raw_nonzero())).exists();
        soon("etcd", self.serves(running)).await
    }

    /// Waits until it serves or has ended. Returns whether it serves.
    async fn serves(&self, running: impl Fn() -> bool) -> bool {
        let address = self.url().replace("http://", "").replace("https://", "");
        loop {
            if TcpStream::connect(&address).await.is_ok() && self.answers().await {
                return true;
            }
            if !running() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn answers(&self) -> bool {
        // Over TLS the certificate would have to be trusted. Tests over TLS retry instead.
        if self.setup.tls.is_some() {
            return true;
        }
        let asked = async {
            let client = Client::connect([self.url()], None).await?;
            client.kv_client().get("ready", None).await
        };
        // A member without a leader does not answer for seconds.
        match tokio::time::timeout(Duration::from_secs(1), asked).await {
            // It may want to know who asks; it answers all the same.
            Ok(Err(etcd_client::Error::GRpcStatus(status))) => {
                status.message().contains("user name is empty")
            }
            Ok(answer) => answer.is_ok(),
            Err(_) => false,
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A prefix that no other test of this binary has.
#[must_use]
pub fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}/", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn assert_installed() {
    let installed =
        Command::new("etcd").arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(installed, "etcd is not installed: run `cargo xtask test needs`");
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn pid(output: ChildStdout) -> Pid {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("the shell tells");
    Pid::from_raw(line.trim().parse().expect("a number")).expect("a process")
}

fn new_folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("pitaya-etcd-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("there is room for etcd's data");
    folder
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}
