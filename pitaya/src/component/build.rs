//! How an app makes the components, and the life they have.

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Call, Extract, Kind};
use crate::error::{Error, Result, code};
use crate::services::Services;
use crate::util::panic::catch_panic_async;

/// A type whose methods are handlers or remotes, and which the app can make by itself. Derive it: every field
/// comes from the app ([`FromServices`]), or has `#[component(default)]`.
pub trait Component: Sized + Send + Sync + 'static {
    /// Makes the one instance of this app.
    ///
    /// # Errors
    /// What a field has against it, with the name of the field.
    fn build(services: &Services) -> Result<Self>;
}

/// The life of a component; implement it where there is something to do.
///
/// `init` of all components runs first, in the order of their names, then `after_init` of all; at stop
/// `before_shutdown` of all runs in reverse, then `shutdown` of all. If an `init` fails, only the components whose
/// `init` came before are shut down. A panic in `init` is its error; any other is logged, and the others go on.
pub trait Lifecycle: Send + Sync + 'static {
    /// Before anything is served. If it fails the app does not start.
    ///
    /// # Errors
    /// Whatever keeps the component from working.
    fn init(&self) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }

    /// After `init` of all components.
    fn after_init(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Once all sessions are closed.
    fn before_shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Last.
    fn shutdown(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}

/// A value that a component's field can be, taken from the app.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a component",
    label = "the app cannot provide this",
    note = "use `State<T>` for a value given with `.state(…)`, one of the app's own (`Groups`, `Timers`, `SessionPool`, `Arc<Config>`, …), or mark the field `#[component(default)]`"
)]
pub trait FromServices: Sized {
    /// Takes the value.
    ///
    /// # Errors
    /// `PIT-500` if the app has none.
    fn from_services(services: &Services) -> Result<Self>;
}

/// A value of yours, given to the app with `.state(value)`: as a component's field or as an argument.
///
/// It is found by its type, so a trait object is given, and taken, in its box:
/// `.state::<Arc<dyn Store>>(Arc::new(…))` and `State<Arc<dyn Store>>`.
///
/// ```
/// use pitaya::prelude::*;
///
/// struct Db;
///
/// #[derive(Component)]
/// struct Shop { db: State<Db> }
/// ```
pub struct State<T: ?Sized>(Arc<T>);

impl<T> State<T> {
    /// A state made by hand, for tests of components.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug + ?Sized> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&&*self.0).finish()
    }
}

impl<T: Send + Sync + 'static> FromServices for State<T> {
    fn from_services(services: &Services) -> Result<Self> {
        services.get().map(Self)
    }
}

impl<K: Kind, T: Send + Sync + 'static> Extract<K> for State<T>
where
    Call<K>: HasServices,
{
    async fn extract(call: &mut Call<K>) -> Result<Self> {
        call.get_services().get().map(Self)
    }

    fn check(services: &Services) -> Result<()> {
        services.get::<T>().map(drop)
    }
}

/// Calls of both kinds know the services of their app.
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

/// For generated code: a field from the services, with its name in the error.
pub(super) fn field<T: FromServices>(services: &Services, component: &str, field: &str) -> Result<T> {
    T::from_services(services).map_err(|error| {
        Error::new(error.code().to_owned(), format!("field `{component}.{field}`: {}", error.reason()))
    })
}

/// The life of a component, whatever its type; a panic goes no further, and is logged.
pub(crate) trait LifecycleDyn: Send + Sync {
    fn init(&self) -> BoxFuture<'_, Result<()>>;
    fn after_init(&self) -> BoxFuture<'_, ()>;
    fn before_shutdown(&self) -> BoxFuture<'_, ()>;
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

impl<T: Lifecycle> LifecycleDyn for T {
    fn init(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(
            async move { catch_panic_async(type_name::<T>(), || Box::pin(Lifecycle::init(self))).await? },
        )
    }
    fn after_init(&self) -> BoxFuture<'_, ()> {
        told(type_name::<T>(), || Box::pin(Lifecycle::after_init(self)))
    }
    fn before_shutdown(&self) -> BoxFuture<'_, ()> {
        told(type_name::<T>(), || Box::pin(Lifecycle::before_shutdown(self)))
    }
    fn shutdown(&self) -> BoxFuture<'_, ()> {
        told(type_name::<T>(), || Box::pin(Lifecycle::shutdown(self)))
    }
}

/// A call that cannot fail but by a panic, which has been logged.
fn told<'a>(what: &'static str, start: impl FnOnce() -> BoxFuture<'a, ()> + Send + 'a) -> BoxFuture<'a, ()> {
    Box::pin(catch_panic_async(what, start).map(drop))
}

/// One instance of a component, whatever its type.
pub(crate) type Instance = Arc<dyn Any + Send + Sync>;

type Build = fn(&Services) -> Result<Instance>;
type AsLifecycle = fn(&Instance) -> Option<Arc<dyn LifecycleDyn>>;

/// What an app knows of a component's type.
#[derive(Clone, Copy)]
pub struct ComponentType {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) build: Option<Build>,
    lifecycle: Option<AsLifecycle>,
}

impl ComponentType {
    /// For generated code.
    #[doc(hidden)]
    pub fn new<S: 'static>(build: Option<probe::BuildFn>, lifecycle: Option<probe::LifecycleFn>) -> Self {
        Self {
            id: TypeId::of::<S>(),
            name: type_name::<S>(),
            build: build.map(|f| f.0),
            lifecycle: lifecycle.map(|f| f.0),
        }
    }

    /// What tells it from all others, sorted by name.
    pub(super) fn key(&self) -> (&'static str, TypeId) {
        (self.name, self.id)
    }

    pub(crate) fn lifecycle(&self, instance: &Instance) -> Option<Arc<dyn LifecycleDyn>> {
        self.lifecycle?(instance)
    }

    /// Makes the instance.
    pub(crate) fn make(&self, services: &Services) -> Result<Instance> {
        match self.build {
            Some(build) => build(services).map_err(|error| {
                Error::new(error.code().to_owned(), format!("component `{}`: {}", self.name, error.reason()))
            }),
            None => Err(Error::new(
                code::INTERNAL,
                format!(
                    "component `{0}` is linked in, but nobody can make it: derive `Component` for it, or give the app one with `.register({0} {{ … }})`",
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

/// For generated code: whether a type is a `Component`, and whether it has a `Lifecycle`, found out by method
/// resolution (an inherent-looking call prefers the impl that needs fewer references). So a type that is neither
/// is an error at start that names it, not a compile error.
#[doc(hidden)]
#[allow(missing_debug_implementations)]
pub mod probe {
    use super::*;
    use std::marker::PhantomData;

    pub struct BuildFn(pub(super) Build);
    pub struct LifecycleFn(pub(super) AsLifecycle);

    pub struct Probe<S>(PhantomData<fn() -> S>);

    impl<S> Probe<S> {
        pub const NEW: Self = Self(PhantomData);
    }

    pub trait YesComponent {
        fn build(&self) -> Option<BuildFn>;
    }
    pub trait NoComponent {
        fn build(&self) -> Option<BuildFn>;
    }
    pub trait YesLifecycle {
        fn lifecycle(&self) -> Option<LifecycleFn>;
    }
    pub trait NoLifecycle {
        fn lifecycle(&self) -> Option<LifecycleFn>;
    }

    impl<S: Component> YesComponent for &Probe<S> {
        fn build(&self) -> Option<BuildFn> {
            Some(BuildFn(|services| Ok(Arc::new(S::build(services)?))))
        }
    }
    impl<S> NoComponent for Probe<S> {
        fn build(&self) -> Option<BuildFn> {
            None
        }
    }
    impl<S: Lifecycle> YesLifecycle for &Probe<S> {
        fn lifecycle(&self) -> Option<LifecycleFn> {
            Some(LifecycleFn(|instance| {
                let instance: Arc<S> = Arc::clone(instance).downcast().ok()?;
                Some(instance)
            }))
        }
    }
    impl<S> NoLifecycle for Probe<S> {
        fn lifecycle(&self) -> Option<LifecycleFn> {
            None
        }
    }
}
