//! Another program, with the life of a module.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Module;
use super::lines::Lines;
use super::registry::broken;
use crate::config::Config;
use crate::error::{Error, Result, code, text};
use crate::services::Services;
use crate::util::sync::Mutex;

/// How long output is read after the program has ended: a child of its own may keep the pipe open.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Runs another program beside the server: started by `init`, ended by `shutdown`.
///
/// Each line of its standard output is logged at level info, each of its standard error at level error; lines
/// above 64 KiB come in pieces. It has no standard input. At shutdown it gets `SIGTERM`, and is killed when it has
/// not ended within the grace, or when the shutdown is cut short. It is killed too when the module is dropped.
///
/// ```no_run
/// use pitaya::app::App;
/// use pitaya::module::BinaryModule;
///
/// let matchmaker = BinaryModule::new("/opt/game/matchmaker", ["--port", "7000"], BinaryModule::GRACE);
/// App::builder().module("matchmaker", matchmaker);
/// ```
pub struct BinaryModule {
    path: PathBuf,
    args: Vec<OsString>,
    grace: Duration,
    /// It should end.
    stop: CancellationToken,
    /// The wait was dropped.
    hurry: CancellationToken,
    end: watch::Sender<Option<End>>,
    /// Owns the child. Once started.
    keeper: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// How the program ended.
#[derive(Debug, Clone, Copy)]
struct End {
    /// `None` if the system would not say.
    status: Option<ExitStatus>,
    /// It did not end within the grace.
    killed: bool,
}

impl BinaryModule {
    /// A grace that suits most programs.
    pub const GRACE: Duration = Duration::from_secs(15);

    /// A program by its path, or by its name in `PATH`. `grace` is how long it may take to end by itself; a
    /// shorter `pitaya.stop.timeout` cuts it short.
    pub fn new<A: Into<OsString>>(
        path: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
        grace: Duration,
    ) -> Self {
        Self {
            path: path.into(),
            args: args.into_iter().map(Into::into).collect(),
            grace,
            stop: CancellationToken::new(),
            hurry: CancellationToken::new(),
            end: watch::Sender::new(None),
            keeper: Mutex::new(None),
        }
    }

    /// The same with the grace of the configuration, `pitaya.binary.grace`.
    pub fn from_config<A: Into<OsString>>(
        path: impl Into<PathBuf>,
        args: impl IntoIterator<Item = A>,
        config: &Config,
    ) -> Self {
        Self::new(path, args, config.binary_grace)
    }

    /// Waits until the program has ended, and its output is logged. Returns how it ended; `None` if the system
    /// does not say. A program that was never started does not end. Cancel safe.
    pub async fn exited(&self) -> Option<ExitStatus> {
        self.ended().await?.status
    }

    async fn ended(&self) -> Option<End> {
        let mut end = self.end.subscribe();
        // The sender is our own, so this cannot fail.
        end.wait_for(Option::is_some).await.ok().and_then(|end| *end)
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(&self.path)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

impl Module for BinaryModule {
    async fn init(&self, _services: &Services) -> Result<()> {
        let mut keeper = self.keeper.lock();
        if keeper.is_some() {
            return Err(broken(format!("binary `{}` is started already", self.path.display())));
        }
        let child = self.spawn().map_err(|error| {
            broken(format!("binary `{}`: {error}", self.path.display())).with_source(error)
        })?;
        let name = self.path.display().to_string();
        let (stop, hurry) = (self.stop.clone(), self.hurry.clone());
        let (grace, end) = (self.grace, self.end.clone());
        *keeper = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let ended = keep(&name, child, &stop, &hurry, grace).await;
            end.send_replace(Some(ended));
        })));
        Ok(())
    }

    async fn shutdown(&self) -> Result<()> {
        self.stop.cancel();
        if self.keeper.lock().is_none() {
            return Ok(()); // never started
        }
        // If the wait is dropped, the program is killed immediately.
        let _hurry = self.hurry.clone().drop_guard();
        match self.ended().await {
            Some(End { killed: true, .. }) => Err(Error::new(code::UNKNOWN, text::BINARY_TIMEOUT)),
            _ => Ok(()),
        }
    }
}

/// Logs what a child says until it has ended, by itself or because it was told to.
async fn keep(
    name: &str,
    mut child: Child,
    stop: &CancellationToken,
    hurry: &CancellationToken,
    grace: Duration,
) -> End {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out_name, err_name) = (name.to_owned(), name.to_owned());
    let mut logs = AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::join!(
            read(out, |line| tracing::info!(binary = %out_name, "{line}")),
            read(err, |line| tracing::error!(binary = %err_name, "{line}")),
        );
    }));
    let end = wait(name, &mut child, stop, hurry, grace).await;
    if timeout(LAST_OUTPUT, &mut logs).await.is_err() {
        tracing::warn!(binary = name, "its output is still open; what comes now is not logged");
    }
    end
}

async fn wait(
    name: &str,
    child: &mut Child,
    stop: &CancellationToken,
    hurry: &CancellationToken,
    grace: Duration,
) -> End {
    let by_itself = tokio::select! {
        biased;
        status = child.wait() => Some(status),
        () = stop.cancelled() => None,
    };
    if let Some(status) = by_itself {
        let status = known(name, status);
        tracing::warn!(binary = name, status = status.map(tracing::field::display), "ended by itself");
        return End { status, killed: false };
    }
    if let Err(error) = terminate(child) {
        tracing::warn!(binary = name, %error, "cannot be told to end");
    }
    let in_time = tokio::select! {
        biased;
        status = child.wait() => Some(status),
        () = hurry.cancelled() => None,
        () = sleep(grace) => None,
    };
    if let Some(status) = in_time {
        return End { status: known(name, status), killed: false };
    }
    tracing::warn!(binary = name, ?grace, "the child did not exit in time: killed");
    let status = match child.start_kill() {
        Ok(()) => child.wait().await,
        Err(error) => Err(error),
    };
    End { status: known(name, status), killed: true }
}

fn known(name: &str, status: io::Result<ExitStatus>) -> Option<ExitStatus> {
    status.inspect_err(|error| tracing::warn!(binary = name, %error, "failed to wait for the child")).ok()
}

#[cfg(unix)]
fn terminate(child: &Child) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};

    // There is an id only until the child has been waited for, so it cannot be another process's by now.
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    id.map_or(Ok(()), |id| Ok(kill_process(id, Signal::TERM)?))
}

/// Kills the process: there is no signal that asks it to end.
#[cfg(not(unix))]
fn terminate(child: &mut Child) -> io::Result<()> {
    child.start_kill()
}

/// Reads to the end, line by line. A failed read is the end.
async fn read(stream: Option<impl AsyncRead + Unpin>, mut line: impl FnMut(&str)) {
    let Some(mut stream) = stream else { return };
    let mut lines = Lines::default();
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        lines.push(&buffer[..read], &mut line);
    }
    lines.finish(line);
}

impl fmt::Debug for BinaryModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BinaryModule")
            .field("path", &self.path)
            .field("args", &self.args)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
