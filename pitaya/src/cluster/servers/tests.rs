use super::super::server::DRAINING;
use super::*;

fn ids(servers: &[Arc<Server>]) -> Vec<&str> {
    servers.iter().map(|server| &*server.id).collect()
}

#[test]
fn servers_are_found_by_id_and_by_type_in_one_order() {
    let servers = Servers::default();
    for id in ["b", "a", "c"] {
        servers.put(Server::new("room", id));
    }
    servers.put(Server::new("hall", "h"));
    let view = servers.view();
    assert_eq!(ids(view.of_type("room")), ["a", "b", "c"]);
    assert_eq!(&*servers.get("h").unwrap().server_type, "hall");
    assert!(view.of_type("nothing").is_empty() && servers.get("x").is_none());
    assert_eq!(view.count_by_type(), BTreeMap::from([("hall", 1), ("room", 3)]));
}

#[test]
fn a_server_that_drains_takes_no_new_work_but_stays() {
    let servers = Servers::default();
    servers.put(Server::new("room", "a"));
    servers.put(Server::new("room", "b"));
    servers.put(Server::new("room", "a").with_metadata(DRAINING, "true"));
    let view = servers.view();
    assert_eq!((ids(view.of_type("room")), ids(view.open("room"))), (vec!["a", "b"], vec!["b"]));
}

#[test]
fn broadcast_needs_support_of_every_frontend() {
    let servers = Servers::default();
    assert!(!servers.view().takes_broadcasts("connector"));
    servers.put(Server::new("connector", "ours").frontend(true).with_metadata(BROADCASTS, "1"));
    assert!(servers.view().takes_broadcasts("connector"));
    servers.put(Server::new("connector", "theirs").frontend(true));
    assert!(!servers.view().takes_broadcasts("connector"));
    servers.put(Server::new("connector", "theirs").frontend(true).with_metadata(BROADCASTS, "2"));
    assert!(!servers.view().takes_broadcasts("connector"), "another version of it is not ours");
    servers.remove("connector", "theirs");
    assert!(servers.view().takes_broadcasts("connector"));
    servers.put(Server::new("room", "r"));
    assert!(!servers.view().takes_broadcasts("room"), "it has no frontend");
    assert!(!servers.view().keeps_order("connector") && !servers.view().keeps_order("room"));
    let ours = Server::new("connector", "ours").frontend(true).with_metadata(BROADCASTS, "1");
    servers.put(ours.with_metadata(ORDER, "1"));
    assert!(servers.view().keeps_order("connector"));
}

#[tokio::test(start_paused = true)]
async fn server_that_is_listed_soon_is_waited_for() {
    let servers = Arc::new(Servers::default());
    let waiting = tokio::spawn({
        let servers = Arc::clone(&servers);
        async move { servers.wait_for("b").await }
    });
    tokio::task::yield_now().await;
    servers.put(Server::new("room", "a"));
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    servers.put(Server::new("room", "b"));
    assert_eq!(&*waiting.await.unwrap().unwrap().id, "b");

    let began = tokio::time::Instant::now();
    servers.remove("room", "b");
    assert_eq!(servers.wait_for("b").await, None);
    assert_eq!(began.elapsed(), Duration::ZERO, "a server that left is not waited for");
    assert_eq!(servers.wait_for("c").await, None);
    assert_eq!(began.elapsed(), WAIT);
    assert_eq!(servers.wait_for("c").await, None);
    assert_eq!(began.elapsed(), WAIT, "nobody waits for it twice");
}

#[test]
fn absent_servers_are_forgotten_at_the_limit() {
    let servers = Servers::default();
    for number in 0..=ABSENT {
        servers.put(Server::new("room", format!("{number}")));
        servers.remove("room", &number.to_string());
    }
    let absent = servers.absent.lock();
    assert_eq!((absent.len(), &*absent[0]), (ABSENT, "1"));
}

#[test]
fn listeners_hear_of_each_change_once_and_in_order() {
    let servers = Servers::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    servers.on_change({
        let heard = Arc::clone(&heard);
        move |change| {
            heard.lock().push(match change {
                Change::Added(server) => format!("+{}", server.id),
                Change::Replaced { new, .. } => format!("~{}", new.id),
                Change::Removed(server) => format!("-{}", server.id),
            });
        }
    });
    servers.put(Server::new("room", "a"));
    servers.put(Server::new("room", "a")); // as it was
    servers.put(Server::new("room", "a").with_metadata("k", "v"));
    servers.remove("hall", "a"); // of another type
    servers.remove("room", "x"); // not there
    servers.replace_all([Server::new("room", "b"), Server::new("room", "a").with_metadata("k", "v")]);
    servers.replace_all([Server::new("room", "b"), Server::new("room", "c")]);
    servers.remove("room", "b");
    assert_eq!(*heard.lock(), ["+a", "~a", "+b", "-a", "+c", "-b"]);
}

#[test]
fn a_type_stays_known_without_servers() {
    let servers = Servers::default();
    servers.put(Server::new("room", "a"));
    servers.remove("room", "a");
    servers.put(Server::new("hall", "b"));
    let view = servers.view();
    assert!(view.has_seen("room") && view.has_seen("hall") && !view.has_seen("attic"));
    assert_eq!((view.of_type("room").len(), view.open("room").len()), (0, 0));
    assert_eq!(view.count_by_type(), [("hall", 1)].into());
}

#[test]
fn a_listener_that_panics_harms_nobody() {
    let servers = Servers::default();
    let heard = Arc::new(Mutex::new(0));
    servers.on_change(|_| panic!("it is the listener's fault"));
    servers.on_change({
        let heard = Arc::clone(&heard);
        move |_| *heard.lock() += 1
    });
    servers.put(Server::new("room", "a"));
    servers.put(Server::new("room", "b"));
    assert_eq!((*heard.lock(), servers.view().of_type("room").len()), (2, 2));
}

#[test]
fn a_view_that_is_held_does_not_change() {
    let servers = Servers::default();
    servers.put(Server::new("room", "a"));
    let view = servers.view();
    servers.remove("room", "a");
    assert_eq!(ids(view.of_type("room")), ["a"]);
    assert!(servers.view().of_type("room").is_empty());
}
