//! The machine against a simulated registry.

use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

mod world;
use world::{Blow, LATENCY, Mode, TTL, World, fault, limits};

fn joined() -> World {
    let mut world = World::new(limits(1, 15), 1);
    world.pass(Duration::from_secs(1));
    assert!(world.machine.joined() && world.is_whole());
    world
}

const SECOND: Duration = Duration::from_secs(1);

/// The longest time to register again once the registry answers: the pause, and the requests.
const BACK: Duration = Duration::from_secs(5);

#[test]
fn it_joins_by_connection_lease_key_list_and_watch() {
    let world = joined();
    let requests: Vec<Request> = world.log.iter().map(|(_, request)| *request).collect();
    assert_eq!(
        requests,
        [Request::Connect(0), Request::Grant, Request::Put(2), Request::List, Request::Watch(12)]
    );
}

#[test]
fn a_lease_is_kept_alive_three_times_in_its_time() {
    let mut world = joined();
    world.log.clear();
    world.pass(TTL * 10);
    let kept = world.count(|request| matches!(request, Request::Keep(_)));
    assert!((29..=31).contains(&kept), "{kept}");
    assert_eq!(world.count(|request| matches!(request, Request::Grant)), 0);
}

/// The watch stays.
#[test]
fn list_is_read_at_its_interval() {
    let mut world = joined();
    world.log.clear();
    world.pass(Duration::from_secs(1210));
    assert_eq!(world.count(|request| *request == Request::List), 10);
    assert_eq!(world.count(|request| matches!(request, Request::Watch(_))), 0);
}

#[test]
fn lost_lease_is_replaced_on_deletion() {
    let mut world = joined();
    world.strike(&Blow::LeaseLost);
    world.pass(SECOND / 10);
    assert!(world.is_whole());
    assert_eq!(world.machine.registrations(), 2);
}

#[test]
fn a_change_is_put_again_under_the_same_lease() {
    let mut world = joined();
    let lease = world.key.unwrap().0;
    world.strike(&Blow::Announce);
    world.pass(SECOND / 10);
    assert_eq!(world.key, Some((lease, 2)));
}

#[test]
fn compaction_rereads_on_the_same_connection() {
    let mut world = joined();
    world.log.clear();
    world.strike(&Blow::Compacted);
    world.pass(SECOND / 10);
    let requests: Vec<Request> = world.log.iter().map(|(_, request)| *request).collect();
    assert_eq!(requests, [Request::List, Request::Watch(world.revision + 1)]);
}

#[test]
fn an_outage_shorter_than_the_lease_keeps_the_lease() {
    let mut world = joined();
    let key = world.key;
    world.strike(&Blow::Mode(Mode::Gone));
    world.pass(SECOND * 2);
    world.strike(&Blow::Mode(Mode::Answers));
    world.pass(BACK);
    assert!(world.is_whole());
    assert_eq!(world.key, key);
    assert_eq!(world.count(|request| matches!(request, Request::Grant)), 1);
}

/// Later registrations are tried without a limit.
#[test]
fn first_registration_tries_are_bounded() {
    let mut world = World::new(limits(3, 2), 1);
    world.strike(&Blow::Mode(Mode::Gone));
    world.pass(Duration::from_secs(3600));
    assert!(world.machine.gave_up().is_some());
    assert_eq!(world.log.len(), 9, "three endpoints, each three times");

    let mut world = joined();
    world.strike(&Blow::Mode(Mode::Gone));
    world.pass(Duration::from_secs(24 * 3600));
    assert!(world.machine.gave_up().is_none());
    world.strike(&Blow::Mode(Mode::Answers));
    world.pass(BACK);
    assert!(world.is_whole());
}

#[test]
fn refused_registration_returns_the_lease() {
    let mut world = World::new(limits(1, 15), 1);
    assert_eq!(world.machine.next(world.now), Some(Request::Connect(0)));
    world.machine.answered(Answer::Failed(fault(true)), world.now);
    assert!(world.machine.gave_up().is_some() && world.machine.next(world.now + BACK).is_none());

    let mut world = World::new(limits(1, 15), 1);
    let now = world.now;
    let mut answer = |request, answer| {
        assert_eq!(world.machine.next(now), Some(request));
        world.machine.answered(answer, now);
        world.machine.gave_up().is_some()
    };
    assert!(!answer(Request::Connect(0), Answer::Connected));
    assert!(!answer(Request::Grant, Answer::Granted(7, TTL)));
    assert!(!answer(Request::Put(7), Answer::Failed(fault(true))));
    assert!(answer(Request::Revoke(7), Answer::Revoked));
}

#[test]
fn a_refusal_later_ends_nothing() {
    let mut world = joined();
    world.machine.seen(Seen::Broken(fault(true)), world.now);
    assert!(world.machine.gave_up().is_none());
    world.pass(BACK);
    assert!(world.is_whole());
}

#[test]
fn failed_endpoint_is_followed_by_the_next() {
    let mut world = World::new(limits(2, 15), 1);
    let Some(Request::Connect(first)) = world.machine.next(world.now) else { panic!("it connects") };
    world.machine.answered(Answer::Failed(fault(false)), world.now);
    assert_eq!(world.machine.next(world.now), Some(Request::Connect(1 - first)));
}

#[test]
fn servers_do_not_all_begin_with_the_same_endpoint() {
    let mut begun = [0; 3];
    for seed in 0..99 {
        let now = Instant::now();
        let Some(Request::Connect(endpoint)) =
            Machine::new(limits(3, 0), Rng::with_seed(seed), now).next(now)
        else {
            panic!("it connects")
        };
        begun[endpoint] += 1;
    }
    assert!(begun.iter().all(|times| *times > 15), "{begun:?}");
}

#[test]
fn short_lived_connections_back_off() {
    let mut world = joined();
    world.log.clear();
    for _ in 0..50 {
        world.strike(&Blow::WatchBroken);
        world.pass(SECOND);
    }
    let connects = world.count(|request| matches!(request, Request::Connect(_)));
    assert!(connects < 25, "{connects} in 50 s");
}

#[test]
fn leave_returns_the_lease_and_keeps_following() {
    let mut world = joined();
    world.machine.leave();
    world.pass(SECOND / 10);
    assert!(world.machine.left() && world.machine.watching());
    assert_eq!(world.key, None);
    world.log.clear();
    world.strike(&Blow::WatchBroken);
    world.pass(Duration::from_secs(600));
    assert!(world.machine.watching());
    assert_eq!(world.count(|request| matches!(request, Request::Grant | Request::Put(_))), 0);
}

#[test]
fn leave_during_outage_returns_the_lease_later() {
    let mut world = joined();
    world.strike(&Blow::Mode(Mode::Gone));
    world.pass(SECOND);
    world.machine.leave();
    assert!(!world.machine.left());
    world.strike(&Blow::Mode(Mode::Answers));
    world.pass(BACK);
    assert!(world.machine.left());
    assert_eq!(world.key, None);
}

/// A registry is silent for too long once it is silent for as long as a lease lasts.
#[test]
fn silent_or_emptied_registry_is_doubted() {
    let mut world = joined();
    world.pass(TTL * 5);
    let start = world.machine.last_answer;
    assert_eq!(world.machine.record_answer(Sign::Any, start + TTL / 2), None);
    assert_eq!(world.machine.record_answer(Sign::Any, start + TTL / 2 + TTL), Some(TTL));
    assert_eq!(world.machine.record_answer(Sign::List(20), start + TTL / 2 + TTL), None);
    assert_eq!(
        world.machine.record_answer(Sign::LeaseGone, start + TTL / 2 + TTL),
        None,
        "somebody revoked it"
    );
    assert_eq!(world.machine.record_answer(Sign::List(3), start + TTL / 2 + TTL), Some(Duration::ZERO));
}

#[test]
fn reconnect_checks_the_old_lease_first() {
    let mut world = joined();
    let lease = world.key.unwrap().0;
    world.log.clear();
    world.strike(&Blow::WatchBroken);
    world.pass(SECOND);
    assert_eq!(world.log[1].1, Request::Keep(lease));
}

/// A machine that waits for the answer to its first put.
fn putting() -> (Machine, Instant) {
    let now = Instant::now();
    let mut machine = Machine::new(limits(1, 15), Rng::with_seed(1), now);
    for (request, answer) in [
        (Request::Connect(0), Answer::Connected),
        (Request::Grant, Answer::Granted(7, TTL)),
        (Request::Put(7), Answer::Put(20)),
        (Request::List, Answer::Listed { revision: 20, own: Some(OwnEntry { lease: 7, same: true }) }),
        (Request::Watch(21), Answer::Watching),
    ] {
        assert_eq!(machine.next(now), Some(request));
        machine.answered(answer, now);
    }
    machine.record_answer(Sign::List(20), now);
    machine.announce();
    assert_eq!(machine.next(now), Some(Request::Put(7)));
    (machine, now)
}

#[test]
fn key_deleted_before_its_put_answer_is_put_again() {
    let (mut machine, now) = putting();
    machine.seen(Seen::OwnDeleted(22), now);
    machine.answered(Answer::Put(21), now);
    assert_eq!(machine.next(now), Some(Request::Put(7)));
}

#[test]
fn a_deletion_from_before_the_put_is_none() {
    let (mut machine, now) = putting();
    machine.seen(Seen::OwnDeleted(21), now);
    machine.answered(Answer::Put(22), now);
    machine.seen(Seen::OwnDeleted(21), now);
    assert_eq!((machine.registered(), machine.next(now)), (Some(2), None));
}

#[test]
fn late_put_is_corrected() {
    let (mut machine, now) = putting();
    machine.answered(Answer::Put(22), now);
    machine.seen(Seen::OwnPut(22, OwnEntry { lease: 7, same: true }), now);
    assert_eq!(machine.next(now), None);
    machine.seen(Seen::OwnPut(23, OwnEntry { lease: 7, same: false }), now);
    assert_eq!(machine.next(now), Some(Request::Put(7)));
}

#[test]
fn duplicate_id_is_not_fought() {
    let (mut machine, now) = putting();
    machine.answered(Answer::Put(22), now);
    machine.seen(Seen::OwnPut(23, OwnEntry { lease: 8, same: false }), now);
    assert_eq!(machine.next(now), None);
    machine.seen(Seen::OwnDeleted(24), now);
    assert_eq!(machine.next(now), Some(Request::Put(7)));
}

#[test]
fn revisions_of_a_new_registry_are_not_compared() {
    let (mut machine, now) = putting();
    machine.answered(Answer::Put(22), now);
    assert!(machine.record_answer(Sign::List(3), now).is_some());
    machine.seen(Seen::OwnDeleted(4), now);
    assert_eq!(machine.next(now), Some(Request::Put(7)));
}

#[test]
fn early_lease_loss_means_emptied_registry() {
    let mut world = joined();
    world.machine.seen(Seen::Broken(fault(false)), world.now);
    assert!(world.machine.record_answer(Sign::LeaseGone, world.now).is_some());
}

#[test]
fn longer_lease_than_asked_is_not_doubted() {
    let now = Instant::now();
    let asked = Limits { ttl: Duration::from_secs(1), ..limits(1, 15) };
    let mut machine = Machine::new(asked, Rng::with_seed(1), now);
    for answer in [Answer::Connected, Answer::Granted(7, TTL)] {
        machine.next(now);
        assert_eq!(machine.record_answer(Sign::Any, now), None);
        machine.answered(answer, now);
    }
    assert_eq!(machine.record_answer(Sign::Any, now + TTL / 3), None);
    assert!(machine.record_answer(Sign::Any, now + TTL * 2).is_some());
}

fn blows() -> impl Strategy<Value = Vec<(Duration, Blow)>> {
    let blow = prop_oneof![
        2 => Just(Blow::Mode(Mode::Answers)),
        2 => Just(Blow::Mode(Mode::Gone)),
        2 => Just(Blow::Mode(Mode::Frozen)),
        1 => Just(Blow::LeaseLost),
        1 => Just(Blow::KeyDeleted),
        1 => Just(Blow::Compacted),
        1 => Just(Blow::WatchBroken),
        1 => Just(Blow::Announce),
        1 => Just(Blow::Emptied),
    ];
    let time = prop_oneof![0_u64..20, 0_u64..3_000, 0_u64..30_000].prop_map(Duration::from_millis);
    proptest::collection::vec((time, blow), 0..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// For every random sequence of faults.
    #[test]
    fn all_is_well_five_seconds_after_the_outage(
        blows in blows(), endpoints in 1_usize..4, seed: u64,
    ) {
        let mut world = World::new(limits(endpoints, u32::MAX), seed);
        for (time, blow) in blows {
            world.pass(time);
            world.strike(&blow);
        }
        world.strike(&Blow::Mode(Mode::Answers));
        world.pass(BACK);
        prop_assert!(world.is_whole(), "{:?}\nkey {:?}", world.machine, world.key);
        prop_assert!(world.machine.joined());
        // It stays registered.
        let registrations = world.machine.registrations();
        world.pass(Duration::from_secs(300));
        prop_assert!(world.is_whole());
        prop_assert_eq!(world.machine.registrations(), registrations);
    }

    /// For every random sequence of faults.
    #[test]
    fn left_server_does_not_come_back(
        before in blows(), after in blows(), seed: u64,
    ) {
        let mut world = World::new(limits(1, u32::MAX), seed);
        for (time, blow) in before {
            world.pass(time);
            world.strike(&blow);
        }
        world.machine.leave();
        for (time, blow) in after {
            world.pass(time);
            if !matches!(blow, Blow::Announce) {
                world.strike(&blow);
            }
        }
        world.strike(&Blow::Mode(Mode::Answers));
        world.pass(BACK + TTL);
        prop_assert!(world.machine.left());
        prop_assert_eq!(world.key, None);
    }

    #[test]
    fn retries_are_prompt_and_never_dense(
        seed: u64, endpoints in 1_usize..4, retry in 0_u64..20_000,
    ) {
        let mut world =
            World::new(Limits { retry: Duration::from_millis(retry), ..limits(endpoints, u32::MAX) }, seed);
        world.strike(&Blow::Mode(Mode::Gone));
        world.pass(Duration::from_secs(120));
        let begun: Vec<Instant> = world.log.iter().map(|(at, _)| *at).collect();
        let longest = Duration::from_millis(retry).max(Duration::from_millis(30));
        for two in begun.windows(endpoints + 1) {
            let pause = two[endpoints] - two[0];
            prop_assert!(pause <= longest + LATENCY * 8 && pause >= Duration::from_millis(20), "{pause:?}");
        }
    }
}
