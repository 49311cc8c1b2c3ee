//! The message types of the routes that clients call, as far as they are linked in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;

use super::method::{Method, Methods};
use super::{Handler, linked};
use crate::serialize::BodyForm;
use crate::serialize::recode::{self, RecodeFn};

/// How the bodies of a route are recoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientTypes {
    pub(crate) message: RecodeFn,
    pub(crate) reply: RecodeFn,
}

/// The types by route; `None` for a route that two blocks define.
///
/// A block of every server type is found by `service.method`.
static ROUTES: LazyLock<HashMap<String, Option<ClientTypes>>> = LazyLock::new(|| {
    let mut routes = HashMap::new();
    for (route, method) in methods() {
        let message = method.message.map_or(recode::typed::<()> as RecodeFn, |message| message.recode);
        let reply = method.reply.map_or(recode::typed::<()> as RecodeFn, |reply| reply.recode);
        match routes.entry(route) {
            Entry::Vacant(entry) => drop(entry.insert(Some(ClientTypes { message, reply }))),
            Entry::Occupied(mut entry) => drop(entry.insert(None)),
        }
    }
    routes
});

impl ClientTypes {
    /// Returns the types of a full route; `None` if this program does not link them.
    pub(crate) fn of(route: &str) -> Option<Self> {
        let short = route.split_once('.').map_or(route, |(_, short)| short);
        *ROUTES.get(route).or_else(|| ROUTES.get(short))?
    }
}

/// Returns whether any route has a message with a Protobuf form.
pub(crate) fn any_proto() -> bool {
    methods().any(|(_, method)| {
        let message = method.message.map(|message| message.schema);
        let schemas = message.into_iter().chain(method.reply.map(|reply| reply.schema));
        schemas.into_iter().any(|schema| schema.proto && schema.body == BodyForm::Fields)
    })
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
