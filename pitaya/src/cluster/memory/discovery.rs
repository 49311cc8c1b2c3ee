//! Discovery over a [`MemoryRegistry`]: for apps of one process.

use std::sync::{Arc, MutexGuard};

use futures_util::future::BoxFuture;

use super::registry::{MemberId, MemoryRegistry};
use crate::cluster::{Discovery, Server, Servers};
use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;

#[cfg(test)]
mod tests;

/// One app's membership in a [`MemoryRegistry`], made by [`MemoryRegistry::discovery`].
///
/// Dropping it without [`close`](Discovery::close) simulates a crash: the server stays listed until its lease ends.
#[derive(Debug)]
pub struct MemoryDiscovery {
    registry: MemoryRegistry,
    membership: Mutex<Membership>,
}

#[derive(Debug, Clone, Copy)]
enum Membership {
    New,
    Joined(MemberId),
    Closed,
}

impl MemoryRegistry {
    /// Returns the membership of a new app, for [`Builder::discovery`](crate::app::Builder::discovery).
    #[must_use]
    pub fn discovery(&self) -> MemoryDiscovery {
        MemoryDiscovery { registry: self.clone(), membership: Mutex::new(Membership::New) }
    }
}

impl MemoryDiscovery {
    fn membership(&self) -> MutexGuard<'_, Membership> {
        self.membership.lock()
    }

    fn member(&self) -> Option<MemberId> {
        match *self.membership() {
            Membership::Joined(member) => Some(member),
            Membership::New | Membership::Closed => None,
        }
    }
}

impl Discovery for MemoryDiscovery {
    /// # Errors
    /// The id or the type of the own server is invalid, the registry is not [reachable](MemoryRegistry::set_reachable),
    /// or this has joined or closed before.
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            own.check()?;
            let mut membership = self.membership();
            if !matches!(*membership, Membership::New) {
                return Err(Error::new(code::INTERNAL, "a discovery joins once; make a new one"));
            }
            *membership = Membership::Joined(self.registry.join(own, servers)?);
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
            let was = std::mem::replace(&mut *self.membership(), Membership::Closed);
            if let Membership::Joined(member) = was {
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
    /// Ends the membership without leaving, as a crash does.
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
