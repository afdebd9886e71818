//! Random changes and crashes, against a map.
//!
//! `CARTONYM_MODEL_CHANGES=1000000 cargo test -p cartonym-backend-embedded --test model -- --nocapture` for a long run;
//! `CARTONYM_MODEL_SEED` for the same one again.

#![allow(clippy::print_stdout, reason = "the figures of a run are worth seeing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cartonym_backend_embedded::Embedded;
use cartonym_registry::*;
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_done_and_whenever_it_ends_the_store_holds_what_a_map_would() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let changes = number("CARTONYM_MODEL_CHANGES").unwrap_or(1_500);
    let seed = number("CARTONYM_MODEL_SEED").unwrap_or(4711);
    println!("seed {seed}");
    let mut run = Run::new(seed);
    while run.made + run.refused < changes {
        run.changes().await;
        match run.random(30) {
            0 => run.close().await,
            1 => run.crash().await,
            2 => run.leave_amid_a_change().await,
            _ => {}
        }
    }
    run.close().await;
    println!("{} changes made, {} refused, {} openings", run.made, run.refused, run.openings);
    assert!(run.made > changes / 3 && run.refused > changes / 50, "both happen");
}

/// What the store should hold.
#[derive(Debug, Clone, Default, PartialEq)]
struct Map {
    revision: Revision,
    records: BTreeMap<Key, (Revision, Record)>,
}

impl Map {
    /// Makes a change if all that it expects holds.
    fn commit(&mut self, change: &Change) -> Option<Revision> {
        let holds = |expect: &Expect| match expect {
            Expect::Unchanged(key, at) => self.records.get(key).is_some_and(|(last, _)| last == at),
            Expect::Present(key) => self.records.contains_key(key),
            Expect::Absent(key) => !self.records.contains_key(key),
            Expect::Empty(prefix) => !self.records.keys().any(|key| prefix.holds(key)),
        };
        if !change.expect.iter().all(holds) {
            return None;
        }
        self.revision = self.revision.next();
        for edit in &change.edits {
            match edit {
                Edit::Put(record) => _ = self.records.insert(record.key(), (self.revision, record.clone())),
                Edit::Delete(key) => _ = self.records.remove(key),
            }
        }
        Some(self.revision)
    }
}

struct Run {
    state: u64,
    folders: TempDir,
    openings: usize,
    store: Option<Embedded>,
    map: Map,
    made: u64,
    refused: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        // The end of a process loses nothing that is in memory for the system: a disk only makes this slow.
        let folders = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut run = Self {
            state: seed | 1,
            folders,
            openings: 0,
            store: None,
            map: Map::default(),
            made: 0,
            refused: 0,
        };
        run.store = Some(Embedded::open(run.folder()).unwrap());
        run
    }

    fn folder(&self) -> PathBuf {
        self.folders.path().join(self.openings.to_string())
    }

    /// One of `0..below`: xorshift64*.
    fn random(&mut self, below: u64) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    }

    /// Some changes at once: they are made in the order in which they are asked for.
    async fn changes(&mut self) {
        // `join_all` polls so few in their order.
        let count = 1 + self.random(30);
        let changes: Vec<_> = (0..count).map(|_| self.change()).collect();
        let store = self.store.as_ref().unwrap();
        let answers = join_all(changes.iter().map(|change| store.commit(change.clone()))).await;
        for (change, answer) in changes.iter().zip(answers) {
            match (self.map.commit(change), answer) {
                (Some(expected), Ok(revision)) => {
                    assert_eq!(revision, expected);
                    self.made += 1;
                }
                (None, Err(CommitError::Conflict { current })) => {
                    assert!(current <= self.map.revision);
                    self.refused += 1;
                }
                (expected, answer) => panic!("{change:?}: {answer:?} and not {expected:?}"),
            }
        }
    }

    /// Ends as a process should, and begins again.
    async fn close(&mut self) {
        self.store = None;
        self.store = Some(Embedded::open(self.folder()).unwrap());
        assert!(self.held().await == self.map, "after closing");
    }

    /// Begins again from what is on the disk, as after a `kill -9`.
    async fn crash(&mut self) {
        self.reopen_copy();
        assert!(self.held().await == self.map, "after a crash");
    }

    /// Ends when a change was asked for and nobody waits for it: it is made or it is not.
    async fn leave_amid_a_change(&mut self) {
        let change = self.change();
        let mut after = self.map.clone();
        after.commit(&change);
        let pending = self.store.as_ref().unwrap().commit(change);
        // Asked for, and not waited for.
        let _ = pending.now_or_never();
        drop(self.store.take());
        self.store = Some(Embedded::open(self.folder()).unwrap());
        let held = self.held().await;
        assert!(held == self.map || held == after, "after leaving amid a change");
        self.map = held;
    }

    /// The store as it is on the disk now, in a folder of its own; the one that is open never closes it.
    fn reopen_copy(&mut self) {
        let from = self.folder();
        self.openings += 1;
        let folder = self.folder();
        fs::create_dir(&folder).unwrap();
        for file in ["registry.redb", "registry.acknowledged"] {
            fs::copy(from.join(file), folder.join(file)).unwrap();
        }
        self.store = Some(Embedded::open(&folder).unwrap());
        _ = fs::remove_dir_all(self.folders.path().join((self.openings - 1).to_string()));
    }

    /// What a watch tells.
    async fn held(&self) -> Map {
        let mut events = self.store.as_ref().unwrap().watch(Revision::ZERO);
        let mut map = Map::default();
        loop {
            match events.next().await.unwrap().unwrap() {
                Event::Reset => map = Map::default(),
                Event::Records(records) => {
                    let pairs = records
                        .into_iter()
                        .map(|stored| (stored.record.key(), (stored.revision, stored.record)));
                    map.records.extend(pairs);
                }
                Event::CaughtUp(revision) => {
                    map.revision = revision;
                    return map;
                }
                Event::Changed { .. } => panic!("a change before the end of what there is"),
            }
        }
    }

    /// A change of a few records, most of whose expectations hold.
    fn change(&mut self) -> Change {
        let expect = (0..self.random(3)).map(|_| self.expect()).collect();
        let edits = (0..1 + self.random(3)).map(|_| self.edit()).collect();
        Change { expect, edits }
    }

    fn expect(&mut self) -> Expect {
        let key = self.record().key();
        let there = self.map.records.get(&key).map(|(at, _)| *at);
        match (self.random(8), there) {
            (0, _) => Expect::Present(key),
            (1, _) => Expect::Absent(key),
            (2, _) => Expect::Unchanged(key, Revision(self.random(self.map.revision.0 + 1))),
            (3, _) => {
                let service = service(&namespace(self.random(NAMES)), self.random(NAMES));
                Expect::Empty(Prefix::Instances(service.id))
            }
            (4, _) => Expect::Empty(Prefix::Services(namespace(self.random(NAMES)).id)),
            (_, Some(at)) => Expect::Unchanged(key, at),
            (_, None) => Expect::Absent(key),
        }
    }

    fn edit(&mut self) -> Edit {
        let record = self.record();
        if self.random(4) == 0 { Edit::Delete(record.key()) } else { Edit::Put(record) }
    }

    fn record(&mut self) -> Record {
        let namespace = namespace(self.random(NAMES));
        let within = service(&namespace, self.random(NAMES));
        match self.random(8) {
            0 => Record::Namespace(namespace),
            1 => Record::HttpName { name: namespace.http_name, namespace: namespace.id },
            2 => Record::Service(within),
            _ => {
                // From some octets to some pages.
                let value = "v".repeat(self.random(900) as usize);
                let pairs = [("a", value.as_str()), ("b", &value), ("c", &value)];
                let (id, now) = (format!("i{}", self.random(60)), Timestamp::from_millis(self.random(1000)));
                let attributes = Attributes::new(pairs).unwrap();
                let instance = Instance::new(id.parse().unwrap(), attributes, None, now, &within, &namespace);
                Record::Instance { service: within.id, instance: instance.unwrap() }
            }
        }
    }
}

/// Few, so that changes meet.
const NAMES: u64 = 4;

fn namespace(n: u64) -> Namespace {
    let new = NewNamespace {
        name: format!("n{n}.example"),
        kind: NamespaceKind::DnsPublic,
        description: None,
        soa_ttl: None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    new.make(Timestamp::default(), |_| false).unwrap()
}

fn service(namespace: &Namespace, n: u64) -> Service {
    let new = NewService {
        namespace: namespace.id,
        name: format!("s{n}"),
        description: None,
        dns: None,
        health: HealthCheck::None,
        creator_request_id: None,
        tags: Tags::default(),
    };
    new.make(namespace, false, Timestamp::default()).unwrap()
}
