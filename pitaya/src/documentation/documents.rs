//! The documents of an app, each made once, because every client may ask for them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::file::AppFile;
use super::framework;
use crate::app::App;
use crate::util::sync::Mutex;

/// The documentation of an app that has started, and the Protobuf files of its messages.
#[derive(Debug)]
pub(crate) struct Documents {
    text: OnceLock<String>,
    app: Result<AppFile, String>,
    files: Mutex<Files>,
}

/// The compressed files that were requested.
#[derive(Debug, Default)]
struct Files {
    /// By the name of the file.
    compressed: BTreeMap<String, Bytes>,
    /// By the name in the request, of a file or a message that exists.
    found: BTreeMap<String, Bytes>,
}

impl Documents {
    /// Returns the documents of an app. The app keeps them once it has its routes.
    pub(super) fn of(app: &App) -> Arc<Self> {
        let make = || Arc::new(Self::new(app));
        app.documents().map_or_else(make, |place| Arc::clone(place.get_or_init(make)))
    }

    fn new(app: &App) -> Self {
        let routes = [app.handlers(), app.remotes()].concat();
        let schemas = routes.iter().flat_map(|route| [route.message, route.reply]).flatten();
        Self {
            text: OnceLock::new(),
            app: AppFile::new(app.server_type(), app.proto_package(), schemas),
            files: Mutex::default(),
        }
    }

    /// Returns the text of the documentation with names.
    pub(super) fn text(&self, app: &App) -> &str {
        self.text.get_or_init(|| app.documentation(true).to_string())
    }

    /// Returns the compressed file with this name, or with a message of this name.
    ///
    /// # Errors
    /// The reason, if no file has it.
    pub(super) fn file(&self, name: &str) -> Result<Bytes, String> {
        let mut files = self.files.lock();
        if let Some(found) = files.found.get(name) {
            return Ok(found.clone());
        }
        let file = self.app.as_ref().map_err(Clone::clone).and_then(|app| app.find(name));
        // The framework's own files need no file of the app.
        let file = file.or_else(|why| framework::find(name).ok_or(why))?;
        let bytes = files.compressed.entry(file.name.clone()).or_insert_with(|| file.compress()).clone();
        files.found.insert(name.to_owned(), bytes.clone());
        Ok(bytes)
    }
}
