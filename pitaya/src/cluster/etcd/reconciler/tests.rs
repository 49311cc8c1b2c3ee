use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cluster::Change;

const PREFIX: &str = "pitaya/";

const GRACE: Duration = Duration::from_secs(10);

fn server(server_type: &str, id: &str, note: &str) -> Server {
    Server::new(server_type, id).with_metadata("note", note)
}

struct Fixture {
    servers: Arc<Servers>,
    reconciler: Reconciler,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fixture {
    fn new(blacklist: &[&str]) -> Self {
        let servers = Arc::new(Servers::default());
        let heard = Arc::new(Mutex::new(Vec::new()));
        servers.on_change({
            let heard = Arc::clone(&heard);
            move |change| {
                heard.lock().unwrap().push(match change {
                    Change::Added(server) => format!("+{}", server.id),
                    Change::Replaced { new, .. } => format!("~{}", new.id),
                    Change::Removed(server) => format!("-{}", server.id),
                });
            }
        });
        let blacklist: Vec<String> = blacklist.iter().map(|&it| it.to_owned()).collect();
        let own = Arc::new(server("room", "own", ""));
        let reconciler =
            Reconciler::new(Arc::clone(&servers), own, PREFIX.to_owned(), &blacklist, Arc::default());
        Self { servers, reconciler, heard }
    }

    fn list(&mut self, revision: i64, entries: &[(&str, &[u8])]) -> Option<OwnEntry> {
        let entries: Vec<(String, &[u8])> =
            entries.iter().map(|(key, value)| (format!("{PREFIX}{key}"), *value)).collect();
        self.reconciler.list(
            revision,
            entries.iter().map(|(key, value)| Entry { key: key.as_bytes(), value, revision: 1, lease: 7 }),
        )
    }

    fn put(&mut self, revision: i64, key: &str, value: &[u8]) -> Seen {
        let key = format!("{PREFIX}{key}");
        self.reconciler.apply(Event::Put(Entry { key: key.as_bytes(), value, revision, lease: 7 }))
    }

    fn delete(&mut self, revision: i64, key: &str) -> Seen {
        let key = format!("{PREFIX}{key}");
        self.reconciler.apply(Event::Deleted { key: key.as_bytes(), revision })
    }

    fn ids(&self) -> Vec<String> {
        self.servers.view().all().map(|server| server.id.to_string()).collect()
    }

    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    fn skipped(&self) -> u64 {
        self.reconciler.skipped.load(Ordering::Relaxed)
    }
}

fn value(server_type: &str, id: &str) -> Vec<u8> {
    server(server_type, id, "").to_json()
}

#[test]
fn a_list_is_the_view_with_the_own_server_in_it() {
    let mut it = Fixture::new(&[]);
    let own = it.list(5, &[("servers/room/a", &value("room", "a"))]);
    assert_eq!((own, it.ids()), (None, vec!["a".to_owned(), "own".to_owned()]));
    let own = it.list(6, &[("servers/room/own", &value("room", "own"))]);
    assert_eq!(own, Some(OwnEntry { lease: 7, same: true }));
    assert_eq!(it.ids(), ["own"]);
    let own = it.list(6, &[("servers/room/own", b"{}")]);
    assert_eq!(own, Some(OwnEntry { lease: 7, same: false }));
}

#[test]
fn changes_follow_the_list() {
    let mut it = Fixture::new(&[]);
    it.list(5, &[("servers/room/a", &value("room", "a"))]);
    it.heard();
    it.delete(5, "servers/room/a");
    it.put(4, "servers/room/b", &value("room", "b"));
    assert_eq!(it.heard(), Vec::<String>::new());
    it.put(6, "servers/room/b", &value("room", "b"));
    it.put(7, "servers/room/a", &server("room", "a", "new").to_json());
    it.put(8, "servers/room/a", &server("room", "a", "new").to_json());
    it.delete(9, "servers/room/b");
    it.delete(10, "servers/hall/a");
    it.delete(11, "servers/room/x");
    assert_eq!(it.heard(), ["+b", "~a", "-b"]);
    assert_eq!(it.servers.get("a").unwrap().metadata["note"], "new");
}

/// An invalid entry hides no other entry.
#[test]
fn invalid_entry_is_counted_once() {
    let mut it = Fixture::new(&[]);
    let good = value("room", "good");
    let strangers: [(&str, &[u8]); 9] = [
        ("servers/room/null", b"null"),
        ("servers/room/empty", b""),
        ("servers/room/list", b"[1]"),
        ("servers/room/half", b"{\"id\":\"half\""),
        ("servers/room/type", b"{\"id\":\"type\",\"type\":7}"),
        ("servers/room/bytes", b"\xff\xfe"),
        ("servers/room/other", &good),
        ("servers/room", &good),
        ("servers/room/good/more", &good),
    ];
    let mut entries = strangers.to_vec();
    entries.insert(4, ("servers/room/good", &good));
    for revision in 5..8 {
        it.list(revision, &entries);
        assert_eq!((it.ids(), it.skipped()), (vec!["good".to_owned(), "own".to_owned()], 9));
    }
    for (number, (key, value)) in (10..).zip(strangers) {
        assert!(matches!(it.put(number, key, value), Seen::Others));
    }
    it.put(30, "servers/room/later", &value("room", "later"));
    assert_eq!((it.ids().len(), it.skipped()), (3, 18), "each was put anew, and counts anew");
    for (number, (key, _)) in (40..).zip(strangers) {
        it.delete(number, key);
    }
    assert_eq!(it.ids(), ["good", "later", "own"]);
}

#[test]
fn a_key_that_is_not_utf8_is_skipped() {
    let mut it = Fixture::new(&[]);
    let value = value("room", "a");
    let entry = Entry { key: b"pitaya/servers/room/\xff", value: &value, revision: 9, lease: 0 };
    it.reconciler.apply(Event::Put(entry));
    it.reconciler.list(10, [entry]);
    assert_eq!((it.ids(), it.skipped()), (vec!["own".to_owned()], 1));
    it.reconciler.apply(Event::Deleted { key: entry.key, revision: 11 });
}

#[test]
fn invalid_entry_keeps_the_known_server() {
    let mut it = Fixture::new(&[]);
    it.list(5, &[("servers/room/a", &value("room", "a"))]);
    it.put(6, "servers/room/a", b"null");
    it.list(7, &[("servers/room/a", b"null")]);
    assert_eq!(it.ids(), ["a", "own"]);
    it.delete(8, "servers/room/a");
    assert_eq!(it.ids(), ["own"]);
    it.list(9, &[("servers/room/a", b"null")]);
    assert_eq!(it.ids(), ["own"]);
}

#[test]
fn blacklisted_types_are_hidden_except_own() {
    let mut it = Fixture::new(&["room", "hall"]);
    let (room, hall, shop) = (value("room", "a"), value("hall", "b"), value("shop", "c"));
    let own = value("room", "own");
    it.list(
        5,
        &[
            ("servers/room/a", &room),
            ("servers/hall/b", &hall),
            ("servers/shop/c", &shop),
            ("servers/room/own", &own),
            ("servers/hall/bad", b"null"),
        ],
    );
    it.put(6, "servers/hall/d", &value("hall", "d"));
    assert_eq!((it.ids(), it.skipped()), (vec!["c".to_owned(), "own".to_owned()], 0));
}

#[test]
fn own_server_stays_in_view_until_it_leaves() {
    let mut it = Fixture::new(&[]);
    it.list(5, &[]);
    assert!(matches!(it.delete(6, "servers/room/own"), Seen::OwnDeleted(6)));
    it.put(7, "servers/hall/own", &value("hall", "own"));
    assert_eq!((it.servers.view().of_type("room").len(), it.skipped()), (1, 1));
    it.delete(8, "servers/hall/own");
    let thief = server("room", "own", "thief").to_json();
    assert!(matches!(it.put(9, "servers/room/own", &thief), Seen::OwnPut(9, OwnEntry { same: false, .. })));
    it.list(10, &[("servers/room/own", &thief), ("servers/hall/own", &value("hall", "own"))]);
    assert_eq!(*it.servers.get("own").unwrap(), server("room", "own", ""));
    it.reconciler.announce(Arc::new(server("room", "own", "drains")));
    assert_eq!(it.servers.get("own").unwrap().metadata["note"], "drains");
    it.reconciler.leave();
    assert!(it.ids().is_empty());
    it.list(11, &[("servers/room/own", &thief)]);
    assert!(it.ids().is_empty());
}

/// Afterwards the servers that did not come back are removed.
#[test]
fn doubted_registry_removes_no_server_early() {
    let mut it = Fixture::new(&[]);
    let (a, b, c) = (value("room", "a"), value("room", "b"), value("room", "c"));
    it.list(5, &[("servers/room/a", &a), ("servers/room/b", &b), ("servers/room/c", &c)]);
    it.heard();
    let now = Instant::now();
    it.reconciler.doubt(Duration::from_secs(60), GRACE, now);
    it.list(6, &[("servers/room/a", &a)]);
    it.delete(7, "servers/room/a");
    it.put(8, "servers/room/b", &b);
    it.put(9, "servers/room/d", &value("room", "d"));
    it.reconciler.tick(now + Duration::from_secs(9));
    assert_eq!(it.heard(), ["+d"]);
    it.list(10, &[("servers/room/b", &b), ("servers/room/d", &value("room", "d"))]);
    assert_eq!(it.heard(), Vec::<String>::new());
    it.reconciler.tick(now + Duration::from_secs(10));
    assert_eq!(it.heard(), ["-a", "-c"]);
    it.delete(11, "servers/room/b");
    assert_eq!(it.heard(), ["-b"]);
}

#[test]
fn repeated_silence_extends_grace_by_its_time() {
    let mut it = Fixture::new(&[]);
    it.list(5, &[("servers/room/a", &value("room", "a"))]);
    let start = Instant::now();
    let second = Duration::from_secs(1);
    it.reconciler.doubt(60 * second, GRACE, start);
    it.delete(6, "servers/room/a");
    // etcd is silent every other second.
    let mut now = start;
    for _ in 0..9 {
        now += 2 * second;
        it.reconciler.doubt(second, GRACE, now);
        it.reconciler.tick(now);
        assert_eq!(it.ids(), ["a", "own"]);
    }
    it.reconciler.tick(now + second);
    assert_eq!(it.ids(), ["own"]);
}

/// One event of a registry, or a tick of the reconciler.
#[derive(Debug, Clone)]
enum Act {
    Put(u8, u8),
    Delete(u8),
    Stranger(u8),
    /// The changes up to now arrive.
    Follow,
    /// The whole list arrives. Older changes may arrive after it.
    List,
    Doubt,
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0_u8..5, 0_u8..3).prop_map(|(id, note)| Act::Put(id, note)),
        3 => (0_u8..5).prop_map(Act::Delete),
        1 => (0_u8..5).prop_map(Act::Stranger),
        2 => Just(Act::Follow),
        1 => Just(Act::List),
        1 => Just(Act::Doubt),
        1 => (0_u64..12).prop_map(Act::Pass),
    ];
    proptest::collection::vec(act, 0..60)
}

proptest! {
    #[test]
    fn settled_view_equals_the_registry(acts in acts()) {
        let mut it = Fixture::new(&[]);
        let mut registry: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut changes: Vec<(i64, String, Option<Vec<u8>>)> = Vec::new();
        let (mut revision, mut told, mut now) = (1, 0, Instant::now());
        for act in acts.into_iter().chain([Act::Follow, Act::Pass(100)]) {
            let changed = match act {
                Act::Put(id, note) => {
                    let it = server("room", &id.to_string(), &note.to_string());
                    Some((it.key().unwrap(), Some(it.to_json())))
                }
                Act::Delete(id) => Some((format!("servers/room/{id}"), None)),
                Act::Stranger(id) => Some((format!("servers/stranger-{id}"), Some(b"null".to_vec()))),
                Act::Follow => {
                    for (revision, key, value) in &changes[told..] {
                        match value {
                            Some(value) => it.put(*revision, key, value),
                            None => it.delete(*revision, key),
                        };
                    }
                    told = changes.len();
                    None
                }
                Act::List => {
                    let entries: Vec<(&str, &[u8])> =
                        registry.iter().map(|(key, value)| (&**key, &**value)).collect();
                    it.list(revision, &entries);
                    None
                }
                Act::Doubt => {
                    it.reconciler.doubt(Duration::from_secs(3), GRACE, now);
                    None
                }
                Act::Pass(seconds) => {
                    now += Duration::from_secs(seconds);
                    it.reconciler.tick(now);
                    None
                }
            };
            if let Some((key, value)) = changed {
                match &value {
                    Some(value) => registry.insert(key.clone(), value.clone()),
                    None => registry.remove(&key),
                };
                revision += 1;
                changes.push((revision, key, value));
            }
        }
        let mut expected: Vec<Server> =
            registry.iter().filter_map(|(key, value)| Server::from_entry(key, value).ok()).collect();
        let view = it.servers.view();
        let others: Vec<Server> =
            view.all().filter(|server| &*server.id != "own").map(|server| Server::clone(server)).collect();
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        prop_assert_eq!(others, expected);
    }

    #[test]
    fn no_entry_makes_it_panic(
        key in proptest::collection::vec(any::<u8>(), 0..40), value in proptest::collection::vec(any::<u8>(), 0..40),
        well_formed: bool,
    ) {
        let mut it = Fixture::new(&[]);
        let key = if well_formed { [b"pitaya/servers/room/", &*key].concat() } else { key };
        let entry = Entry { key: &key, value: &value, revision: 5, lease: 0 };
        it.reconciler.apply(Event::Put(entry));
        it.reconciler.list(6, [entry]);
        it.reconciler.apply(Event::Deleted { key: &key, revision: 7 });
        prop_assert!(it.ids().contains(&"own".to_owned()) || it.ids().is_empty());
    }
}
