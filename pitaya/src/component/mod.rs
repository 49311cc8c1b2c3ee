//! Components, and the two route tables of an app.
//!
//! A component is a type whose methods are handlers (for clients) or remotes (for servers). The macros submit each annotated
//! impl block as a `Block`, collected at link time. At start an app builds one instance of each component of its server
//! type, and two tables of their methods.
//!
//! | file | holds |
//! |---|---|
//! | `method`, `table`, `resolve` | the blocks of the macros, the two tables, and how a route is found |
//! | `build`, `service`, `shared` | how the app builds components; the services it gives them; its shared state |
//! | `call`, `arg`, `reply`, `specialize` | one call, its arguments and its reply, as generated code sees them |
//! | `invoke`, `run_remote`, `runner`, `timeout`, `reply_sink` | the steps around a method, its limits, and where its reply goes |
//! | `rpc`, `local_remotes`, `fake`, `reliable` | calls of remotes: in the cluster, in the same app, in tests, as jobs |
//! | `every` | timers of components |

// Types that only generated code names need no `Debug`.
#[allow(missing_debug_implementations)]
mod arg;
#[doc(hidden)]
pub mod assert;
mod build;
#[allow(missing_debug_implementations)]
mod call;
mod client_types;
#[allow(missing_debug_implementations)]
mod every;
mod fake;
#[allow(missing_debug_implementations)]
mod invoke;
mod local_remotes;
#[allow(missing_debug_implementations)]
mod method;
#[cfg(feature = "worker")]
mod reliable;
mod reply;
mod reply_sink;
mod resolve;
mod rpc;
mod run_remote;
mod runner;
mod service;
mod shared;
mod specialize;
mod table;
#[allow(missing_debug_implementations)]
mod timeout;

pub use crate::context::Context;
pub use crate::route::{Handler, Remote};
pub use crate::services::{FromServices, State};
pub use arg::{Extract, HandlerArg, RemoteArg, via};
pub use build::{Component, Lifecycle};
pub use call::{Call, HandlerCall, Kind, RemoteCall};
pub use every::TimerReply;
pub use fake::Fake;
#[cfg(feature = "worker")]
pub use reliable::ReliableRpc;
pub use reply::Reply;
pub use rpc::Rpc;

#[doc(hidden)]
pub use build::HasServices;
pub(crate) use build::Instance;
pub(crate) use call::{CallFuture, ClientCall, SessionScope};
pub(crate) use client_types::ClientTypes;
pub(crate) use every::{Every, start as start_timer};
pub(crate) use local_remotes::LocalRemotes;
#[cfg(test)]
pub(crate) use method::ReplyType;
pub(crate) use method::{Block, BlockKind, MethodInfo};
pub(crate) use reply_sink::{ReplySink, ReplySlot};
pub(crate) use resolve::{Started, Target, handler_not_found, unknown_handler};
pub(crate) use run_remote::run_remote;
pub(crate) use runner::{Runner, cut_off, end};
pub(crate) use service::service;
pub(crate) use shared::{Shared, UntilStop};
pub(crate) use table::{Built, Entry, EntryId, Plan, Registration, Table, Tables, linked};

/// For generated code.
#[doc(hidden)]
pub mod private {
    pub use super::arg::{HeldHandlerArg, HeldRemoteArg, Slot};
    pub use super::assert;
    pub use super::build::ComponentType;
    pub use super::every::{Every, TimerBlock, component_of};
    pub use super::invoke::MaybeReady;
    pub use super::method::{Block, Contract, ContractRoutes, Method, Methods};
    pub use super::rpc::rpc_client;
    pub use super::specialize::{
        ArgDecode, ArgProbe, ComponentProbe, DefaultValue, ErrorProbe, ReplyProbe, TimerProbe, TypedCall,
        is_default,
    };
    pub use super::timeout::Timeout;
    #[cfg(feature = "worker")]
    pub use super::{ReliableRpc, rpc::reliable_rpc, specialize::TypedJob};
    #[cfg(feature = "worker")]
    pub use crate::{__reliable_client as reliable_client, worker::JobId};
    #[cfg(feature = "worker")]
    pub use serde_json::Value as JsonValue;

    /// Without the feature `worker`, a generated client has no reliable half.
    #[cfg(not(feature = "worker"))]
    pub use crate::__no_reliable_client as reliable_client;

    /// The traits of the probes, which have no names so that none can hide a name of the user.
    pub mod fallback {
        #[cfg(feature = "worker")]
        pub use super::super::specialize::fallback::TypedJob as _;
        pub use super::super::specialize::fallback::{
            ArgDecode as _, ArgProbe as _, ComponentProbe as _, DefaultValue as _, ErrorProbe as _,
            ReplyProbe as _, TimerProbe as _, TypedCall as _,
        };
    }
}

/// Drops the reliable half of a generated client, which needs the feature `worker`.
#[cfg(not(feature = "worker"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __no_reliable_client {
    ($($tokens:tt)*) => {};
}

#[cfg(test)]
mod tests;
