//! One server as discovery knows it, without an app.

use std::sync::{Arc, Mutex, PoisonError};

use pitaya::cluster::{Change, Discovery, EtcdDiscovery, EtcdOptions, Server, Servers};

use crate::soon;

/// A server that has joined, with the changes that it has received.
#[derive(Debug)]
pub struct Node {
    /// Its discovery.
    pub discovery: EtcdDiscovery,
    /// Its list.
    pub servers: Arc<Servers>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Node {
    /// Joins.
    ///
    /// # Panics
    /// If that fails.
    pub async fn join(options: EtcdOptions, own: Server) -> Self {
        let node =
            Self { discovery: EtcdDiscovery::new(options), servers: Arc::default(), heard: Arc::default() };
        let heard = Arc::clone(&node.heard);
        node.servers.on_change(move |change| {
            let text = match change {
                Change::Added(server) => format!("+{}", server.id),
                Change::Replaced { new, .. } => format!("~{}", new.id),
                Change::Removed(server) => format!("-{}", server.id),
            };
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        });
        let joined = node.discovery.join(Arc::new(own), Arc::clone(&node.servers));
        soon("the server to join", joined).await.expect("it joins");
        node
    }

    /// The ids it knows, in order.
    #[must_use]
    pub fn sees(&self) -> Vec<String> {
        self.servers.view().all().map(|server| server.id.to_string()).collect()
    }

    /// Returns the changes since the last call: `+id`, `~id`, `-id`.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the last change, or an empty text without one.
    #[must_use]
    pub fn heard_last(&self) -> String {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).last().cloned().unwrap_or_default()
    }
}
