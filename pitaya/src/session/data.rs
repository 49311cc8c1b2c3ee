//! The data of a session: a JSON object, with typed views.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result, code};

/// A typed view of session data. Implemented by `#[session]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session data",
    label = "a session cannot be seen as this type",
    note = "annotate the type with `#[pitaya::session]` and derive `Default`"
)]
pub trait SessionData: Serialize + DeserializeOwned + Default + Send + 'static {}

impl SessionData for () {}

/// The data of one session.
#[derive(Debug, Default)]
pub(crate) struct Data(Mutex<Map<String, Value>>);

impl Data {
    fn lock(&self) -> MutexGuard<'_, Map<String, Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.lock().get(key).cloned() else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| misfit(key, &error))
    }

    pub(crate) fn set<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        let value = serde_json::to_value(value).map_err(|error| misfit(key, &error))?;
        self.lock().insert(key.to_owned(), value);
        Ok(())
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.lock().contains_key(key)
    }

    pub(crate) fn remove(&self, key: &str) -> bool {
        self.lock().remove(key).is_some()
    }

    pub(crate) fn replace(&self, data: Map<String, Value>) {
        *self.lock() = data;
    }

    pub(crate) fn snapshot(&self) -> Map<String, Value> {
        self.lock().clone()
    }

    pub(crate) fn view<D: SessionData>(&self) -> Result<D> {
        view(&self.lock())
    }

    pub(crate) fn update<D: SessionData, R>(&self, f: impl FnOnce(&mut D) -> R) -> Result<R> {
        let mut map = self.lock();
        let mut data = view::<D>(&map)?;
        let result = f(&mut data);
        match serde_json::to_value(&data) {
            Ok(Value::Object(fields)) => map.extend(fields),
            Ok(Value::Null) => {} // the unit view
            Ok(other) => {
                return Err(Error::new(
                    code::INTERNAL,
                    format!("session data must be an object, not {other}"),
                ));
            }
            Err(error) => return Err(misfit("(the view)", &error)),
        }
        Ok(result)
    }
}

fn view<D: SessionData>(map: &Map<String, Value>) -> Result<D> {
    if size_of::<D>() == 0 {
        return Ok(D::default());
    }
    serde_json::from_value(Value::Object(map.clone())).map_err(|error| misfit("(the view)", &error))
}

fn misfit(key: &str, error: &serde_json::Error) -> Error {
    Error::new(code::INTERNAL, format!("session data `{key}`: {error}"))
}
