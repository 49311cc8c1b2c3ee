//! Chooses the server of a call.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::keyed::{RefusedKeys, hash, is_refusal};
use super::suspects::{Suspects, random_of};
use super::{Server, View};
use crate::component::handler_not_found;
use crate::context::{KeyMark, Metadata};
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

type Key = dyn Fn(&Routing<'_>) -> Option<String> + Send + Sync;
type Find<'a> = dyn Fn(&str) -> Result<Arc<Server>> + 'a;
type Owner = dyn Fn(&Routing<'_>, &Find<'_>) -> Option<Result<Arc<Server>>> + Send + Sync;
type Choose = dyn Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync;

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
///     .router("room", Router::by_key(|call| call.session.and_then(|session| session.uid().ok())));
/// ```
#[derive(Clone, Default)]
pub struct Router(Strategy);

#[derive(Clone, Default)]
enum Strategy {
    #[default]
    Random,
    Key(Arc<Key>),
    Owner(Arc<Owner>),
    Choose(Arc<Choose>),
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
        let open = candidates(context.view, call.server_type);
        let call = &Routing { servers: context.view.of_type(call.server_type), ..*call };
        match &self.0 {
            Strategy::Random => random(call, open, context.suspects),
            Strategy::Key(key) => match key(call) {
                Some(key) => by_key((call.route, call.server_type), key.into(), context),
                None => random(call, open, context.suspects),
            },
            Strategy::Owner(owner) => {
                let find = |id: &str| {
                    call.server(id).cloned().ok_or_else(|| {
                        Error::new(code::UNKNOWN, text::SERVER_NOT_FOUND).with_metadata("server", id)
                    })
                };
                owner(call, &find)
                    .map_or_else(|| random(call, open, context.suspects), |it| it.map(Selection::fixed))
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

/// The selected server of a call.
#[derive(Debug)]
pub(super) struct Selection<'k> {
    pub(super) server: Arc<Server>,
    /// Selected at random: any other server of its type would do as well.
    pub(super) is_random: bool,
    /// Selected by this key.
    pub(super) key: Option<(Cow<'k, str>, KeyMark)>,
}

impl Selection<'_> {
    /// Selects one server.
    pub(super) fn fixed(server: Arc<Server>) -> Self {
        Self { server, is_random: false, key: None }
    }

    /// Whether the error is the refusal of a draining server that does not know the key.
    pub(super) fn is_refused(&self, error: &Error) -> bool {
        self.mark().is_some_and(|mark| mark.may_be_refused) && is_refusal(error, &self.server.id)
    }

    pub(super) fn mark(&self) -> Option<KeyMark> {
        self.key.as_ref().map(|(_, mark)| *mark)
    }
}

/// The input of a selection.
pub(super) struct SelectionContext<'a> {
    pub(super) view: &'a View,
    pub(super) suspects: &'a Suspects,
    pub(super) refused: &'a RefusedKeys,
    /// The servers that have refused this call.
    pub(super) tried: &'a [Arc<str>],
}

/// Selects at random. Selects a suspect if all are, so that a call finds out when it is back.
fn random<'k>(call: &Routing<'_>, servers: &[Arc<Server>], suspects: &Suspects) -> Result<Selection<'k>> {
    let server = suspects.choose(servers).or_else(|| random_of(servers));
    let server = server.cloned().ok_or_else(|| no_servers(call.route, call.server_type))?;
    Ok(Selection { server, is_random: true, key: None })
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
        if let Some(key) = key {
            return by_key((call.route, call.server_type), key.into(), context);
        }
        let servers = candidates(context.view, call.server_type);
        if servers.is_empty() {
            return Err(match context.view.has_seen(call.server_type) || call.session.is_none() {
                true => no_servers(call.route, call.server_type),
                // For a client it is an unknown route.
                false => handler_not_found(call.route),
            });
        }
        match self.0.get(call.server_type) {
            Some(router) => router.choose(call, context),
            None => random(call, servers, context.suspects),
        }
    }
}

/// Returns the servers that accept new work, or all if all drain.
pub(super) fn candidates<'a>(view: &'a View, server_type: &str) -> &'a [Arc<Server>] {
    let open = view.open(server_type);
    if open.is_empty() { view.of_type(server_type) } else { open }
}

#[cold]
pub(super) fn no_servers(route: &str, server_type: &str) -> Error {
    Error::new(code::INTERNAL, text::NO_SERVERS)
        .with_metadata("route", route)
        .with_metadata("type", server_type)
}

/// Selects the server with the highest score for the key among those that have not refused it. When a server leaves,
/// only its own keys move.
pub(super) fn by_key<'k>(
    (route, server_type): (&str, &str),
    key: Cow<'k, str>,
    context: &SelectionContext<'_>,
) -> Result<Selection<'k>> {
    let (all, open) = (context.view.of_type(server_type), context.view.open(server_type));
    let drains = all.len() != open.len();
    let tried = |server: &Server| context.tried.contains(&server.id);
    let refused = |server: &Server| {
        tried(server) || (drains && server.is_draining() && context.refused.contains(&server.id, &key))
    };
    let best = |skip: &dyn Fn(&Server) -> bool| {
        let left = all.iter().filter(|server| !skip(server));
        left.max_by_key(|server| (score(&key, &server.id), &server.id))
    };
    // If all have refused it, the first in the order of the key must accept it.
    let server =
        best(&refused).or_else(|| best(&|_| false)).cloned().ok_or_else(|| no_servers(route, server_type))?;
    let may_be_refused = open.iter().any(|other| other.id != server.id && !tried(other));
    let mark = KeyMark { hash: hash(key.bytes()), may_be_refused };
    Ok(Selection { server, is_random: false, key: Some((key, mark)) })
}

/// Scores a server for a key, the same on every server and build. The finalizer separates ids that differ only in the
/// last letter, which FNV alone does not.
fn score(key: &str, id: &str) -> u64 {
    hash(key.bytes().chain([0]).chain(id.bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Servers;
    use super::super::server::DRAINING;
    use super::*;

    fn known(ids: &[&str]) -> Servers {
        let servers = Servers::default();
        ids.iter().for_each(|id| servers.put(Server::new("room", *id)));
        servers
    }

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
        let drains = |id| Server::new("room", id).with_metadata(DRAINING, "true");
        servers.put(drains("a"));
        for _ in 0..50 {
            assert_eq!(choose(&Routers::default(), &servers, None).unwrap(), "b");
        }
        servers.put(drains("b"));
        assert!(choose(&Routers::default(), &servers, None).is_ok());
    }

    fn drains(id: &str) -> Server {
        Server::new("room", id).with_metadata(DRAINING, "true")
    }

    /// Selects by a key. Returns the server and whether it may refuse.
    fn of_key(servers: &Servers, key: &str, refused: &RefusedKeys, tried: &[&str]) -> (String, bool) {
        let (view, suspects) = (servers.view(), Suspects::default());
        let tried: Vec<Arc<str>> = tried.iter().map(|id| (*id).into()).collect();
        let context = SelectionContext { view: &view, suspects: &suspects, refused, tried: &tried };
        let selection = by_key(("room.game.join", "room"), key.into(), &context).unwrap();
        (selection.server.id.to_string(), selection.mark().unwrap().may_be_refused)
    }

    #[test]
    fn key_stays_with_draining_server_until_refused() {
        let (servers, refused) = (known(&["room-1", "room-2", "room-3"]), RefusedKeys::default());
        assert_eq!(of_key(&servers, "ann", &refused, &[]), ("room-1".into(), true));
        servers.put(drains("room-1"));
        assert_eq!(of_key(&servers, "ann", &refused, &[]), ("room-1".into(), true));
        let (next, _) = of_key(&servers, "ann", &refused, &["room-1"]);
        assert_ne!(next, "room-1");
        refused.note(&"room-1".into(), "ann");
        assert_eq!(of_key(&servers, "ann", &refused, &[]), (next.clone(), true), "at once");
        assert_eq!(of_key(&servers, "bob", &refused, &[]).0, "room-1", "another key");
        servers.put(Server::new("room", "room-1"));
        assert_eq!(of_key(&servers, "ann", &refused, &[]).0, "room-1", "it does not drain any more");
        servers.remove("room", "room-1");
        assert_eq!(of_key(&servers, "ann", &refused, &[]).0, next, "who comes next has it for good");
    }

    #[test]
    fn the_last_server_may_not_refuse_a_key() {
        let (servers, refused) = (known(&["room-1", "room-2"]), RefusedKeys::default());
        assert_eq!(of_key(&servers, "ann", &refused, &["room-1"]), ("room-2".into(), false));
        assert_eq!(of_key(&servers, "ann", &refused, &["room-1", "room-2"]), ("room-1".into(), false));
        servers.put(drains("room-1"));
        servers.put(drains("room-2"));
        assert_eq!(of_key(&servers, "ann", &refused, &[]), ("room-1".into(), false));
        refused.note(&"room-1".into(), "ann");
        assert_eq!(of_key(&servers, "ann", &refused, &[]), ("room-2".into(), false));
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
