//! `cargo xtask up`: starts what a cluster needs on this machine, until Ctrl-C.

use std::process::{Child, Command, ExitCode, Stdio};

use crate::root;
use crate::test::works;

/// Starts NATS and etcd at their default ports; their data is under `target/up`.
pub(crate) fn main() -> ExitCode {
    let folder = root().join("target/up");
    if let Err(error) = std::fs::create_dir_all(&folder) {
        eprintln!("{}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    // Debian keeps it where only root looks
    let nats = if works("nats-server") { "nats-server" } else { "/usr/sbin/nats-server" };
    let mut nats = Command::new(nats);
    nats.args(["-a", "127.0.0.1", "-p", "4222"]);
    let mut etcd = Command::new("etcd");
    etcd.arg("--data-dir").arg(folder.join("etcd")).args([
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--log-level=error",
    ]);
    let mut running: Vec<(&str, Child)> = Vec::new();
    for (name, package, mut command) in [("nats-server", "nats-server", nats), ("etcd", "etcd-server", etcd)]
    {
        match command.stdin(Stdio::null()).spawn() {
            Ok(child) => running.push((name, child)),
            Err(error) => {
                eprintln!("{name} does not start: {error}; install it with: apt-get install -y {package}");
                stop(&mut running);
                return ExitCode::FAILURE;
            }
        }
    }
    println!("NATS is at nats://127.0.0.1:4222, etcd at http://127.0.0.1:2379; Ctrl-C ends both.");
    // Ctrl-C goes to all of them: when one has ended, the other is not needed either.
    loop {
        for (name, child) in &mut running {
            if let Ok(Some(status)) = child.try_wait() {
                println!("{name} has ended: {status}");
                stop(&mut running);
                return ExitCode::SUCCESS;
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

fn stop(running: &mut Vec<(&str, Child)>) {
    for (_, mut child) in running.drain(..) {
        let _ = child.kill();
        let _ = child.wait();
    }
}
