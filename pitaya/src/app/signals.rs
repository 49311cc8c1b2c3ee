//! The signals that stop an app.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Why a running app stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// `SIGTERM`: drain first, where that is enabled.
    Terminate,
    /// `SIGINT`, `SIGQUIT` or [`App::shutdown`](super::App::shutdown).
    Stop,
}

/// The signals that mean to stop, listened to without a gap: one that comes while another is dealt with is not
/// lost. A signal that cannot be listened to never comes.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    quit: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> Self {
        let listen = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::error!(%error, "failed to listen to a signal");
                None
            }
        };
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
            quit: listen(SignalKind::quit()),
        }
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            biased;
            () = one(&mut self.terminate) => StopSignal::Terminate,
            () = one(&mut self.interrupt) => StopSignal::Stop,
            () = one(&mut self.quit) => StopSignal::Stop,
        }
    }
}

/// Ctrl-C, on systems without Unix signals.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> Self {
        Self
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "failed to listen to Ctrl-C");
            std::future::pending::<()>().await;
        }
        StopSignal::Stop
    }
}
