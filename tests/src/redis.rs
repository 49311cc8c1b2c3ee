//! A real Redis for a test, which the test may kill and freeze. It ends with the test, however that ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};
use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;

use crate::{PATIENCE, soon};

/// Starts what follows, prints its process id, and kills it when the pipe from the test ends.
const GUARD: &str = r#"
    exec 2>/dev/null
    "$@" >/dev/null &
    echo $!
    read -r told
    kill -KILL $!
    wait $!
"#;

/// A `redis-server`. It writes every change to its disk, so that a restart keeps all.
#[derive(Debug)]
pub struct Redis {
    args: Vec<String>,
    port: u16,
    dir: tempfile::TempDir,
    process: Mutex<Option<(Child, Pid)>>,
    /// The credentials of a client of the test, before the host in its address.
    user: String,
}

impl Redis {
    /// Starts one.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[], "").await
    }

    /// Starts one with more arguments. `user` is the part before the host in the address of a client of the test.
    ///
    /// # Panics
    /// If it is not installed, or does not start.
    pub async fn start_with(args: &[&str], user: &str) -> Self {
        let installed = Command::new("redis-server")
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success());
        assert!(installed, "redis-server is not installed: run `cargo xtask test needs`");
        for _ in 0..5 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let redis = Self {
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
                port: listener.local_addr().expect("an address").port(),
                dir: tempfile::tempdir().expect("a directory"),
                process: Mutex::default(),
                user: user.to_owned(),
            };
            drop(listener);
            if redis.run().await {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// Its address: `127.0.0.1:…`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks it one question, on a connection of its own.
    ///
    /// # Panics
    /// If it does not answer, or with another type.
    pub async fn ask<T: FromRedisValue>(&self, command: &mut Cmd) -> T {
        let mut connection = soon("a connection to Redis", self.connect()).await.expect("Redis is there");
        soon("an answer of Redis", command.query_async(&mut connection)).await.expect("an answer")
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        Client::open(format!("redis://{}{}", self.user, self.address()))?
            .get_multiplexed_async_connection_with_config(
                &AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(PATIENCE))
                    .set_response_timeout(Some(PATIENCE)),
            )
            .await
    }

    /// Kills it. Its clients lose their connections, and its data stays.
    pub fn kill(&self) {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut shell, _)) = process {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }

    /// Starts it again, at the address it had.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn restart(&self) {
        self.kill();
        assert!(self.run().await, "redis-server does not start again");
    }

    /// Stops it where it is: connections stay, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some((_, pid)) = &*self.process.lock().unwrap_or_else(PoisonError::into_inner) {
            kill_process(*pid, signal).expect("it is a process of the test");
        }
    }

    /// Runs it. Returns whether it serves.
    async fn run(&self) -> bool {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            GUARD,
            "guard",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
        ]);
        command.args(["--appendfsync", "no", "--dir"]).arg(self.dir.path());
        command.args(["--port", &self.port.to_string()]).args(&self.args);
        let Ok(mut shell) = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            return false;
        };
        let Some(stdout) = shell.stdout.take() else { return false };
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let Some(pid) = line.trim().parse().ok().and_then(Pid::from_raw) else { return false };
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some((shell, pid));
        for _ in 0..1000 {
            // A test over TLS has no plain port to ask.
            let answers = match self.args.iter().any(|arg| arg == "--tls-port") {
                true => TcpStream::connect(self.address()).await.is_ok(),
                false => match self.connect().await {
                    Ok(mut connection) => redis::cmd("PING").exec_async(&mut connection).await.is_ok(),
                    Err(_) => false,
                },
            };
            if answers {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
