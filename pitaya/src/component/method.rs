//! The descriptions of blocks and methods that the macros write.

use super::build::ComponentType;
use super::{Call, CallFuture, Handler, Kind, Remote, Reply};
use crate::error::{ErrorCodes, Result};
use crate::serialize::recode::{self, RecodeFn};
use crate::serialize::{Body, Message, Schema};
use crate::services::Services;

/// The code that calls a method: it decodes the body, and finds its component through the call.
pub(crate) type CallFn<K> = fn(Call<K>, &Body<'_>) -> CallFuture<K>;

/// An extractor: its type as it is written, and the check that an app has what it needs.
pub(crate) type Need = (&'static str, fn(&Services) -> Result<()>);

/// The type of a message, for code that has no type parameter. For generated code.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct MessageType {
    pub(crate) schema: &'static Schema,
    pub(crate) recode: RecodeFn,
    #[cfg(feature = "worker")]
    pub(crate) to_body: crate::worker::arg::BodyFn,
}

impl MessageType {
    pub(crate) const fn of<T: Message>() -> Self {
        Self {
            schema: T::SCHEMA,
            recode: recode::typed::<T>,
            #[cfg(feature = "worker")]
            to_body: crate::worker::arg::to_body::<T>,
        }
    }
}

/// The reply of a method, for code that has no type parameter. For generated code.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ReplyType {
    pub(crate) schema: &'static Schema,
    pub(crate) recode: RecodeFn,
    pub(crate) errors: ErrorCodes,
}

impl ReplyType {
    pub(crate) const fn of<R: Reply>() -> Self {
        Self { schema: <R::Ok as Message>::SCHEMA, recode: recode::typed::<R::Ok>, errors: R::ERRORS }
    }
}

/// One method, with the code that calls it. For generated code.
#[doc(hidden)]
pub struct Method<K: Kind> {
    /// The last part of the route.
    pub name: &'static str,
    /// The documentation.
    pub doc: &'static str,
    /// The line of the method's name.
    pub line: u32,
    /// Starts on arrival, beside the session's other messages.
    pub concurrent: bool,
    /// The id of a job is its idempotency key.
    pub idempotent: bool,
    /// The type of the message, if the method takes one.
    pub message: Option<MessageType>,
    /// The type of the reply; `None` for a notify-only method.
    pub reply: Option<ReplyType>,
    /// The arguments that are extracted from the call.
    pub needs: &'static [Need],
    /// Calls it.
    pub call: CallFn<K>,
}

impl<K: Kind> Method<K> {
    /// Describes a method that takes no arguments and replies nothing.
    pub const fn new(name: &'static str, line: u32, call: CallFn<K>) -> Self {
        Self {
            name,
            doc: "",
            line,
            concurrent: false,
            idempotent: false,
            message: None,
            reply: None,
            needs: &[],
            call,
        }
    }
}

/// The description of a method, independent of its component's type.
#[derive(Debug, Clone)]
pub(crate) struct MethodInfo {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) line: u32,
    pub(crate) concurrent: bool,
    pub(crate) notify: bool,
    pub(crate) message: Option<&'static Schema>,
    /// Makes the body of a call from the argument of a job; `None` if the method takes no message.
    #[cfg(feature = "worker")]
    pub(crate) to_body: Option<crate::worker::arg::BodyFn>,
    /// Whether the id of a job is its idempotency key.
    #[cfg(feature = "worker")]
    pub(crate) idempotent: bool,
    pub(crate) reply: Option<&'static Schema>,
    pub(crate) errors: ErrorCodes,
    pub(crate) needs: &'static [Need],
}

/// The code of a handler or of a remote.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    Handler(CallFn<Handler>),
    Remote(CallFn<Remote>),
}

/// The methods of one block. For generated code.
#[doc(hidden)]
pub enum Methods {
    /// For clients.
    Handlers(&'static [Method<Handler>]),
    /// For servers.
    Remotes(&'static [Method<Remote>]),
}

impl Methods {
    pub(crate) fn kind(&self) -> BlockKind {
        match self {
            Self::Handlers(_) => BlockKind::Handler,
            Self::Remotes(_) => BlockKind::Remote,
        }
    }

    /// Returns what the app knows of each method, with its code.
    pub(crate) fn list(&self) -> Vec<(MethodInfo, Bound)> {
        match self {
            Self::Handlers(methods) => {
                methods.iter().map(|method| (MethodInfo::of(method), Bound::Handler(method.call))).collect()
            }
            Self::Remotes(methods) => {
                methods.iter().map(|method| (MethodInfo::of(method), Bound::Remote(method.call))).collect()
            }
        }
    }
}

impl MethodInfo {
    fn of<K: Kind>(method: &Method<K>) -> Self {
        Self {
            name: method.name,
            doc: method.doc,
            line: method.line,
            concurrent: method.concurrent,
            notify: method.reply.is_none(),
            message: method.message.map(|message| message.schema),
            #[cfg(feature = "worker")]
            to_body: method.message.map(|message| message.to_body),
            #[cfg(feature = "worker")]
            idempotent: method.idempotent,
            reply: method.reply.map(|reply| reply.schema),
            errors: method.reply.map_or(ErrorCodes::Open, |reply| reply.errors),
            needs: method.needs,
        }
    }
}

/// Handlers or remotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum BlockKind {
    /// For clients.
    Handler,
    /// For servers.
    Remote,
}

impl BlockKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Remote => "remote",
        }
    }
}

/// One annotated impl block. For generated code; collected at link time.
#[doc(hidden)]
pub struct Block {
    /// The server type; `None` is every type.
    pub server: Option<&'static str>,
    /// The middle part of the routes.
    pub service: &'static str,
    /// The documentation of the block.
    pub doc: &'static str,
    /// The file of the block.
    pub file: &'static str,
    /// Its component.
    pub component: fn() -> ComponentType,
    /// Its methods.
    pub methods: Methods,
}

inventory::collect!(Block);

/// A contract between servers. For generated code; collected at link time.
#[doc(hidden)]
pub struct Contract {
    /// The name of the trait.
    pub name: &'static str,
    /// The server type that serves it.
    pub server: &'static str,
    /// The middle part of its routes.
    pub service: &'static str,
    /// The file of the trait.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
}

inventory::collect!(Contract);

/// The routes of a contract, as its trait carries them. For generated code.
#[doc(hidden)]
pub struct ContractRoutes {
    /// The server type that serves them.
    pub server: &'static str,
    /// The middle part of the routes.
    pub service: &'static str,
    /// The methods, which call the implementation.
    pub methods: &'static [Method<Remote>],
}
