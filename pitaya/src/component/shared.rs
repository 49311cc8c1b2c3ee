//! The state that the parts of one app share.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Runner, Tables};
use crate::services::Services;

/// The state that the parts of one app share. It is made once, at the start of the app.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) server_id: Arc<str>,
    pub(crate) server_type: Arc<str>,
    pub(crate) services: Arc<Services>,
    pub(crate) runner: Runner,
    pub(crate) served: Served,
}

/// The tables of an app, from the time its components are built until it stops.
///
/// Components may hold their app, and its tables hold the components. [`clear`](Self::clear) ends that cycle.
#[derive(Debug, Default)]
pub(crate) struct Served(ArcSwapOption<Tables>);

impl Served {
    pub(crate) fn set(&self, tables: Arc<Tables>) {
        self.0.store(Some(tables));
    }

    pub(crate) fn get(&self) -> Option<Arc<Tables>> {
        self.0.load_full()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    pub(crate) fn clear(&self) {
        self.0.store(None);
    }
}

impl Shared {
    /// Releases what may hold the app: its components and its services. Calls that run keep what they use.
    pub(crate) fn release(&self) {
        self.served.clear();
        self.services.clear();
    }
}
