//! Changes to a zone, beyond what the oracle reaches.

mod common;

use cartonym_wire::{Ttl, Type};
use cartonym_zone::{EditError, Policy, RrSet, Zone};
use common::{HASHER, ask, name, zone};

const ZONE: &str = "
example.       30 SOA ns.test. h.test. 1 2 3 4 60
a.b.c.example. 30 A   192.0.2.1
";

fn line(zone: &Zone, owner: &str) -> String {
    ask(zone, &name(owner), Type::A).line()
}

#[test]
fn names_that_were_there_for_the_sake_of_one_go_with_it() {
    let before = zone(ZONE);
    let mut edit = before.edit(HASHER);
    edit.remove_record(&name("a.b.c.example."), Type::A, &[192, 0, 2, 1]).unwrap();
    let after = edit.finish();
    assert_eq!((before.len(), after.len()), (4, 1));
    assert_eq!(line(&before, "c.example."), "NOERROR aa; authority example. SOA");
    assert_eq!(line(&after, "c.example."), "NXDOMAIN aa; authority example. SOA");
}

#[test]
fn a_name_that_still_has_others_below_it_stays() {
    let mut edit = zone(ZONE).edit(HASHER);
    edit.add(&name("b.c.example."), Type::A, Ttl::ZERO, &[192, 0, 2, 2]).unwrap();
    edit.remove(&name("b.c.example.")).unwrap();
    assert_eq!(line(&edit.finish(), "b.c.example."), "NOERROR aa; authority example. SOA");
}

#[test]
fn a_set_that_would_be_too_large_is_refused_and_leaves_the_zone_as_it_was() {
    let owner = name("big.example.");
    let mut edit = zone(ZONE).edit(HASHER);
    assert_eq!(edit.add(&owner, Type::TXT, Ttl::ZERO, &[0; 65400]), Err(EditError::TooLarge));
    let txt = |len: usize| vec![0u8; len];
    edit.add(&name("full.example."), Type::TXT, Ttl::from_secs(9), &txt(60_000)).unwrap();
    assert!(edit.add(&name("full.example."), Type::TXT, Ttl::from_secs(1), &txt(6_000)).is_err());
    let zone = edit.finish();
    assert_eq!(line(&zone, "big.example."), "NXDOMAIN aa; authority example. SOA");
    let there = zone.rdatas(&name("full.example."), Type::TXT, HASHER);
    assert_eq!(there, [(Ttl::from_secs(9), &txt(60_000)[..])]);
}

#[test]
fn a_name_outside_the_zone_is_refused() {
    let mut edit = zone(ZONE).edit(HASHER);
    for owner in ["example.test.", "badexample.", "."] {
        let added = edit.add(&name(owner), Type::A, Ttl::ZERO, &[192, 0, 2, 1]);
        assert_eq!(added, Err(EditError::OutOfZone), "{owner}");
    }
    assert_eq!(edit.finish().len(), 4);
}

#[test]
fn a_set_put_without_records_is_gone() {
    let owner = name("a.b.c.example.");
    let mut edit = zone(ZONE).edit(HASHER);
    let set = RrSet::new(Type::A, Ttl::ZERO, Policy::Sample(8));
    edit.put(&owner, &set).unwrap();
    assert_eq!(edit.finish().len(), 1);
}

#[test]
fn an_alias_gives_nothing_but_its_target() {
    let owner = name("lb.example.");
    let mut edit = zone(ZONE).edit(HASHER);
    let mut set = RrSet::new(Type::A, Ttl::ZERO, Policy::One);
    set.push_alias(&name("lb.test."), 1);
    edit.put(&owner, &set).unwrap();
    let zone = edit.finish();
    let ask = cartonym_zone::Ask {
        qtype: Type::A,
        random: 0,
        is_question: true,
        name_servers: false,
        dnssec_ok: false,
    };
    assert_eq!(common::ask_with(&zone, &owner, ask, 512), None);
    assert!(zone.rdatas(&owner, Type::A, HASHER).is_empty());
}
