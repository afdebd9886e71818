//! The suite that every backend passes.
//!
//! A backend's tests say how one of its stores is opened, and take the suite:
//!
//! ```text
//! cartonym_registry::conformance_suite!(Folder::new());
//! ```
//!
//! One that is read-only says how what it reads is changed, by [`Store::turn`], and takes the part that concerns it:
//!
//! ```text
//! cartonym_registry::conformance_suite!(read_only Page::new());
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::{
    Attributes, Backend, BackendError, Change, CommitError, Edit, Event, Expect, Instance, Key, Namespace,
    NamespaceId, NamespaceKind, Prefix, Record, Revision, Service, ServiceId, Stored, Tags, Timestamp,
};

pub use naive::a_registry_does_what_a_naive_one_does;

mod naive;

/// A place that a backend keeps its records in.
pub trait Store: Send + Sync {
    /// Opens it: the first time empty, then with what it was left with. At most one is open at a time.
    fn open(&self) -> impl Future<Output = Arc<dyn Backend>> + Send;

    /// Changes what is kept, each time otherwise; returns the revision that this makes, by which it is told.
    ///
    /// `n` counts from 0, without a gap.
    fn turn(&self, backend: &Arc<dyn Backend>, n: usize) -> impl Future<Output = Revision> + Send {
        async move {
            match n % 5 {
                4 => commit(backend, vec![], vec![Edit::Delete(namespace(n - 2).key())]).await,
                _ => put(backend, namespace(n)).await,
            }
        }
    }
}

/// Defines one test for each thing that a backend owes, each on a new store.
#[macro_export]
macro_rules! conformance_suite {
    ($store:expr) => {
        $crate::conformance_suite!($store, if true);
    };
    // Where what is kept is changed by others only.
    (read_only $store:expr) => {
        $crate::conformance_suite!($store, true =>
            a_watch_from_the_start_tells_everything_and_then_each_change
            a_watch_from_any_revision_comes_to_the_same_end
            a_watch_from_a_revision_to_come_tells_everything
            watchers_are_told_the_same_in_the_same_order
            changes_of_a_read_only_store_are_refused_and_not_told
            a_restart_tells_what_there_was_at_no_earlier_revision
            whatever_turns_up_is_told_parents_first
        );
    };
    // Where the store may not be there at all.
    ($store:expr, if $there:expr) => {
        $crate::conformance_suite!($store, $there =>
            each_commit_makes_a_greater_revision
            a_watch_from_the_start_tells_everything_and_then_each_change
            a_watch_from_any_revision_comes_to_the_same_end
            a_watch_from_a_revision_to_come_tells_everything
            a_watcher_that_falls_behind_comes_to_the_same_end
            watchers_are_told_the_same_in_the_same_order
            a_change_is_made_only_if_all_it_expects_holds
            a_refused_change_is_not_told
            edits_are_made_in_order_and_together
            deleting_what_is_not_there_is_a_change
            a_restart_keeps_records_and_their_revisions
            a_restart_keeps_deletions
            a_restart_tells_what_there_was_at_no_earlier_revision
            large_values_come_back_whole
            text_of_any_script_comes_back_as_it_was
            many_records_are_told_parents_first
            concurrent_writers_do_not_overwrite_each_other
            concurrent_commits_all_count
        );
    };
    ($store:expr, $there:expr => $($case:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            if $there {
                $crate::conformance::$case($store).await;
            }
        }
    )*};
}

/// The revisions of commits grow, and begin above zero.
pub async fn each_commit_makes_a_greater_revision(store: impl Store) {
    let backend = store.open().await;
    let mut last = Revision::ZERO;
    for n in 0..10 {
        let revision = put(&backend, namespace(n)).await;
        assert!(revision > last);
        last = revision;
    }
}

/// An empty store is told as such, and each change after that.
pub async fn a_watch_from_the_start_tells_everything_and_then_each_change(store: impl Store) {
    let backend = store.open().await;
    let mut early = Replica::watch(&backend, Revision::ZERO);
    early.until(Revision::ZERO).await;
    assert_eq!(early.records, BTreeMap::new());

    let first = store.turn(&backend, 0).await;
    early.until(first).await;
    assert!(!early.records.is_empty());
    let mut late = Replica::watch(&backend, Revision::ZERO);
    late.until(first).await;
    assert!(late.records.values().all(|(at, _)| *at == first));
    assert_eq!(early.records, late.records);

    let second = store.turn(&backend, 1).await;
    late.until(second).await;
    assert_eq!(late.changes, [second]);
}

/// Whoever has what was there at a revision has what is there now, after the changes or everything anew.
pub async fn a_watch_from_any_revision_comes_to_the_same_end(store: impl Store) {
    let backend = store.open().await;
    let mut stages = vec![Replica::watch(&backend, Revision::ZERO)];
    stages[0].until(Revision::ZERO).await;
    for n in 0..20 {
        let revision = store.turn(&backend, n).await;
        let mut next = stages[n].resume(&backend);
        next.until(revision).await;
        stages.push(next);
    }
    let last = stages.last().map(|stage| (stage.at, stage.records.clone())).unwrap();
    for stage in stages {
        let mut resumed = stage.resume(&backend);
        resumed.until(last.0).await;
        assert_eq!(resumed.records, last.1, "from {}", stage.at);
    }
}

/// A revision that the store has not come to is another store's: nothing it says can be kept.
pub async fn a_watch_from_a_revision_to_come_tells_everything(store: impl Store) {
    let backend = store.open().await;
    let revision = store.turn(&backend, 0).await;
    let mut events = backend.watch(Revision(revision.0 + 1_000_000));
    assert_eq!(soon(events.next()).await.unwrap().unwrap(), Event::Reset);
}

/// Changes that nobody fetches are not kept without end, and whoever missed some is told everything.
pub async fn a_watcher_that_falls_behind_comes_to_the_same_end(store: impl Store) {
    let backend = store.open().await;
    let mut slow = Replica::watch(&backend, Revision::ZERO);
    slow.until(Revision::ZERO).await;
    let mut last = Revision::ZERO;
    for _ in 0..20 {
        let changes = (0..500).map(|n| put(&backend, service(0, n)));
        last = futures_util::future::join_all(changes).await.into_iter().max().unwrap();
    }
    slow.until(last).await;
    assert_eq!(slow.records.len(), 500);
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(slow.records, fresh.records);
}

/// Two who watch see one history.
pub async fn watchers_are_told_the_same_in_the_same_order(store: impl Store) {
    let backend = store.open().await;
    let mut watchers = [Replica::watch(&backend, Revision::ZERO), Replica::watch(&backend, Revision::ZERO)];
    for watcher in &mut watchers {
        watcher.until(Revision::ZERO).await;
    }
    let turns = (0..100).map(|n| store.turn(&backend, n));
    let last = futures_util::future::join_all(turns).await.into_iter().max().unwrap();
    for watcher in &mut watchers {
        watcher.until(last).await;
    }
    assert_eq!(watchers[0].changes, watchers[1].changes);
    assert_eq!(watchers[0].records, watchers[1].records);
}

/// Each kind of expectation, holding and not.
pub async fn a_change_is_made_only_if_all_it_expects_holds(store: impl Store) {
    let backend = store.open().await;
    let (parent, child) = (namespace(1), service(0, 1));
    let (there, missing) = (parent.key(), namespace(2).key());
    let first = put(&backend, parent.clone()).await;
    put(&backend, child.clone()).await;

    let held = [
        Expect::Unchanged(there.clone(), first),
        Expect::Present(there.clone()),
        Expect::Absent(missing.clone()),
        Expect::Empty(Prefix::Services(namespace_id(2))),
        Expect::Empty(Prefix::Instances(service_id(1))),
    ];
    let broken = [
        Expect::Unchanged(there.clone(), first.next()),
        Expect::Unchanged(missing.clone(), first),
        Expect::Present(missing.clone()),
        Expect::Absent(there.clone()),
        Expect::Empty(Prefix::Services(namespace_id(0))),
    ];
    for expect in &held {
        commit(&backend, vec![expect.clone()], vec![Edit::Delete(namespace(99).key())]).await;
    }
    for expect in broken {
        let told = format!("{expect:?}");
        let edits = vec![Edit::Delete(child.key())];
        let refused = backend.commit(Change { expect: [held.to_vec(), vec![expect]].concat(), edits }).await;
        let Err(CommitError::Conflict { current }) = refused else { panic!("{told}: {refused:?}") };
        assert!(current > first, "{told}");
    }
    put(&backend, parent).await;
    let expect = vec![held[0].clone()];
    let refused = backend.commit(Change { expect, edits: vec![] }).await;
    assert!(matches!(refused, Err(CommitError::Conflict { .. })), "put again is changed");
}

/// What is refused leaves no trace.
pub async fn a_refused_change_is_not_told(store: impl Store) {
    let backend = store.open().await;
    let mut watcher = Replica::watch(&backend, Revision::ZERO);
    watcher.until(Revision::ZERO).await;
    let expect = vec![Expect::Present(namespace(7).key())];
    let edits = vec![Edit::Put(namespace(1))];
    backend.commit(Change { expect, edits }).await.unwrap_err();
    let revision = put(&backend, namespace(2)).await;
    watcher.until(revision).await;
    assert_eq!(watcher.changes, [revision]);
    assert_eq!(watcher.records.len(), 1);
}

/// The last edit of a record is the one that stays, and all of a change have one revision.
pub async fn edits_are_made_in_order_and_together(store: impl Store) {
    let backend = store.open().await;
    let mut watcher = Replica::watch(&backend, Revision::ZERO);
    watcher.until(Revision::ZERO).await;
    let edits = vec![
        Edit::Put(namespace(1)),
        Edit::Delete(namespace(1).key()),
        Edit::Put(namespace(2)),
        Edit::Delete(namespace(3).key()),
        Edit::Put(namespace(3)),
    ];
    let revision = commit(&backend, vec![], edits).await;
    watcher.until(revision).await;
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(revision).await;
    let expected = [2, 3].map(|n| (namespace(n).key(), (revision, namespace(n))));
    assert_eq!(fresh.records, BTreeMap::from(expected));
    assert_eq!(watcher.records, fresh.records);
}

/// It has a revision, like any other.
pub async fn deleting_what_is_not_there_is_a_change(store: impl Store) {
    let backend = store.open().await;
    let first = commit(&backend, vec![], vec![Edit::Delete(namespace(1).key())]).await;
    assert!(put(&backend, namespace(1)).await > first);
}

/// What was acknowledged is there, as it was; and what expects it knows it.
pub async fn a_restart_keeps_records_and_their_revisions(store: impl Store) {
    let backend = store.open().await;
    let records = [namespace(0), service(0, 1), instance(1, "i", &[("k", "v")])];
    for record in &records {
        put(&backend, record.clone()).await;
    }
    let last = put(&backend, namespace(0)).await;
    let mut before = Replica::watch(&backend, Revision::ZERO);
    before.until(last).await;
    before.stop();
    drop(backend);

    let backend = store.open().await;
    let mut after = before.resume(&backend);
    after.until(last).await;
    assert_eq!(after.records, before.records);
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(fresh.records, before.records);
    let unchanged = vec![Expect::Unchanged(namespace(0).key(), last)];
    assert!(commit(&backend, unchanged, vec![Edit::Put(namespace(0))]).await > last);
}

/// What was deleted does not come back, nor does the count of changes.
pub async fn a_restart_keeps_deletions(store: impl Store) {
    let backend = store.open().await;
    put(&backend, namespace(1)).await;
    let last = commit(&backend, vec![], vec![Edit::Delete(namespace(1).key())]).await;
    drop(backend);
    let backend = store.open().await;
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(fresh.records, BTreeMap::new());
    assert!(put(&backend, namespace(1)).await > last);
}

/// What an earlier process told is there, and who knows it is not told of a time before.
pub async fn a_restart_tells_what_there_was_at_no_earlier_revision(store: impl Store) {
    let backend = store.open().await;
    let mut last = Revision::ZERO;
    for n in 0..12 {
        last = store.turn(&backend, n).await;
    }
    let mut before = Replica::watch(&backend, Revision::ZERO);
    before.until(last).await;
    before.stop();
    drop(backend);

    let backend = store.open().await;
    let mut after = Replica::watch(&backend, Revision::ZERO);
    after.until(last).await;
    assert!(after.keys().eq(before.keys()));
    let next = store.turn(&backend, 12).await;
    assert!(next > last);
    let mut resumed = before.resume(&backend);
    resumed.until(next).await;
    after.until(next).await;
    assert_eq!(resumed.records, after.records);
}

/// Only others change it.
pub async fn changes_of_a_read_only_store_are_refused_and_not_told(store: impl Store) {
    let backend = store.open().await;
    let mut watcher = Replica::watch(&backend, Revision::ZERO);
    watcher.until(Revision::ZERO).await;
    let there = store.turn(&backend, 0).await;
    watcher.until(there).await;
    let (key, (_, record)) = watcher.records.first_key_value().map(|(k, v)| (k.clone(), v.clone())).unwrap();
    for edits in [vec![], vec![Edit::Put(namespace(7))], vec![Edit::Put(record)], vec![Edit::Delete(key)]] {
        let refused = backend.commit(Change { expect: vec![], edits }).await;
        assert!(matches!(refused, Err(CommitError::ReadOnly)), "{refused:?}");
    }
    let next = store.turn(&backend, 1).await;
    watcher.until(next).await;
    assert_eq!(watcher.changes, [there, next]);
}

/// A reader can take each record in as it comes.
pub async fn whatever_turns_up_is_told_parents_first(store: impl Store) {
    let backend = store.open().await;
    let mut last = Revision::ZERO;
    for n in 0..9 {
        last = store.turn(&backend, n).await;
    }
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    fresh.assert_parents_first();
}

/// The largest records there can be, and a change of many.
pub async fn large_values_come_back_whole(store: impl Store) {
    let backend = store.open().await;
    let pairs: Vec<_> = (0..30).map(|n| (format!("key-{n:02}"), "v".repeat(160))).collect();
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let Record::Service(mut wide) = service(0, 1) else { unreachable!("service() makes a service") };
    wide.description = Some("d".repeat(1024));
    wide.attributes = (0..30).map(|n| (format!("{n:0255}"), "v".repeat(1024))).collect();
    let mut records = vec![namespace(0), Record::Service(wide)];
    records.extend((0..200).map(|n| instance(1, &format!("i{n:063}"), &pairs)));
    let edits = records.iter().cloned().map(Edit::Put).collect();
    let revision = commit(&backend, vec![], edits).await;
    drop(backend);
    let backend = store.open().await;
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(revision).await;
    let expected = records.into_iter().map(|record| (record.key(), (revision, record)));
    assert!(fresh.records == expected.collect(), "the records differ");
}

/// Free text is anybody's.
pub async fn text_of_any_script_comes_back_as_it_was(store: impl Store) {
    let backend = store.open().await;
    let text = "naïve Ελλάδα 日本語 עברית 🦀 e\u{301} \u{0} \u{1f} \u{2028} \"\\/ \r\n\t";
    let Record::Namespace(mut made) = namespace(1) else { unreachable!("namespace() makes a namespace") };
    made.description = Some(text.into());
    made.tags = Tags::new([(text.to_owned(), text.to_owned())]).unwrap();
    let record = Record::Namespace(made);
    let revision = put(&backend, record.clone()).await;
    drop(backend);
    let backend = store.open().await;
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(revision).await;
    assert_eq!(fresh.records, BTreeMap::from([(record.key(), (revision, record))]));
}

/// A reader can take each record in as it comes.
pub async fn many_records_are_told_parents_first(store: impl Store) {
    let backend = store.open().await;
    let mut last = Revision::ZERO;
    for n in 0..20 {
        let services = (0..10).map(|m| service(n, n * 10 + m));
        let instances =
            (0..10).flat_map(|m| (0..25).map(move |i| instance(n * 10 + m, &format!("i{i}"), &[])));
        let records = std::iter::once(namespace(n)).chain(services).chain(instances);
        last = commit(&backend, vec![], records.map(Edit::Put).collect()).await;
    }
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(fresh.records.len(), 20 + 200 + 5000);
    fresh.assert_parents_first();
}

/// Each of many increments counts, since each expects what it read.
pub async fn concurrent_writers_do_not_overwrite_each_other(store: impl Store) {
    let backend = store.open().await;
    let mut seen = put(&backend, counter(0)).await;
    let writers = (0..8).map(|_| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move {
            let mut replica = Replica::watch(&backend, Revision::ZERO);
            let mut made = 0;
            while made < 25 {
                replica.until(seen).await;
                let (at, Record::Namespace(before)) = replica.records[&counter(0).key()].clone() else {
                    unreachable!("counter() makes a namespace")
                };
                let expect = vec![Expect::Unchanged(counter(0).key(), at)];
                let edits = vec![Edit::Put(counter(before.created.as_millis() + 1))];
                seen = match backend.commit(Change { expect, edits }).await {
                    Ok(revision) => {
                        made += 1;
                        revision
                    }
                    Err(CommitError::Conflict { current }) => current,
                    Err(error) => panic!("{error}"),
                }
            }
            seen
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut last = Revision::ZERO;
    for writer in writers {
        last = last.max(writer.await.unwrap());
    }
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(fresh.records[&counter(0).key()].1, counter(8 * 25));
}

/// Every change is made, and of one after another the later has the greater revision.
pub async fn concurrent_commits_all_count(store: impl Store) {
    let backend = store.open().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let backend = Arc::clone(&backend);
            tokio::spawn(async move {
                let mut made = Vec::new();
                for n in 0..50 {
                    made.push(put(&backend, namespace(writer * 50 + n)).await);
                }
                assert!(made.is_sorted_by(|one, next| one < next));
                made
            })
        })
        .collect();
    let mut made = Vec::new();
    for writer in writers {
        made.extend(writer.await.unwrap());
    }
    assert_eq!(made.len(), 800);
    let last = made.into_iter().max().unwrap();
    let mut fresh = Replica::watch(&backend, Revision::ZERO);
    fresh.until(last).await;
    assert_eq!(fresh.records.len(), 800);
}

/// What a watcher knows, checked as it is told.
struct Replica {
    events: Option<BoxStream<'static, Result<Event, BackendError>>>,
    at: Revision,
    caught_up: bool,
    records: BTreeMap<Key, (Revision, Record)>,
    /// The names of the records told at first, in the order they were told.
    order: Vec<Key>,
    /// The revisions of the changes told since.
    changes: Vec<Revision>,
}

impl Replica {
    fn watch(backend: &Arc<dyn Backend>, from: Revision) -> Self {
        let events = Some(backend.watch(from));
        let (records, order, changes) = Default::default();
        Self { events, at: from, caught_up: from > Revision::ZERO, records, order, changes }
    }

    /// Another that knows what this one does, and asks for the rest.
    fn resume(&self, backend: &Arc<dyn Backend>) -> Self {
        Self { records: self.records.clone(), ..Self::watch(backend, self.at) }
    }

    fn stop(&mut self) {
        self.events = None;
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.records.keys()
    }

    /// What was told at first can be taken in as it came.
    fn assert_parents_first(&self) {
        for (position, key) in self.order.iter().enumerate() {
            let parent = match key {
                Key::Service(namespace, _) => Key::Namespace(*namespace),
                Key::Instance(service, _) => {
                    let of = |key: &&Key| matches!(key, Key::Service(_, id) if id == service);
                    self.order[..position].iter().find(of).expect("a service before its instances").clone()
                }
                _ => continue,
            };
            assert!(self.order[..position].contains(&parent), "{key} before {parent}");
        }
    }

    /// Takes in what is told until `revision` is.
    async fn until(&mut self, revision: Revision) {
        while !self.caught_up || self.at < revision {
            let event = soon(self.events.as_mut().unwrap().next()).await;
            self.take(event.expect("a watch has no end").unwrap());
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Reset => {
                self.records.clear();
                self.order.clear();
                self.caught_up = false;
            }
            Event::Records(told) => {
                assert!(!self.caught_up, "records without a reset");
                for Stored { revision, record } in told {
                    self.order.push(record.key());
                    assert!(self.records.insert(record.key(), (revision, record)).is_none(), "told twice");
                }
            }
            Event::CaughtUp(revision) => {
                assert!(!self.caught_up || revision == self.at, "caught up twice");
                assert!(self.records.values().all(|(at, _)| *at <= revision), "a record from the future");
                (self.at, self.caught_up) = (revision, true);
            }
            Event::Changed { revision, edits } => {
                assert!(self.caught_up && revision > self.at, "{revision} told after {}", self.at);
                self.at = revision;
                self.changes.push(revision);
                for edit in edits {
                    match edit {
                        Edit::Put(record) => _ = self.records.insert(record.key(), (revision, record)),
                        Edit::Delete(key) => _ = self.records.remove(&key),
                    }
                }
            }
        }
    }
}

/// What `future` gives, within a time that only a backend that hangs exceeds.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("the backend told nothing for a minute")
}

async fn put(backend: &Arc<dyn Backend>, record: Record) -> Revision {
    commit(backend, vec![], vec![Edit::Put(record)]).await
}

async fn commit(backend: &Arc<dyn Backend>, expect: Vec<Expect>, edits: Vec<Edit>) -> Revision {
    soon(backend.commit(Change { expect, edits })).await.unwrap()
}

fn namespace_id(n: usize) -> NamespaceId {
    NamespaceId::derive(&[&format!("n{n}")])
}

fn service_id(n: usize) -> ServiceId {
    ServiceId::derive(&[&format!("s{n}")])
}

fn namespace(n: usize) -> Record {
    Record::Namespace(Namespace {
        id: namespace_id(n),
        name: format!("n{n}.example"),
        kind: NamespaceKind::DnsPublic,
        http_name: format!("n{n}.example"),
        description: None,
        hosted_zone_id: None,
        soa_ttl: Some(5),
        creator_request_id: None,
        created: Timestamp::default(),
        tags: Tags::default(),
    })
}

/// A record that holds a number.
fn counter(n: u64) -> Record {
    let Record::Namespace(counter) = namespace(0) else { unreachable!("namespace() makes a namespace") };
    Record::Namespace(Namespace { created: Timestamp::from_millis(n), ..counter })
}

fn service(within: usize, n: usize) -> Record {
    Record::Service(Service {
        id: service_id(n),
        namespace: namespace_id(within),
        name: format!("s{n}"),
        description: None,
        dns: None,
        health: Default::default(),
        creator_request_id: None,
        created: Timestamp::default(),
        tags: Tags::default(),
        attributes: BTreeMap::new(),
    })
}

fn instance(of: usize, id: &str, pairs: &[(&str, &str)]) -> Record {
    let (Record::Namespace(namespace), Record::Service(service)) = (namespace(0), service(0, of)) else {
        unreachable!("each makes what it is called")
    };
    let attributes = Attributes::new(pairs.iter().copied()).unwrap();
    let id = id.parse().unwrap();
    let instance = Instance::new(id, attributes, None, Timestamp::default(), &service, &namespace).unwrap();
    Record::Instance { service: service.id, instance }
}
