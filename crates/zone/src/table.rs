//! The table that queries read and one writer replaces.

use std::fmt;
use std::sync::{Arc, Weak};

use arc_swap::{ArcSwap, Guard};
use cartonym_wire::{Hasher, Name, Qname, SuffixMap, Type};
use parking_lot::Mutex;

use crate::zone::Zone;

/// Zones by origin, immutable.
#[derive(Clone)]
pub struct Snapshot {
    zones: SuffixMap<Arc<Zone>>,
    hasher: Hasher,
}

/// The snapshot that queries see; replaced as a whole, without a query ever waiting.
pub struct RecordTable {
    current: ArcSwap<Snapshot>,
    hasher: Hasher,
    /// Held from reading the old snapshot to publishing the new, where there are several writers.
    writing: Mutex<()>,
    /// Snapshots that a reader may still hold. The writer frees them, so that no query pays for it; only writers come
    /// here, hence a lock is enough.
    retired: Mutex<Vec<Arc<Snapshot>>>,
    /// Who wants to know; only writers come here, too.
    watchers: Mutex<Vec<Weak<Watcher>>>,
}

/// Is called when a table has changed.
type Watcher = dyn Fn() + Send + Sync;

impl Snapshot {
    /// No zones.
    pub fn new(hasher: Hasher) -> Snapshot {
        Snapshot { zones: SuffixMap::new(hasher), hasher }
    }

    /// With `zone` in place of the one of its origin.
    #[must_use]
    pub fn with(mut self, zone: Arc<Zone>) -> Snapshot {
        self.zones.insert(zone.clone().origin(), zone);
        self
    }

    /// Without the zone of this origin.
    #[must_use]
    pub fn without(mut self, origin: &Name) -> Snapshot {
        self.zones.remove(origin);
        self
    }

    /// The zone that answers for a name: that of the longest origin; for DS the one above a cut, if it is here.
    pub fn find(&self, qname: &Qname, qtype: Type) -> Option<&Arc<Zone>> {
        let found = match qtype {
            Type::DS => self.zones.find_above(qname).or_else(|| self.zones.find(qname)),
            _ => self.zones.find(qname),
        };
        found.map(|found| found.value)
    }

    /// The zone of exactly this origin.
    pub fn zone(&self, origin: &Name) -> Option<&Arc<Zone>> {
        self.zones.get(origin)
    }

    /// All zones, in no order.
    pub fn zones(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.zones.values()
    }

    /// The hasher that zones of this table are made with.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }
}

impl RecordTable {
    /// A table without zones. `seed` should be random where strangers may ask.
    pub fn new(seed: u64) -> RecordTable {
        let hasher = Hasher::new(seed);
        RecordTable {
            current: ArcSwap::from_pointee(Snapshot::new(hasher)),
            hasher,
            writing: Mutex::new(()),
            retired: Mutex::new(Vec::new()),
            watchers: Mutex::new(Vec::new()),
        }
    }

    /// The snapshot of now, for one query: a few nanoseconds, and no lock.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// The snapshot of now, to keep.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Serves a zone in place of the one of its origin; of several writers each waits for its turn.
    pub fn put(&self, zone: Arc<Zone>) {
        self.change(|snapshot| snapshot.with(zone));
    }

    /// Replaces the table by what becomes of it; of several writers each waits for its turn.
    pub fn change(&self, change: impl FnOnce(Snapshot) -> Snapshot) {
        let _writing = self.writing.lock();
        self.publish(change(Snapshot::clone(&self.load())));
    }

    /// Replaces the table; queries that began keep the snapshot they have.
    ///
    /// Never blocks readers. Frees snapshots that no reader has any more.
    pub fn publish(&self, snapshot: Snapshot) {
        let old = self.current.swap(Arc::new(snapshot));
        let mut retired = self.retired.lock();
        retired.push(old);
        retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        drop(retired);
        self.watchers.lock().retain(|watcher| watcher.upgrade().map(|watcher| watcher()).is_some());
    }

    /// Calls `watcher` after each change from now on, until it is dropped elsewhere. It must not wait: the writer does
    /// meanwhile.
    pub fn watch(&self, watcher: &Arc<impl Fn() + Send + Sync + 'static>) {
        let watcher = Arc::downgrade(watcher);
        self.watchers.lock().push(watcher);
    }

    /// The hasher that zones of this table are made with.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.zones.values()).finish()
    }
}

impl fmt::Debug for RecordTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self.current.load(), f)
    }
}
