//! Components: what the macros emit, and how it becomes the two tables of an app.
//!
//! A component is a type of the user whose methods are handlers (for clients) or remotes (for servers). The
//! macros turn each annotated impl block into a block, collected at link time; at start an app builds one
//! instance of each component of its server type and makes two tables of their methods.

// Types that only generated code names need no `Debug`.
#[allow(missing_debug_implementations)]
mod arg;
#[doc(hidden)]
pub mod assert;
mod build;
#[allow(missing_debug_implementations)]
mod call;
mod context;
#[allow(missing_debug_implementations)]
mod every;
mod fake;
#[allow(missing_debug_implementations)]
mod invoke;
#[allow(missing_debug_implementations)]
mod method;
mod reply;
mod rpc;
mod runner;
mod service;
mod shared;
mod specialize;
mod table;

pub use crate::route::{Handler, Remote};
pub use arg::{Extract, HandlerArg, RemoteArg, via};
pub use build::{Component, FromServices, Lifecycle, State};
pub use call::{Call, HandlerCall, Kind, RemoteCall};
pub use context::Context;
pub use every::TimerReply;
pub use fake::Fake;
pub use reply::Reply;
pub use rpc::Rpc;

#[doc(hidden)]
pub use build::HasServices;
pub(crate) use build::{Instance, LifecycleDyn};
pub(crate) use call::{CallFuture, ClientCall, SessionScope};
pub(crate) use every::{Every, start as start_timer};
pub(crate) use method::Bound;
pub(crate) use rpc::{Local, RemoteRequest, RemoteTarget, run_remote};
pub(crate) use runner::{Runner, cut_off, end};
pub(crate) use service::service;
pub(crate) use shared::{Served, Shared};
pub(crate) use table::{Built, Entry, EntryId, Plan, Registration, Table, Tables};

/// For generated code.
#[doc(hidden)]
pub mod private {
    pub use super::arg::{HeldHandlerArg, HeldRemoteArg, Slot};
    pub use super::assert;
    pub use super::build::{ComponentType, probe};
    pub use super::every::{Every, Tick, Timed, TimerBlock, timed};
    pub use super::invoke::MaybeReady;
    pub use super::method::{Block, BlockKind, Contract, Method, Methods};
    pub use super::rpc::rpc_client;
    pub use super::specialize::{
        ArgDecode, ArgProbe, DefaultValue, ReplyProbe, TypedCall,
        fallback::{
            ArgDecodeFallback, ArgProbeFallback, DefaultValueFallback, ReplyProbeFallback, TypedCallFallback,
        },
        first, is_default,
    };
}

#[cfg(test)]
mod tests;
