//! The table against the naive lookup, over zones made of few labels, so that everything collides.

mod common;
#[path = "oracle/naive.rs"]
mod naive;
#[path = "oracle/strategy.rs"]
mod strategy;

use std::collections::BTreeSet;

use cartonym_wire::{NameBuf, Ttl, Type};
use cartonym_zone::{Ask, Policy, RrSet, Zone, ZoneBuilder, ZoneEdit};
use common::{Answered, HASHER, Rr, ask, ask_with};
use naive::{NaiveZone, Set};
use proptest::prelude::*;
use strategy::{Edit, QTYPES, edits, origin, questions};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 1000, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_zone_answers_as_the_naive_one(origin in origin(), edits in edits()) {
        let mut model = NaiveZone { origin, names: Default::default() };
        let mut edit = Zone::new(&origin, HASHER).edit(HASHER);
        // Some version on the way, and what it held: later edits must not change it.
        let mut kept = None;
        for (at, step) in edits.iter().enumerate() {
            apply(step, &mut model, &mut edit);
            if at == edits.len() / 2 {
                let zone = edit.finish();
                edit = zone.edit(HASHER);
                kept = Some((zone, model.clone()));
            }
        }
        let zone = edit.finish();
        same_data(&zone, &model)?;
        same_answers(&zone, &model, true)?;
        same_answers(&built_at_once(&model), &model, false)?;
        if let Some((zone, model)) = kept {
            same_data(&zone, &model)?;
            same_answers(&zone, &model, false)?;
        }
    }

    #[test]
    fn an_edited_zone_is_the_zone_built_from_scratch(origin in origin(), edits in edits()) {
        let mut model = NaiveZone { origin, names: Default::default() };
        let mut edit = Zone::new(&origin, HASHER).edit(HASHER);
        for step in &edits {
            apply(step, &mut model, &mut edit);
        }
        let edited = edit.finish();
        let built = build(&model);
        prop_assert_eq!(edited.len(), built.len());
        prop_assert_eq!(records(&edited), records(&built));
        // And back to nothing.
        let mut edit = edited.edit(HASHER);
        for name in model.names.keys() {
            edit.remove(name).unwrap();
        }
        let empty = edit.finish();
        prop_assert_eq!(empty.len(), 1);
        prop_assert!(empty.is_empty());
    }
}

/// Makes the same change to both; what no zone may hold is left out of both.
fn apply(step: &Edit, model: &mut NaiveZone, edit: &mut ZoneEdit) {
    let owner = |below: &strategy::Below| below.at(&model.origin);
    match step {
        Edit::Add(below, rr) => {
            let (name, rtype, rdata) = (owner(below), rr.rtype(), rr.rdata(&model.origin));
            if !may_hold(model, &name, rtype, 1) {
                return;
            }
            edit.add(&name, rtype, Ttl::from_secs(rr.ttl), &rdata).unwrap();
            let sets = model.names.entry(name).or_default();
            let set = sets.entry(rtype).or_insert_with(|| Set { ttl: rr.ttl, rdatas: Vec::new() });
            if !set.rdatas.contains(&rdata) {
                set.rdatas.push(rdata);
                set.ttl = set.ttl.min(rr.ttl);
            }
        }
        Edit::Put(below, rrs) => {
            let name = owner(below);
            let Some(first) = rrs.first() else { return };
            let rtype = first.rtype();
            let rdatas: BTreeSet<_> =
                rrs.iter().filter(|rr| rr.rtype() == rtype).map(|rr| rr.rdata(&model.origin)).collect();
            let there = model.names.entry(name).or_default().remove(&rtype);
            if !may_hold(model, &name, rtype, rdatas.len()) {
                restore(model, &name, rtype, there);
                return;
            }
            let mut set = RrSet::new(rtype, Ttl::from_secs(first.ttl), Policy::All);
            rdatas.iter().for_each(|rdata| set.push(rdata));
            edit.put(&name, &set).unwrap();
            let set = Set { ttl: first.ttl, rdatas: rdatas.into_iter().collect() };
            restore(model, &name, rtype, Some(set));
        }
        Edit::RemoveRecord(below, rr) => {
            let (name, rtype, rdata) = (owner(below), rr.rtype(), rr.rdata(&model.origin));
            let mut removed = false;
            let mut set = model.names.entry(name).or_default().remove(&rtype);
            if let Some(set) = &mut set {
                let before = set.rdatas.len();
                set.rdatas.retain(|there| *there != rdata);
                removed = set.rdatas.len() < before;
            }
            restore(model, &name, rtype, set.filter(|set| !set.rdatas.is_empty()));
            assert_eq!(edit.remove_record(&name, rtype, &rdata).unwrap(), removed);
        }
        Edit::RemoveSet(below, rr) => {
            let name = owner(below);
            edit.remove_set(&name, rr.rtype()).unwrap();
            model.names.entry(name).or_default().remove(&rr.rtype());
            restore(model, &name, rr.rtype(), None);
        }
        Edit::Remove(below) => {
            let name = owner(below);
            edit.remove(&name).unwrap();
            model.names.remove(&name);
        }
        Edit::Look => _ = edit.zone().len(),
    }
}

/// Puts a set back, and the name only if it has one.
fn restore(model: &mut NaiveZone, name: &NameBuf, rtype: Type, set: Option<Set>) {
    let sets = model.names.entry(*name).or_default();
    if let Some(set) = set {
        sets.insert(rtype, set);
    }
    if sets.is_empty() {
        model.names.remove(name);
    }
}

/// CNAME is alone at its name (RFC 1034 §3.6.2), it and DNAME are single (RFC 6672 §2.4), SOA is the apex's.
fn may_hold(model: &NaiveZone, name: &NameBuf, rtype: Type, count: usize) -> bool {
    let empty = Default::default();
    let sets = model.names.get(name).unwrap_or(&empty);
    let is_single = !sets.contains_key(&rtype) && count == 1;
    match rtype {
        Type::CNAME => sets.is_empty() && count == 1,
        _ if sets.contains_key(&Type::CNAME) => false,
        Type::DNAME => is_single,
        Type::SOA => is_single && *name == model.origin,
        _ => true,
    }
}

fn build(model: &NaiveZone) -> Zone {
    let mut edit = Zone::new(&model.origin, HASHER).edit(HASHER);
    for (name, sets) in &model.names {
        for (rtype, set) in sets {
            for rdata in &set.rdatas {
                edit.add(name, *rtype, Ttl::from_secs(set.ttl), rdata).unwrap();
            }
        }
    }
    edit.finish()
}

/// As a master file is loaded.
fn built_at_once(model: &NaiveZone) -> Zone {
    let mut zone = ZoneBuilder::new(&model.origin, HASHER);
    for (name, sets) in &model.names {
        for (rtype, set) in sets {
            for rdata in &set.rdatas {
                zone.add(name, *rtype, Ttl::from_secs(set.ttl), rdata).unwrap();
            }
        }
    }
    zone.finish().zone
}

fn records(zone: &Zone) -> Vec<Rr> {
    let records = zone.records();
    sorted(records.map(|(owner, rtype, ttl, rdata)| (owner.to_buf(), rtype, ttl.as_secs(), rdata.to_vec())))
}

fn sorted(records: impl IntoIterator<Item = Rr>) -> Vec<Rr> {
    let mut records: Vec<Rr> = records.into_iter().collect();
    records.sort();
    records
}

fn same_data(zone: &Zone, model: &NaiveZone) -> Result<(), TestCaseError> {
    let expected = model.names.keys().flat_map(|name| model.sets(name, name)).flatten();
    prop_assert_eq!(records(zone), sorted(expected));
    let mut existing = BTreeSet::from([model.origin]);
    for name in model.names.keys() {
        let mut name = Some(*name);
        while let Some(there) = name.filter(|name| name.is_within(&model.origin)) {
            existing.insert(there);
            name = there.parent().map(|parent| parent.to_buf());
        }
    }
    prop_assert_eq!(zone.len(), existing.len());
    Ok(())
}

fn same_answers(zone: &Zone, model: &NaiveZone, rewritten_too: bool) -> Result<(), TestCaseError> {
    for qname in questions(&model.origin) {
        for qtype in QTYPES {
            same_answer(ask(zone, &qname, qtype), &qname, qtype, model)?;
            if rewritten_too {
                let other =
                    Ask { qtype, random: 0, is_question: false, name_servers: false, dnssec_ok: false };
                same_answer(ask_with(zone, &qname, other, 65535).unwrap(), &qname, qtype, model)?;
            }
        }
    }
    Ok(())
}

fn same_answer(
    mut answered: Answered,
    qname: &NameBuf,
    qtype: Type,
    model: &NaiveZone,
) -> Result<(), TestCaseError> {
    let mut expected = model.answer(qname, qtype);
    answered.sections.iter_mut().for_each(|section| section.sort());
    if let Some(node) = expected.any_of {
        let set: Vec<Rr> = answered.sections[0].iter().filter(|record| record.0 == *qname).cloned().collect();
        let is_a_set = model.sets(&node, qname).into_iter().any(|there| sorted(there) == set);
        prop_assert!(is_a_set, "{} ANY: {:#?}", qname, answered);
        model.add_addresses_of(&set, &mut expected);
        expected.answer.extend(set);
    }
    let expected = Answered {
        rcode: expected.rcode.to_owned(),
        aa: expected.aa,
        tc: false,
        sections: [
            sorted(expected.answer),
            sorted(expected.authority),
            expected.additional.into_iter().collect(),
        ],
        len: answered.len,
    };
    if answered == expected {
        return Ok(());
    }
    let (answered, expected) = (answered.line(), expected.line());
    Err(TestCaseError::fail(format!("{qname} {qtype}\n{answered}\nexpected\n{expected}\n")))
}
