use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::testing::capture;
use super::*;
use crate::component::FromServices;
use crate::error::{Error, code};
use crate::lifecycle::LifecycleList;

const S: Duration = Duration::from_secs(1);

type Record = Arc<Mutex<Vec<String>>>;

/// Records its calls, and fails, panics or hangs in one of them.
struct Recorder {
    name: &'static str,
    record: Record,
    trouble: Option<(&'static str, Trouble)>,
}

#[derive(Clone, Copy)]
enum Trouble {
    Fail,
    Panic,
    Hang,
}

impl Recorder {
    fn new(name: &'static str, record: &Record) -> Self {
        Self { name, record: Arc::clone(record), trouble: None }
    }

    fn with(mut self, call: &'static str, trouble: Trouble) -> Self {
        self.trouble = Some((call, trouble));
        self
    }

    async fn call(&self, call: &'static str) -> Result<()> {
        self.record.lock().unwrap().push(format!("{} {call}", self.name));
        match self.trouble {
            Some((when, Trouble::Fail)) if when == call => Err(Error::internal("no luck")),
            Some((when, Trouble::Panic)) if when == call => panic!("on purpose"),
            Some((when, Trouble::Hang)) if when == call => pending().await,
            _ => Ok(()),
        }
    }
}

impl Module for Recorder {
    async fn init(&self, _: &Services) -> Result<()> {
        self.call("init").await
    }
    async fn after_init(&self) {
        let _ = self.call("after_init").await;
    }
    async fn before_shutdown(&self) {
        let _ = self.call("before_shutdown").await;
    }
    async fn shutdown(&self) -> Result<()> {
        self.call("shutdown").await
    }
}

struct Nothing;

impl Module for Nothing {}

fn take(record: &Record) -> Vec<String> {
    std::mem::take(&mut record.lock().unwrap())
}

async fn init(modules: &Modules) -> LifecycleList {
    let mut all = modules.begin();
    all.init(&Services::default()).await.unwrap();
    all
}

async fn stop(all: &mut LifecycleList) {
    all.stop(S, &CancellationToken::new()).await;
}

#[tokio::test]
async fn the_four_calls_come_once_in_order_and_in_reverse() {
    let (modules, record) = (Modules::new(), Record::default());
    modules.register_after("b", Recorder::new("b", &record)).unwrap();
    modules.register_after("c", Recorder::new("c", &record)).unwrap();
    modules.register_before("a", Recorder::new("a", &record)).unwrap();
    modules.register_after("nothing", Nothing).unwrap();
    assert_eq!(modules.names(), ["a", "b", "c", "nothing"]);

    let mut all = init(&modules).await;
    assert_eq!(take(&record), ["a init", "b init", "c init"]);
    all.after_init().await;
    assert_eq!(take(&record), ["a after_init", "b after_init", "c after_init"]);
    stop(&mut all).await;
    assert_eq!(
        take(&record),
        [
            "c before_shutdown",
            "b before_shutdown",
            "a before_shutdown",
            "c shutdown",
            "b shutdown",
            "a shutdown"
        ]
    );
    stop(&mut all).await;
    assert!(take(&record).is_empty(), "a second stop does nothing");
}

#[tokio::test]
async fn failed_init_shuts_down_only_earlier_modules() {
    for (trouble, text) in
        [(Trouble::Fail, "module `b`: no luck"), (Trouble::Panic, "module `b`: on purpose")]
    {
        let (modules, record) = (Modules::new(), Record::default());
        modules.register_after("a", Recorder::new("a", &record)).unwrap();
        modules.register_after("b", Recorder::new("b", &record).with("init", trouble)).unwrap();
        modules.register_after("c", Recorder::new("c", &record)).unwrap();
        let mut all = modules.begin();
        let error = all.init(&Services::default()).await.unwrap_err();
        assert_eq!(error.msg(), text);
        assert_eq!(take(&record), ["a init", "b init"]);
        stop(&mut all).await;
        assert_eq!(take(&record), ["a before_shutdown", "a shutdown"]);
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_at_stop_is_a_warning_and_the_stop_goes_on() {
    for (call, trouble, warning) in [
        ("shutdown", Trouble::Fail, "shutdown step failed"),
        ("shutdown", Trouble::Panic, "shutdown step failed"),
        ("before_shutdown", Trouble::Panic, "shutdown step failed"),
        ("shutdown", Trouble::Hang, "shutdown step timed out"),
        ("before_shutdown", Trouble::Hang, "shutdown step timed out"),
    ] {
        let (modules, record) = (Modules::new(), Record::default());
        modules.register_after("a", Recorder::new("a", &record)).unwrap();
        modules.register_after("b", Recorder::new("b", &record).with(call, trouble)).unwrap();
        let mut all = init(&modules).await;
        take(&record);
        let (guard, mut logs) = capture();
        stop(&mut all).await;
        drop(guard);
        assert_eq!(
            take(&record),
            ["b before_shutdown", "a before_shutdown", "b shutdown", "a shutdown"],
            "{call}"
        );
        let logs: Vec<_> = std::iter::from_fn(|| logs.try_recv().ok()).collect();
        assert!(logs.contains(&(Level::WARN, warning.to_owned())), "{logs:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_what_a_stop_waits_for() {
    let (modules, record) = (Modules::new(), Record::default());
    modules.register_after("a", Recorder::new("a", &record).with("shutdown", Trouble::Hang)).unwrap();
    modules.register_after("b", Recorder::new("b", &record).with("shutdown", Trouble::Hang)).unwrap();
    let mut all = init(&modules).await;
    let (force, start) = (CancellationToken::new(), Instant::now());
    let signal = async {
        sleep(3 * S).await;
        force.cancel();
    };
    tokio::join!(all.stop(100 * S, &force), signal);
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(take(&record).last().unwrap(), "a shutdown", "each is still called");
}

#[tokio::test]
async fn modules_are_found_by_name_and_by_type() {
    let (modules, record) = (Modules::new(), Record::default());
    modules.register_after("first", Recorder::new("1", &record)).unwrap();
    modules.register_after("second", Recorder::new("2", &record)).unwrap();
    modules.register_after("idle", Nothing).unwrap();

    assert_eq!(modules.get::<Recorder>("second").unwrap().name, "2");
    assert_eq!(modules.find::<Recorder>().unwrap().name, "1");
    modules.find::<Nothing>().unwrap();

    let error = modules.get::<Recorder>("third").err().unwrap();
    assert_eq!((error.code(), error.msg()), (code::INTERNAL, "module with name third not found"));
    let error = modules.get::<Recorder>("idle").err().unwrap();
    assert_eq!(error.msg(), "internal error");
    assert!(error.reason().contains("is a `pitaya::module::tests::Nothing`"), "{error}");
    let error = modules.find::<BinaryModule>().err().unwrap();
    assert!(error.reason().ends_with("BinaryModule not found"), "{error}");
}

#[tokio::test]
async fn module_name_is_unique_and_fixed_at_start() {
    let modules = Modules::new();
    modules.register_after("a", Nothing).unwrap();
    for taken in [modules.register_after("a", Nothing), modules.register_before("a", Nothing)] {
        assert_eq!(taken.unwrap_err().msg(), "module with name a already exists");
    }
    assert_eq!(modules.register_session("a", Match::new("a", [])).unwrap_err().code(), code::INTERNAL);
    init(&modules).await;
    assert!(modules.register_after("b", Nothing).unwrap_err().msg().contains("comes too late"));
    assert_eq!(modules.names(), ["a"]);
}

#[tokio::test]
async fn modules_are_a_service_and_see_the_services() {
    struct Reads(Mutex<Option<u32>>);
    impl Module for Reads {
        async fn init(&self, services: &Services) -> Result<()> {
            *self.0.lock().unwrap() = services.find::<u32>().map(|n| *n);
            Ok(())
        }
    }
    let (modules, services) = (Modules::new(), Services::default());
    modules.register_after("reads", Reads(Mutex::default())).unwrap();
    services.insert(7_u32);
    services.insert(modules.clone());
    modules.begin().init(&services).await.unwrap();
    let found = Modules::from_services(&services).unwrap().find::<Reads>().unwrap();
    assert_eq!(*found.0.lock().unwrap(), Some(7));
}

/// Has the given number of sessions at each poll, then none.
struct Match {
    name: &'static str,
    counts: Mutex<VecDeque<usize>>,
    record: Record,
}

impl Match {
    fn new(name: &'static str, counts: impl IntoIterator<Item = usize>) -> Self {
        let counts = Mutex::new(counts.into_iter().collect());
        Self { name, counts, record: Record::default() }
    }
}

impl Module for Match {}

impl SessionModule for Match {
    fn start_session_draining(&self) {
        self.record.lock().unwrap().push(self.name.to_owned());
    }
    fn session_count(&self) -> usize {
        self.counts.lock().unwrap().pop_front().unwrap_or(0)
    }
}

/// Drains with a period of 5 s. Returns how it ended, and after how many seconds.
async fn drained(
    modules: &Modules,
    pool: impl Fn() -> usize,
    timeout: Duration,
    interrupted: impl Future<Output = ()>,
) -> (Drained, u64) {
    let start = Instant::now();
    let drained = modules.drain(pool, 5 * S, timeout, interrupted).await;
    (drained, start.elapsed().as_secs())
}

/// It ends when no session is left.
#[tokio::test(start_paused = true)]
async fn drain_stops_session_modules_in_reverse() {
    let (modules, record) = (Modules::new(), Record::default());
    for (name, counts) in [("a", [2, 1, 0]), ("b", [0, 0, 1])] {
        let mut module = Match::new(name, counts);
        module.record = Arc::clone(&record);
        modules.register_session(name, module).unwrap();
    }
    modules.register_after("nothing", Nothing).unwrap();
    let (guard, mut logs) = capture();
    assert_eq!(drained(&modules, || 0, 100 * S, pending()).await, (Drained::Empty, 15));
    drop(guard);
    assert_eq!(take(&record), ["b", "a"]);
    let logged = std::iter::from_fn(|| logs.try_recv().ok()).filter(|(_, text)| text.contains("waiting"));
    assert_eq!(logged.count(), 3, "what is left is logged every period");
}

#[tokio::test(start_paused = true)]
async fn second_drain_starts_no_module_again() {
    let (modules, record) = (Modules::new(), Record::default());
    let mut module = Match::new("a", [1, 0, 1, 0]);
    module.record = Arc::clone(&record);
    modules.register_session("a", module).unwrap();
    for _ in 0..2 {
        assert_eq!(drained(&modules, || 0, 100 * S, pending()).await, (Drained::Empty, 5));
    }
    assert_eq!(take(&record), ["a"]);
}

/// It ends immediately where there are no sessions.
#[tokio::test(start_paused = true)]
async fn drain_waits_for_the_pool() {
    let modules = Modules::new();
    assert_eq!(drained(&modules, || 0, 100 * S, pending()).await, (Drained::Empty, 0));
    let left = Mutex::new(3);
    let pool = || {
        let mut left = left.lock().unwrap();
        *left -= 1;
        *left
    };
    assert_eq!(drained(&modules, pool, 100 * S, pending()).await, (Drained::Empty, 10));
    assert_eq!(drained(&modules, || 0, Duration::ZERO, pending()).await, (Drained::Empty, 0));
}

#[tokio::test(start_paused = true)]
async fn timeout_or_second_signal_ends_a_drain() {
    let modules = Modules::new();
    assert_eq!(drained(&modules, || 1, S, pending()).await, (Drained::TimedOut, 1));
    assert_eq!(drained(&modules, || 1, 100 * S, sleep(7 * S)).await, (Drained::Interrupted, 7));
    assert_eq!(drained(&modules, || 1, Duration::MAX, ready(())).await, (Drained::Interrupted, 0));
    let quick = modules.drain(|| 1, Duration::ZERO, S, pending()).await;
    assert_eq!(quick, Drained::TimedOut, "a period of zero is no trouble");
}

#[tokio::test(start_paused = true)]
async fn a_session_module_that_panics_cannot_hold_a_drain() {
    struct Broken;
    impl Module for Broken {}
    impl SessionModule for Broken {
        fn start_session_draining(&self) {
            panic!("on purpose");
        }
        fn session_count(&self) -> usize {
            panic!("on purpose");
        }
    }
    let modules = Modules::new();
    modules.register_session("broken", Broken).unwrap();
    modules.register_session("a", Match::new("a", [1])).unwrap();
    assert_eq!(drained(&modules, || 0, 100 * S, pending()).await, (Drained::Empty, 5));
}
