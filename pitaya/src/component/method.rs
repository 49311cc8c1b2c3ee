//! What the macros write down about annotated impl blocks.

use super::build::ComponentType;
use super::{Call, CallFuture, Handler, Kind, Remote};
use crate::error::Result;
use crate::serialize::{Body, Schema};
use crate::services::Services;

/// The code that calls a method: it decodes what it is given, and finds its component through the call.
pub(crate) type CallFn<K> = fn(Call<K>, &Body<'_>) -> CallFuture<K>;

/// An argument that is made from the call: its type as it is written, and whether an app has what it needs.
pub(crate) type Need = (&'static str, fn(&Services) -> Result<()>);

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
    /// Answers nothing.
    pub notify: bool,
    /// What it takes.
    pub message: fn() -> Option<&'static Schema>,
    /// What it answers.
    pub reply: fn() -> Option<&'static Schema>,
    /// The arguments that are made from the call.
    pub needs: &'static [Need],
    /// Calls it.
    pub call: CallFn<K>,
}

/// What an app knows of a method, whatever its component's type.
#[derive(Debug, Clone)]
pub(crate) struct MethodInfo {
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) line: u32,
    pub(crate) concurrent: bool,
    pub(crate) notify: bool,
    pub(crate) message: Option<&'static Schema>,
    pub(crate) reply: Option<&'static Schema>,
    pub(crate) needs: &'static [Need],
}

/// The code of a handler or of a remote.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    Handler(CallFn<Handler>),
    Remote(CallFn<Remote>),
}

/// The methods of one block, handlers and remotes alike. For generated code.
#[doc(hidden)]
pub struct Methods(pub(crate) Vec<(MethodInfo, Bound)>);

impl Methods {
    /// The methods of a handler block.
    pub fn handlers(methods: &'static [Method<Handler>]) -> Self {
        Self(methods.iter().map(|method| (MethodInfo::of(method), Bound::Handler(method.call))).collect())
    }

    /// The methods of a remote block.
    pub fn remotes(methods: &'static [Method<Remote>]) -> Self {
        Self(methods.iter().map(|method| (MethodInfo::of(method), Bound::Remote(method.call))).collect())
    }
}

impl MethodInfo {
    fn of<K: Kind>(method: &Method<K>) -> Self {
        Self {
            name: method.name,
            doc: method.doc,
            line: method.line,
            concurrent: method.concurrent,
            notify: method.notify,
            message: (method.message)(),
            reply: (method.reply)(),
            needs: method.needs,
        }
    }
}

/// Handlers or remotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
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
    /// Handlers or remotes.
    pub kind: BlockKind,
    /// The server type; `None` is every type.
    pub server: Option<&'static str>,
    /// The middle part of the routes.
    pub service: &'static str,
    /// The documentation of the block.
    pub doc: &'static str,
    /// Where it stands.
    pub file: &'static str,
    /// Its component.
    pub component: fn() -> ComponentType,
    /// Its methods.
    pub methods: fn() -> Methods,
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
    /// Where it is declared.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
}

inventory::collect!(Contract);
