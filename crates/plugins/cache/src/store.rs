//! So many items, in parts that are locked one by one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::item::Item;
use crate::key::Key;

/// Items by the hash of their key.
#[derive(Debug)]
pub(crate) struct Store {
    // A lock for each: held for a lookup or a change of a few words, by one of the few workers there are.
    parts: Vec<Mutex<Part>>,
    /// How many items a part has room for.
    room: usize,
    evictions: AtomicU64,
}

/// Items in a list, so that one can be picked at random.
#[derive(Debug, Default)]
struct Part {
    items: Vec<(u64, Arc<Item>)>,
    /// Where in the list the item of a hash is.
    places: HashMap<u64, usize, BuildHasherDefault<Identity>>,
}

impl Store {
    pub(crate) fn new(capacity: usize) -> Store {
        Store {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            room: (capacity / PARTS).max(1),
            evictions: AtomicU64::new(0),
        }
    }

    /// The item of a key.
    pub(crate) fn get(&self, key: &Key<'_>) -> Option<Arc<Item>> {
        let part = self.part(key.hash)?;
        let (_, item) = part.items.get(*part.places.get(&key.hash)?)?;
        item.answers(key).then(|| item.clone())
    }

    /// Puts an item there, in place of the one of the same hash; `random` chooses what makes room for it.
    pub(crate) fn put(&self, hash: u64, item: Arc<Item>, random: u64) {
        let Some(mut part) = self.part(hash) else { return };
        if let Some(place) = part.places.get(&hash).copied() {
            if let Some(slot) = part.items.get_mut(place) {
                slot.1 = item;
            }
            return;
        }
        if part.items.len() >= self.room {
            part.evict(random);
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        let place = part.items.len();
        part.items.push((hash, item));
        part.places.insert(hash, place);
    }

    /// Takes out the item of a key.
    pub(crate) fn remove(&self, key: &Key<'_>) {
        let Some(mut part) = self.part(key.hash) else { return };
        if let Some(place) = part.places.get(&key.hash).copied() {
            part.remove(place);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).items.len()).sum()
    }

    pub(crate) fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn part(&self, hash: u64) -> Option<MutexGuard<'_, Part>> {
        // The high bits: the map within a part uses the low ones.
        let part = self.parts.get((hash >> 56) as usize % PARTS)?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Part {
    /// Takes out the one that was used least recently, of a few.
    fn evict(&mut self, random: u64) {
        let len = self.items.len().max(1) as u64;
        let sample = (0..SAMPLE).map(|i| ((random.rotate_left(13 * i) ^ u64::from(i)) % len) as usize);
        let used = |place: &usize| self.items.get(*place).map(|(_, item)| item.used());
        if let Some(place) = sample.min_by_key(used) {
            self.remove(place);
        }
    }

    fn remove(&mut self, place: usize) {
        if place >= self.items.len() {
            return;
        }
        let (hash, _) = self.items.swap_remove(place);
        self.places.remove(&hash);
        if let Some((moved, _)) = self.items.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

const PARTS: usize = 256;
/// How many are looked at for the one that goes.
const SAMPLE: u32 = 5;
