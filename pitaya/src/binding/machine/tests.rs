use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const TICK: Duration = Duration::from_secs(10);

fn machine(now: Instant) -> Machine {
    let mut machine = Machine::new("f1".into(), TICK, now);
    assert_eq!(machine.next(now), Some(Action::Keep));
    assert_eq!(machine.next(now), None, "one at a time");
    machine.kept(&Ok(Kept::Nothing), now);
    machine
}

fn away() -> BindingError {
    BindingError::Unavailable("away".into())
}

fn stored(revision: i64) -> Result<Put, &'static BindingError> {
    Ok(Put { previous: None, revision })
}

fn uid(uid: &str) -> Arc<str> {
    uid.into()
}

#[tokio::test(start_paused = true)]
async fn user_is_put_and_removed_with_its_revision() {
    let (now, ann) = (Instant::now(), uid("ann"));
    let mut machine = machine(now);
    machine.bind(&ann, 1, 100);
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    let previous = Some("f2".to_owned());
    let replaced = machine.put(&ann, Ok(Put { previous, revision: 7 }), now);
    assert_eq!(replaced, Some(Replaced { uid: ann.clone(), bound_at: 100, previous: "f2".into() }));
    assert_eq!(machine.next(now), None);
    machine.leave("ann", 2);
    assert_eq!(machine.next(now), None, "another session has left");
    machine.leave("ann", 1);
    assert_eq!(machine.next(now), Some(Action::Remove(ann.clone(), Some(7))));
    machine.removed(&ann, Ok(()), now);
    assert_eq!((machine.next(now), machine.users.len()), (None, 0));
}

/// A put whose user has left meanwhile is followed by a removal; one whose user has bound again, by a put.
#[tokio::test(start_paused = true)]
async fn requests_of_a_user_run_one_after_the_other() {
    let (now, ann) = (Instant::now(), uid("ann"));
    let mut machine = machine(now);
    machine.bind(&ann, 1, 100);
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    machine.leave("ann", 1);
    assert_eq!(machine.next(now), None);
    machine.put(&ann, stored(7), now);
    assert_eq!(machine.next(now), Some(Action::Remove(ann.clone(), Some(7))));
    machine.bind(&ann, 2, 200);
    machine.removed(&ann, Ok(()), now);
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    machine.bind(&ann, 3, 300);
    let own = Some("f1".to_owned());
    assert_eq!(machine.put(&ann, Ok(Put { previous: own, revision: 8 }), now), None, "its own value");
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())), "another frontend may have had the user");
    machine.put(&ann, stored(9), now);
    machine.put_again("ann");
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    machine.put_again("nobody");
}

#[tokio::test(start_paused = true)]
async fn failure_stops_all_until_keep_succeeds() {
    let (mut now, ann, bob) = (Instant::now(), uid("ann"), uid("bob"));
    let mut machine = machine(now);
    machine.bind(&ann, 1, 100);
    machine.next(now);
    machine.bind(&bob, 2, 100);
    machine.put(&ann, Err(&away()), now);
    assert!(!machine.is_available());
    assert_eq!((machine.next(now), machine.wakes_at()), (None, Some(now + FIRST_PAUSE)));
    for pause in [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4] {
        now += pause;
        assert_eq!(machine.next(now), Some(Action::Keep));
        machine.kept(&Err(away()), now);
    }
    now += LONGEST_PAUSE;
    assert_eq!(machine.next(now), Some(Action::Keep));
    machine.kept(&Ok(Kept::All), now);
    assert_eq!(machine.next(now), Some(Action::Put(bob.clone())));
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    // Of many failures at a time, one counts.
    machine.put(&bob, Err(&away()), now);
    machine.put(&ann, Err(&away()), now);
    assert_eq!(machine.wakes_at(), Some(now + FIRST_PAUSE * 16));
    // A user who leaves now may be stored.
    machine.leave("ann", 1);
    now += LONGEST_PAUSE;
    machine.next(now);
    machine.kept(&Ok(Kept::All), now);
    assert_eq!(machine.next(now), Some(Action::Put(bob.clone())));
    assert_eq!(machine.next(now), Some(Action::Remove(ann.clone(), None)));
    machine.put(&bob, stored(1), now);
    machine.removed(&ann, Ok(()), now);
    assert_eq!(machine.wakes_at(), Some(now + TICK));
    // The pauses are short again.
    machine.put_again("bob");
    machine.next(now);
    machine.put(&bob, Err(&away()), now);
    assert_eq!(machine.wakes_at(), Some(now + FIRST_PAUSE));
}

#[tokio::test(start_paused = true)]
async fn lost_bindings_are_all_put_again() {
    let (mut now, ann, bob, eve) = (Instant::now(), uid("ann"), uid("bob"), uid("eve"));
    let mut machine = machine(now);
    for (session, uid) in [(1, &ann), (2, &bob), (3, &eve)] {
        machine.bind(uid, session, 100);
        machine.next(now);
        machine.put(uid, stored(1), now);
    }
    machine.put_again("bob");
    assert_eq!(machine.next(now), Some(Action::Put(bob.clone())));
    now += TICK;
    assert_eq!(machine.next(now), Some(Action::Keep));
    machine.leave("eve", 3);
    machine.kept(&Ok(Kept::Nothing), now);
    assert_eq!(machine.next(now), Some(Action::Put(ann.clone())));
    assert_eq!(machine.next(now), None, "the removed one is lost too, and the other one runs");
    machine.put(&bob, stored(2), now);
    assert_eq!(machine.next(now), Some(Action::Put(bob.clone())), "it may have run before the loss");
}

#[tokio::test(start_paused = true)]
async fn refused_user_is_not_retried() {
    let (now, ann) = (Instant::now(), uid("a b"));
    let mut machine = machine(now);
    machine.bind(&ann, 1, 100);
    let mut wait = machine.wait("a b").unwrap();
    machine.next(now);
    machine.put(&ann, Err(&BindingError::Refused("a space".into())), now);
    assert!(machine.is_available() && wait.try_recv().is_ok());
    assert_eq!(machine.next(now), None);
    machine.leave("a b", 1);
    assert_eq!((machine.next(now), machine.users.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn bind_waits_only_for_an_available_storage() {
    let (now, ann, bob) = (Instant::now(), uid("ann"), uid("bob"));
    let mut machine = Machine::new("f1".into(), TICK, now);
    machine.bind(&ann, 1, 100);
    assert!(machine.wait("ann").is_none(), "it has not answered yet");
    machine.next(now);
    machine.kept(&Ok(Kept::Nothing), now);
    let mut first = machine.wait("ann").unwrap();
    machine.next(now);
    machine.waited_too_long();
    machine.bind(&bob, 2, 100);
    assert!(machine.wait("bob").is_none(), "another bind has waited in vain");
    assert!(first.try_recv().is_err());
    machine.put(&ann, stored(1), now);
    assert!(first.try_recv().is_ok());
    assert!(machine.wait("ann").is_none(), "stored");
    let second = machine.wait("bob").unwrap();
    machine.leave("bob", 2);
    assert!(second.await.is_err(), "the user has left");
}

/// However many users come and go during an outage.
#[tokio::test(start_paused = true)]
async fn outage_needs_bounded_memory() {
    let now = Instant::now();
    let mut machine = machine(now);
    let users: Vec<_> = (0..LEFTOVERS + 1000).map(|n| uid(&format!("user-{n}"))).collect();
    for user in &users {
        machine.bind(user, 1, 100);
        while let Some(Action::Put(user)) = machine.next(now) {
            machine.put(&user, stored(1), now);
        }
    }
    machine.put_again("user-0");
    machine.next(now);
    machine.put(&users[0], Err(&away()), now);
    for _ in 0..3 {
        for user in &users {
            machine.leave(user, 1);
        }
        assert_eq!(machine.users.len(), LEFTOVERS);
        for user in &users {
            machine.bind(user, 1, 200);
        }
        assert!(machine.queue.len() <= 2 * machine.users.len() + PARALLEL, "{}", machine.queue.len());
    }
    for user in &users {
        machine.leave(user, 1);
    }
    assert_eq!((machine.users.len(), machine.bound), (LEFTOVERS, 0));
}

/// A storage with a lease, which may lose all.
#[derive(Default)]
struct World {
    stored: BTreeMap<String, (String, i64)>,
    revision: i64,
    lost: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Bind(u8),
    Leave(u8),
    /// Another frontend stores the user.
    Steal(u8),
    /// Requests start, and the first one that runs ends: carried out or not, answered or not.
    End {
        done: bool,
        answered: bool,
    },
    Lose,
    Pass(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..3u8).prop_map(Step::Bind),
        3 => (0..3u8).prop_map(Step::Leave),
        1 => (0..3u8).prop_map(Step::Steal),
        6 => any::<(bool, bool)>().prop_map(|(done, answered)| Step::End { done, answered }),
        1 => Just(Step::Lose),
        2 => (1..20u8).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

impl World {
    fn end(&mut self, machine: &mut Machine, action: Action, done: bool, answered: bool, now: Instant) {
        match action {
            Action::Keep => {
                let kept = if self.lost { Kept::Nothing } else { Kept::All };
                let result = if answered { Ok(kept) } else { Err(away()) };
                self.lost &= !answered;
                machine.kept(&result, now);
            }
            Action::Put(uid) => {
                let result = (done && !self.lost).then(|| {
                    self.revision += 1;
                    let value = ("f1".to_owned(), self.revision);
                    let previous = self.stored.insert(uid.to_string(), value).map(|(previous, _)| previous);
                    Put { previous, revision: self.revision }
                });
                let lost = away();
                drop(machine.put(&uid, result.filter(|_| answered).ok_or(&lost), now));
            }
            Action::Remove(uid, revision) => {
                let own = |(id, at): &(String, i64)| id == "f1" && revision.is_none_or(|it| it == *at);
                if done && self.stored.get(&*uid).is_some_and(own) {
                    self.stored.remove(&*uid);
                }
                let lost = away();
                machine.removed(&uid, if done && answered { Ok(()) } else { Err(&lost) }, now);
            }
        }
    }
}

proptest! {
    /// Users come and go, requests fail or lose their answers, and the storage loses all. Once all is well, the storage
    /// has exactly the users that are bound, except those of another frontend.
    #[test]
    fn storage_ends_with_the_bound_users(steps in steps()) {
        let mut now = Instant::now();
        let mut machine = Machine::new("f1".into(), TICK, now);
        let mut world = World { lost: true, ..World::default() };
        let (mut running, mut bound, mut session) = (VecDeque::new(), BTreeMap::new(), 0);
        let mut stolen = std::collections::BTreeSet::new();
        for step in steps {
            running.extend(std::iter::from_fn(|| machine.next(now)));
            match step {
                Step::Bind(n) => {
                    session += 1;
                    machine.bind(&uid(&n.to_string()), session, 0);
                    bound.insert(n.to_string(), session);
                    stolen.remove(&n.to_string());
                }
                Step::Leave(n) => {
                    if let Some(session) = bound.remove(&n.to_string()) {
                        machine.leave(&n.to_string(), session);
                    }
                }
                Step::Steal(n) => {
                    world.revision += 1;
                    world.stored.insert(n.to_string(), ("f2".into(), world.revision));
                    stolen.insert(n.to_string());
                }
                Step::End { done, answered } => {
                    if let Some(action) = running.pop_front() {
                        world.end(&mut machine, action, done, answered, now);
                    }
                }
                Step::Lose => {
                    world.stored.retain(|_, (id, _)| id != "f1");
                    world.lost = true;
                }
                Step::Pass(seconds) => now += Duration::from_secs(u64::from(seconds)),
            }
            prop_assert!(machine.queue.len() <= 2 * machine.users.len() + PARALLEL);
        }
        for _ in 0..20 {
            running.extend(std::iter::from_fn(|| machine.next(now)));
            while let Some(action) = running.pop_front() {
                world.end(&mut machine, action, true, true, now);
                running.extend(std::iter::from_fn(|| machine.next(now)));
            }
            now += TICK;
        }
        let ours: Vec<_> = world.stored.iter().filter(|(_, (id, _))| id == "f1").map(|(uid, _)| uid).collect();
        let wanted: Vec<_> = bound.keys().filter(|uid| {
            !stolen.contains(*uid) || world.stored.get(*uid).is_some_and(|(id, _)| id == "f1")
        }).collect();
        prop_assert_eq!(ours, wanted);
        prop_assert_eq!(machine.users.len(), bound.len());
    }
}
