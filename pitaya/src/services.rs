//! A typed map of the services of one app.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::util::sync::RwLock;

/// A value with the name of its type.
type Named = (&'static str, Arc<dyn Any + Send + Sync>);

/// One value for each type, shared by all parts of one app. Two apps of a process have two maps.
#[derive(Default)]
pub struct Services {
    map: RwLock<HashMap<TypeId, Named>>,
}

impl Services {
    /// Inserts a value. Replaces one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        self.insert_arc(Arc::new(value));
    }

    /// Inserts a value that is shared already.
    pub fn insert_arc<T: Send + Sync + 'static>(&self, value: Arc<T>) {
        self.map.write().insert(TypeId::of::<T>(), (type_name::<T>(), value));
    }

    /// Returns the value of a type, if there is one.
    pub fn find<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let map = self.map.read();
        let (_, value) = map.get(&TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    /// Returns the value of a type.
    ///
    /// # Errors
    /// `PIT-500` if there is no such value. A client gets `internal error`; the [source](std::error::Error::source)
    /// names the type and says how to provide it, or which similar type exists.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        self.find().ok_or_else(|| Error::hidden(code::INTERNAL, self.missing(type_name::<T>())))
    }

    #[cold]
    fn missing(&self, name: &'static str) -> String {
        let map = self.map.read();
        let similar =
            map.values().map(|(known, _)| *known).filter(|known| wraps(known, name) || wraps(name, known));
        // The one with the least around it; of two, the first by name.
        let similar = similar.min_by_key(|known| (known.len(), *known));
        let name = short(name);
        match similar.map(short) {
            Some(known) => format!(
                "no `{name}` in this app, but `{known}` is registered: write `State<{known}>`, or give the app a \
                 `{name}` with `.state(…)` on the builder"
            ),
            None => format!("no `{name}` in this app: give it one with `.state(…)` on the builder"),
        }
    }
}

/// A value that the app provides, for a component's field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a component",
    label = "the app cannot provide this",
    note = "use `State<T>` for a value given with `.state(…)`, one of the app's own (`Groups`, `Timers`, `SessionPool`, `Arc<Config>`, …), or mark the field `#[component(default)]`",
    note = "see https://docs.rs/pitaya/latest/pitaya/derive.Component.html"
)]
pub trait FromServices: Sized {
    /// Takes the value from the app.
    ///
    /// # Errors
    /// [`PIT-500`](crate::error::code::INTERNAL): the app has no such value.
    fn from_services(services: &Services) -> Result<Self>;
}

/// A value of the application, from `.state(value)`, as a component's field or as an argument.
///
/// Its type identifies it. Give a trait object in its `Arc`: `.state::<Arc<dyn Store>>(Arc::new(…))` for
/// `State<Arc<dyn Store>>`.
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
    /// Creates a state, for tests of components.
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

/// Returns whether a type has another one as its only or last argument, as `Arc<Db>` has `Db`.
fn wraps(outer: &str, inner: &str) -> bool {
    outer
        .strip_suffix('>')
        .and_then(|rest| rest.strip_suffix(inner))
        .is_some_and(|rest| rest.ends_with(['<', ' ']))
        || outer.contains(&format!("<{inner}>"))
}

/// Returns the name of a type as it is written in code.
fn short(name: &str) -> String {
    [
        ("alloc::sync::Arc<", "Arc<"),
        ("alloc::boxed::Box<", "Box<"),
        ("alloc::string::String", "String"),
        ("alloc::vec::Vec<", "Vec<"),
        ("core::option::Option<", "Option<"),
    ]
    .into_iter()
    .fold(name.to_owned(), |name, (long, short)| name.replace(long, short))
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.map.read();
        let mut names: Vec<_> = map.values().map(|(name, _)| *name).collect();
        names.sort_unstable();
        f.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Db;
    trait Store: Send + Sync {}
    impl Store for Db {}

    fn missing<T: Send + Sync + 'static>(services: &Services) -> String {
        let Err(error) = services.get::<T>() else { panic!("the type is there") };
        assert_eq!((error.code(), error.msg()), ("PIT-500", "internal error"));
        error.reason().into_owned()
    }

    #[test]
    fn a_missing_type_is_named_with_what_to_write() {
        let (db, here) = (type_name::<Db>(), module_path!());
        let services = Services::default();
        services.insert(7_u8);
        let plain = format!("no `{db}` in this app: give it one with `.state(…)` on the builder");
        assert_eq!(missing::<Db>(&services), plain);
        services.insert(Arc::new(Db));
        assert_eq!(
            missing::<Db>(&services),
            format!(
                "no `{db}` in this app, but `Arc<{db}>` is registered: write `State<Arc<{db}>>`, or give the app a \
                 `{db}` with `.state(…)` on the builder"
            )
        );
        let services = Services::default();
        services.insert(Db);
        let text = missing::<Arc<Db>>(&services);
        assert!(text.starts_with(&format!("no `Arc<{db}>` in this app, but `{db}` is registered")), "{text}");
        let text = missing::<Arc<dyn Store>>(&services);
        assert!(text.starts_with(&format!("no `Arc<dyn {here}::Store>` in this app: give")), "{text}");
    }
}
