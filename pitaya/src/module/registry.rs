//! Finds the modules of an app by name and by type.

use std::any::{Any, type_name};
use std::fmt;
use std::sync::{Arc, MutexGuard};

use super::lifecycle::ModuleLifecycle;
use super::sessions::Sessions;
use super::{Module, SessionModule};
use crate::component::service;
use crate::error::{Error, Result, code};
use crate::lifecycle::{DynLifecycle, LifecycleList};
use crate::util::sync::Mutex;

/// The modules of an app. A component may have it as a field, a handler as an argument. Clones are cheap.
///
/// No method waits. A stop drops all modules.
#[derive(Clone, Default)]
pub struct Modules(Arc<Mutex<State>>);

service!(Modules);

#[derive(Default)]
pub(super) struct State {
    /// In the order in which they start.
    pub(super) entries: Vec<Arc<Entry>>,
    /// Whether the app has begun to start: no module can be added any more.
    begun: bool,
    /// Whether the session modules were asked to drain.
    pub(super) draining: bool,
}

pub(super) struct Entry {
    name: String,
    lifecycle: Arc<dyn DynLifecycle>,
    pub(super) sessions: Option<Arc<dyn Sessions>>,
    module: Arc<dyn Any + Send + Sync>,
    type_name: &'static str,
}

impl Entry {
    fn new<M: Module>(name: String, module: &Arc<M>) -> Self {
        Self {
            name,
            lifecycle: Arc::new(ModuleLifecycle(Arc::clone(module))),
            sessions: None,
            module: Arc::clone(module) as _,
            type_name: type_name::<M>(),
        }
    }
}

#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

impl Modules {
    /// Returns an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a module after all others.
    ///
    /// # Errors
    /// `PIT-500`, `module with name … already exists`; also once the app has begun to start.
    pub fn register_after<M: Module>(&self, name: impl Into<String>, module: M) -> Result<()> {
        self.add(Entry::new(name.into(), &Arc::new(module)), Place::Last)
    }

    /// Adds a module before all others so far.
    ///
    /// # Errors
    /// As [`register_after`](Self::register_after).
    pub fn register_before<M: Module>(&self, name: impl Into<String>, module: M) -> Result<()> {
        self.add(Entry::new(name.into(), &Arc::new(module)), Place::First)
    }

    /// Adds a module with sessions of its own, after all others.
    ///
    /// # Errors
    /// As [`register_after`](Self::register_after).
    pub fn register_session<M: SessionModule>(&self, name: impl Into<String>, module: M) -> Result<()> {
        self.add_session(name.into(), module, Place::Last)
    }

    /// Adds a module with sessions of its own, before all others.
    ///
    /// # Errors
    /// As [`register_after`](Self::register_after).
    pub fn register_session_before<M: SessionModule>(
        &self,
        name: impl Into<String>,
        module: M,
    ) -> Result<()> {
        self.add_session(name.into(), module, Place::First)
    }

    fn add_session<M: SessionModule>(&self, name: String, module: M, place: Place) -> Result<()> {
        let module = Arc::new(module);
        let entry = Entry::new(name, &module);
        self.add(Entry { sessions: Some(module), ..entry }, place)
    }

    fn add(&self, entry: Entry, place: Place) -> Result<()> {
        let mut state = self.state();
        if state.begun {
            return Err(broken(format!("module `{}` comes too late: the app has started", entry.name)));
        }
        if state.entries.iter().any(|other| other.name == entry.name) {
            return Err(broken(format!("module with name {} already exists", entry.name)));
        }
        let at = match place {
            Place::First => 0,
            Place::Last => state.entries.len(),
        };
        state.entries.insert(at, Arc::new(entry));
        Ok(())
    }

    /// Returns the module with this name.
    ///
    /// # Errors
    /// `PIT-500`, `module with name … not found`, or that it is of another type.
    pub fn get<M: Module>(&self, name: &str) -> Result<Arc<M>> {
        let state = self.state();
        let entry = state
            .entries
            .iter()
            .find(|entry| entry.name == name)
            .ok_or_else(|| broken(format!("module with name {name} not found")))?;
        Arc::clone(&entry.module).downcast().map_err(|_| {
            let reason =
                format!("module with name {name} is a `{}`, not a `{}`", entry.type_name, type_name::<M>());
            Error::hidden(code::INTERNAL, reason)
        })
    }

    /// Returns the module of a type; of several, the one that starts first.
    ///
    /// # Errors
    /// `PIT-500`, `module of type … not found`.
    pub fn find<M: Module>(&self) -> Result<Arc<M>> {
        self.state().entries.iter().find_map(|entry| Arc::clone(&entry.module).downcast().ok()).ok_or_else(
            || Error::hidden(code::INTERNAL, format!("module of type {} not found", type_name::<M>())),
        )
    }

    /// Returns the names, in the order in which the modules start.
    pub fn names(&self) -> Vec<String> {
        self.state().entries.iter().map(|entry| entry.name.clone()).collect()
    }

    /// Closes the registration and returns the lifecycles, in order.
    pub(crate) fn begin(&self) -> LifecycleList {
        let mut state = self.state();
        state.begun = true;
        let all = state.entries.iter().map(|entry| (entry.name.clone(), Arc::clone(&entry.lifecycle)));
        LifecycleList::new("module", all.collect())
    }

    /// Drops all modules, because a module may hold the app.
    pub(crate) fn clear(&self) {
        let entries = std::mem::take(&mut self.state().entries);
        drop(entries);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

pub(super) fn broken(msg: String) -> Error {
    Error::new(code::INTERNAL, msg)
}

impl fmt::Debug for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Modules").field(&self.names()).finish()
    }
}
