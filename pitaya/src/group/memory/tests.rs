use proptest::prelude::*;
use tokio::time::advance;

use super::*;

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_group_is_gone_the_moment_its_time_is_over() {
    let store = MemoryStore::new();
    store.create("g", Some(10 * S)).await.unwrap();
    store.add("g", "ann").await.unwrap();
    advance(10 * S - Duration::from_nanos(1)).await;
    assert_eq!(store.count("g").await.unwrap(), 1);
    advance(Duration::from_millis(1)).await;
    assert!(matches!(store.count("g").await, Err(GroupError::NotFound)));
    assert!(store.groups.is_empty(), "whoever asks frees it");
    store.create("g", None).await.unwrap();
    assert_eq!(store.count("g").await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn expired_group_may_be_created_but_not_deleted() {
    let store = MemoryStore::new();
    store.create("g", Some(S)).await.unwrap();
    store.add("g", "ann").await.unwrap();
    advance(S).await;
    store.create("g", Some(S)).await.unwrap();
    assert_eq!(store.count("g").await.unwrap(), 0);
    advance(S).await;
    assert!(matches!(store.delete("g").await, Err(GroupError::NotFound)));
    assert!(store.groups.is_empty());
}

#[tokio::test(start_paused = true)]
async fn renewing_begins_the_time_anew() {
    let store = MemoryStore::new();
    store.create("g", Some(10 * S)).await.unwrap();
    for _ in 0..5 {
        advance(9 * S).await;
        store.renew_ttl("g").await.unwrap();
    }
    advance(9 * S).await;
    assert_eq!(store.count("g").await.unwrap(), 0);
    advance(S).await;
    assert!(matches!(store.renew_ttl("g").await, Err(GroupError::NotFound)));
}

#[tokio::test(start_paused = true)]
async fn times_at_both_ends_are_fine() {
    let store = MemoryStore::with_tick(Duration::ZERO);
    store.create("now", Some(Duration::ZERO)).await.unwrap();
    assert!(matches!(store.count("now").await, Err(GroupError::NotFound)));
    store.create("never", Some(Duration::MAX)).await.unwrap();
    advance(1_000_000 * S).await;
    store.renew_ttl("never").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sweep_frees_exactly_the_expired_groups() {
    let store = Arc::new(MemoryStore::with_tick(5 * S));
    let sweeper = Arc::clone(&store);
    let sweeper = tokio::spawn(async move { sweeper.run().await });
    store.create("short", Some(2 * S)).await.unwrap();
    store.create("long", Some(7 * S)).await.unwrap();
    store.create("always", None).await.unwrap();
    sleep(4 * S).await;
    assert_eq!(store.groups.len(), 3, "gone, but not freed");
    sleep(2 * S).await;
    assert_eq!(store.groups.len(), 2);
    sleep(5 * S).await;
    assert_eq!(store.groups.len(), 1);
    sweeper.abort();
}

#[tokio::test]
async fn an_unchanged_group_shares_one_list_of_members() {
    let store = MemoryStore::new();
    store.create("g", None).await.unwrap();
    store.add("g", "ann").await.unwrap();
    let first = store.members("g").await.unwrap();
    assert!(Arc::ptr_eq(&first, &store.members("g").await.unwrap()));
    store.add("g", "bob").await.unwrap();
    assert_eq!(&*store.members("g").await.unwrap(), ["ann", "bob"].map(Arc::<str>::from));
    assert_eq!(first.len(), 1, "a list that was given out never changes");
}

#[derive(Debug, Clone)]
enum Op {
    Create(u8, Option<u8>),
    Members(u8),
    Contains(u8, u8),
    Add(u8, u8),
    Remove(u8, u8),
    RemoveAll(u8),
    Count(u8),
    Renew(u8),
    Delete(u8),
    Wait(u8),
    Sweep,
}

fn op() -> impl Strategy<Value = Op> {
    let (group, uid) = (0..3u8, 0..4u8);
    prop_oneof![
        2 => (group.clone(), proptest::option::of(0..6u8)).prop_map(|(g, t)| Op::Create(g, t)),
        2 => group.clone().prop_map(Op::Members),
        1 => (group.clone(), uid.clone()).prop_map(|(g, u)| Op::Contains(g, u)),
        5 => (group.clone(), uid.clone()).prop_map(|(g, u)| Op::Add(g, u)),
        3 => (group.clone(), uid).prop_map(|(g, u)| Op::Remove(g, u)),
        1 => group.clone().prop_map(Op::RemoveAll),
        1 => group.clone().prop_map(Op::Count),
        1 => group.clone().prop_map(Op::Renew),
        1 => group.prop_map(Op::Delete),
        2 => (0..4u8).prop_map(Op::Wait),
        1 => Just(Op::Sweep),
    ]
}

/// The simplest correct store.
#[derive(Default)]
struct Model {
    now: u64,
    /// Members in order, the time to live, and when that ends.
    groups: HashMap<u8, (Vec<String>, Option<u64>, u64)>,
}

impl Model {
    fn group(&mut self, group: u8) -> Result<&mut (Vec<String>, Option<u64>, u64), String> {
        let now = self.now;
        self.groups.retain(|_, (_, ttl, ends)| ttl.is_none() || *ends > now);
        self.groups.get_mut(&group).ok_or_else(|| "group not found".to_owned())
    }

    fn apply(&mut self, op: &Op) -> Result<String, String> {
        let name = |uid: &u8| format!("u{uid}");
        let done = || Ok(String::new());
        match op {
            Op::Create(g, ttl) => {
                if self.group(*g).is_ok() {
                    return Err("group already exists".into());
                }
                let ttl = ttl.map(u64::from);
                self.groups.insert(*g, (Vec::new(), ttl, self.now + ttl.unwrap_or(0)));
                done()
            }
            Op::Members(g) => Ok(self.group(*g)?.0.join(",")),
            Op::Contains(g, u) => Ok(self.group(*g)?.0.contains(&name(u)).to_string()),
            Op::Count(g) => Ok(self.group(*g)?.0.len().to_string()),
            Op::Add(g, u) => {
                let members = &mut self.group(*g)?.0;
                if members.contains(&name(u)) {
                    return Err("member already exists in group".into());
                }
                members.push(name(u));
                done()
            }
            Op::Remove(g, u) => {
                let members = &mut self.group(*g)?.0;
                let at = members.iter().position(|m| *m == name(u)).ok_or("member not found in the group")?;
                members.remove(at);
                done()
            }
            Op::RemoveAll(g) => {
                self.group(*g)?.0.clear();
                done()
            }
            Op::Renew(g) => {
                let now = self.now;
                let (_, ttl, ends) = self.group(*g)?;
                *ends = now + ttl.ok_or("memory group TTL not found")?;
                done()
            }
            Op::Delete(g) => {
                self.group(*g)?;
                self.groups.remove(g);
                done()
            }
            Op::Wait(seconds) => {
                self.now += u64::from(*seconds);
                done()
            }
            Op::Sweep => done(),
        }
    }
}

async fn apply(store: &MemoryStore, op: &Op) -> Result<String, GroupError> {
    let [group, uid] = [|g: &u8| format!("g{g}"), |u: &u8| format!("u{u}")];
    let done = |()| String::new();
    match op {
        Op::Create(g, ttl) => store.create(&group(g), ttl.map(|t| u32::from(t) * S)).await.map(done),
        Op::Members(g) => store.members(&group(g)).await.map(|members| members.join(",")),
        Op::Contains(g, u) => store.contains(&group(g), &uid(u)).await.map(|is| is.to_string()),
        Op::Count(g) => store.count(&group(g)).await.map(|count| count.to_string()),
        Op::Add(g, u) => store.add(&group(g), &uid(u)).await.map(done),
        Op::Remove(g, u) => store.remove(&group(g), &uid(u)).await.map(done),
        Op::RemoveAll(g) => store.remove_all(&group(g)).await.map(done),
        Op::Renew(g) => store.renew_ttl(&group(g)).await.map(done),
        Op::Delete(g) => store.delete(&group(g)).await.map(done),
        Op::Wait(seconds) => {
            advance(u32::from(*seconds) * S).await;
            Ok(String::new())
        }
        Op::Sweep => {
            store.sweep();
            Ok(String::new())
        }
    }
}

proptest! {
    #[test]
    fn the_store_is_its_model(ops in proptest::collection::vec(op(), 1..120)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (store, mut model) = (MemoryStore::new(), Model::default());
            for (at, op) in ops.iter().enumerate() {
                let real = apply(&store, op).await.map_err(|error| error.to_string());
                prop_assert_eq!(real, model.apply(op), "operation {} of {:?}", at, ops);
            }
            Ok(())
        })?;
    }
}
