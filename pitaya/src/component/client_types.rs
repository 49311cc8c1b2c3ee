//! The message types of the routes that clients call, as far as they are linked in.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::method::{Method, Methods};
use super::{Handler, linked};
use crate::serialize::Schema;
use crate::serialize::recode::{self, RecodeFn};

/// How the bodies of a route are recoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientTypes {
    pub(crate) message: RecodeFn,
    pub(crate) reply: RecodeFn,
    /// `None` for a notify-only route.
    pub(crate) reply_schema: Option<&'static Schema>,
}

/// The types by route; `None` for a route that two blocks define.
///
/// A block without a server type is found by `service.method`.
static ROUTES: LazyLock<HashMap<String, Option<ClientTypes>>> = LazyLock::new(|| {
    let mut routes = HashMap::new();
    for (route, method) in methods() {
        let message = method.message.map_or(recode::typed::<()> as RecodeFn, |message| message.recode);
        let reply = method.reply.map_or(recode::typed::<()> as RecodeFn, |reply| reply.recode);
        let reply_schema = method.reply.map(|reply| reply.schema);
        match routes.entry(route) {
            Entry::Vacant(entry) => drop(entry.insert(Some(ClientTypes { message, reply, reply_schema }))),
            Entry::Occupied(mut entry) => drop(entry.insert(None)),
        }
    }
    routes
});

/// The server types of the linked handlers.
static SERVERS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| linked().into_iter().filter_map(|block| block.server).collect());

impl ClientTypes {
    /// Returns the types of a full route; `None` if this program does not link them.
    ///
    /// A block without a server type counts for the server types of linked handlers only. A server of another type is
    /// another program, whose block may have the same name.
    pub(crate) fn of(route: &str) -> Option<Self> {
        let (server, short) = route.split_once('.')?;
        let any = || ROUTES.get(short).filter(|_| SERVERS.contains(server));
        *ROUTES.get(route).or_else(any)?
    }
}

/// Returns every linked handler with its route.
fn methods() -> impl Iterator<Item = (String, &'static Method<Handler>)> {
    linked().into_iter().flat_map(|block| {
        let methods: &'static [Method<Handler>] = match block.methods {
            Methods::Handlers(methods) => methods,
            Methods::Remotes(_) => &[],
        };
        methods.iter().map(|method| {
            let short = format!("{}.{}", block.service, method.name);
            (block.server.map_or_else(|| short.clone(), |server| format!("{server}.{short}")), method)
        })
    })
}
