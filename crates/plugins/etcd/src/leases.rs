//! When leases end, counted here: etcd is asked when a lease is first seen, and when it should have ended but has not.

use std::collections::{BTreeSet, HashMap};

use crate::entry::{BoxedName, Entry};

/// The leases of the keys that are there. Moments are in seconds since the Unix epoch.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    leases: HashMap<i64, Lease>,
    /// Moments at which a lease is to be looked at again.
    due: BTreeSet<(u64, i64)>,
}

#[derive(Debug, Default)]
struct Lease {
    /// When it ends unless it is kept alive; none if that is not known yet.
    ends: Option<u64>,
    /// The names of its keys, each as often as it has keys.
    names: Vec<BoxedName>,
}

impl Leases {
    /// Counts a key.
    pub(crate) fn add(&mut self, entry: &Entry) {
        if entry.lease == 0 {
            return;
        }
        let due = &mut self.due;
        let lease = self.leases.entry(entry.lease).or_insert_with(|| {
            due.insert((0, entry.lease));
            Lease::default()
        });
        lease.names.push(entry.name.clone());
    }

    /// Counts a key no more.
    pub(crate) fn remove(&mut self, entry: &Entry) {
        let Some(lease) = self.leases.get_mut(&entry.lease) else { return };
        if let Some(at) = lease.names.iter().position(|name| *name == entry.name) {
            lease.names.swap_remove(at);
        }
        if lease.names.is_empty() {
            self.leases.remove(&entry.lease);
        }
    }

    /// When a lease ends, if that is known.
    pub(crate) fn ends(&self, lease: i64) -> Option<u64> {
        self.leases.get(&lease)?.ends
    }

    /// Takes down when a lease ends, and has it looked at again then, but not at once.
    pub(crate) fn set_end(&mut self, id: i64, ends: u64, now: u64) {
        if let Some(lease) = self.leases.get_mut(&id) {
            lease.ends = Some(ends);
            self.due.insert((ends.max(now) + AGAIN, id));
        }
    }

    /// Has a lease looked at again at a moment.
    pub(crate) fn wake(&mut self, moment: u64, id: i64) {
        self.due.insert((moment, id));
    }

    /// The first moment at which something is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.due.first().map(|(moment, _)| *moment)
    }

    /// Takes leases that are due, and says of each whether etcd is to be asked when it ends; at most so many.
    pub(crate) fn take_due(&mut self, now: u64, most: usize) -> Vec<(i64, bool)> {
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some((moment, id)) = self.due.first().copied().filter(|(moment, _)| *moment <= now)
        {
            self.due.remove(&(moment, id));
            if let Some(lease) = self.leases.get(&id) {
                taken.push((id, lease.ends.is_none_or(|ends| ends <= now)));
            }
        }
        taken
    }

    /// The names whose answers depend on a lease.
    pub(crate) fn names(&self, id: i64) -> &[BoxedName] {
        self.leases.get(&id).map(|lease| &*lease.names).unwrap_or_default()
    }
}

/// Seconds to wait before a lease that should have ended is asked for again.
const AGAIN: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(lease: i64) -> Entry {
        Entry::of(b"test/a", b"{}", lease).unwrap()
    }

    #[test]
    fn a_lease_is_due_when_first_seen_and_after_its_end() {
        let mut leases = Leases::default();
        leases.add(&entry(7));
        leases.add(&entry(7));
        assert_eq!(leases.take_due(100, 9), [(7, true)]);
        leases.set_end(7, 160, 100);
        assert_eq!((leases.ends(7), leases.next_due()), (Some(160), Some(161)));
        leases.wake(130, 7);
        assert_eq!(leases.take_due(130, 9), [(7, false)]);
        assert_eq!(leases.take_due(161, 9), [(7, true)]);
    }

    #[test]
    fn a_lease_without_keys_is_forgotten() {
        let mut leases = Leases::default();
        leases.add(&entry(7));
        leases.set_end(7, 160, 100);
        leases.remove(&entry(7));
        assert_eq!((leases.ends(7), leases.take_due(200, 9)), (None, vec![]));
    }
}
