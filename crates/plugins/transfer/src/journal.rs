//! What has changed in zones since the server started.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use cartonym_wire::{Name, NameBuf};
use cartonym_zone::{Difference, Records, Rr, Snapshot, Soa, Tables, Zone};
use parking_lot::Mutex;

/// The changes of zones.
#[derive(Debug, Default)]
pub(crate) struct Journals {
    // Held while differences are found, by threads that may wait; a query's worker never takes it.
    zones: Mutex<HashMap<NameBuf, Journal>>,
    /// What has been served since, so that no version is unknown that a secondary may have asked for. Writers add to it,
    /// and it is never held for longer than that takes.
    pending: Mutex<VecDeque<Pending>>,
}

/// What a table has served, and which table of all it is.
#[derive(Debug)]
struct Pending {
    table: usize,
    snapshot: Arc<Snapshot>,
}

/// The changes of one zone, up to its version of now.
#[derive(Debug)]
struct Journal {
    last: Arc<Zone>,
    /// Each begins with the version that the one before ends with.
    differences: VecDeque<Difference>,
    octets: usize,
}

/// What a secondary is told.
#[derive(Debug)]
pub(crate) enum News {
    /// It has this version, or a newer one.
    None(Soa),
    /// What has changed, as one step.
    Changes(Difference),
    /// The whole zone.
    All(Arc<Zone>, Soa),
}

/// Versions that wait to be compared; where there are more, what led to the newest is told as one step.
const MAX_PENDING: usize = 1_024;

/// Octets of changes that are kept of a zone; older ones are dropped.
const MAX_OCTETS: usize = 4 << 20;

impl Journals {
    /// Notes a version of the table at this place; what has changed in it is found later.
    pub(crate) fn note(&self, table: usize, snapshot: Arc<Snapshot>) {
        let mut pending = self.pending.lock();
        if pending.len() >= MAX_PENDING {
            pending.pop_back();
        }
        pending.push_back(Pending { table, snapshot });
    }

    /// What leads to the zone's version of now from that of `serial`; none if there is no such zone.
    pub(crate) fn since(&self, tables: &Tables, origin: &Name, serial: u32) -> Option<News> {
        let mut journals = self.zones.lock();
        self.take_pending(tables, &mut journals);
        // Read only now: no other thread so takes in a version that is older than the journal's.
        let zone = tables.zone(origin)?;
        let soa = zone.version()?;
        if !is_newer(soa.serial, serial) {
            return Some(News::None(soa));
        }
        let journal = journals.entry(origin.to_buf()).or_insert_with(|| Journal::new(&zone));
        journal.catch_up(&zone);
        Some(match journal.changes_since(serial) {
            Some(difference) => News::Changes(difference),
            None => News::All(zone, soa),
        })
    }

    /// Takes in the versions of now, which `zones` finds, and forgets other zones. Gives the SOA of each.
    pub(crate) fn catch_up(
        &self,
        tables: &Tables,
        zones: impl FnOnce() -> Vec<Arc<Zone>>,
    ) -> Vec<(NameBuf, Soa)> {
        let mut journals = self.zones.lock();
        self.take_pending(tables, &mut journals);
        let zones = zones();
        journals.retain(|origin, _| zones.iter().any(|zone| *zone.origin() == **origin));
        for zone in &zones {
            let journal = journals.entry(zone.origin().to_buf()).or_insert_with(|| Journal::new(zone));
            journal.catch_up(zone);
        }
        zones.iter().filter_map(|zone| Some((zone.origin().to_buf(), zone.version()?))).collect()
    }

    /// Takes in what has been noted of zones that have a journal, version after version.
    fn take_pending(&self, tables: &Tables, journals: &mut HashMap<NameBuf, Journal>) {
        let pending = std::mem::take(&mut *self.pending.lock());
        if pending.is_empty() {
            return;
        }
        let tables = tables.all();
        for (origin, journal) in journals {
            // Of several tables with a zone the first counts, as for who asks.
            let table = tables.iter().position(|table| table.load().zone(origin).is_some());
            let versions = pending.iter().filter(|pending| Some(pending.table) == table);
            versions
                .filter_map(|pending| pending.snapshot.zone(origin))
                .for_each(|zone| journal.catch_up(zone));
        }
    }
}

impl Journal {
    fn new(zone: &Arc<Zone>) -> Journal {
        Journal { last: Arc::clone(zone), differences: VecDeque::new(), octets: 0 }
    }

    fn catch_up(&mut self, zone: &Arc<Zone>) {
        if Arc::ptr_eq(&self.last, zone) {
            return;
        }
        let difference = zone.difference(&self.last);
        self.last = Arc::clone(zone);
        match difference {
            Some(difference) if is_newer(difference.to.serial, difference.from.serial) => {
                self.push(difference);
            }
            Some(difference) if difference.removed.is_empty() && difference.added.is_empty() => {}
            // A zone that changes without its serial, or goes back, has versions that no serial tells apart.
            _ => {
                self.differences.clear();
                self.octets = 0;
            }
        }
    }

    fn push(&mut self, difference: Difference) {
        self.octets += octets(&difference);
        self.differences.push_back(difference);
        while self.octets > MAX_OCTETS
            && let Some(oldest) = self.differences.pop_front()
        {
            self.octets -= octets(&oldest);
        }
    }

    /// What leads from the version of `serial` to that of now, as one step.
    fn changes_since(&self, serial: u32) -> Option<Difference> {
        let first = self.differences.iter().position(|difference| difference.from.serial == serial)?;
        let steps = self.differences.iter().skip(first);
        let (from, to) = (&self.differences.get(first)?.from, &self.differences.back()?.to);
        let (removed, added) = condense(steps);
        Some(Difference { from: from.clone(), to: to.clone(), removed, added })
    }
}

/// The records that are gone after all the steps, and those that are new: what comes and goes between is not told.
fn condense<'d>(steps: impl Iterator<Item = &'d Difference> + Clone) -> (Records, Records) {
    let mut balance: HashMap<Rr<'d>, i32> = HashMap::new();
    // A step that names a record twice has it once: so does whoever takes the step.
    let distinct = |records: &'d Records| records.iter().collect::<HashSet<_>>();
    for step in steps.clone() {
        distinct(&step.removed).into_iter().for_each(|rr| *balance.entry(rr).or_default() -= 1);
        distinct(&step.added).into_iter().for_each(|rr| *balance.entry(rr).or_default() += 1);
    }
    let (mut removed, mut added) = (Records::default(), Records::default());
    for rr in steps.flat_map(|step| step.removed.iter().chain(step.added.iter())) {
        match balance.remove(&rr) {
            Some(..=-1) => removed.push(rr),
            Some(1..) => added.push(rr),
            Some(0) | None => {}
        }
    }
    (removed, added)
}

/// Octets that a difference takes.
fn octets(difference: &Difference) -> usize {
    size_of::<Difference>()
        + difference.from.rdata.len()
        + difference.to.rdata.len()
        + difference.removed.octets()
        + difference.added.octets()
}

/// Serial number arithmetic (RFC 1982 §3.2).
pub(crate) fn is_newer(serial: u32, than: u32) -> bool {
    (serial.wrapping_sub(than) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use cartonym_wire::{Ttl, Type};
    use cartonym_zone::{Policy, RecordTable, RrSet, Snapshot, ZoneEdit};

    struct World {
        tables: Tables,
        table: Arc<RecordTable>,
        journals: Journals,
    }

    impl World {
        fn new(serial: u32) -> World {
            let (tables, table) = (Tables::default(), Arc::new(RecordTable::new(1)));
            tables.add(Arc::clone(&table));
            let world = World { tables, table, journals: Journals::default() };
            world.publish(Zone::new(&origin(), world.table.hasher()), serial, |_| {});
            world
        }

        fn publish(&self, zone: Zone, serial: u32, change: impl FnOnce(&mut ZoneEdit)) {
            self.serve(zone, serial, change);
            self.journals.catch_up(&self.tables, || self.tables.zone(&origin()).into_iter().collect());
        }

        /// As a writer does, and nobody has looked yet.
        fn serve(&self, zone: Zone, serial: u32, change: impl FnOnce(&mut ZoneEdit)) {
            let mut edit = zone.edit(self.table.hasher());
            let numbers = [serial, 2, 3, 4, 5].map(u32::to_be_bytes).concat();
            edit.remove_set(&origin(), Type::SOA).unwrap();
            let soa = [&[0, 0][..], &numbers].concat();
            edit.add(&origin(), Type::SOA, Ttl::from_secs(60), &soa).unwrap();
            change(&mut edit);
            self.table.publish(Snapshot::new(self.table.hasher()).with(Arc::new(edit.finish())));
        }

        /// The next version.
        fn change(&self, serial: u32, change: impl FnOnce(&mut ZoneEdit)) {
            let zone = self.tables.zone(&origin()).unwrap();
            self.publish(Zone::clone(&zone), serial, change);
        }

        fn since(&self, serial: u32) -> String {
            match self.journals.since(&self.tables, &origin(), serial).unwrap() {
                News::None(soa) => format!("none at {}", soa.serial),
                News::All(_, soa) => format!("all at {}", soa.serial),
                News::Changes(Difference { from, to, removed, added }) => {
                    let list = |records: &Records| -> Vec<String> {
                        records.iter().map(|rr| format!("{}{}", rr.owner, rr.rdata[3])).collect()
                    };
                    format!("{}-{:?}+{:?}={}", from.serial, list(&removed), list(&added), to.serial)
                }
            }
        }
    }

    fn origin() -> NameBuf {
        "example.".parse().unwrap()
    }

    fn add(edit: &mut ZoneEdit, last: u8) {
        let owner: NameBuf = "a.example.".parse().unwrap();
        assert!(edit.add(&owner, Type::A, Ttl::from_secs(60), &[192, 0, 2, last]).unwrap());
    }

    fn remove(edit: &mut ZoneEdit, last: u8) {
        let owner: NameBuf = "a.example.".parse().unwrap();
        assert!(edit.remove_record(&owner, Type::A, &[192, 0, 2, last]).unwrap());
    }

    #[test]
    fn several_changes_are_told_as_one() {
        let world = World::new(1);
        world.change(2, |edit| add(edit, 1));
        world.change(3, |edit| add(edit, 2));
        world.change(5, |edit| remove(edit, 1));
        assert_eq!(world.since(1), "1-[]+[\"a.example.2\"]=5");
        assert_eq!(world.since(2), "2-[\"a.example.1\"]+[\"a.example.2\"]=5");
        assert_eq!(world.since(3), "3-[\"a.example.1\"]+[]=5");
    }

    #[test]
    fn a_record_that_a_set_has_twice_is_one() {
        let world = World::new(1);
        let owner: NameBuf = "a.example.".parse().unwrap();
        let put = |edit: &mut ZoneEdit, times: usize| {
            let mut set = RrSet::new(Type::A, Ttl::from_secs(60), Policy::All);
            (0..times).for_each(|_| set.push(&[192, 0, 2, 1]));
            edit.put(&owner, &set).unwrap();
        };
        for (serial, times) in [(2, 2), (3, 1), (4, 0)] {
            world.change(serial, |edit| put(edit, times));
        }
        assert_eq!(world.since(1), "1-[]+[]=4");
        for (serial, times) in [(5, 1), (6, 2), (7, 0)] {
            world.change(serial, |edit| put(edit, times));
        }
        assert_eq!(world.since(4), "4-[]+[]=7");
    }

    #[test]
    fn a_version_that_was_served_for_a_moment_is_known() {
        let world = World::new(1);
        for serial in 2..=4 {
            // Nobody looks until all are served.
            let zone = Zone::clone(&world.tables.zone(&origin()).unwrap());
            world.serve(zone, serial, |edit| add(edit, serial as u8));
            world.journals.note(0, world.table.snapshot());
        }
        assert_eq!(world.since(2), "2-[]+[\"a.example.3\", \"a.example.4\"]=4");
        assert_eq!(world.since(1), "1-[]+[\"a.example.2\", \"a.example.3\", \"a.example.4\"]=4");
    }

    #[test]
    fn who_has_the_version_of_now_or_a_newer_one_is_told_nothing() {
        let world = World::new(7);
        for serial in [7, 8, 7 + (1 << 30)] {
            assert_eq!(world.since(serial), "none at 7");
        }
    }

    #[test]
    fn who_has_an_unknown_version_is_told_all() {
        let world = World::new(7);
        world.change(9, |edit| add(edit, 1));
        for serial in [1, 8, 10 + (1 << 31)] {
            assert_eq!(world.since(serial), "all at 9");
        }
    }

    #[test]
    fn serials_go_round() {
        let world = World::new(u32::MAX);
        world.change(0, |edit| add(edit, 1));
        assert_eq!(world.since(u32::MAX), "4294967295-[]+[\"a.example.1\"]=0");
    }

    #[test]
    fn a_version_that_no_serial_tells_apart_ends_the_journal() {
        for serial in [2, 1] {
            let world = World::new(1);
            world.change(2, |edit| add(edit, 1));
            world.change(serial, |edit| add(edit, 2));
            world.change(3, |edit| add(edit, 3));
            assert_eq!(world.since(1), if serial == 1 { "1-[]+[\"a.example.3\"]=3" } else { "all at 3" });
        }
    }

    #[test]
    fn the_journal_is_bounded() {
        let world = World::new(1);
        for serial in 2..120 {
            world.change(serial, |edit| {
                let owner: NameBuf = format!("n{serial}.example.").parse().unwrap();
                for chunk in 0..200u8 {
                    let text = [&[250, chunk, serial as u8][..], &[b'x'; 248]].concat();
                    edit.add(&owner, Type::TXT, Ttl::from_secs(60), &text).unwrap();
                }
            });
        }
        let octets = world.journals.zones.lock()[&origin()].octets;
        assert!((MAX_OCTETS / 2..=MAX_OCTETS).contains(&octets), "{octets}");
        assert_eq!(world.since(1), "all at 119");
        assert!(world.since(118).starts_with("118-"));
    }

    #[test]
    fn a_zone_that_is_gone_is_forgotten() {
        let world = World::new(1);
        world.change(2, |edit| add(edit, 1));
        world.journals.catch_up(&world.tables, Vec::new);
        assert_eq!(world.since(1), "all at 2");
    }
}
