use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::time::{advance, sleep};

use super::*;

const S: Duration = Duration::from_secs(1);

/// Running timers, their tracker and what ends them.
fn started() -> (Timers, TaskTracker, CancellationToken) {
    let (timers, tracker, cancel) = (Timers::new(), TaskTracker::new(), CancellationToken::new());
    timers.start(&tracker, &cancel, &CancellationToken::new());
    (timers, tracker, cancel)
}

/// A closure that records the seconds since now at each run.
fn recorder() -> (impl Fn() + Clone + Send + Sync + 'static, Receiver<f64>) {
    let (sender, receiver): (Sender<f64>, _) = channel();
    let start = Instant::now();
    (move || sender.send(start.elapsed().as_secs_f64().round()).unwrap(), receiver)
}

/// With time paused a sleep runs everything that is due before it, and costs nothing.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds) + Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_runs_at_every_multiple_of_its_interval() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    timers
        .every(10 * S, move || {
            record();
            async {}
        })
        .unwrap();
    pass(35).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [10., 20., 30.]);
}

#[tokio::test(start_paused = true)]
async fn a_count_timer_runs_so_often_and_ends() {
    let (timers, tracker, _) = started();
    let (record, runs) = recorder();
    timers
        .count(S, 3, {
            let record = record.clone();
            move || {
                record();
                async {}
            }
        })
        .unwrap();
    timers
        .count(S, 0, move || {
            record();
            async {}
        })
        .unwrap();
    pass(10).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [1., 2., 3.]);
    tracker.close();
    tracker.wait().await;
}

#[tokio::test(start_paused = true)]
async fn an_after_timer_runs_once() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    timers.after(5 * S, async move { record() });
    timers.after(Duration::MAX, async { unreachable!() });
    pass(4).await;
    assert_eq!(runs.try_iter().count(), 0);
    pass(20).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [5.]);
}

#[tokio::test(start_paused = true)]
async fn condition_is_checked_every_tick() {
    let start = Instant::now();
    let day = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    let timers = Timers::make(2 * S, Clock::new(move || day + start.elapsed()));
    timers.start(&TaskTracker::new(), &CancellationToken::new(), &CancellationToken::new());
    let (record, runs) = recorder();
    let holds = move |now: SystemTime| now.duration_since(day).unwrap() >= 5 * S;
    let timer = timers.when(holds, move || {
        record();
        async {}
    });
    pass(10).await;
    timer.stop();
    pass(10).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [6., 8., 10.]);
}

#[tokio::test(start_paused = true)]
async fn ticks_during_a_conditional_run_are_skipped() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    timers.when(
        |_| true,
        move || {
            record();
            sleep(Duration::from_millis(2500))
        },
    );
    pass(8).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [1., 4., 7.]);
}

#[tokio::test(start_paused = true)]
async fn stop_is_idempotent_even_from_the_timer() {
    let (timers, tracker, _) = started();
    let (record, runs) = recorder();
    let own = Arc::new(Mutex::new(None::<Timer>));
    let timer = timers
        .every(S, {
            let own = Arc::clone(&own);
            move || {
                let (own, record) = (own.lock().clone(), record.clone());
                async move {
                    own.unwrap().stop();
                    sleep(S).await;
                    record(); // the run that stops the timer finishes
                }
            }
        })
        .unwrap();
    *own.lock() = Some(timer.clone());
    pass(10).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [2.]);
    timer.stop();
    timer.stop();
    tracker.close();
    tracker.wait().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_does_not_stop_the_timer() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    drop(
        timers
            .every(S, move || {
                record();
                async {}
            })
            .unwrap(),
    );
    drop(timers);
    pass(2).await;
    assert_eq!(runs.try_iter().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn late_timer_catches_up_without_overlap() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    let mut first = true;
    timers
        .every(10 * S, move || {
            record();
            let held_up = if std::mem::take(&mut first) { 35 * S } else { Duration::ZERO };
            sleep(held_up)
        })
        .unwrap();
    pass(65).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [10., 45., 46., 47., 50., 60.]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_faster_than_the_tick_keeps_its_own_pace() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    timers
        .every(Duration::from_millis(100), move || {
            record();
            async {}
        })
        .unwrap();
    pass(2).await;
    assert_eq!(runs.try_iter().count(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_contained_and_the_timer_goes_on() {
    let (timers, ..) = started();
    let (record, runs) = recorder();
    let again = record.clone();
    timers
        .every(S, move || {
            record();
            async { panic!("in the run") }
        })
        .unwrap();
    timers.when(
        move |_| {
            again();
            panic!("in the condition")
        },
        || async {},
    );
    pass(3).await;
    assert_eq!(runs.try_iter().count(), 6);
}

#[test]
fn an_interval_of_zero_is_an_error() {
    let timers = Timers::new();
    assert!(timers.every(Duration::ZERO, || async {}).is_err());
    assert!(timers.count(Duration::ZERO, 1, || async {}).is_err());
    assert!(Timers::with_tick(Duration::from_micros(999), Clock::default()).is_err());
    assert!(Timers::with_tick(SHORTEST, Clock::default()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn timers_made_before_the_start_only_queue() {
    let timers = Timers::new();
    let (record, runs) = recorder();
    for _ in 0..1000 {
        let record = record.clone();
        timers
            .count(3 * S, 1, move || {
                record();
                async {}
            })
            .unwrap();
    }
    let stopped = timers.after(3 * S, async move { record() });
    stopped.stop();
    pass(5).await;
    assert_eq!(runs.try_iter().count(), 0);
    timers.start(&TaskTracker::new(), &CancellationToken::new(), &CancellationToken::new());
    pass(0).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [5.; 1000], "each once, counted from when it was made");
}

#[tokio::test(start_paused = true)]
async fn timers_end_with_the_app_after_their_run() {
    let (timers, tracker, cancel) = started();
    let (record, runs) = recorder();
    timers
        .every(S, move || {
            let record = record.clone();
            async move {
                sleep(5 * S).await;
                record()
            }
        })
        .unwrap();
    timers.after(100 * S, async { unreachable!() });
    pass(2).await;
    cancel.cancel();
    tracker.close();
    tracker.wait().await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [6.]);
    timers.every(S, || async { unreachable!("made after the end") }).unwrap();
    pass(5).await;
}

#[tokio::test(start_paused = true)]
async fn ids_are_never_used_twice() {
    let (timers, ..) = started();
    let ids: Vec<_> = (0..3).map(|_| timers.after(S, async {}).id()).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn timer_may_start_outside_the_runtime() {
    let timers = Timers::test();
    let (record, runs) = recorder();
    let made = std::thread::spawn(move || {
        timers.after(Duration::ZERO, async move { record() });
    });
    made.join().unwrap();
    advance(S).await;
    pass(1).await;
    assert_eq!(runs.try_iter().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn end_lets_a_run_finish_and_kill_cuts_it() {
    let (timers, tracker) = (Timers::new(), TaskTracker::new());
    let (cancel, kill) = (CancellationToken::new(), CancellationToken::new());
    timers.start(&tracker, &cancel, &kill);
    let (record, runs) = recorder();
    timers.after(S, async move {
        for _ in 0..3 {
            record();
            sleep(S).await;
        }
    });
    pass(1).await;
    cancel.cancel();
    pass(1).await;
    kill.cancel();
    pass(10).await;
    assert_eq!(runs.try_iter().collect::<Vec<_>>(), [1., 2.]);
    assert!(tracker.is_empty());
}

/// They start no timers either.
#[test]
fn ended_timers_hold_no_runtime() {
    let timers = Timers::new();
    let kept = Arc::new(());
    let held = Arc::clone(&kept);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        timers.start(&TaskTracker::new(), &CancellationToken::new(), &CancellationToken::new());
        timers.end();
    });
    drop(runtime);
    // Outside of a runtime it would panic if it tried.
    let timer = timers.every(S, move || {
        let _held = &held;
        async {}
    });
    assert_eq!((timer.unwrap().id(), Arc::strong_count(&kept)), (1, 1), "dropped immediately");
}
