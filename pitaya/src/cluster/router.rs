//! Choosing the server for a call.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::keyed::{RefusedKeys, hash, is_refusal};
use super::suspects::{Suspects, random_of};
use super::{Server, View};
use crate::context::{KeyMark, Metadata};
use crate::dispatch;
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
    /// The client's session, if a client's message is passed on; none in a call of a server.
    pub session: Option<&'a Session>,
    /// What goes along with the call.
    pub context: &'a Metadata,
    /// All servers of the type, sorted by id: those that drain are among them.
    pub servers: &'a [Arc<Server>],
}

impl<'a> Routing<'a> {
    /// The server of the type with this id, whether it drains or not.
    #[must_use]
    pub fn server(&self, id: &str) -> Option<&'a Arc<Server>> {
        self.servers.iter().find(|server| *server.id == *id)
    }
}

type Key = dyn Fn(&Routing<'_>) -> Option<String> + Send + Sync;
type Find<'a> = dyn Fn(&str) -> Result<Arc<Server>> + 'a;
type Owner = dyn Fn(&Routing<'_>, &Find<'_>) -> Option<Result<Arc<Server>>> + Send + Sync;
type Choose = dyn Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync;

/// How servers of one type are chosen: for clients' messages that are passed on and for calls of servers alike.
///
/// | router | sends a call to | while a server drains |
/// |---|---|---|
/// | [`random`](Self::random) | any server | it gets no calls |
/// | [`by_key`](Self::by_key), [`Rpc::by`](crate::component::Rpc::by) | the server of a key | it keeps the keys that it was called with; new keys go elsewhere |
/// | [`to_server`](Self::to_server), [`Rpc::on`](crate::component::Rpc::on) | the server that the application names | it gets its calls |
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
    /// Any of them, all as likely: what every type has that is given no other router. If nobody is at the one that was
    /// chosen, the call goes to another at once, and for a second calls go to the others.
    #[must_use]
    pub fn random() -> Self {
        Self::default()
    }

    /// The server of a key. Every server chooses the same one for the same key, by rendezvous hashing, and needs to have
    /// seen nothing before. Without a key it is any server.
    ///
    /// **A server that drains keeps its keys.** Each server remembers the keys that it was called with: the last 131 072
    /// at least. While it drains it serves those, until it leaves, whoever calls. It refuses a call with another key, and
    /// the caller then calls the next server in the order of the key: the call is handled once. Should no other server
    /// be open, it takes new keys too.
    ///
    /// What moves a key, so that its state has to be found elsewhere or made again:
    /// - its server leaves or crashes;
    /// - a server joins: of the keys that n servers have, one in n + 1 moves to it;
    /// - its server drains, and was called with more than 131 072 other keys since. A key that is used is not forgotten.
    ///
    /// About one new key in twenty, at most, stays on a server that drains, because it takes the key for a known one. A
    /// key that was used once is known for as long as the server lives, though its state may have ended: if the same few
    /// keys are used again and again, a drain ends at `pitaya.session.drain.timeout`. Keep the owner of a key yourself
    /// and use [`to_server`](Self::to_server) where that is not exact enough.
    #[must_use]
    pub fn by_key(key: impl Fn(&Routing<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Strategy::Key(Arc::new(key)))
    }

    /// The server with the id that the application names: what has the state of this call, as the application noted when
    /// it was made. With `None` it is any server that does not drain.
    ///
    /// A server that drains gets its calls until it leaves. Once there is no server of the type with this id, the call
    /// fails with `PIT-000` `server not found`: it is for the application to place the state on another server.
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

    /// The server that a function returns; an error is the call's.
    ///
    /// The function gets the servers of the type that may take new work, sorted by id and never none: those that do not
    /// drain, or all if all drain. It finds those that drain too in [`Routing::servers`], and may return any server.
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

/// The server that a call goes to.
#[derive(Debug)]
pub(super) struct Selection<'k> {
    pub(super) server: Arc<Server>,
    /// By chance: any other of its type would do as well.
    pub(super) is_random: bool,
    /// By this key.
    pub(super) key: Option<(Cow<'k, str>, KeyMark)>,
}

impl Selection<'_> {
    /// This one and no other.
    pub(super) fn fixed(server: Arc<Server>) -> Self {
        Self { server, is_random: false, key: None }
    }

    /// Whether this answer says that the server drains and does not know the key.
    pub(super) fn is_refused(&self, error: &Error) -> bool {
        self.mark().is_some_and(|mark| mark.may_be_refused) && is_refusal(error, &self.server.id)
    }

    pub(super) fn mark(&self) -> Option<KeyMark> {
        self.key.as_ref().map(|(_, mark)| *mark)
    }
}

/// What is known when a server is chosen.
pub(super) struct SelectionContext<'a> {
    pub(super) view: &'a View,
    pub(super) suspects: &'a Suspects,
    pub(super) refused: &'a RefusedKeys,
    /// The servers that have refused this very call.
    pub(super) tried: &'a [Arc<str>],
}

/// Any of them; one that is absent if all are, since somebody has to find out when it is back.
fn random<'k>(call: &Routing<'_>, servers: &[Arc<Server>], suspects: &Suspects) -> Result<Selection<'k>> {
    let server = suspects.choose(servers).or_else(|| random_of(servers));
    let server = server.cloned().ok_or_else(|| no_servers(call.route, call.server_type))?;
    Ok(Selection { server, is_random: true, key: None })
}

/// The routers of an app, by the type of the servers.
#[derive(Debug, Default)]
pub(crate) struct Routers(HashMap<String, Router>);

impl Routers {
    /// Sets the router of a type; gives `false` if it had one, which is replaced.
    pub(crate) fn set(&mut self, server_type: String, router: Router) -> bool {
        self.0.insert(server_type, router).is_none()
    }

    /// Chooses a server, by a key if there is one.
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
                // For a client it is a route like any other that does not exist.
                false => dispatch::not_found(call.route),
            });
        }
        match self.0.get(call.server_type) {
            Some(router) => router.choose(call, context),
            None => random(call, servers, context.suspects),
        }
    }
}

/// Those that take new work, or all if none does.
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

/// The server of a key: that with the highest score among those that have not refused the key. When one leaves, only its
/// own keys move.
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
    // Should all have refused it, the first in the order of the key has to take it.
    let server =
        best(&refused).or_else(|| best(&|_| false)).cloned().ok_or_else(|| no_servers(route, server_type))?;
    let may_be_refused = open.iter().any(|other| other.id != server.id && !tried(other));
    let mark = KeyMark { hash: hash(key.bytes()), may_be_refused };
    Ok(Selection { server, is_random: false, key: Some((key, mark)) })
}

/// A number that depends on nothing but the two texts, so that all servers agree whatever they were built with. It is
/// finalized, because FNV alone leaves ids that differ in their last letter alike.
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

    /// Worked out once: servers of two versions have to agree.
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

    /// Chooses by a key; gives the server and whether it may refuse.
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
