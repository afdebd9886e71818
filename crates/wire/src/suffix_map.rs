//! Values by name, found by the longest suffix of a query's name.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher as StdHasher};

use crate::{Hasher, Name, Qname};

/// A map from names to values that finds the deepest name that a query's name is, or lies below.
///
/// One walk over the labels, one probe for each depth at which the map has a name at all. Allocates when it is
/// changed, not when it is asked.
#[derive(Clone)]
pub struct SuffixMap<T> {
    hasher: Hasher,
    /// Bit d is set if a name of depth d is there.
    depths: u128,
    entries: HashMap<u64, Entry<T>, BuildHasherDefault<Identity>>,
}

#[derive(Clone)]
struct Entry<T> {
    name: Box<[u8]>,
    value: T,
}

impl<T> SuffixMap<T> {
    /// An empty map whose hashes are `hasher`'s.
    pub fn new(hasher: Hasher) -> SuffixMap<T> {
        SuffixMap { hasher, depths: 0, entries: HashMap::default() }
    }

    /// Puts `value` under `name`, and gives back what was there.
    pub fn insert(&mut self, name: &Name, value: T) -> Option<T> {
        let qname = Qname::new(name);
        let hash = qname.extend_hash(self.hasher.root(), 0, qname.depth());
        self.depths |= 1 << qname.depth();
        let entry = Entry { name: qname.name().as_wire().into(), value };
        self.entries.insert(hash, entry).map(|entry| entry.value)
    }

    /// Takes out what is under `name`.
    pub fn remove(&mut self, name: &Name) -> Option<T> {
        let removed = self.entries.remove(&self.hasher.hash(name))?;
        self.depths = self.names().fold(0, |depths, name| depths | 1 << name.label_count());
        Some(removed.value)
    }

    /// The value under exactly `name`.
    pub fn get(&self, name: &Name) -> Option<&T> {
        let qname = Qname::new(name);
        self.entry(qname.extend_hash(self.hasher.root(), 0, qname.depth()), qname.name())
    }

    /// The value under the longest suffix of `qname`, with that suffix's depth and hash.
    pub fn find(&self, qname: &Qname) -> Option<Found<'_, T>> {
        self.find_up_to(qname, qname.depth())
    }

    /// The value under the longest suffix of `qname` that has fewer labels than it: that of the parent side.
    pub fn find_above(&self, qname: &Qname) -> Option<Found<'_, T>> {
        self.find_up_to(qname, qname.depth().checked_sub(1)?)
    }

    fn find_up_to(&self, qname: &Qname, deepest: usize) -> Option<Found<'_, T>> {
        let mut found = None;
        let (mut hash, mut at) = (self.hasher.root(), 0);
        let mut depths = self.depths & (u128::MAX >> (127 - deepest.min(127)));
        while depths != 0 {
            let depth = depths.trailing_zeros() as usize;
            depths &= depths - 1;
            hash = qname.extend_hash(hash, at, depth);
            at = depth;
            if let Some(value) = self.entry(hash, qname.suffix(depth)) {
                found = Some(Found { value, depth, hash });
            }
        }
        found
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.values().map(|entry| Name::of(&entry.name))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// How many names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a name in lower case, as all are here: their octets are enough to compare.
    fn entry(&self, hash: u64, name: &Name) -> Option<&T> {
        let entry = self.entries.get(&hash)?;
        (*entry.name == *name.as_wire()).then_some(&entry.value)
    }
}

impl<T> fmt::Debug for SuffixMap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What [`SuffixMap::find`] found.
#[derive(Debug)]
pub struct Found<'a, T> {
    /// The value.
    pub value: &'a T,
    /// How many labels its name has.
    pub depth: usize,
    /// The hash of its name, to walk on from.
    pub hash: u64,
}

/// The keys are hashes already.
#[derive(Default)]
struct Identity(u64);

impl StdHasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NameBuf;

    fn name(text: &str) -> NameBuf {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_suffix_wins() {
        let mut map = SuffixMap::new(Hasher::new(1));
        for zone in ["example.", "sub.example.", "a.b.c.d."] {
            map.insert(&name(zone), zone);
        }
        let find = |text: &str| map.find(&Qname::new(&name(text))).map(|found| *found.value);
        assert_eq!(find("www.Sub.Example."), Some("sub.example."));
        assert_eq!(find("sub.example."), Some("sub.example."));
        assert_eq!(find("xsub.example."), Some("example."));
        assert_eq!(find("b.c.d."), None);
        assert_eq!(find("."), None);
    }

    #[test]
    fn the_root_catches_all() {
        let mut map = SuffixMap::new(Hasher::new(1));
        map.insert(Name::ROOT, 1);
        let most = name(&"a.".repeat(127));
        assert_eq!(map.find(&Qname::new(&most)).map(|found| *found.value), Some(1));
        assert_eq!(map.remove(Name::ROOT), Some(1));
        assert!(map.find(&Qname::new(&most)).is_none());
    }
}
