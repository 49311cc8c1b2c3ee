//! A binding storage in the memory of this process.

use std::collections::HashMap;
use std::sync::Arc;

use super::{BindingFuture, BindingStorage, Put};
use crate::cluster::Server;
use crate::util::sync::Mutex;

/// Stores bindings in the memory of this process, for tests. Clones share the bindings.
///
/// It is not limited in size.
#[derive(Debug, Clone, Default)]
pub struct MemoryBindingStorage(Arc<Mutex<Stored>>);

#[derive(Debug, Default)]
struct Stored {
    revision: i64,
    /// By the type of the frontend and the user.
    frontends: HashMap<(String, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    server_id: String,
    revision: i64,
}

impl MemoryBindingStorage {
    /// Returns an empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn key(frontend_type: &str, uid: &str) -> (String, String) {
    (frontend_type.to_owned(), uid.to_owned())
}

impl BindingStorage for MemoryBindingStorage {
    fn find<'a>(&'a self, frontend_type: &'a str, uid: &'a str) -> BindingFuture<'a, Option<String>> {
        let stored = self.0.lock();
        let found = stored.frontends.get(&key(frontend_type, uid)).map(|entry| entry.server_id.clone());
        Box::pin(async move { Ok(found) })
    }

    fn put<'a>(&'a self, own: &'a Server, uid: &'a str) -> BindingFuture<'a, Put> {
        let mut stored = self.0.lock();
        stored.revision += 1;
        let revision = stored.revision;
        let entry = Entry { server_id: own.id.to_string(), revision };
        let previous = stored.frontends.insert(key(&own.server_type, uid), entry);
        let previous = previous.map(|entry| entry.server_id);
        Box::pin(async move { Ok(Put { previous, revision }) })
    }

    fn remove<'a>(&'a self, own: &'a Server, uid: &'a str, revision: Option<i64>) -> BindingFuture<'a, ()> {
        let mut stored = self.0.lock();
        let key = key(&own.server_type, uid);
        let is_own = stored.frontends.get(&key).is_some_and(|entry| {
            *entry.server_id == *own.id && revision.is_none_or(|revision| revision == entry.revision)
        });
        if is_own {
            stored.frontends.remove(&key);
        }
        Box::pin(async { Ok(()) })
    }

    fn close<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, ()> {
        self.0.lock().frontends.retain(|_, entry| *entry.server_id != *own.id);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A removal concerns only the value of its own put.
    #[tokio::test]
    async fn memory_storage_removes_only_its_own() {
        let (storage, f1, f2) =
            (MemoryBindingStorage::new(), Server::new("connector", "f1"), Server::new("connector", "f2"));
        let find = async || storage.find("connector", "ann").await.unwrap();
        let first = storage.put(&f1, "ann").await.unwrap();
        assert_eq!(first.previous, None);
        let second = storage.clone().put(&f2, "ann").await.unwrap();
        assert_eq!(second.previous.as_deref(), Some("f1"));
        storage.remove(&f1, "ann", Some(first.revision)).await.unwrap();
        storage.remove(&f1, "ann", None).await.unwrap();
        storage.remove(&f2, "ann", Some(first.revision)).await.unwrap();
        assert_eq!(find().await.as_deref(), Some("f2"));
        assert_eq!(storage.find("gate", "ann").await.unwrap(), None, "another type");
        storage.remove(&f2, "ann", Some(second.revision)).await.unwrap();
        assert_eq!(find().await, None);
        storage.put(&f1, "ann").await.unwrap();
        storage.close(&f2).await.unwrap();
        assert_eq!(find().await.as_deref(), Some("f1"));
        storage.close(&f1).await.unwrap();
        assert_eq!(find().await, None);
    }
}
