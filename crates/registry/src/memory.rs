//! A backend that forgets when it is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::history::Snapshot;
use crate::{
    Backend, BackendError, Change, CommitError, Edit, Event, Expect, History, Key, Revision, Stored,
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
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for MemoryBackend {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock();
            let revision = store.commit(&change)?;
            self.history.push([(revision, change.edits)]);
            Ok(revision)
        })
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        let store = Arc::clone(&self.store);
        self.history.watch(from, move || store.lock().snapshot())
    }
}

impl Store {
    fn commit(&mut self, change: &Change) -> Result<Revision, CommitError> {
        if !change.expect.iter().all(|expect| self.holds(expect)) {
            return Err(CommitError::Conflict { current: self.revision });
        }
        self.revision = self.revision.next();
        for edit in &change.edits {
            match edit {
                Edit::Put(record) => {
                    let stored = Stored { revision: self.revision, record: record.clone() };
                    self.records.insert(record.key(), stored);
                }
                Edit::Delete(key) => _ = self.records.remove(key),
            }
        }
        Ok(self.revision)
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
