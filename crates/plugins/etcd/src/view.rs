//! What is known of etcd: the keys, and the zones that are made of them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cartonym_etcd::{Event, EventKind};
use cartonym_wire::{Name, NameBuf};
use cartonym_zone::{RecordTable, Snapshot, Zone, ZoneEdit};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::compile::{Compiled, Compiler};
use crate::entry::BoxedName;
use crate::leases::Leases;
use crate::options::Source;
use crate::store::Store;

/// The keys below a path, and the zones made of them. One task writes; queries read the table.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) source: Source,
    pub(crate) table: RecordTable,
    /// Taken by the writer for each change, and by questions that have a star in them; by no other query.
    state: Mutex<State>,
    /// Held by who follows etcd: of several plugins with one view the next goes on where one ends.
    pub(crate) turn: tokio::sync::Mutex<Progress>,
    /// Whether everything has been read once.
    loaded: watch::Sender<bool>,
    /// Whether there ever was a TTL that ends at a moment.
    pub(crate) has_moments: AtomicBool,
    pub(crate) counts: Counts,
}

/// How far etcd has been followed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The last revision whose changes are published; 0 if there is nothing to build upon.
    pub(crate) revision: i64,
    /// The cluster that counts these revisions.
    pub(crate) cluster: u64,
}

/// What is shown of a view.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) keys: AtomicUsize,
    pub(crate) malformed: AtomicUsize,
    pub(crate) revision: AtomicI64,
    pub(crate) is_connected: AtomicBool,
}

/// The keys and their leases.
#[derive(Debug)]
pub(crate) struct State {
    store: Store,
    pub(crate) leases: Leases,
}

/// The views that there are: another configuration that says the same goes on with the same, and no query waits.
static VIEWS: Mutex<Vec<Weak<View>>> = Mutex::new(Vec::new());

impl View {
    /// The view of a source, which may be there already.
    pub(crate) fn of(source: Source) -> Arc<View> {
        let mut views = VIEWS.lock();
        views.retain(|view| view.strong_count() > 0);
        if let Some(view) = views.iter().filter_map(Weak::upgrade).find(|view| view.source == source) {
            return view;
        }
        let view = Arc::new(View {
            // Which names are asked for is strangers' choice: the order is per process.
            table: RecordTable::new(RandomState::new().hash_one(0)),
            state: Mutex::new(State::new(&source.prefix)),
            turn: tokio::sync::Mutex::default(),
            loaded: watch::Sender::new(false),
            has_moments: AtomicBool::new(false),
            counts: Counts::default(),
            source,
        });
        views.push(Arc::downgrade(&view));
        view
    }

    /// Whether everything has been read once.
    pub(crate) fn is_loaded(&self) -> bool {
        *self.loaded.borrow()
    }

    /// Waits until everything has been read, and says whether it has.
    pub(crate) async fn wait(&self, most: Duration) -> bool {
        let mut loaded = self.loaded.subscribe();
        tokio::time::timeout(most, loaded.wait_for(|loaded| *loaded)).await.is_ok_and(|loaded| loaded.is_ok())
    }

    /// Serves these keys, and no others.
    pub(crate) fn replace(&self, mut state: State, now: u64) {
        let names: HashSet<BoxedName> = state.store.names().cloned().collect();
        let snapshot = self.rebuild(Snapshot::new(self.table.hasher()), &mut state, &names, now);
        let before = std::mem::replace(&mut *self.state.lock(), state);
        self.table.publish(snapshot);
        self.loaded.send_replace(true);
        drop(before);
    }

    /// Takes changes in; gives the names that they change, which are published by [`View::update`].
    pub(crate) fn apply(&self, events: &[Event]) -> HashSet<BoxedName> {
        let mut state = self.state.lock();
        let State { store, leases } = &mut *state;
        let mut changed = HashSet::new();
        for event in events {
            let Some(kv) = &event.kv else { continue };
            let [before, after] = match event.kind() {
                EventKind::Put => store.put(kv),
                EventKind::Delete => [store.remove(&kv.key), None],
            };
            before.iter().for_each(|entry| leases.remove(entry));
            after.iter().for_each(|entry| leases.add(entry));
            changed.extend([before, after].into_iter().flatten().map(|entry| entry.name));
        }
        changed
    }

    /// Makes the records of these names again, and of those above them.
    pub(crate) fn update(&self, changed: &HashSet<BoxedName>, now: u64) {
        let mut state = self.state.lock();
        let snapshot = self.rebuild(Snapshot::clone(&self.table.load()), &mut state, changed, now);
        drop(state);
        self.table.publish(snapshot);
    }

    /// Reads or changes what is known of leases.
    pub(crate) fn leases<T>(&self, with: impl FnOnce(&mut Leases) -> T) -> T {
        with(&mut self.state.lock().leases)
    }

    /// The zone with records for a name that has labels `*` or `any`: those of all names that fit.
    pub(crate) fn starred(&self, zone: &Zone, name: &Name, now: u64) -> Zone {
        let state = self.state.lock();
        let made = self.compiler(zone.origin(), &state.leases, now).of(name, state.store.matching(name));
        let mut edit = zone.edit(self.table.hasher());
        put(&mut edit, name, &made);
        edit.finish()
    }

    fn rebuild(
        &self,
        mut snapshot: Snapshot,
        state: &mut State,
        changed: &HashSet<BoxedName>,
        now: u64,
    ) -> Snapshot {
        let hasher = self.table.hasher();
        let mut wakes = Vec::new();
        for origin in &self.source.zones {
            let before = snapshot.zone(origin);
            let mut names = with_ancestors(changed, origin);
            if names.is_empty() && before.is_some() {
                continue;
            }
            // The apex has an SOA, whatever there is below.
            names.insert(BoxedName::from(&**origin));
            let mut edit =
                before.map_or_else(|| Zone::new(origin, hasher).edit(hasher), |zone| zone.edit(hasher));
            let compiler = self.compiler(origin, &state.leases, now);
            for name in &names {
                let made = compiler.name(name, &state.store);
                put(&mut edit, name, &made);
                self.has_moments.fetch_or(made.has_moments, Relaxed);
                wakes.extend(made.wakes);
            }
            snapshot = snapshot.with(Arc::new(edit.finish()));
        }
        wakes.into_iter().for_each(|(moment, lease)| state.leases.wake(moment, lease));
        self.counts.keys.store(state.store.len(), Relaxed);
        self.counts.malformed.store(state.store.malformed(), Relaxed);
        snapshot
    }

    fn compiler<'a>(&self, zone: &'a Name, leases: &'a Leases, now: u64) -> Compiler<'a> {
        Compiler { zone, leases, bounds: self.source.bounds, now }
    }
}

impl State {
    /// No keys.
    pub(crate) fn new(prefix: &[u8]) -> State {
        State { store: Store::new(prefix), leases: Leases::default() }
    }

    /// Takes keys in.
    pub(crate) fn extend(&mut self, kvs: &[cartonym_etcd::KeyValue]) {
        for kv in kvs {
            let [_, after] = self.store.put(kv);
            after.iter().for_each(|entry| self.leases.add(entry));
        }
    }
}

/// Replaces what a name has.
fn put(edit: &mut ZoneEdit, name: &Name, made: &Compiled) {
    let put = edit.remove(name).and_then(|()| made.sets.iter().try_for_each(|set| edit.put(name, set)));
    if let Err(error) = put {
        // A set is never filled beyond what a zone takes.
        tracing::error!(%name, error = &error as &dyn std::error::Error, "records are left out");
    }
}

/// The names within a zone that change when these do: themselves, and all above them.
fn with_ancestors(changed: &HashSet<BoxedName>, origin: &NameBuf) -> HashSet<BoxedName> {
    let mut names = HashSet::new();
    for name in changed.iter().filter(|name| name.is_within(origin)) {
        let mut at = Some(&**name);
        // Where one is known already, those above it are as well.
        while let Some(name) = at.filter(|name| name.len() >= origin.len())
            && names.insert(BoxedName::from(name))
        {
            at = name.parent();
        }
    }
    names
}
