//! What the macros write down about annotated impl blocks.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::build::{ComponentType, Instance};
use super::{Done, Handler, HandlerCall, Kind, Remote, RemoteCall};
use crate::serialize::{Body, Schema};

/// One method, with the code that calls it. For generated code.
#[doc(hidden)]
pub struct Method<S, K: Kind> {
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
    /// Calls it.
    pub call: fn(Arc<S>, super::Call<K>, &Body<'_>) -> BoxFuture<'static, Done>,
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
}

pub(crate) type HandlerFn = Arc<dyn Fn(HandlerCall, &Body<'_>) -> BoxFuture<'static, Done> + Send + Sync>;
pub(crate) type RemoteFn = Arc<dyn Fn(RemoteCall, &Body<'_>) -> BoxFuture<'static, Done> + Send + Sync>;

/// A method bound to its instance.
#[derive(Clone)]
pub(crate) enum Bound {
    Handler(HandlerFn),
    Remote(RemoteFn),
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handler(_) => "handler",
            Self::Remote(_) => "remote",
        })
    }
}

/// Binds methods to an instance.
pub(crate) type Bind = Box<dyn Fn(&Instance) -> Option<Vec<Bound>> + Send + Sync>;

/// The methods of one block, without its component's type. For generated code.
#[doc(hidden)]
pub struct Methods {
    pub(crate) infos: Vec<MethodInfo>,
    /// `None` if the instance is of another type, which no registration can bring about.
    pub(crate) bind: Bind,
}

impl Methods {
    /// The methods of a handler block.
    pub fn handlers<S: Any + Send + Sync>(methods: &'static [Method<S, Handler>]) -> Self {
        Self {
            infos: infos(methods),
            bind: Box::new(move |instance| {
                let this: Arc<S> = Arc::clone(instance).downcast().ok()?;
                let bind = |method: &'static Method<S, Handler>| {
                    let (this, call) = (Arc::clone(&this), method.call);
                    Bound::Handler(Arc::new(move |info, body| call(Arc::clone(&this), info, body)))
                };
                Some(methods.iter().map(bind).collect())
            }),
        }
    }

    /// The methods of a remote block.
    pub fn remotes<S: Any + Send + Sync>(methods: &'static [Method<S, Remote>]) -> Self {
        Self {
            infos: infos(methods),
            bind: Box::new(move |instance| {
                let this: Arc<S> = Arc::clone(instance).downcast().ok()?;
                let bind = |method: &'static Method<S, Remote>| {
                    let (this, call) = (Arc::clone(&this), method.call);
                    Bound::Remote(Arc::new(move |info, body| call(Arc::clone(&this), info, body)))
                };
                Some(methods.iter().map(bind).collect())
            }),
        }
    }
}

fn infos<S, K: Kind>(methods: &'static [Method<S, K>]) -> Vec<MethodInfo> {
    methods
        .iter()
        .map(|m| MethodInfo {
            name: m.name,
            doc: m.doc,
            line: m.line,
            concurrent: m.concurrent,
            notify: m.notify,
            message: (m.message)(),
            reply: (m.reply)(),
        })
        .collect()
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
