//! The state that a test's cluster shares with its servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, MutexGuard};
use std::thread::panicking;

use super::discovery::SimulatedDiscovery;
use super::simulator::Simulator;
use crate::app::App;
use crate::cluster::{MemoryBroker, MemoryRegistry, MemoryTransport};
use crate::group::MemoryStore;
use crate::util::sync::Mutex;

pub(super) struct Shared {
    pub(super) simulator: Arc<Simulator>,
    pub(super) broker: MemoryBroker,
    pub(super) registry: MemoryRegistry,
    pub(super) groups: Arc<MemoryStore>,
    pub(super) state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    /// The number of servers started so far, by type.
    count: BTreeMap<String, u32>,
    pub(super) isolated: BTreeSet<Arc<str>>,
    begun: u64,
    /// The running servers, in the order of their start.
    running: BTreeMap<u64, ServerHandle>,
}

/// The handles that kill a server.
pub(super) struct ServerHandle {
    pub(super) app: App,
    pub(super) transport: Arc<MemoryTransport>,
    pub(super) discovery: Arc<SimulatedDiscovery>,
}

impl ServerHandle {
    fn kill(&self) {
        self.transport.cut();
        self.discovery.crash();
        self.app.kill();
    }
}

impl Shared {
    /// Counts a server of a type. Returns its number within the type.
    pub(super) fn count(&self, server_type: &str) -> u32 {
        let mut state = self.state();
        let count = state.count.entry(server_type.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Adds a running server. Returns its number.
    pub(super) fn add(&self, server: ServerHandle) -> u64 {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.running.insert(number, server);
        number
    }

    /// Removes a server that has stopped.
    pub(super) fn forget(&self, number: u64) {
        let handle = self.state().running.remove(&number);
        drop(handle); // with no lock held, because it may own anything
    }

    pub(super) fn kill(&self, number: u64) {
        let handle = self.state().running.remove(&number);
        handle.iter().for_each(ServerHandle::kill);
    }

    /// Kills all running servers, and drops all messages.
    pub(super) fn end(&self) {
        let running = std::mem::take(&mut self.state().running);
        running.values().for_each(ServerHandle::kill);
        self.simulator.end();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if panicking() {
            // User values are not dropped during a panic, because a panic of theirs would hide the first one.
            return self.simulator.end();
        }
        self.end();
    }
}
