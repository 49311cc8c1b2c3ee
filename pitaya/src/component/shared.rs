//! The state that the parts of one app share.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::{Runner, Tables};
use crate::services::Services;

/// The state that the parts of one app share. It is made once, at the start of the app.
///
/// Components and services may hold their app, and the app holds this. [`release`](Self::release) ends that circle.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) server_id: Arc<str>,
    pub(crate) server_type: Arc<str>,
    pub(crate) runner: Runner,
    /// The services, until the app stops.
    pub(crate) services: UntilStop<Services>,
    /// The tables with the components, from the time they are built until the app stops.
    pub(crate) tables: UntilStop<Tables>,
}

impl Shared {
    /// Releases the components and the services. Calls that run keep what they use.
    pub(crate) fn release(&self) {
        self.tables.release();
        self.services.release();
    }
}

/// A part of an app that the app holds until it stops.
#[derive(Debug)]
pub(crate) struct UntilStop<T>(ArcSwapOption<T>);

impl<T> UntilStop<T> {
    pub(crate) fn new(value: Option<Arc<T>>) -> Self {
        Self(ArcSwapOption::new(value))
    }

    pub(crate) fn set(&self, value: Arc<T>) {
        self.0.store(Some(value));
    }

    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0.load_full()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load().is_some()
    }

    fn release(&self) {
        self.0.store(None);
    }
}
