//! [`TcpProxy`]: forwards connections to a port, until a test disables it, stalls it or makes it a black hole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards every connection to its address to another port.
#[derive(Debug)]
pub struct TcpProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    connections: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Every connection is closed, and every new one too.
    disabled: bool,
    /// Connections with a lower number than this stay open and forward nothing more.
    stalled_below: usize,
    /// New connections are accepted, and forward nothing.
    black_hole: bool,
}

impl TcpProxy {
    /// Starts a proxy for a port of this machine.
    ///
    /// # Panics
    /// If it finds no free port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (state, states) = watch::channel(State::default());
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // The state is borrowed meanwhile, so a change of the state happens before or after this count.
                let (number, state) = {
                    let state = states.borrow();
                    if state.disabled {
                        continue;
                    }
                    (count.fetch_add(1, Ordering::Relaxed), *state)
                };
                if state.black_hole {
                    tokio::spawn(discard(near, states.clone()));
                } else if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::spawn(forward(near, far, number, states.clone()));
                }
            }
        });
        Self { address, state, connections }
    }

    /// Returns the address where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and every new one when it is accepted.
    pub fn disable(&self) {
        self.state.send_modify(|state| state.disabled = true);
    }

    /// Forwards new connections again. Stalled connections stay stalled.
    pub fn enable(&self) {
        self.state.send_modify(|state| (state.disabled, state.black_hole) = (false, false));
    }

    /// Forwards nothing more on its open connections, and does not close them. New connections are forwarded.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.stalled_below = self.connections.load(Ordering::Relaxed));
    }

    /// Forwards nothing more, neither on open connections nor on new ones, which it accepts.
    pub fn black_hole(&self) {
        self.state.send_modify(|state| {
            state.stalled_below = self.connections.load(Ordering::Relaxed);
            state.black_hole = true;
        });
    }

    /// Returns how many connections it has accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn forward(near: TcpStream, far: TcpStream, number: usize, mut states: watch::Receiver<State>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let stalled = |states: watch::Receiver<State>| move || number < states.borrow().stalled_below;
    tokio::select! {
        () = one_way(near_read, far_write, stalled(states.clone())) => {}
        () = one_way(far_read, near_write, stalled(states.clone())) => {}
        _ = states.wait_for(|state| state.disabled) => {}
    }
}

/// Reads and never answers, until the proxy is disabled.
async fn discard(near: TcpStream, mut states: watch::Receiver<State>) {
    // The write half is kept, so that the end of the connection is not answered either.
    let (mut near, _answers) = near.into_split();
    let reading = async {
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut near, &mut sink).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        _ = states.wait_for(|state| state.disabled) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stalled: impl Fn() -> bool) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        if stalled() {
            // The end of the connection is not forwarded either.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
