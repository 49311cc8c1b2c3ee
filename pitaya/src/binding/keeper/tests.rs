use super::*;
use crate::binding::testing::{Mode, Moody};
use crate::util::sync::Mutex as SyncMutex;

const LIMIT: Duration = Duration::from_millis(500);

/// A running keeper.
struct Kept {
    keeper: Arc<Keeper>,
    storage: Arc<Moody>,
    replaced: Arc<SyncMutex<Vec<String>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn start(id: &str, storage: &Arc<Moody>) -> Kept {
    let (own, storage) = (Arc::new(Server::new("connector", id)), Arc::clone(storage));
    let keeper = Keeper::new(Arc::clone(&storage) as _, own, LIMIT);
    keeper.start().await.unwrap();
    let replaced = Arc::<SyncMutex<Vec<String>>>::default();
    let (stop, list) = (CancellationToken::new(), Arc::clone(&replaced));
    let task = tokio::spawn(Arc::clone(&keeper).run(stop.clone(), move |other| {
        list.lock().push(format!("{} of {} at {}", other.uid, other.previous, other.bound_at));
    }));
    Kept { keeper, storage, replaced, stop, task }
}

impl Kept {
    /// Binds a user. Returns how long that takes.
    async fn bind(&self, uid: &str, session: u64) -> Duration {
        let (uid, began): (Arc<str>, _) = (uid.into(), Instant::now());
        self.keeper.bind(&uid, session, 1);
        self.keeper.stored(&uid).await;
        began.elapsed()
    }

    async fn find(&self, uid: &str) -> Option<String> {
        self.storage.stored(uid).await
    }
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn bind_returns_when_the_user_is_stored() {
    let storage = Arc::<Moody>::default();
    let (one, two) = (start("f1", &storage).await, start("f2", &storage).await);
    storage.set_delay(Duration::from_millis(300));
    assert_eq!(one.bind("ann", 1).await, Duration::from_millis(300));
    assert_eq!(one.find("ann").await.as_deref(), Some("f1"));
    two.bind("ann", 1).await;
    assert_eq!(two.find("ann").await.as_deref(), Some("f2"));
    assert_eq!(*two.replaced.lock(), ["ann of f1 at 1"]);
    assert!(one.replaced.lock().is_empty());
    one.keeper.leave("ann", 1);
    pass(1).await;
    assert_eq!(one.find("ann").await.as_deref(), Some("f2"), "a late end of the older session");
    one.keeper.put_again("ann");
    two.keeper.leave("ann", 1);
    pass(1).await;
    assert_eq!(two.find("ann").await, None);
}

/// The first bind waits for the limit, the next ones do not, and all are stored afterwards.
#[tokio::test(start_paused = true)]
async fn silent_storage_delays_one_round_of_binds() {
    let storage = Arc::<Moody>::default();
    let one = start("f1", &storage).await;
    storage.set(Mode::Silent);
    assert_eq!(one.bind("ann", 1).await, LIMIT);
    assert_eq!(one.bind("bob", 2).await, Duration::ZERO);
    storage.set(Mode::Up);
    pass(200).await;
    assert_eq!((one.find("ann").await.is_some(), one.find("bob").await.is_some()), (true, true));
    assert_eq!(one.bind("eve", 3).await, Duration::ZERO, "it is stored with the first poll");
    assert!(one.find("eve").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn unavailable_storage_delays_no_bind() {
    let storage = Arc::<Moody>::default();
    let one = start("f1", &storage).await;
    one.bind("old", 1).await;
    storage.set(Mode::Down);
    for n in 2..100 {
        assert_eq!(one.bind(&format!("user-{n}"), n).await, Duration::ZERO);
    }
    one.keeper.leave("old", 1);
    one.keeper.leave("user-2", 2);
    pass(60).await;
    assert!(storage.calls() < 100, "{} calls in a minute", storage.calls());
    storage.set(Mode::Up);
    pass(6).await;
    assert_eq!((one.find("old").await, one.find("user-2").await), (None, None));
    for n in 3..100 {
        assert!(one.find(&format!("user-{n}")).await.is_some(), "{n}");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_lease_is_noticed_and_all_is_stored_again() {
    let storage = Arc::<Moody>::default();
    let one = start("f1", &storage).await;
    for n in 0..1000 {
        one.bind(&format!("user-{n}"), n).await;
    }
    storage.lose();
    assert_eq!(one.find("user-7").await, None);
    pass(11).await;
    for n in 0..1000 {
        assert!(one.find(&format!("user-{n}")).await.is_some(), "{n}");
    }
    assert!(storage.most() <= 64, "{} requests at a time", storage.most());
}

#[tokio::test(start_paused = true)]
async fn stop_removes_all_bindings() {
    let storage = Arc::<Moody>::default();
    let one = start("f1", &storage).await;
    one.bind("ann", 1).await;
    one.stop.cancel();
    one.task.await.unwrap();
    assert_eq!(storage.stored("ann").await, None);
    let uid = "bob".into();
    one.keeper.bind(&uid, 2, 2);
    one.keeper.stored(&uid).await;
}

#[tokio::test(start_paused = true)]
async fn start_waits_for_storage_unless_refused() {
    let storage = Arc::<Moody>::default();
    storage.set(Mode::Down);
    let own = Arc::new(Server::new("connector", "f1"));
    let keeper = Keeper::new(Arc::clone(&storage) as _, own, LIMIT);
    let up = async {
        pass(30).await;
        storage.set(Mode::Up);
    };
    let began = Instant::now();
    let (started, ()) = tokio::join!(keeper.start(), up);
    started.unwrap();
    assert!(began.elapsed() < Duration::from_secs(32));
    storage.set(Mode::Refusing);
    let error = keeper.start().await.unwrap_err();
    assert_eq!(error.msg(), "the binding storage refuses this: no");
}

#[tokio::test(start_paused = true)]
async fn panic_of_the_storage_is_a_failure() {
    let storage = Arc::<Moody>::default();
    let one = start("f1", &storage).await;
    storage.set(Mode::Broken);
    one.bind("ann", 1).await;
    pass(10).await;
    assert!(!one.task.is_finished());
    storage.set(Mode::Up);
    pass(200).await;
    assert_eq!(one.find("ann").await.as_deref(), Some("f1"));
}
