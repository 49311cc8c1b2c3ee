//! Builds the components of an app, and their lifecycle.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Call, Extract, Kind};
use crate::error::{Error, Result, code};
use crate::lifecycle::DynLifecycle;
use crate::services::{FromServices, Services, State};
use crate::util::panic::catch_panic_async;

/// A type whose methods are handlers or remotes, and that the app can build.
///
/// Derive it: the app provides every field ([`FromServices`]) without `#[component(default)]`.
pub trait Component: Sized + Send + Sync + 'static {
    /// Builds the instance of this app.
    ///
    /// # Errors
    /// The app cannot provide a field; the error names it.
    fn build(services: &Services) -> Result<Self>;
}

/// The lifecycle of a component. Every method has a default that does nothing.
///
/// `init` of all components runs first, in the order of their names, then `after_init` of all; at stop
/// `before_shutdown` of all runs in reverse, then `shutdown` of all. If an `init` fails, only the components whose
/// `init` succeeded are shut down. A panic in `init` is its error. Any other panic is logged, and the other components continue.
pub trait Lifecycle: Send + Sync + 'static {
    /// Runs before the app serves. If it fails, the app does not start.
    ///
    /// # Errors
    /// The component cannot work.
    fn init(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// Runs after `init` of all components.
    fn after_init(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Runs when all sessions are closed.
    fn before_shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Runs last.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl<K: Kind, T: Send + Sync + 'static> Extract<K> for State<T>
where
    Call<K>: HasServices,
{
    async fn extract(call: &mut Call<K>) -> Result<Self> {
        Self::from_services(call.get_services())
    }

    fn check(services: &Services) -> Result<()> {
        services.get::<T>().map(drop)
    }
}

/// A call that knows the services of its app.
#[doc(hidden)]
pub trait HasServices: Send + Sync {
    fn get_services(&self) -> &Services;
}

impl HasServices for Call<super::Handler> {
    fn get_services(&self) -> &Services {
        self.services()
    }
}

impl HasServices for Call<super::Remote> {
    fn get_services(&self) -> &Services {
        self.services()
    }
}

/// Takes a field from the app, with its name in the error. For generated code.
pub(super) fn field<T: FromServices>(services: &Services, component: &str, field: &str) -> Result<T> {
    T::from_services(services).map_err(|error| {
        Error::new(error.code().to_owned(), format!("field `{component}.{field}`: {}", error.reason()))
    })
}

/// Erases the type of a component that has a [`Lifecycle`].
pub(super) struct ComponentLifecycle<T>(pub(super) Arc<T>);

impl<T: Lifecycle> DynLifecycle for ComponentLifecycle<T> {
    fn init<'a>(&'a self, _: &'a Services) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { catch_panic_async(type_name::<T>(), || self.0.init()).await? })
    }
    fn after_init(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async(type_name::<T>(), || self.0.after_init()))
    }
    fn before_shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async(type_name::<T>(), || self.0.before_shutdown()))
    }
    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async(type_name::<T>(), || self.0.shutdown()))
    }
}

/// One instance of a component, whatever its type.
pub(crate) type Instance = Arc<dyn Any + Send + Sync>;

type Build = fn(&Services) -> Result<Instance>;
type AsLifecycle = fn(&Instance) -> Option<Arc<dyn DynLifecycle>>;

/// Builds a component of type `S`. For generated code.
#[derive(Debug)]
pub struct BuildFn<S>(pub(super) Build, pub(super) PhantomData<fn() -> S>);

/// Returns the lifecycle of a component of type `S`. For generated code.
#[derive(Debug)]
pub struct LifecycleFn<S>(pub(super) AsLifecycle, pub(super) PhantomData<fn() -> S>);

/// The description of a component's type. For generated code.
#[derive(Clone, Copy)]
pub struct ComponentType {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    build: Option<Build>,
    lifecycle: Option<AsLifecycle>,
}

impl ComponentType {
    /// Describes a type, with what a [`ComponentProbe`](super::specialize::ComponentProbe) found.
    #[doc(hidden)]
    pub fn new<S: 'static>(build: Option<BuildFn<S>>, lifecycle: Option<LifecycleFn<S>>) -> Self {
        Self {
            id: TypeId::of::<S>(),
            name: type_name::<S>(),
            build: build.map(|build| build.0),
            lifecycle: lifecycle.map(|lifecycle| lifecycle.0),
        }
    }

    /// Returns what distinguishes it from other types, sorted by name.
    pub(super) fn key(&self) -> (&'static str, TypeId) {
        (self.name, self.id)
    }

    pub(crate) fn lifecycle(&self, instance: &Instance) -> Option<Arc<dyn DynLifecycle>> {
        self.lifecycle?(instance)
    }

    /// Builds the instance.
    pub(crate) fn make(&self, services: &Services) -> Result<Instance> {
        match self.build {
            Some(build) => build(services).map_err(|error| {
                Error::new(error.code().to_owned(), format!("component `{}`: {}", self.name, error.reason()))
            }),
            None => Err(Error::new(
                code::INTERNAL,
                format!(
                    "component `{0}` is linked in, but the app cannot build it: derive `Component` for it, or give the app one with `.register({0} {{ … }})`",
                    self.name
                ),
            )),
        }
    }
}

impl fmt::Debug for ComponentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
