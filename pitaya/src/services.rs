//! A typed map: how the rooms of one app find each other's services without naming each other.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{Error, Result, code};

/// A value with the name of its type.
type Named = (&'static str, Arc<dyn Any + Send + Sync>);

/// One value for each type. Shared by everything of one app; two apps of a process have two.
#[derive(Default)]
pub struct Services {
    map: RwLock<HashMap<TypeId, Named>>,
}

impl Services {
    /// Puts a value in, in place of one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&self, value: T) {
        self.insert_arc(Arc::new(value));
    }

    /// Puts in a value that is shared already.
    pub fn insert_arc<T: Send + Sync + 'static>(&self, value: Arc<T>) {
        self.map
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(TypeId::of::<T>(), (type_name::<T>(), value));
    }

    /// Takes everything out. Services know each other, so what is left in here would keep itself alive.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.map.write().unwrap_or_else(PoisonError::into_inner));
        drop(all);
    }

    /// The value of a type, if there is one.
    pub fn find<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let (_, value) = map.get(&TypeId::of::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    /// The value of a type.
    ///
    /// # Errors
    /// `PIT-500` that names the type, and says how to provide it.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        self.find().ok_or_else(|| {
            Error::new(
                code::INTERNAL,
                format!(
                    "no `{0}` in this app: give it one with `.state(…)` on the builder",
                    type_name::<T>()
                ),
            )
        })
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> = map.values().map(|(name, _)| *name).collect();
        names.sort_unstable();
        f.debug_set().entries(names).finish()
    }
}
