//! The components, values and modules of an app.

use std::any::type_name;

use super::Builder;
use crate::component::Registration;
use crate::documentation::{self, DocsRoutes};
use crate::error::Result;
use crate::module::{Module, SessionModule};
use crate::schema::SchemaRoute;

/// # Components and modules
impl Builder {
    /// Sets the Protobuf package of the messages of this app, for its [documentation](crate::documentation). The default
    /// is `protos`. Clients of Go Pitaya read only names that contain `proto`.
    #[must_use]
    pub fn proto_package(mut self, package: impl Into<String>) -> Self {
        self.proto_package = Some(package.into());
        self
    }

    /// Adds a value for `State<T>` fields and arguments. A second value of one type is an error at start.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        if self.services.find::<T>().is_some() {
            self.problems.push(format!(
                "state `{}` was given twice: there is one value of each type; wrap the second in a type of its own",
                type_name::<T>()
            ));
        }
        self.services.insert(state);
        self
    }

    /// Adds an instance of a component, which the app then does not build itself. A second instance of one type is an
    /// error at start. An instance that serves only other server types is not served, and a warning is logged.
    #[must_use]
    pub fn register<S: Send + Sync + 'static>(mut self, component: S) -> Self {
        let mut own = Registration::new(component);
        if own.is::<DocsRoutes>() {
            own = own.with_block(documentation::block());
        } else if own.is::<SchemaRoute>() {
            own = own.with_block(SchemaRoute::block());
        }
        if self.registered.iter().any(|other| other.is_like(&own)) {
            self.problems.push(format!(
                "component `{}` was registered twice: an app has one instance of each component",
                type_name::<S>()
            ));
        }
        self.registered.push(own);
        self
    }

    /// Serves only the components that are [registered](Self::register), instead of all that are linked in. A frontend
    /// of a cluster may have none: it forwards messages.
    #[must_use]
    pub fn explicit_components(mut self) -> Self {
        self.explicit_components = true;
        self
    }

    /// Adds a module that starts after the modules added so far.
    #[must_use]
    pub fn module<M: Module>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_after(name, module);
        self.note(added);
        self
    }

    /// Adds a module that starts before the modules added so far.
    #[must_use]
    pub fn module_before<M: Module>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_before(name, module);
        self.note(added);
        self
    }

    /// Adds a module with its own sessions, for which a draining server waits.
    #[must_use]
    pub fn session_module<M: SessionModule>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_session(name, module);
        self.note(added);
        self
    }

    /// Adds a module with its own sessions that starts before the modules added so far.
    #[must_use]
    pub fn session_module_before<M: SessionModule>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_session_before(name, module);
        self.note(added);
        self
    }

    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.problems.push(error.msg().to_owned());
        }
    }
}
