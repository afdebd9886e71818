//! Differences between versions of a zone, and zones told from any place on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cartonym_wire::{Hasher, NameBuf, Ttl, Type};
use cartonym_zone::{Place, Policy, RecordTable, Records, RrSet, Snapshot, Tables, Zone, ZoneEdit};
use proptest::prelude::*;

const HASHER: Hasher = Hasher::new(5);

fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

fn soa(serial: u32) -> Vec<u8> {
    let numbers = [serial, 2, 3, 4, 5].map(u32::to_be_bytes).concat();
    [name("ns.example.").as_wire(), name("host.example.").as_wire(), &numbers].concat()
}

fn set_serial(edit: &mut ZoneEdit, serial: u32) {
    edit.remove_set(&name("example."), Type::SOA).unwrap();
    edit.add(&name("example."), Type::SOA, Ttl::from_secs(60), &soa(serial)).unwrap();
}

fn zone(names: impl IntoIterator<Item = u32>) -> Zone {
    let mut edit = Zone::new(&name("example."), HASHER).edit(HASHER);
    set_serial(&mut edit, 1);
    for number in names {
        edit.add(&host(number), Type::A, Ttl::from_secs(60), &number.to_be_bytes()).unwrap();
    }
    edit.finish()
}

fn host(number: u32) -> NameBuf {
    name(&format!("n{number}.sub.example."))
}

/// What is told of a zone, in an order that can be compared.
fn told(zone: &Zone) -> BTreeSet<String> {
    texts(&zone.records_from(Place::default()).map(|(_, rr)| rr).collect())
}

fn texts(records: &Records) -> BTreeSet<String> {
    let text =
        |rr: cartonym_zone::Rr<'_>| format!("{} {} {} {:?}", rr.owner, rr.ttl.as_secs(), rr.rtype, rr.rdata);
    let texts: BTreeSet<String> = records.iter().map(text).collect();
    assert_eq!(texts.len(), records.len(), "told twice");
    texts
}

/// Checks that a difference leads from `before` to `after`, and has nothing that is in both.
fn check(before: &Zone, after: &Zone) -> (usize, usize) {
    let difference = after.difference(before).unwrap();
    let (removed, added) = (texts(&difference.removed), texts(&difference.added));
    let (before, after) = (told(before), told(after));
    assert_eq!(removed, before.difference(&after).cloned().collect());
    assert_eq!(added, after.difference(&before).cloned().collect());
    (removed.len(), added.len())
}

#[derive(Clone, Debug)]
enum Change {
    Add(u32, u8),
    Remove(u32, u8),
    Clear(u32),
    Retime(u32, u16),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let number = 0..400u32;
    let change = prop_oneof![
        4 => (number.clone(), 0..4u8).prop_map(|(number, value)| Change::Add(number, value)),
        2 => (number.clone(), 0..4u8).prop_map(|(number, value)| Change::Remove(number, value)),
        2 => number.clone().prop_map(Change::Clear),
        1 => (number, 1..9u16).prop_map(|(number, ttl)| Change::Retime(number, ttl)),
    ];
    prop::collection::vec(change, 0..200)
}

fn apply(edit: &mut ZoneEdit, change: &Change) {
    match *change {
        Change::Add(number, value) => {
            let _ = edit.add(&host(number), Type::A, Ttl::from_secs(60), &[192, 0, 2, value]);
        }
        Change::Remove(number, value) => {
            let _ = edit.remove_record(&host(number), Type::A, &[192, 0, 2, value]);
        }
        Change::Clear(number) => edit.remove(&host(number)).unwrap(),
        Change::Retime(number, ttl) => {
            let mut set = RrSet::new(Type::A, Ttl::from_secs(ttl.into()), Policy::All);
            set.push(&[192, 0, 2, 9]);
            edit.put(&host(number), &set).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_difference_leads_from_one_version_to_the_other(first in changes(), second in changes()) {
        let mut edit = zone([]).edit(HASHER);
        first.iter().for_each(|change| apply(&mut edit, change));
        let before = edit.finish();
        let mut edit = before.edit(HASHER);
        set_serial(&mut edit, 2);
        second.iter().for_each(|change| apply(&mut edit, change));
        let after = edit.finish();
        check(&before, &after);
        check(&after, &before);
    }
}

#[test]
fn a_difference_of_zones_that_share_nothing_is_found() {
    assert_eq!(check(&zone(0..3000), &zone(1000..5000)), (1000, 2000));
}

#[test]
fn a_zone_that_grows_keeps_what_it_shares() {
    let mut before = zone(0..10);
    for end in (100..6000).step_by(997) {
        let mut edit = before.edit(HASHER);
        for number in 10..end {
            edit.add(&host(number), Type::A, Ttl::from_secs(60), &number.to_be_bytes()).unwrap();
        }
        let after = edit.finish();
        check(&before, &after);
        before = after;
    }
}

#[test]
fn a_change_of_the_serial_alone_is_a_difference_of_nothing() {
    let before = zone(0..10);
    let mut edit = before.edit(HASHER);
    set_serial(&mut edit, 7);
    let after = edit.finish();
    let difference = after.difference(&before).unwrap();
    assert!(difference.removed.is_empty() && difference.added.is_empty());
    assert_eq!((difference.from.serial, difference.to.serial), (1, 7));
}

#[test]
fn a_zone_is_told_on_from_any_place() {
    let zone = zone(0..200);
    let all: Vec<_> = zone.records_from(Place::default()).collect();
    assert_eq!(all.len(), 200);
    for (at, (place, _)) in all.iter().enumerate() {
        assert!(zone.records_from(*place).eq(all[at..].iter().copied()));
    }
}

#[test]
fn one_cname_is_told_of_several() {
    let mut set = RrSet::new(Type::CNAME, Ttl::ZERO, Policy::One);
    ["a.", "b."].iter().for_each(|to| set.push(name(to).as_wire()));
    let mut edit = zone([]).edit(HASHER);
    edit.put(&name("www.example."), &set).unwrap();
    assert_eq!(told(&edit.finish()).len(), 1);
}

#[test]
fn a_table_tells_its_watchers_while_there_are_any() {
    let table = Arc::new(RecordTable::new(5));
    let changes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&changes);
    let watcher = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    table.watch(&watcher);
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone([]))));
    drop(watcher);
    table.publish(Snapshot::new(table.hasher()));
    assert_eq!(changes.load(Ordering::Relaxed), 1);
}

#[test]
fn the_first_table_that_has_a_zone_is_asked() {
    let tables = Tables::default();
    let filled = Arc::new(RecordTable::new(5));
    filled.publish(Snapshot::new(HASHER).with(Arc::new(zone(0..3))));
    tables.add(Arc::new(RecordTable::new(5)));
    tables.add(filled);
    assert_eq!(tables.zone(&name("EXAMPLE.")).unwrap().len(), 5);
    assert!(tables.zone(&name("sub.example.")).is_none());
}
