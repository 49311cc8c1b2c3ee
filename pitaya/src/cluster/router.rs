//! The strategies by which an app chooses the server of a call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Server;
use super::selection::{Selection, SelectionContext, by_key, candidates, no_servers, random};
use crate::component::handler_not_found;
use crate::context::Metadata;
use crate::error::{Error, Result, code, text};
use crate::session::Session;

/// A call that needs a server.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Routing<'a> {
    /// The type of the server.
    pub server_type: &'a str,
    /// The full route.
    pub route: &'a str,
    /// The argument, encoded.
    pub payload: &'a [u8],
    /// The client's session if a client's message is forwarded, `None` for a call of a server.
    pub session: Option<&'a Session>,
    /// The context of the call.
    pub context: &'a Metadata,
    /// All servers of the type, sorted by id, draining ones included.
    pub servers: &'a [Arc<Server>],
}

impl<'a> Routing<'a> {
    /// Returns the server of the type with this id, whether it drains or not.
    #[must_use]
    pub fn server(&self, id: &str) -> Option<&'a Arc<Server>> {
        self.servers.iter().find(|server| *server.id == *id)
    }
}

type KeyFn = dyn Fn(&Routing<'_>) -> Option<String> + Send + Sync;
type FindFn<'a> = dyn Fn(&str) -> Result<Arc<Server>> + 'a;
type OwnerFn = dyn Fn(&Routing<'_>, &FindFn<'_>) -> Option<Result<Arc<Server>>> + Send + Sync;
type ChooseFn = dyn Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync;

/// Chooses among the servers of one type, for forwarded messages of clients and for calls of servers.
///
/// | router | sends a call to | while a server drains |
/// |---|---|---|
/// | [`random`](Self::random) | any server | it gets no calls |
/// | [`by_key`](Self::by_key), [`Rpc::by_key`](crate::component::Rpc::by_key) | the server of a key | it keeps the keys that it was called with; new keys go elsewhere |
/// | [`to_server`](Self::to_server), [`Rpc::to_server`](crate::component::Rpc::to_server) | the server that the application names | it gets its calls |
/// | [`custom`](Self::custom) | what a function returns | the function decides |
///
/// ```
/// use pitaya::cluster::Router;
/// use pitaya::prelude::*;
///
/// // One player, one room server.
/// let app = App::builder()
///     .router("room", Router::by_key(|call| Some(call.session?.uid()?.to_string())));
/// ```
#[derive(Clone, Default)]
pub struct Router(Strategy);

#[derive(Clone, Default)]
enum Strategy {
    #[default]
    Random,
    Key(Arc<KeyFn>),
    Owner(Arc<OwnerFn>),
    Choose(Arc<ChooseFn>),
}

impl Router {
    /// Picks a server uniformly at random. The default for every server type.
    ///
    /// If the server has no responder, the call goes to another one, and new calls avoid the server for a second.
    #[must_use]
    pub fn random() -> Self {
        Self::default()
    }

    /// Picks the server of a key by rendezvous hashing: every server picks the same one, without shared state. Without
    /// a key it picks at random.
    ///
    /// **A draining server keeps its keys.** Each server remembers the keys that it was called with: at least the last
    /// 131 072. While it drains it serves those until it leaves. It refuses a call with another key, and the caller
    /// then calls the next server in the order of the key: the call is handled once. If all servers drain, they accept
    /// new keys too.
    ///
    /// A key moves, and its state has to be found elsewhere or created again, when:
    /// - its server leaves or crashes;
    /// - a server joins: of the keys of n servers, one in n + 1 moves to it;
    /// - its server drains, and was called with more than 131 072 other keys since. A key in use is not forgotten.
    ///
    /// At most about one new key in twenty stays on a draining server, because the server takes the key for a known
    /// one. A key that was used once is known while the server lives, though its state may have ended: if the same few
    /// keys are used again and again, a drain ends at `pitaya.session.drain.timeout`. Keep the owner of a key yourself
    /// and use [`to_server`](Self::to_server) where that is not exact enough.
    #[must_use]
    pub fn by_key(key: impl Fn(&Routing<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Strategy::Key(Arc::new(key)))
    }

    /// Picks the server with the id that the function returns: the server that has the state of this call. With `None`
    /// it picks at random among the servers that do not drain.
    ///
    /// A draining server gets its calls until it leaves. If no server of the type has this id, the call fails with
    /// `PIT-000` `server not found`: the app places the state on another server.
    ///
    /// ```
    /// use pitaya::cluster::Router;
    /// use pitaya::prelude::*;
    /// use pitaya::session;
    ///
    /// #[session]
    /// #[derive(Default)]
    /// struct Player {
    ///     /// The server that has the player's room.
    ///     room_server: Option<String>,
    /// }
    ///
    /// let to_room = Router::to_server(|call| call.session?.with_data::<Player>().data().ok()?.room_server);
    /// let app = App::builder().router("room", to_room);
    /// ```
    #[must_use]
    pub fn to_server<S: AsRef<str>>(
        owner: impl Fn(&Routing<'_>) -> Option<S> + Send + Sync + 'static,
    ) -> Self {
        Self(Strategy::Owner(Arc::new(move |call, find| owner(call).map(|id| find(id.as_ref())))))
    }

    /// Picks the server that a function returns. Its error is the error of the call.
    ///
    /// The function gets the servers of the type that accept new work, sorted by id, at least one: the ones that do not
    /// drain, or all if all drain. [`Routing::servers`] has all servers, and the function may return any of them.
    #[must_use]
    pub fn custom(
        choose: impl Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync + 'static,
    ) -> Self {
        Self(Strategy::Choose(Arc::new(choose)))
    }

    fn choose(&self, call: &Routing<'_>, context: &SelectionContext<'_>) -> Result<Selection<'static>> {
        let of = (call.route, call.server_type);
        let open = candidates(context.view, call.server_type);
        let call = &Routing { servers: context.view.of_type(call.server_type), ..*call };
        match &self.0 {
            Strategy::Random => random(of, open, context.suspects),
            Strategy::Key(key) => match key(call) {
                Some(key) => by_key(of, key.into(), context),
                None => random(of, open, context.suspects),
            },
            Strategy::Owner(owner) => {
                let find = |id: &str| {
                    call.server(id).cloned().ok_or_else(|| {
                        Error::new(code::UNKNOWN, text::SERVER_NOT_FOUND).with_metadata("server", id)
                    })
                };
                owner(call, &find)
                    .map_or_else(|| random(of, open, context.suspects), |it| it.map(Selection::fixed))
            }
            Strategy::Choose(choose) => choose(call, open).map(Selection::fixed),
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Strategy::Random => "Router::random",
            Strategy::Key(_) => "Router::by_key",
            Strategy::Owner(_) => "Router::to_server",
            Strategy::Choose(_) => "Router::custom",
        })
    }
}

/// The routers of an app, by server type.
#[derive(Debug, Default)]
pub(crate) struct Routers(HashMap<String, Router>);

impl Routers {
    /// Sets the router of a type. Returns `false` if it replaces another.
    pub(crate) fn set(&mut self, server_type: String, router: Router) -> bool {
        self.0.insert(server_type, router).is_none()
    }

    /// Selects a server, by a key if there is one.
    pub(super) fn choose<'k>(
        &self,
        call: &Routing<'_>,
        key: Option<&'k str>,
        context: &SelectionContext<'_>,
    ) -> Result<Selection<'k>> {
        let of = (call.route, call.server_type);
        if let Some(key) = key {
            return by_key(of, key.into(), context);
        }
        let servers = candidates(context.view, call.server_type);
        if servers.is_empty() {
            return Err(match context.view.has_seen(call.server_type) || call.session.is_none() {
                true => no_servers(of),
                // For a client it is an unknown route.
                false => handler_not_found(call.route),
            });
        }
        match self.0.get(call.server_type) {
            Some(router) => router.choose(call, context),
            None => random(of, servers, context.suspects),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Servers;
    use super::super::keyed::RefusedKeys;
    use super::super::selection::tests::{drains, known};
    use super::super::suspects::Suspects;
    use super::*;
    fn choose(routers: &Routers, servers: &Servers, key: Option<&str>) -> Result<String> {
        let context = Metadata::new();
        let call = Routing {
            server_type: "room",
            route: "room.room.join",
            payload: b"",
            session: None,
            context: &context,
            servers: &[],
        };
        let (view, suspects, refused) = (servers.view(), Suspects::default(), RefusedKeys::default());
        let context = SelectionContext { view: &view, suspects: &suspects, refused: &refused, tried: &[] };
        routers.choose(&call, key, &context).map(|selection| selection.server.id.to_string())
    }

    fn routers(router: Router) -> Routers {
        let mut routers = Routers::default();
        assert!(routers.set("room".into(), router));
        routers
    }

    #[test]
    fn without_a_server_of_the_type_the_call_fails() {
        let error = choose(&Routers::default(), &known(&[]), None).unwrap_err();
        assert_eq!((error.code(), error.msg()), ("PIT-500", "no servers available of this type"));
        assert_eq!(
            error.metadata(),
            &[("route", "room.room.join"), ("type", "room")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into()
        );
        assert!(choose(&Routers::default(), &known(&[]), Some("key")).is_err());
    }

    #[test]
    fn by_chance_every_server_is_chosen_about_as_often() {
        let servers = known(&["a", "b", "c", "d"]);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..4000 {
            *counts.entry(choose(&Routers::default(), &servers, None).unwrap()).or_default() += 1;
        }
        assert_eq!(counts.len(), 4);
        assert!(counts.values().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn key_routing_moves_only_keys_of_lost_servers() {
        let servers = known(&["room-1", "room-2", "room-3", "room-4", "room-5"]);
        let place = |servers: &Servers| -> Vec<String> {
            (0..1000)
                .map(|n| choose(&Routers::default(), servers, Some(&format!("player-{n}"))).unwrap())
                .collect()
        };
        let before = place(&servers);
        assert_eq!(before, place(&servers));
        let mut counts: BTreeMap<&String, u32> = BTreeMap::new();
        before.iter().for_each(|id| *counts.entry(id).or_default() += 1);
        assert!(counts.len() == 5 && counts.values().all(|count| (140..260).contains(count)), "{counts:?}");
        servers.remove("room", "room-3");
        for (before, after) in before.iter().zip(place(&servers)) {
            assert!(*before == after || before == "room-3", "{before} {after}");
        }
    }

    #[test]
    fn the_server_of_a_key_is_the_same_for_every_build() {
        let servers = known(&["room-1", "room-2", "room-3"]);
        let selection: Vec<_> = ["ann", "bob", "cid", "dan", "eve"]
            .iter()
            .map(|key| choose(&Routers::default(), &servers, Some(key)).unwrap())
            .collect();
        assert_eq!(selection, EXPECTED);
    }

    /// Fixed values, because servers of two versions must agree.
    const EXPECTED: [&str; 5] = ["room-1", "room-1", "room-2", "room-1", "room-2"];

    #[test]
    fn custom_router_decides_and_its_error_is_returned() {
        let last = routers(Router::custom(|call, servers| {
            assert_eq!((call.route, call.server_type), ("room.room.join", "room"));
            servers.last().cloned().ok_or_else(|| Error::new("X-1", "none"))
        }));
        assert_eq!(choose(&last, &known(&["a", "b"]), None).unwrap(), "b");
        let never = routers(Router::custom(|_, _| Err(Error::new("X-2", "closed"))));
        assert_eq!(choose(&never, &known(&["a"]), None).unwrap_err().code(), "X-2");
    }

    #[test]
    fn draining_servers_are_chosen_last() {
        let servers = known(&["a", "b"]);
        servers.put(drains("a"));
        for _ in 0..50 {
            assert_eq!(choose(&Routers::default(), &servers, None).unwrap(), "b");
        }
        servers.put(drains("b"));
        assert!(choose(&Routers::default(), &servers, None).is_ok());
    }
    #[test]
    fn named_server_may_drain_but_not_be_gone() {
        let servers = known(&["a", "b"]);
        servers.put(drains("a"));
        servers.put(Server::new("hall", "h"));
        let named = |id: Option<&'static str>| routers(Router::to_server(move |_| id));
        assert_eq!(choose(&named(Some("a")), &servers, None).unwrap(), "a");
        assert_eq!(choose(&named(None), &servers, None).unwrap(), "b");
        for gone in ["c", "h"] {
            let error = choose(&named(Some(gone)), &servers, None).unwrap_err();
            assert_eq!((error.msg(), &*error.metadata()["server"]), ("server not found", gone));
        }
    }

    #[test]
    fn an_apps_own_function_sees_the_servers_that_drain() {
        let servers = known(&["a", "b"]);
        servers.put(drains("a"));
        let first = routers(Router::custom(|call, open| {
            assert_eq!((call.servers.len(), open.len()), (2, 1));
            Ok(Arc::clone(call.server("a").unwrap()))
        }));
        assert_eq!(choose(&first, &servers, None).unwrap(), "a");
    }
}
