//! A registry's backend of one's own, over a `HashMap`: what a registry needs is a commit and a watch. Its tests are the
//! suite that all backends pass.
#![allow(clippy::print_stdout, reason = "people are told where it listens")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use cartonym::registry::{
    Backend, BackendError, Change, CommitError, Edit, Event, Expect, History, Key, Options, Revision,
    Snapshot, Stored,
};
use cartonym::{Chain, Records, Registry, Server};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let backend = Arc::new(HashMapBackend::default());
    let registry = Registry::open(backend, Options::default()).await?;
    registry.register("web.svc.local", "web-1", "192.0.2.7:8080".parse()?).await?;
    let server = Server::new()
        .listen(std::env::args().nth(1).unwrap_or("127.0.0.1:5353".into()))
        .zone("svc.local", Chain::new().then(Records::of(&registry)))
        .start()?;
    println!("DNS at {:?}", server.local_addrs());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Keeps a registry in a map, as long as the program runs.
#[derive(Clone)]
struct HashMapBackend {
    // One commit at a time checks, edits and tells, so that watchers hear of changes in their order.
    store: Arc<Mutex<Store>>,
    history: Arc<History>,
}

#[derive(Default)]
struct Store {
    revision: Revision,
    records: HashMap<Key, Stored>,
}

impl Default for HashMapBackend {
    fn default() -> HashMapBackend {
        let history = Arc::new(History::new(Revision::ZERO, History::CAPACITY));
        HashMapBackend { store: Arc::default(), history }
    }
}

impl Backend for HashMapBackend {
    fn commit(&self, change: Change) -> BoxFuture<'_, Result<Revision, CommitError>> {
        Box::pin(async move {
            let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
            let revision = store.commit(&change)?;
            self.history.push([(revision, change.edits)]);
            Ok(revision)
        })
    }

    fn watch(&self, from: Revision) -> BoxStream<'static, Result<Event, BackendError>> {
        let store = Arc::clone(&self.store);
        self.history.watch(from, move || store.lock().unwrap_or_else(PoisonError::into_inner).snapshot())
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
                Edit::Delete(key) => drop(self.records.remove(key)),
            }
        }
        Ok(self.revision)
    }

    fn holds(&self, expect: &Expect) -> bool {
        match expect {
            Expect::Unchanged(key, revision) => {
                self.records.get(key).is_some_and(|stored| stored.revision == *revision)
            }
            Expect::Present(key) => self.records.contains_key(key),
            Expect::Absent(key) => !self.records.contains_key(key),
            Expect::Empty(prefix) => !self.records.keys().any(|key| prefix.holds(key)),
        }
    }

    /// Everything, parents first: the order of the keys, which a map of hashes has not.
    fn snapshot(&self) -> Snapshot {
        let mut records: Vec<Stored> = self.records.values().cloned().collect();
        records.sort_unstable_by_key(|stored| stored.record.key());
        let events = [Event::Reset, Event::Records(records), Event::CaughtUp(self.revision)];
        let (told, snapshot) = mpsc::channel(events.len());
        for event in events {
            // There is room for as many as there are.
            let _ = told.try_send(Ok(event));
        }
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl cartonym_registry::conformance::Store for HashMapBackend {
        async fn open(&self) -> Arc<dyn Backend> {
            Arc::new(self.clone())
        }
    }

    cartonym_registry::conformance_suite!(HashMapBackend::default());
}
