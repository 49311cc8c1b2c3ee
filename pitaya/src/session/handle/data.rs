//! The data of a session, through its handle.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Session, Side};
use crate::error::{Error, Result, code, text};
use crate::peers::SessionRequest;
use crate::session::SessionData;

impl<D> Session<D> {
    /// Returns one value of the data; `None` if the key is absent.
    ///
    /// # Errors
    /// `PIT-500` if the value is not of type `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.side.data().get(key)
    }

    /// Sets one value of the data.
    ///
    /// Use `f64` rather than `f32`: `0.1_f32` is kept as `0.10000000149011612`, or as `0.1` in a program that switches on
    /// the feature `arbitrary_precision` of `serde_json`.
    ///
    /// # Errors
    /// `PIT-500` if it has no JSON form.
    pub fn set<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        self.side.data().set(key, value)
    }

    /// Returns whether the data has a value under `key`.
    pub fn contains_key(&self, key: &str) -> bool {
        self.side.data().contains_key(key)
    }

    /// Removes one value of the data. Returns whether the key was present.
    pub fn remove(&self, key: &str) -> bool {
        self.side.data().remove(key)
    }

    /// Removes all data.
    pub fn clear(&self) {
        self.side.data().replace(Map::new());
    }

    /// Returns a copy of all data, as it is sent between servers.
    pub fn data_map(&self) -> Map<String, Value> {
        self.side.data().snapshot()
    }

    /// Replaces all data.
    pub fn replace_data(&self, data: Map<String, Value>) {
        self.side.data().replace(data);
    }

    /// Sends the data of a backend's copy to its frontend, where it replaces all data of the session. Named after
    /// Go's `PushToFront`.
    ///
    /// If two backends do so at the same time, the later one wins. [`update`](Self::update) sends the data itself;
    /// after [`set`](Self::set), [`remove`](Self::remove) and the like call this. If the future is dropped, the data
    /// may or may not have been sent.
    ///
    /// # Errors
    /// `frontend session can't push to front` on a frontend, where the data is the session's own. `session not found`
    /// if the session has ended, and the errors of a call between servers.
    pub async fn push_to_front(&self) -> Result<()> {
        let Side::Backend(session) = &self.side else {
            return Err(Error::new(code::UNKNOWN, text::FRONT_CANT_PUSH_TO_FRONT));
        };
        let (uid, data) = (session.binding().uid(), session.data().json());
        let uid = uid.as_deref().unwrap_or_default();
        session.request(SessionRequest::ReplaceData { session: session.id(), uid, data }).await
    }
}

impl<D> Session<D> {
    /// Returns the data as `D`. Missing fields have their defaults.
    ///
    /// # Errors
    /// `PIT-500` if a value does not fit its field.
    pub fn data(&self) -> Result<D>
    where
        D: SessionData, // here and not on the block, so that the compiler says what `D` lacks
    {
        self.side.data().view()
    }

    /// Changes the data through `D` in one step: no other change comes between. Keys outside `D` are unchanged. `f`
    /// must not use the data of the same session in another way.
    ///
    /// On a backend the copy is changed, then [sent to the frontend](Self::push_to_front). If the future is dropped,
    /// the copy is changed, and the data may or may not have been sent.
    ///
    /// # Errors
    /// `PIT-500` if a value does not fit its field. On a backend also the errors of
    /// [`push_to_front`](Self::push_to_front); the copy is changed nevertheless.
    pub async fn update<R: Send>(&self, f: impl FnOnce(&mut D) -> R + Send) -> Result<R>
    where
        D: SessionData,
    {
        let result = self.side.data().update(f)?;
        if !self.is_frontend() {
            self.push_to_front().await?;
        }
        Ok(result)
    }
}
