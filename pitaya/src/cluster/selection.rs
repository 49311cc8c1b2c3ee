//! Selects the server of a call among those that are known.
//!
//! A call is named by its route and its server type.

use std::borrow::Cow;
use std::sync::Arc;

use super::keyed::{RefusedKeys, hash, is_refusal};
use super::suspects::{Suspects, random_of};
use super::{Server, View};
use crate::context::KeyMark;
use crate::error::{Error, Result, code, text};

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
pub(super) fn random<'k>(
    of: (&str, &str),
    servers: &[Arc<Server>],
    suspects: &Suspects,
) -> Result<Selection<'k>> {
    let server = suspects.choose(servers).or_else(|| random_of(servers));
    let server = server.cloned().ok_or_else(|| no_servers(of))?;
    Ok(Selection { server, is_random: true, key: None })
}

/// Returns the servers that accept new work, or all if all drain.
pub(super) fn candidates<'a>(view: &'a View, server_type: &str) -> &'a [Arc<Server>] {
    let open = view.open(server_type);
    if open.is_empty() { view.of_type(server_type) } else { open }
}

#[cold]
pub(super) fn no_servers((route, server_type): (&str, &str)) -> Error {
    Error::new(code::INTERNAL, text::NO_SERVERS)
        .with_metadata("route", route)
        .with_metadata("type", server_type)
}

/// Selects the server with the highest score for the key among those that have not refused it. When a server leaves,
/// only its own keys move.
pub(super) fn by_key<'k>(
    of: (&str, &str),
    key: Cow<'k, str>,
    context: &SelectionContext<'_>,
) -> Result<Selection<'k>> {
    let (all, open) = (context.view.of_type(of.1), context.view.open(of.1));
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
    let server = best(&refused).or_else(|| best(&|_| false)).cloned().ok_or_else(|| no_servers(of))?;
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
pub(super) mod tests {
    use super::super::Servers;
    use super::super::server::DRAINING;
    use super::*;

    pub(in crate::cluster) fn known(ids: &[&str]) -> Servers {
        let servers = Servers::default();
        ids.iter().for_each(|id| servers.put(Server::new("room", *id)));
        servers
    }

    pub(in crate::cluster) fn drains(id: &str) -> Server {
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
}
