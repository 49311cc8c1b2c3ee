//! Choosing the server for a call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::absent::{Absent, by_chance};
use super::{Server, View};
use crate::context::Metadata;
use crate::dispatch;
use crate::error::{Error, Result, code, text};
use crate::session::Session;

/// A call that needs a server.
#[derive(Debug)]
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
}

type Key = dyn Fn(&Routing<'_>) -> Option<String> + Send + Sync;
type Choose = dyn Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync;

/// How servers of one type are chosen: for clients' messages that are passed on and for calls of servers alike.
///
/// ```
/// use pitaya::cluster::Router;
/// use pitaya::prelude::*;
///
/// // One player, one room server, for as long as the servers stay the same.
/// let app = App::builder()
///     .router("room", Router::by_key(|call| call.session.and_then(|session| session.uid().ok())));
/// ```
#[derive(Clone, Default)]
pub struct Router(Way);

#[derive(Clone, Default)]
enum Way {
    #[default]
    Random,
    Key(Arc<Key>),
    Choose(Arc<Choose>),
}

impl Router {
    /// Any of them, all as likely: what every type has that is given no other router. If nobody is at the one that was
    /// chosen, the call goes to another at once, and for a second calls go to the others.
    #[must_use]
    pub fn random() -> Self {
        Self::default()
    }

    /// The one that a key chooses. Every server of ours chooses the same one for the same key; when servers come or
    /// go, only the keys of those are chosen anew. Without a key it is any.
    #[must_use]
    pub fn by_key(key: impl Fn(&Routing<'_>) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Way::Key(Arc::new(key)))
    }

    /// What a function says. It is given the servers of the type, sorted by id and never none: those that take new
    /// work, or all of them if none does. It may give any server; an error is the call's.
    #[must_use]
    pub fn custom(
        choose: impl Fn(&Routing<'_>, &[Arc<Server>]) -> Result<Arc<Server>> + Send + Sync + 'static,
    ) -> Self {
        Self(Way::Choose(Arc::new(choose)))
    }

    fn choose(&self, call: &Routing<'_>, servers: &[Arc<Server>], absent: &Absent) -> Result<Chosen> {
        match &self.0 {
            Way::Random => any(call, servers, absent),
            Way::Key(key) => match key(call) {
                Some(key) => by_key(&key, servers).cloned().map(Chosen::only).ok_or_else(|| no_servers(call)),
                None => any(call, servers, absent),
            },
            Way::Choose(choose) => choose(call, servers).map(Chosen::only),
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Way::Random => "Router::random",
            Way::Key(_) => "Router::by_key",
            Way::Choose(_) => "Router::custom",
        })
    }
}

/// The server that a call goes to.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) server: Arc<Server>,
    /// By chance: any other of its type would do as well.
    pub(super) by_chance: bool,
}

impl Chosen {
    /// This one and no other.
    pub(super) fn only(server: Arc<Server>) -> Self {
        Self { server, by_chance: false }
    }
}

/// Any of them; one that is absent if all are, since somebody has to find out when it is back.
fn any(call: &Routing<'_>, servers: &[Arc<Server>], absent: &Absent) -> Result<Chosen> {
    let server = absent.choose_present(servers).or_else(|| by_chance(servers));
    let server = server.cloned().ok_or_else(|| no_servers(call))?;
    Ok(Chosen { server, by_chance: true })
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
    pub(super) fn choose(
        &self,
        call: &Routing<'_>,
        key: Option<&str>,
        view: &View,
        absent: &Absent,
    ) -> Result<Chosen> {
        let servers = willing(view, call.server_type);
        if servers.is_empty() {
            return Err(match view.has_seen(call.server_type) || call.session.is_none() {
                true => no_servers(call),
                // For a client it is a route like any other that does not exist.
                false => dispatch::not_found(call.route),
            });
        }
        if let Some(key) = key {
            return by_key(key, servers).cloned().map(Chosen::only).ok_or_else(|| no_servers(call));
        }
        match self.0.get(call.server_type) {
            Some(router) => router.choose(call, servers, absent),
            None => any(call, servers, absent),
        }
    }
}

/// Those that take new work, or all if none does.
pub(super) fn willing<'a>(view: &'a View, server_type: &str) -> &'a [Arc<Server>] {
    let open = view.open(server_type);
    if open.is_empty() { view.of_type(server_type) } else { open }
}

#[cold]
fn no_servers(call: &Routing<'_>) -> Error {
    Error::new(code::INTERNAL, text::NO_SERVERS)
        .with_metadata("route", call.route)
        .with_metadata("type", call.server_type)
}

/// The server with the highest score for a key: when one goes, only its own keys move.
fn by_key<'a>(key: &str, servers: &'a [Arc<Server>]) -> Option<&'a Arc<Server>> {
    servers.iter().max_by_key(|server| (score(key, &server.id), &server.id))
}

/// A number that depends on nothing but the two texts, so that all servers agree whatever they were built with: FNV-1a
/// over the key, a zero and the id, then a finalizer, since FNV alone leaves ids that differ in their last letter
/// alike.
fn score(key: &str, id: &str) -> u64 {
    let bytes = key.bytes().chain([0]).chain(id.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
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
        };
        let chosen = routers.choose(&call, key, &servers.view(), &Absent::default());
        chosen.map(|chosen| chosen.server.id.to_string())
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
    fn one_key_has_one_server_and_only_the_keys_of_one_that_goes_move() {
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
        let chosen: Vec<_> = ["ann", "bob", "cid", "dan", "eve"]
            .iter()
            .map(|key| choose(&Routers::default(), &servers, Some(key)).unwrap())
            .collect();
        assert_eq!(chosen, EXPECTED);
    }

    /// Worked out once: servers of two versions have to agree.
    const EXPECTED: [&str; 5] = ["room-1", "room-1", "room-2", "room-1", "room-2"];

    #[test]
    fn an_apps_own_function_decides_and_its_error_is_the_calls() {
        let last = routers(Router::custom(|call, servers| {
            assert_eq!((call.route, call.server_type), ("room.room.join", "room"));
            servers.last().cloned().ok_or_else(|| Error::new("X-1", "none"))
        }));
        assert_eq!(choose(&last, &known(&["a", "b"]), None).unwrap(), "b");
        let never = routers(Router::custom(|_, _| Err(Error::new("X-2", "closed"))));
        assert_eq!(choose(&never, &known(&["a"]), None).unwrap_err().code(), "X-2");
    }

    #[test]
    fn servers_that_drain_are_chosen_only_if_there_is_no_other() {
        let servers = known(&["a", "b"]);
        let drains = |id| Server::new("room", id).with_metadata(DRAINING, "true");
        servers.put(drains("a"));
        for _ in 0..50 {
            assert_eq!(choose(&Routers::default(), &servers, None).unwrap(), "b");
        }
        servers.put(drains("b"));
        assert!(choose(&Routers::default(), &servers, None).is_ok());
    }
}
