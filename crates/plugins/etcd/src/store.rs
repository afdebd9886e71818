//! All keys below a path, in order, so that what lies below a name is one range.

use std::collections::{BTreeMap, BTreeSet};

use cartonym_etcd::KeyValue;
use cartonym_wire::Name;

use crate::entry::{BoxedName, Entry, Malformed};

/// The keys below a path.
#[derive(Debug)]
pub(crate) struct Store {
    /// Begins and ends with a slash.
    prefix: Vec<u8>,
    entries: BTreeMap<Path, Entry>,
    malformed: BTreeSet<Vec<u8>>,
}

/// A key without the prefix, in lower case, and as it is spelt if that is otherwise: several spellings are one name.
type Path = (Box<[u8]>, Box<[u8]>);

impl Store {
    /// No keys.
    pub(crate) fn new(prefix: &[u8]) -> Store {
        Store { prefix: prefix.to_vec(), entries: BTreeMap::new(), malformed: BTreeSet::new() }
    }

    /// Takes a key in; gives what was there before, and what is there now. A value that cannot be read counts as a key
    /// that is not there.
    pub(crate) fn put(&mut self, kv: &KeyValue) -> [Option<Entry>; 2] {
        let before = self.remove(&kv.key);
        let Some(path) = kv.key.strip_prefix(&*self.prefix) else { return [before, None] };
        let entry = match Entry::of(path, &kv.value, kv.lease) {
            Ok(entry) => entry,
            Err(error) => {
                self.note(&kv.key, &error);
                return [before, None];
            }
        };
        self.entries.insert(folded(path), entry.clone());
        [before, Some(entry)]
    }

    /// Takes a key out, and gives what was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.malformed.remove(key);
        self.entries.remove(&folded(key.strip_prefix(&*self.prefix)?))
    }

    /// What a name is answered from: the entries below it, or else its own. At most [`MAX_ENTRIES`]: there is no message
    /// for more.
    pub(crate) fn at(&self, name: &Name) -> Vec<&Entry> {
        let below: Vec<_> = self.below(&path_of(name)).take(MAX_ENTRIES).collect();
        if below.is_empty() { self.exactly(name).collect() } else { below }
    }

    /// The entries of a name itself.
    pub(crate) fn exactly(&self, name: &Name) -> impl Iterator<Item = &Entry> {
        let path = path_of(name);
        let from = self.entries.range(bound(&path, b"")..);
        from.take_while(move |((there, _), _)| **there == *path).map(|(_, entry)| entry)
    }

    /// What a name with labels `*` or `any`, which stand for any label, is answered from.
    pub(crate) fn matching(&self, name: &Name) -> Vec<&Entry> {
        let labels: Vec<&[u8]> = name.labels().collect();
        let stem = labels.iter().rev().take_while(|label| !is_star(label)).count();
        let path = labels.iter().rev().take(stem).copied().collect::<Vec<_>>().join(&b'/');
        let fits = |entry: &&Entry| {
            let there: Vec<&[u8]> = entry.name.labels().collect();
            let mut pairs = labels.iter().rev().zip(there.iter().rev());
            there.len() >= labels.len() && pairs.all(|(label, there)| is_star(label) || label == there)
        };
        self.below(&path).take(MAX_SEEN).filter(fits).take(MAX_ENTRIES).collect()
    }

    /// The names that have an entry.
    pub(crate) fn names(&self) -> impl Iterator<Item = &BoxedName> {
        self.entries.values().map(|entry| &entry.name)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many keys have a value that cannot be read.
    pub(crate) fn malformed(&self) -> usize {
        self.malformed.len()
    }

    fn below(&self, path: &[u8]) -> impl Iterator<Item = &Entry> {
        // The octet after a slash is "0". The root has all below it.
        let entries = if path.is_empty() {
            self.entries.range(bound(path, b"")..)
        } else {
            self.entries.range(bound(path, b"/")..bound(path, b"0"))
        };
        entries.map(|(_, entry)| entry)
    }

    fn note(&mut self, key: &[u8], error: &Malformed) {
        self.malformed.insert(key.to_vec());
        let key = key.escape_ascii();
        tracing::warn!(%key, error = error as &dyn std::error::Error, "not a service; passed over");
    }
}

/// Whether a label of a question stands for any label.
pub(crate) fn is_star(label: &[u8]) -> bool {
    matches!(label, b"*" | b"any")
}

fn folded(path: &[u8]) -> Path {
    let lower = path.to_ascii_lowercase();
    let spelling = if lower == path { Box::default() } else { path.into() };
    (lower.into(), spelling)
}

/// The first place of keys that begin so.
fn bound(path: &[u8], end: &[u8]) -> Path {
    ([path, end].concat().into(), Box::default())
}

fn path_of(name: &Name) -> Vec<u8> {
    let labels: Vec<&[u8]> = name.labels().collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(&b'/')
}

/// The most entries that one name is answered from: as many addresses as fit into a message.
const MAX_ENTRIES: usize = 4096;
/// The most entries that are looked at for a question with a star in it.
const MAX_SEEN: usize = 16 * MAX_ENTRIES;
