//! Keyed calls and servers that drain (`docs/cluster.md`, "Keys and drains").
//!
//! The state of a key lives on one server. While that server drains, it keeps its keys and new keys go to other
//! servers. Only

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, MutexGuard, OnceLock};

use crate::context::KeyMark;
use crate::error::{Error, code};
use crate::util::fnv;
use crate::util::sync::Mutex;

/// The metadata key of a refusal: the id of the server that refuses.
const ELSEWHERE: &str = "pitaya.elsewhere";

/// Returns the answer of a draining server that does not know the key.
pub(super) fn refusal(own_id: &str) -> Error {
    Error::new(code::UNAVAILABLE, "the server drains, and was not called with this key before")
        .with_metadata(ELSEWHERE, own_id)
}

/// Whether an error is this server's own refusal, not one that it forwards.
pub(super) fn is_refusal(error: &Error, server_id: &str) -> bool {
    error.code() == code::UNAVAILABLE && error.metadata().get(ELSEWHERE).is_some_and(|id| *id == server_id)
}

/// Hashes a key to the same number on every server: FNV-1a, then a finalizer.
pub(super) fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    let hash = fnv::hash(bytes);
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The keys that a server was called with: two Bloom filters, of which the older is cleared when the newer is full.
///
/// It takes 256 KiB from the first keyed call on, and no lock. It never forgets one of the last [`Self::MOST`] keys. It
/// may report an unknown key as known; such a key stays on the server, as known keys do.
#[derive(Default)]
pub(super) struct KnownKeys {
    filters: OnceLock<[Box<[AtomicU64]>; 2]>,
    /// The index of the newer filter.
    newer: AtomicUsize,
    /// The number of keys in the newer filter.
    count: AtomicUsize,
    clearing: Mutex<()>,
}

impl KnownKeys {
    /// The bits of a filter.
    const BITS: usize = 1 << 20;
    /// The bits of a key in it.
    const PROBES: u64 = 4;
    /// The keys of a filter.
    pub(super) const MOST: usize = 1 << 17;

    fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
        // Kirsch and Mitzenmacher: two halves of a hash make as many as are needed.
        let step = hash.rotate_left(32) | 1;
        (0..Self::PROBES).map(move |probe| {
            let bit = hash.wrapping_add(probe.wrapping_mul(step)) >> 44;
            let bit = usize::try_from(bit).unwrap_or_default() % Self::BITS;
            (bit / 64, 1 << (bit % 64))
        })
    }

    fn is_in(filter: &[AtomicU64], hash: u64) -> bool {
        Self::places(hash).all(|(word, bit)| filter[word].load(Relaxed) & bit != 0)
    }

    pub(super) fn contains(&self, hash: u64) -> bool {
        self.filters.get().is_some_and(|filters| filters.iter().any(|filter| Self::is_in(filter, hash)))
    }

    pub(super) fn insert(&self, hash: u64) {
        let filters = self.filters.get_or_init(|| {
            [(); 2].map(|()| std::iter::repeat_with(AtomicU64::default).take(Self::BITS / 64).collect())
        });
        let newer = &filters[self.newer.load(Relaxed) % 2];
        if Self::is_in(newer, hash) {
            return;
        }
        for (word, bit) in Self::places(hash) {
            newer[word].fetch_or(bit, Relaxed);
        }
        if self.count.fetch_add(1, Relaxed) + 1 >= Self::MOST {
            self.turn(filters);
        }
    }

    /// Clears the older filter, and makes it the newer one.
    fn turn(&self, filters: &[Box<[AtomicU64]>; 2]) {
        let _one_at_a_time = self.clearing.lock();
        if self.count.load(Relaxed) < Self::MOST {
            return;
        }
        let older = (self.newer.load(Relaxed) + 1) % 2;
        filters[older].iter().for_each(|word| word.store(0, Relaxed));
        self.newer.store(older, Relaxed);
        self.count.store(0, Relaxed);
    }
}

/// Decides which keyed calls this server accepts.
#[derive(Debug, Default)]
pub(super) struct Admission {
    known: KnownKeys,
    draining: AtomicBool,
}

impl Admission {
    /// Refuses calls with unknown keys from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }

    /// Whether a call with this key is accepted. The key is known from then on.
    pub(super) fn takes(&self, key: KeyMark) -> bool {
        if key.may_be_refused && self.draining.load(Relaxed) && !self.known.contains(key.hash) {
            return false;
        }
        self.known.insert(key.hash);
        true
    }
}

/// The keys that servers have refused, so that the next call goes directly to another server.
#[derive(Debug, Default)]
pub(super) struct RefusedKeys {
    /// Usually empty, and then no call takes the lock.
    some: AtomicBool,
    by_server: Mutex<HashMap<Arc<str>, HashSet<Box<str>>>>,
}

impl RefusedKeys {
    /// The number of keys kept for one server. Beyond them a call asks the server first.
    const MOST: usize = 16_384;

    pub(super) fn note(&self, server_id: &Arc<str>, key: &str) {
        let mut by_server = self.lock();
        let keys = by_server.entry(Arc::clone(server_id)).or_default();
        if keys.len() < Self::MOST {
            keys.insert(key.into());
        }
        self.some.store(true, Relaxed);
    }

    pub(super) fn contains(&self, server_id: &str, key: &str) -> bool {
        self.some.load(Relaxed) && self.lock().get(server_id).is_some_and(|keys| keys.contains(key))
    }

    /// Forgets the keys that a server has refused, because it is gone or its entry has changed.
    pub(super) fn forget(&self, server_id: &str) {
        let mut by_server = self.lock();
        by_server.remove(server_id);
        self.some.store(!by_server.is_empty(), Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, HashSet<Box<str>>>> {
        self.by_server.lock()
    }
}

impl fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKeys").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: usize) -> u64 {
        hash(format!("room-{n}").bytes())
    }

    fn optional(hash: u64) -> KeyMark {
        KeyMark { hash, may_be_refused: true }
    }

    #[test]
    fn the_latest_keys_are_known() {
        let keys = KnownKeys::default();
        assert!(!keys.contains(number(0)));
        for n in 0..2 * KnownKeys::MOST + 1000 {
            keys.insert(number(n));
            assert!(keys.contains(number(n)));
            if let Some(before) = n.checked_sub(KnownKeys::MOST - 1) {
                assert!(keys.contains(number(before)), "{before} {n}");
            }
        }
    }

    #[test]
    fn a_key_in_use_is_never_forgotten() {
        let keys = KnownKeys::default();
        for n in 0..3 * KnownKeys::MOST {
            keys.insert(number(n));
            if n % 1000 == 0 {
                keys.insert(number(0));
            }
        }
        assert!(keys.contains(number(0)));
    }

    #[test]
    fn few_new_keys_are_taken_for_known_ones() {
        let keys = KnownKeys::default();
        (0..2 * KnownKeys::MOST - 1).for_each(|n| keys.insert(number(n)));
        let wrong = (0..10_000).filter(|n| keys.contains(number(1_000_000_000 + n))).count();
        assert!(wrong < 800, "{wrong} of 10000");
    }

    #[test]
    fn a_draining_server_takes_the_keys_it_knows() {
        let admission = Admission::default();
        let [known, new] = [1, 2].map(number);
        assert!(admission.takes(optional(known)));
        admission.drain();
        assert!(admission.takes(optional(known)));
        assert!(!admission.takes(optional(new)));
        assert!(admission.takes(KeyMark { hash: new, may_be_refused: false }), "there is no other server");
        assert!(admission.takes(optional(new)), "its state lives here now");
    }

    #[test]
    fn a_refusal_counts_only_from_its_own_server() {
        let error = refusal("room-1");
        assert!(is_refusal(&error, "room-1") && !is_refusal(&error, "room-2"));
        assert!(!is_refusal(&Error::new(code::UNAVAILABLE, "busy"), "room-1"));
    }

    /// They are forgotten with the server.
    #[test]
    fn refused_keys_are_bounded() {
        let (keys, id) = (RefusedKeys::default(), Arc::<str>::from("room-1"));
        assert!(!keys.contains(&id, "0"));
        (0..2 * RefusedKeys::MOST).for_each(|n| keys.note(&id, &n.to_string()));
        assert!(keys.contains(&id, "0") && !keys.contains("room-2", "0"));
        assert_eq!(keys.lock()[&id].len(), RefusedKeys::MOST);
        keys.forget(&id);
        assert!(!keys.contains(&id, "0") && !keys.some.load(Relaxed));
    }
}
