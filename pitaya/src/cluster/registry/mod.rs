//! Discovery within one process: several apps that find each other without a registry of their own.

use std::sync::{Arc, MutexGuard};

use futures_util::future::BoxFuture;

use super::{Discovery, Server, Servers};
use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;

mod hub;
#[cfg(test)]
mod tests;

use hub::Member;
pub use hub::MemoryRegistry;

/// One app's place in a [`MemoryRegistry`]: what [`MemoryRegistry::discovery`] gives.
///
/// Dropped without [`close`](Discovery::close) it is a server that crashed: the others know it until its lease ends.
#[derive(Debug)]
pub struct MemoryDiscovery {
    registry: MemoryRegistry,
    place: Mutex<Place>,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    New,
    Joined(Member),
    Closed,
}

impl MemoryDiscovery {
    fn new(registry: MemoryRegistry) -> Self {
        Self { registry, place: Mutex::new(Place::New) }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock()
    }

    fn member(&self) -> Option<Member> {
        match *self.place() {
            Place::Joined(member) => Some(member),
            Place::New | Place::Closed => None,
        }
    }
}

impl Discovery for MemoryDiscovery {
    /// # Errors
    /// The own server has an id or a type that cannot be part of a key, was said not to be
    /// [reachable](MemoryRegistry::set_reachable), or this has joined or closed before.
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            own.check()?;
            let mut place = self.place();
            if !matches!(*place, Place::New) {
                return Err(Error::new(code::INTERNAL, "a discovery joins once; make a new one"));
            }
            *place = Place::Joined(self.registry.join(own, servers)?);
            Ok(())
        })
    }

    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let member = self.member().ok_or_else(not_joined)?;
            self.registry.announce(member, own)
        })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(member) = self.member() {
                self.registry.leave(member);
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let was = std::mem::replace(&mut *self.place(), Place::Closed);
            if let Place::Joined(member) = was {
                self.registry.leave(member);
                self.registry.end(member);
            }
        })
    }

    /// Whether it has joined and the registry is [reachable](MemoryRegistry::set_reachable) for it.
    fn is_ready(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move { self.is_current() })
    }

    fn is_current(&self) -> bool {
        self.member().is_some_and(|member| self.registry.reaches(member))
    }
}

impl MemoryDiscovery {
    /// Its server is gone without a word.
    pub(crate) fn abandon(&self) {
        if let Some(member) = self.member() {
            self.registry.end(member);
        }
    }
}

impl Drop for MemoryDiscovery {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn not_joined() -> Error {
    Error::new(code::UNAVAILABLE, "the server has not joined, or has closed its discovery")
}
