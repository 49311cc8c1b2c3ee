//! A cable between two ends on this machine, which a test may cut, get stuck, or make a black hole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Carries every connection to its address on to another one.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    /// Counts up with every connection that was to be cut or to get stuck.
    state: watch::Sender<State>,
    carried: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// New connections are closed at once, and those that are there too.
    cut: bool,
    /// Connections with a lower number than this carry nothing more, but stay.
    stuck_below: usize,
    /// New connections are accepted, and carry nothing.
    swallows: bool,
}

impl Cable {
    /// One that leads to a port of this machine.
    ///
    /// # Panics
    /// If there is no port for it.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let (state, states) = watch::channel(State::default());
        let carried = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&carried);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                // The state is borrowed meanwhile, so a change of the state happens before or after this count.
                let (number, state) = {
                    let state = states.borrow();
                    if state.cut {
                        continue;
                    }
                    (count.fetch_add(1, Ordering::Relaxed), *state)
                };
                if state.swallows {
                    tokio::spawn(swallow(near, states.clone()));
                } else if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                    tokio::spawn(carry(near, far, number, states.clone()));
                }
            }
        });
        Self { address, state, carried }
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, and every new one at once.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// Carries new connections again. Those that were stuck, or swallowed, stay so.
    pub fn mend(&self) {
        self.state.send_modify(|state| (state.cut, state.swallows) = (false, false));
    }

    /// Carries nothing more on the connections that there are, and does not close them: the other end seems to have
    /// vanished. New ones are carried.
    pub fn stick(&self) {
        self.state.send_modify(|state| state.stuck_below = self.carried.load(Ordering::Relaxed));
    }

    /// Becomes a black hole: carries nothing more on the connections that there are, and on new ones, which are accepted.
    pub fn swallow(&self) {
        self.state.send_modify(|state| {
            state.stuck_below = self.carried.load(Ordering::Relaxed);
            state.swallows = true;
        });
    }

    /// How many connections there have been.
    #[must_use]
    pub fn carried(&self) -> usize {
        self.carried.load(Ordering::Relaxed)
    }
}

async fn carry(near: TcpStream, far: TcpStream, number: usize, mut states: watch::Receiver<State>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let stuck = |states: watch::Receiver<State>| move || number < states.borrow().stuck_below;
    tokio::select! {
        () = one_way(near_read, far_write, stuck(states.clone())) => {}
        () = one_way(far_read, near_write, stuck(states.clone())) => {}
        _ = states.wait_for(|state| state.cut) => {}
    }
}

/// Reads what is sent and never answers, until the cable is cut.
async fn swallow(near: TcpStream, mut states: watch::Receiver<State>) {
    // Kept: not even that the connection ended is answered.
    let (mut near, _answers) = near.into_split();
    let reading = async {
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut near, &mut sink).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        _ = states.wait_for(|state| state.cut) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, stuck: impl Fn() -> bool) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let read = from.read(&mut bytes).await.unwrap_or(0);
        if stuck() {
            // Not even that it was closed is carried.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
