//! The data of a session: a JSON object, with typed views.

use std::sync::MutexGuard;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;
use crate::wire::json;

/// A typed view of session data. Implemented by `#[session]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not session data",
    label = "a session cannot be seen as this type",
    note = "annotate the type with `#[pitaya::session]` and derive `Default`",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.session.html"
)]
pub trait SessionData: Serialize + DeserializeOwned + Default + Send + 'static {}

impl SessionData for () {}

/// The data of one session.
#[derive(Debug, Default)]
pub(crate) struct Data(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    map: Map<String, Value>,
    /// The map as JSON, cached until the map changes, because every forwarded message carries it.
    json: Option<Bytes>,
}

impl State {
    fn change(&mut self) -> &mut Map<String, Value> {
        self.json = None;
        &mut self.map
    }
}

impl Data {
    pub(super) fn new(map: Map<String, Value>) -> Self {
        Self(Mutex::new(State { map, json: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.lock().map.get(key).cloned() else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| misfit(key, &error))
    }

    pub(crate) fn set<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        let value = serde_json::to_value(value).map_err(|error| misfit(key, &error))?;
        self.lock().change().insert(key.to_owned(), value);
        Ok(())
    }

    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.lock().map.contains_key(key)
    }

    pub(crate) fn remove(&self, key: &str) -> bool {
        self.lock().change().remove(key).is_some()
    }

    pub(crate) fn replace(&self, data: Map<String, Value>) {
        *self.lock().change() = data;
    }

    pub(crate) fn snapshot(&self) -> Map<String, Value> {
        self.lock().map.clone()
    }

    /// Returns the data as JSON with sorted keys.
    pub(crate) fn json(&self) -> Bytes {
        let State { map, json } = &mut *self.lock();
        json.get_or_insert_with(|| json::object(map)).clone()
    }

    pub(crate) fn view<D: SessionData>(&self) -> Result<D> {
        view(&self.lock().map)
    }

    pub(crate) fn update<D: SessionData, R>(&self, f: impl FnOnce(&mut D) -> R) -> Result<R> {
        let mut state = self.lock();
        let mut data = view::<D>(&state.map)?;
        let result = f(&mut data);
        match serde_json::to_value(&data) {
            Ok(Value::Object(fields)) => state.change().extend(fields),
            Ok(Value::Null) => {} // the unit view
            Ok(other) => {
                return Err(Error::hidden(
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
    Error::hidden(code::INTERNAL, format!("session data `{key}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_is_made_anew_after_each_change() {
        let data = Data::default();
        assert_eq!(data.json(), "{}");
        data.set("b", 1).unwrap();
        data.set("a", "<").unwrap();
        assert_eq!([data.json(), data.json()], [r#"{"a":"\u003c","b":1}"#; 2]);
        data.remove("a");
        assert_eq!(data.json(), r#"{"b":1}"#);
        data.replace(Map::from_iter([("c".to_owned(), 2.into())]));
        assert_eq!(data.json(), r#"{"c":2}"#);
        data.update(|fields: &mut Fields| fields.c = 3).unwrap();
        assert_eq!(data.json(), r#"{"c":3}"#);
    }

    #[derive(Default, Serialize, serde::Deserialize)]
    struct Fields {
        c: u8,
    }

    impl SessionData for Fields {}
}
