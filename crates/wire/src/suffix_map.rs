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
    /// How many labels its names have, each number once, the smallest first.
    depths: Vec<usize>,
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
        SuffixMap { hasher, depths: Vec::new(), entries: HashMap::default() }
    }

    /// Puts `value` under `name`, and gives back what was there.
    pub fn insert(&mut self, name: &Name, value: T) -> Option<T> {
        let qname = Qname::new(name);
        let hash = qname.extend_hash(self.hasher.root(), 0, qname.depth());
        if let Err(place) = self.depths.binary_search(&qname.depth()) {
            self.depths.insert(place, qname.depth());
        }
        let entry = Entry { name: qname.name().as_wire().into(), value };
        self.entries.insert(hash, entry).map(|entry| entry.value)
    }

    /// Takes out what is under `name`.
    pub fn remove(&mut self, name: &Name) -> Option<T> {
        let removed = self.entries.remove(&self.hasher.hash(name))?;
        self.depths = self.names().map(Name::label_count).collect();
        self.depths.sort_unstable();
        self.depths.dedup();
        Some(removed.value)
    }

    /// The value under exactly `name`.
    pub fn get(&self, name: &Name) -> Option<&T> {
        let qname = Qname::new(name);
        self.entry(qname.extend_hash(self.hasher.root(), 0, qname.depth()), qname.name())
    }

    /// The value under exactly `name`, to change it in its place.
    pub fn get_mut(&mut self, name: &Name) -> Option<&mut T> {
        let qname = Qname::new(name);
        let hash = qname.extend_hash(self.hasher.root(), 0, qname.depth());
        let entry = self.entries.get_mut(&hash)?;
        (*entry.name == *qname.name().as_wire()).then_some(&mut entry.value)
    }

    /// The value under the longest suffix of `qname`, with that suffix's depth and hash.
    pub fn find(&self, qname: &Qname) -> Option<Found<'_, T>> {
        self.find_up_to(qname, qname.depth())
    }

    /// The value under the longest suffix of `qname` that has fewer labels than it: that of the parent side.
    pub fn find_above(&self, qname: &Qname) -> Option<Found<'_, T>> {
        self.find_up_to(qname, qname.depth().checked_sub(1)?)
    }

    /// The value under the longest suffix of `qname` that has at most `deepest` labels.
    pub fn find_up_to(&self, qname: &Qname, deepest: usize) -> Option<Found<'_, T>> {
        let deepest = deepest.min(qname.depth());
        if let ([depth], 1) = (&self.depths[..], self.entries.len()) {
            return self.find_lone(qname, *depth).filter(|found| found.depth <= deepest);
        }
        let mut found = None;
        let (mut hash, mut at) = (self.hasher.root(), 0);
        for &depth in self.depths.iter().take_while(|depth| **depth <= deepest) {
            hash = qname.extend_hash(hash, at, depth);
            at = depth;
            if let Some(value) = self.entry(hash, qname.suffix(depth)) {
                found = Some(Found { value, depth, hash });
            }
        }
        found
    }

    /// The only value there is, whose name has `depth` labels: to compare octets is less than to hash them.
    fn find_lone(&self, qname: &Qname, depth: usize) -> Option<Found<'_, T>> {
        let (&hash, Entry { name, value }) = self.entries.iter().next()?;
        (**name == *qname.suffix(depth).as_wire()).then_some(Found { value, depth, hash })
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
        if let Some(zone) = map.get_mut(&name("Sub.Example.")) {
            *zone = "another";
        }
        assert_eq!(map.find(&Qname::new(&name("sub.example."))).map(|found| *found.value), Some("another"));
        assert_eq!(map.get_mut(&name("www.example.")), None);
    }

    #[test]
    fn a_name_is_found_at_its_own_depth_however_deep_it_may_be() {
        let mut map = SuffixMap::new(Hasher::new(1));
        for zone in ["example.", "a.b.c.d."] {
            map.insert(&name(zone), zone);
        }
        let found = map.find_up_to(&Qname::new(&name("example.")), usize::MAX);
        assert_eq!(found.map(|found| (*found.value, found.depth)), Some(("example.", 1)));
    }

    #[test]
    fn the_only_name_is_found_as_one_of_several_is() {
        let hasher = Hasher::new(1);
        let (mut map, mut two) = (SuffixMap::new(hasher), SuffixMap::new(hasher));
        map.insert(&name("sub.example."), 1);
        two.insert(&name("sub.example."), 1);
        two.insert(&name("sub.another."), 2);
        let all = ["www.Sub.Example.", "a.b.SUB.example.", "sub.example.", "xsub.example.", "example.", "."];
        for text in all {
            let qname = Qname::new(&name(text));
            for deepest in 0..5 {
                let found = |map: &SuffixMap<i32>| {
                    map.find_up_to(&qname, deepest).map(|found| (*found.value, found.depth, found.hash))
                };
                assert_eq!(found(&map), found(&two), "{text} up to {deepest}");
            }
        }
        assert!(map.find(&Qname::new(&name("www.sub.example."))).is_some());
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
