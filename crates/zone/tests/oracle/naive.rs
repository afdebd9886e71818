//! The lookup of RFC 1034 §4.3.2 as its text has it, label by label over a map of maps.
//!
//! Amended by RFC 2308 (SOA in negative answers), RFC 4592 (wildcards), RFC 6604 (rcode at the end of a chain),
//! RFC 6672 (DNAME), RFC 8020 (nothing below a name that does not exist) and RFC 4035 §3.1.4.1 (DS at a cut).
//! Nothing here is quick, and nothing is shared with the code under test but names.

use std::collections::{BTreeMap, BTreeSet};

use cartonym_wire::{Name, NameBuf, RdataNames, Type};

use crate::common::Rr;

#[derive(Clone, Debug)]
pub(crate) struct NaiveZone {
    pub(crate) origin: NameBuf,
    pub(crate) names: BTreeMap<NameBuf, BTreeMap<Type, Set>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) ttl: u32,
    pub(crate) rdatas: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct NaiveAnswer {
    pub(crate) rcode: &'static str,
    pub(crate) aa: bool,
    pub(crate) answer: Vec<Rr>,
    pub(crate) authority: Vec<Rr>,
    pub(crate) additional: BTreeSet<Rr>,
    /// To ANY any one set of this name will do (RFC 8482 §4.1); the answer section says nothing about it.
    pub(crate) any_of: Option<NameBuf>,
}

/// Where the walk down of step 3 ends.
enum End {
    /// a. The whole of QNAME is matched.
    Node(NameBuf),
    /// b. A match would take us out of the authoritative data.
    Cut(NameBuf),
    /// c. A match is impossible, and the last label matched has a DNAME (RFC 6672 §3.2).
    Dname(NameBuf),
    /// c. A match is impossible, and the "*" label exists.
    Wildcard(NameBuf),
    /// c. A match is impossible, and there is no "*" label.
    Nothing,
}

/// Names that one answer goes through.
const MAX_NAMES: usize = 16;

impl NaiveZone {
    pub(crate) fn answer(&self, qname: &Name, qtype: Type) -> NaiveAnswer {
        let mut answer = NaiveAnswer { rcode: "NOERROR", aa: true, ..NaiveAnswer::default() };
        let mut name = qname.to_lowercase();
        let mut seen: Vec<NameBuf> = Vec::new();
        while name.is_within(&self.origin) && !seen.contains(&name) && seen.len() < MAX_NAMES {
            seen.push(name);
            match self.follow(&name, qtype, &mut answer) {
                Some(next) => name = next,
                None => break,
            }
        }
        let records = answer.answer.clone();
        self.add_addresses_of(&records, &mut answer);
        answer
    }

    /// Steps 3 and 4 for one name; the name to go back to step 1 with, if there is one.
    fn follow(&self, name: &NameBuf, qtype: Type, answer: &mut NaiveAnswer) -> Option<NameBuf> {
        match self.walk(name, qtype) {
            End::Node(node) | End::Wildcard(node) => self.copy(&node, name, qtype, answer),
            End::Cut(cut) => {
                answer.aa = !answer.answer.is_empty();
                answer.authority = self.records(&cut, &cut, Type::NS);
                let servers =
                    answer.authority.iter().map(|(.., rdata)| Name::from_wire(rdata).unwrap().to_buf());
                for server in servers {
                    answer.additional.extend(self.records(&server, &server, Type::A));
                    answer.additional.extend(self.records(&server, &server, Type::AAAA));
                }
                None
            }
            End::Dname(owner) => {
                let dname = self.records(&owner, &owner, Type::DNAME).remove(0);
                let target = Name::from_wire(&dname.3).unwrap();
                let ttl = dname.2;
                let substituted = name.with_suffix(&owner, target);
                if !answer.answer.contains(&dname) {
                    answer.answer.push(dname.clone());
                }
                let Ok(next) = substituted else {
                    answer.rcode = "YXDOMAIN";
                    return None;
                };
                answer.answer.push((*name, Type::CNAME, ttl, next.as_wire().to_vec()));
                // The CNAME made is an answer to CNAME as one found would be.
                (qtype != Type::CNAME && qtype != Type::ANY).then_some(next)
            }
            End::Nothing => self.deny("NXDOMAIN", answer),
        }
    }

    /// Step 3, the walk: start matching down, label by label, in the zone.
    fn walk(&self, name: &NameBuf, qtype: Type) -> End {
        let mut node = self.origin;
        loop {
            let is_ds_at_cut = node == *name && qtype == Type::DS;
            if node != self.origin && self.has(&node, Type::NS) && !is_ds_at_cut {
                return End::Cut(node);
            }
            if node == *name {
                return End::Node(node);
            }
            if self.has(&node, Type::DNAME) {
                return End::Dname(node);
            }
            let next = child_towards(&node, name);
            if !self.exists(&next) {
                let wildcard = NameBuf::child(b"*", &node).ok().filter(|wildcard| self.exists(wildcard));
                return wildcard.map_or(End::Nothing, End::Wildcard);
            }
            node = next;
        }
    }

    /// Step 3a, or the end of 3c: the data of `node`, under the name `owner`.
    fn copy(
        &self,
        node: &NameBuf,
        owner: &NameBuf,
        qtype: Type,
        answer: &mut NaiveAnswer,
    ) -> Option<NameBuf> {
        if qtype == Type::ANY && self.names.contains_key(node) {
            answer.any_of = Some(*node);
            return None;
        }
        if self.has(node, Type::CNAME) && qtype != Type::CNAME {
            let cname = self.records(node, owner, Type::CNAME).remove(0);
            let target = Name::from_wire(&cname.3).unwrap().to_buf();
            answer.answer.push(cname);
            return Some(target);
        }
        let records = self.records(node, owner, qtype);
        if records.is_empty() {
            return self.deny("NOERROR", answer);
        }
        answer.answer.extend(records);
        None
    }

    /// A negative answer has the SOA, its TTL the smaller of its own and MINIMUM (RFC 2308 §3).
    fn deny(&self, rcode: &'static str, answer: &mut NaiveAnswer) -> Option<NameBuf> {
        answer.rcode = rcode;
        answer.authority = self.records(&self.origin, &self.origin, Type::SOA);
        for (_, _, ttl, rdata) in &mut answer.authority {
            let minimum = u32::from_be_bytes(*rdata.last_chunk().unwrap());
            *ttl = minimum.min(*ttl);
        }
        None
    }

    /// Step 6: the addresses of hosts that records name, as far as they are this zone's to give.
    pub(crate) fn add_addresses_of(&self, records: &[Rr], answer: &mut NaiveAnswer) {
        for (target, services) in targets(records) {
            let types = services.into_iter().chain([Type::A, Type::AAAA]);
            answer.additional.extend(types.flat_map(|rtype| self.host(&target, rtype)));
        }
    }

    /// The records of a host, a wildcard's included.
    fn host(&self, target: &NameBuf, rtype: Type) -> Vec<Rr> {
        if !target.is_within(&self.origin) {
            return Vec::new();
        }
        match self.walk(target, Type::A) {
            End::Node(node) | End::Wildcard(node) => self.records(&node, target, rtype),
            _ => Vec::new(),
        }
    }

    /// A name exists if it, or a name below it, has records (RFC 4592 §2.2.2); the origin does in any case.
    fn exists(&self, name: &NameBuf) -> bool {
        *name == self.origin || self.names.keys().any(|there| there.is_within(name))
    }

    fn has(&self, name: &NameBuf, rtype: Type) -> bool {
        self.names.get(name).is_some_and(|sets| sets.contains_key(&rtype))
    }

    /// The records of a set, under the name `owner`.
    fn records(&self, node: &NameBuf, owner: &NameBuf, rtype: Type) -> Vec<Rr> {
        let set = self.names.get(node).and_then(|sets| sets.get(&rtype));
        set.map_or_else(Vec::new, |set| {
            set.rdatas.iter().map(|rdata| (*owner, rtype, set.ttl, rdata.clone())).collect()
        })
    }

    /// The sets of a name as records under `owner`, for ANY.
    pub(crate) fn sets(&self, node: &NameBuf, owner: &NameBuf) -> Vec<Vec<Rr>> {
        let sets = self.names.get(node).into_iter().flatten();
        sets.map(|(rtype, _)| self.records(node, owner, *rtype)).collect()
    }
}

/// The hosts that records name, where their addresses belong to the additional section, and the type of the services that
/// are theirs by an alias.
fn targets(records: &[Rr]) -> Vec<(NameBuf, Option<Type>)> {
    let hosts = records.iter().filter_map(|(owner, rtype, _, rdata)| {
        if !matches!(*rtype, Type::NS | Type::MX | Type::SRV | Type::SVCB | Type::HTTPS) {
            return None;
        }
        let is_service = matches!(*rtype, Type::SVCB | Type::HTTPS);
        let target = RdataNames::first(*rtype, rdata)?.to_lowercase();
        let is_alias = is_service && rdata[..2] == [0, 0];
        match (target.is_root(), is_service) {
            (false, _) => Some((target, (is_alias && target != owner.to_lowercase()).then_some(*rtype))),
            // "." is the owner itself in service mode, and nothing in alias mode (RFC 9460 §2.5).
            (true, true) if !is_alias => Some((*owner, None)),
            (true, _) => None,
        }
    });
    hosts.collect()
}

/// The ancestor of `name`, or itself, that is one label longer than `node`.
fn child_towards(node: &Name, name: &NameBuf) -> NameBuf {
    let mut child = *name;
    while child.label_count() > node.label_count() + 1 {
        child = child.parent().unwrap().to_buf();
    }
    child
}
