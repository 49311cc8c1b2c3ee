//! The routes of an app as data.

use std::sync::{Arc, OnceLock};

use super::App;
use crate::component::Entry;
use crate::documentation::Documents;
use crate::serialize::Schema;

/// A route that an app serves, as data.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The full route.
    pub route: String,
    /// Its documentation.
    pub doc: &'static str,
    /// The type of its message.
    pub message: Option<&'static Schema>,
    /// The type of its reply; `None` if it is notify-only.
    pub reply: Option<&'static Schema>,
    /// Whether it is `#[concurrent]`: its calls start on arrival.
    pub concurrent: bool,
}

impl App {
    /// Returns the place for the documents of this app, if the app has its routes.
    pub(crate) fn documents(&self) -> Option<&OnceLock<Arc<Documents>>> {
        self.inner.shared.tables.get().map(|_| &self.inner.documents)
    }

    /// Returns the handlers of this app, sorted by route. Empty once the app has stopped.
    pub fn handlers(&self) -> Vec<RouteInfo> {
        self.inner.shared.tables.get().map(|tables| infos(tables.handlers.entries())).unwrap_or_default()
    }

    /// Returns the remotes of this app, sorted by route. Empty once the app has stopped.
    pub fn remotes(&self) -> Vec<RouteInfo> {
        self.inner.shared.tables.get().map(|tables| infos(tables.remotes.entries())).unwrap_or_default()
    }

    /// The Protobuf package of the messages of this app.
    pub(crate) fn proto_package(&self) -> &str {
        &self.inner.proto_package
    }
}

fn infos(entries: &[Arc<Entry>]) -> Vec<RouteInfo> {
    let mut all: Vec<_> = entries
        .iter()
        .map(|entry| RouteInfo {
            route: entry.route().to_owned(),
            doc: entry.info.doc,
            message: entry.info.message,
            reply: entry.info.reply,
            concurrent: entry.info.concurrent,
        })
        .collect();
    all.sort_by(|a, b| a.route.cmp(&b.route));
    all
}
