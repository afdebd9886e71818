//! A service's instances in order, with a way in by id and by position.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::{Instance, InstanceId, Revision};

/// An instance in the model.
#[derive(Debug)]
pub struct InstanceEntry {
    /// The revision of the change that put it.
    pub revision: Revision,
    /// The instance.
    pub instance: Instance,
}

/// Instances by ascending id.
///
/// Sorted in runs of bounded length: a change costs one run, however many instances there are, and a
/// position is found by walking over the runs' lengths. A tree has the order and not the position; one sorted
/// array has both, and moves half of itself for each change.
#[derive(Debug, Default)]
pub struct Instances {
    /// No run is empty, none has more than `RUN`, and each ends before the next begins.
    runs: Vec<Vec<Arc<InstanceEntry>>>,
    len: usize,
}

const RUN: usize = 512;

impl Instances {
    pub(crate) fn insert(&mut self, entry: InstanceEntry) -> Option<Arc<InstanceEntry>> {
        let entry = Arc::new(entry);
        // A load comes in order: one comparison instead of a search.
        if let Some(run) = self.runs.last_mut()
            && run.len() < RUN
            && run.last().is_some_and(|last| last.instance.id() < entry.instance.id())
        {
            run.push(entry);
            self.len += 1;
            return None;
        }
        let Some(at) = self.run_of(entry.instance.id().as_str()) else {
            self.runs.push(vec![entry]);
            self.len += 1;
            return None;
        };
        let run = &mut self.runs[at];
        match search(run, entry.instance.id().as_str()) {
            Ok(place) => return Some(std::mem::replace(&mut run[place], entry)),
            Err(place) => run.insert(place, entry),
        }
        self.len += 1;
        if self.runs[at].len() > RUN {
            self.split(at);
        }
        None
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Arc<InstanceEntry>> {
        let at = self.run_of(id)?;
        let place = search(&self.runs[at], id).ok()?;
        let removed = self.runs[at].remove(place);
        if self.runs[at].is_empty() {
            self.runs.remove(at);
        }
        self.len -= 1;
        Some(removed)
    }

    /// The instance called `id`.
    pub fn get(&self, id: &str) -> Option<&Arc<InstanceEntry>> {
        let run = &self.runs[self.run_of(id)?];
        search(run, id).ok().map(|place| &run[place])
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<InstanceEntry>> + Clone {
        self.runs.iter().flatten()
    }

    /// Those after `id`, by ascending id: a page goes on where the last one ended.
    pub fn after<'a>(&'a self, id: &InstanceId) -> impl Iterator<Item = &'a Arc<InstanceEntry>> {
        let (at, place) = match self.run_of(id.as_str()) {
            Some(at) => (
                at,
                match search(&self.runs[at], id.as_str()) {
                    Ok(place) => place + 1,
                    Err(place) => place,
                },
            ),
            None => (0, 0),
        };
        self.from(at, place)
    }

    /// All of them by ascending id, beginning at a position and going round; `start` may be any number.
    pub fn from_position(&self, start: usize) -> impl Iterator<Item = &Arc<InstanceEntry>> {
        let mut place = start.checked_rem(self.len).unwrap_or(0);
        let mut at = 0;
        while self.runs.get(at).is_some_and(|run| place >= run.len()) {
            place -= self.runs[at].len();
            at += 1;
        }
        self.from(at, place).chain(self.iter()).take(self.len)
    }

    fn from(&self, at: usize, place: usize) -> impl Iterator<Item = &Arc<InstanceEntry>> {
        self.runs.iter().skip(at).flatten().skip(place)
    }

    /// The run that holds `id`, or would; `None` while there is no run.
    fn run_of(&self, id: &str) -> Option<usize> {
        let after = self.runs.partition_point(|run| run[0].instance.id().as_str() <= id);
        (!self.runs.is_empty()).then(|| after.saturating_sub(1))
    }

    fn split(&mut self, at: usize) {
        // Ids that come in order leave full runs behind them, as in a load.
        let last = at + 1 == self.runs.len();
        let keep = if last { RUN } else { RUN / 2 };
        let mut tail = self.runs[at].split_off(keep);
        if last {
            self.runs[at].shrink_to_fit();
            tail.shrink_to_fit();
        }
        self.runs.insert(at + 1, tail);
    }
}

fn search(run: &[Arc<InstanceEntry>], id: &str) -> Result<usize, usize> {
    run.binary_search_by(|entry| -> Ordering { entry.instance.id().as_str().cmp(id) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn entry(id: &str, revision: u64) -> InstanceEntry {
        let json = format!(r#"{{"id":"{id}","attributes":{{}},"created":0}}"#);
        InstanceEntry { revision: Revision(revision), instance: serde_json::from_str(&json).unwrap() }
    }

    fn ids<'a>(entries: impl Iterator<Item = &'a Arc<InstanceEntry>>) -> Vec<&'a str> {
        entries.map(|entry| entry.instance.id().as_str()).collect()
    }

    /// Makes the same changes to `Instances` and to a sorted map.
    fn both(changes: impl IntoIterator<Item = (u32, bool)>) -> (Instances, BTreeMap<String, u64>) {
        let (mut instances, mut naive) = (Instances::default(), BTreeMap::new());
        for (revision, (n, add)) in changes.into_iter().enumerate() {
            let (id, revision) = (format!("i{n}"), revision as u64);
            let (before, expected) = match add {
                true => (instances.insert(entry(&id, revision)), naive.insert(id, revision)),
                false => (instances.remove(&id), naive.remove(&id)),
            };
            assert_eq!(before.map(|entry| entry.revision.0), expected);
        }
        (instances, naive)
    }

    fn check(instances: &Instances, naive: &BTreeMap<String, u64>) {
        let expected: Vec<_> = naive.keys().map(String::as_str).collect();
        assert_eq!(ids(instances.iter()), expected);
        assert_eq!((instances.len(), instances.is_empty()), (naive.len(), naive.is_empty()));
        for (position, id) in expected.iter().enumerate().step_by(97) {
            assert_eq!(instances.get(id).map(|entry| entry.revision.0), naive.get(*id).copied());
            assert_eq!(ids(instances.after(&id.parse().unwrap())), expected[position + 1..]);
            let round = [&expected[position..], &expected[..position]].concat();
            assert_eq!(ids(instances.from_position(position + 3 * expected.len())), round);
        }
    }

    #[test]
    fn ids_in_ascending_and_in_descending_order_stay_sorted() {
        let (instances, naive) = both((0..2000).map(|n| (n, true)));
        check(&instances, &naive);
        let (instances, naive) = both((0..2000).rev().map(|n| (n, true)));
        check(&instances, &naive);
    }

    #[test]
    fn of_none_there_is_no_first() {
        let none = Instances::default();
        assert_eq!(ids(none.from_position(7)), [""; 0]);
        assert_eq!(ids(none.after(&"i".parse().unwrap())), [""; 0]);
        assert!(none.get("i").is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn they_are_what_a_sorted_map_is(changes in prop::collection::vec((0..1500u32, prop::bool::weighted(0.7)), 0..3000)) {
            let (instances, naive) = both(changes);
            check(&instances, &naive);
        }
    }
}
