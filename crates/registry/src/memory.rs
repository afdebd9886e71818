//! A backend that forgets when it is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::history::Snapshot;
use crate::{
    Backend, BackendError, Change, CommitError, Edit, Event, Expect, History, Key, Record, Revision, Stored,
};

/// Keeps a registry in memory: for tests, and for those who embed one that need not outlive them.
#[derive(Debug, Clone)]
pub struct MemoryBackend {
    /// Guards the order of changes: one commit at a time checks, edits and tells.
    store: Arc<Mutex<Store>>,
    history: Arc<History>,
}

#[derive(Debug, Default)]
struct Store {
    revision: Revision,
    records: BTreeMap<Key, Stored>,
}

impl MemoryBackend {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_history(History::CAPACITY)
    }

    /// An empty one that remembers `changes` for those who watch from a revision.
    pub fn with_history(changes: usize) -> Self {
        Self { store: Arc::default(), history: Arc::new(History::new(Revision::ZERO, changes)) }
    }

    /// An empty one, whose first change makes the revision after `revision`.
    pub(crate) fn at(revision: Revision) -> Self {
        let store = Store { revision, records: BTreeMap::new() };
        let history = Arc::new(History::new(revision, History::CAPACITY));
        Self { store: Arc::new(Mutex::new(store)), history }
    }

    /// The record called `key`.
    pub(crate) fn get(&self, key: &Key) -> Option<Stored> {
        self.store.lock().records.get(key).cloned()
    }

    /// The revision of the last change.
    pub(crate) fn revision(&self) -> Revision {
        self.store.lock().revision
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.store.lock().records.is_empty()
    }

    /// Makes `wanted` all that there is, by a change of what is different; `keep` is told of a record and the one that was
    /// there before it.
    pub(crate) fn replace(
        &self,
        mut wanted: BTreeMap<Key, Record>,
        keep: impl Fn(&mut Record, &Record),
    ) -> Revision {
        let mut store = self.store.lock();
        // Under the lock: a verdict that was taken in is not undone by a reader who had not heard of it.
        for (key, record) in &mut wanted {
            if let Some(before) = store.records.get(key) {
                keep(record, &before.record);
            }
        }
        let edits = store.difference(wanted);
        if !edits.is_empty() {
            store.make(&edits);
            self.history.push([(store.revision, edits)]);
        }
        store.revision
    }

    fn change(&self, change: Change) -> Result<Revision, CommitError> {
        let mut store = self.store.lock();
        if !change.expect.iter().all(|expect| store.holds(expect)) {
            return Err(CommitError::Conflict { current: store.revision });
        }
        store.make(&change.edits);
        self.history.push([(store.revision, change.edits)]);
        Ok(store.revision)
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for MemoryBackend {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move { self.change(change) })
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        let store = Arc::clone(&self.store);
        self.history.watch(from, move || store.lock().snapshot())
    }
}

impl Store {
    fn make(&mut self, edits: &[Edit]) {
        self.revision = self.revision.next();
        for edit in edits {
            match edit {
                Edit::Put(record) => {
                    let stored = Stored { revision: self.revision, record: record.clone() };
                    self.records.insert(record.key(), stored);
                }
                Edit::Delete(key) => _ = self.records.remove(key),
            }
        }
    }

    /// What makes of these records those that are `wanted`: children go before their parents, and come after them.
    fn difference(&self, mut wanted: BTreeMap<Key, Record>) -> Vec<Edit> {
        let gone = self.records.keys().rev().filter(|key| !wanted.contains_key(key));
        let gone: Vec<_> = gone.cloned().map(Edit::Delete).collect();
        wanted.retain(|key, record| self.records.get(key).is_none_or(|stored| stored.record != *record));
        gone.into_iter().chain(wanted.into_values().map(Edit::Put)).collect()
    }

    fn holds(&self, expect: &Expect) -> bool {
        match expect {
            Expect::Unchanged(key, revision) => {
                self.records.get(key).is_some_and(|r| r.revision == *revision)
            }
            Expect::Present(key) => self.records.contains_key(key),
            Expect::Absent(key) => !self.records.contains_key(key),
            Expect::Empty(prefix) => !self.records.keys().any(|key| prefix.holds(key)),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let records = self.records.values().cloned().collect();
        let events = [Event::Reset, Event::Records(records), Event::CaughtUp(self.revision)];
        let (told, snapshot) = mpsc::channel(events.len());
        for event in events {
            told.try_send(Ok(event)).expect("the channel was made as long as the events");
        }
        snapshot
    }
}
