//! What is wrong with a zone as a whole, though each of its records is well formed.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects)
)]

mod finding;
mod listing;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use cartonym_wire::{Name, RdataNames, Ttl, Type};

pub use finding::{Finding, Problem, Report, Severity};
pub use listing::Listing;

use crate::node::Node;

/// A record as the checks see it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The owner, in any case.
    pub owner: &'a Name,
    /// The type.
    pub rtype: Type,
    /// The time to live.
    pub ttl: Ttl,
    /// In wire form, names uncompressed.
    pub rdata: &'a [u8],
    /// The file and the line, where they are known.
    pub place: Option<(&'a str, u32)>,
}

/// Checks a zone, going over its sets twice.
///
/// `sets` gives all of them each time, in any order: the records of one name and type. Memory is used for names with
/// CNAME, DNAME or NS, not for others.
pub fn check<'a, I>(origin: &'a Name, sets: impl Fn() -> I) -> Report
where
    I: Iterator,
    I::Item: Iterator<Item = Entry<'a>> + Clone,
{
    let mut landmarks = Landmarks::new(origin);
    sets().for_each(|set| landmarks.note(set));
    let mut report = Report::default();
    if !landmarks.has_soa {
        report.add(Finding {
            problem: Problem::NoSoa,
            owner: origin.to_string(),
            rtype: Type::SOA,
            place: None,
        });
    }
    if !landmarks.has_ns {
        report.add(Finding {
            problem: Problem::NoNs,
            owner: origin.to_string(),
            rtype: Type::NS,
            place: None,
        });
    }
    let mut walk = Walk { landmarks: &mut landmarks, report: &mut report };
    sets().for_each(|set| walk.visit(set));
    landmarks.name_servers_without_address(&mut report);
    report.sort();
    report
}

/// A name's octets in lower case.
type Key = Box<[u8]>;

/// The names that say how others are to be seen; from the first time over the sets.
struct Landmarks<'a> {
    origin: &'a Name,
    has_soa: bool,
    has_ns: bool,
    /// Owners of NS below the origin.
    cuts: HashSet<Key>,
    dnames: HashSet<Key>,
    cnames: HashSet<Key>,
    /// Names of name servers within the zone.
    servers: HashMap<Key, Server<'a>>,
    /// Parents of wildcards with addresses.
    wildcards: HashSet<Key>,
}

#[derive(Clone, Copy)]
struct Server<'a> {
    /// The first record with this name, or the first that cannot do without its address.
    entry: Entry<'a>,
    /// Whether the name lies within what the record delegates.
    needs_glue: bool,
    has_address: bool,
}

impl<'a> Landmarks<'a> {
    fn new(origin: &'a Name) -> Landmarks<'a> {
        Landmarks {
            origin,
            has_soa: false,
            has_ns: false,
            cuts: HashSet::new(),
            dnames: HashSet::new(),
            cnames: HashSet::new(),
            servers: HashMap::new(),
            wildcards: HashSet::new(),
        }
    }

    fn note(&mut self, mut set: impl Iterator<Item = Entry<'a>>) {
        let Some(first) = set.next() else { return };
        let owner = first.owner;
        match first.rtype {
            Type::SOA => self.has_soa |= owner == self.origin,
            Type::CNAME => drop(self.cnames.insert(key(owner))),
            Type::DNAME => drop(self.dnames.insert(key(owner))),
            Type::NS => {
                if owner == self.origin {
                    self.has_ns = true;
                } else {
                    self.cuts.insert(key(owner));
                }
                std::iter::once(first).chain(set).for_each(|entry| self.note_server(&entry));
            }
            Type::A | Type::AAAA if owner.is_wildcard() => self.wildcards.extend(owner.parent().map(key)),
            _ => {}
        }
    }

    fn note_server(&mut self, entry: &Entry<'a>) {
        let target = RdataNames::first(entry.rtype, entry.rdata);
        if let Some(target) = target.filter(|target| target.is_within(self.origin)) {
            let needs_glue = entry.owner != self.origin && target.is_within(entry.owner);
            let server = Server { entry: *entry, needs_glue, has_address: false };
            let noted = self.servers.entry(key(target)).or_insert(server);
            if (!needs_glue, entry.place) < (!noted.needs_glue, noted.entry.place) {
                *noted = server;
            }
        }
    }

    /// The name of `marks` closest to `owner` above it.
    fn above<'n>(&self, marks: &HashSet<Key>, owner: &'n Name) -> Option<&'n Name> {
        if marks.is_empty() {
            return None;
        }
        let lower = owner.to_lowercase();
        let mut name = owner;
        while let Some(parent) = name.parent().filter(|parent| parent.len() >= self.origin.len()) {
            // Case does not change lengths: the same octets, counted from the end.
            let suffix = lower.as_wire().get(owner.len().checked_sub(parent.len())?..)?;
            if marks.contains(suffix) {
                return Some(parent);
            }
            name = parent;
        }
        None
    }

    fn name_servers_without_address(&self, report: &mut Report) {
        for (key, Server { entry, needs_glue, .. }) in
            self.servers.iter().filter(|(_, server)| !server.has_address)
        {
            let Ok(target) = Name::from_wire(key) else { continue };
            let is_alias = self.cnames.contains(key);
            if is_alias || self.above(&self.wildcards, target).is_some() {
                continue;
            }
            if *needs_glue {
                report.add(entry.finding(Problem::MissingGlue(target.to_string())));
            } else if !self.cuts.contains(key) && self.above(&self.cuts, target).is_none() {
                report.add(entry.finding(Problem::NoAddress(target.to_string())));
            }
        }
    }
}

/// The second time over the sets.
struct Walk<'w, 'a> {
    landmarks: &'w mut Landmarks<'a>,
    report: &'w mut Report,
}

/// The records of one name and type so far.
struct Set<'a> {
    first: Entry<'a>,
    /// Their data, where not all of it differs.
    seen: Option<HashSet<Cow<'a, [u8]>>>,
    ttls_differ: bool,
}

impl<'a> Walk<'_, 'a> {
    fn visit(&mut self, mut entries: impl Iterator<Item = Entry<'a>> + Clone) {
        let all = entries.clone();
        let Some(first) = entries.next() else { return };
        self.visit_set(&first);
        self.visit_target(&first);
        let mut others = entries.peekable();
        if others.peek().is_none() {
            return;
        }
        let seen = has_duplicates(all).then(|| HashSet::from([canonical(first.rtype, first.rdata)]));
        let mut set = Set { first, seen, ttls_differ: false };
        for entry in others {
            let problems = [set.ttl_problem(&entry), set.record_problem(&entry)];
            problems.into_iter().flatten().for_each(|problem| self.report.add(entry.finding(problem)));
            self.visit_target(&entry);
        }
    }

    /// What concerns owner and type, once for a set.
    fn visit_set(&mut self, entry: &Entry<'a>) {
        let Entry { owner, rtype, .. } = *entry;
        if !owner.is_within(self.landmarks.origin) {
            return self.report.add(entry.finding(Problem::OutOfZone));
        }
        if rtype == Type::SOA && owner != self.landmarks.origin {
            self.report.add(entry.finding(Problem::SoaBelowApex));
        }
        if !may_be_beside_cname(rtype) && contains(&self.landmarks.cnames, owner) {
            self.report.add(entry.finding(Problem::CnameAndOther));
        }
        if rtype == Type::DNAME && contains(&self.landmarks.cuts, owner) {
            self.report.add(entry.finding(Problem::DnameAndNs));
        }
        if !may_be_below_dname(rtype)
            && let Some(dname) = self.landmarks.above(&self.landmarks.dnames, owner)
        {
            self.report.add(entry.finding(Problem::BelowDname(dname.to_string())));
        }
        match rtype {
            Type::NS => {
                if let Some(cut) = self.landmarks.above(&self.landmarks.cuts, owner) {
                    self.report.add(entry.finding(Problem::NsBelowCut(cut.to_string())));
                }
            }
            Type::A | Type::AAAA if !self.landmarks.servers.is_empty() => {
                if let Some(server) = self.landmarks.servers.get_mut(owner.to_lowercase().as_wire()) {
                    server.has_address = true;
                }
            }
            _ => {}
        }
    }

    /// Names that others are to look addresses up by must have them themselves (RFC 2181 §10.3, RFC 2782).
    fn visit_target(&mut self, entry: &Entry<'a>) {
        if !matches!(entry.rtype, Type::NS | Type::MX | Type::SRV) || self.landmarks.cnames.is_empty() {
            return;
        }
        let target = RdataNames::first(entry.rtype, entry.rdata);
        if let Some(target) = target.filter(|target| contains(&self.landmarks.cnames, target)) {
            self.report.add(entry.finding(Problem::AliasTarget(target.to_string())));
        }
    }
}

impl<'a> Set<'a> {
    /// The first time that the TTL is another; signatures have that of what they sign (RFC 4034 §3).
    fn ttl_problem(&mut self, entry: &Entry<'_>) -> Option<Problem> {
        let differs = entry.ttl != self.first.ttl && !matches!(entry.rtype, Type::RRSIG | Type::SIG);
        let is_first = differs && !self.ttls_differ;
        self.ttls_differ |= differs;
        is_first.then_some(Problem::TtlDiffers { ttl: entry.ttl.as_secs(), first: self.first.ttl.as_secs() })
    }

    /// Whether the record is there already, or is one too many.
    fn record_problem(&mut self, entry: &Entry<'a>) -> Option<Problem> {
        let is_new = self.seen.as_mut().is_none_or(|seen| seen.insert(canonical(entry.rtype, entry.rdata)));
        if !is_new {
            return Some(Problem::Duplicate);
        }
        match entry.rtype {
            Type::SOA => Some(Problem::TwoSoa),
            Type::CNAME => Some(Problem::TwoCname),
            Type::DNAME => Some(Problem::TwoDname),
            _ => None,
        }
    }
}

impl Entry<'_> {
    fn finding(&self, problem: Problem) -> Finding {
        let place = self.place.map(|(file, line)| (file.to_owned(), line));
        Finding { problem, owner: self.owner.to_string(), rtype: self.rtype, place }
    }
}

impl<'a> From<(&'a Name, Type, Ttl, &'a [u8])> for Entry<'a> {
    fn from((owner, rtype, ttl, rdata): (&'a Name, Type, Ttl, &'a [u8])) -> Entry<'a> {
        Entry { owner, rtype, ttl, rdata, place: None }
    }
}

/// The sets of a node, as the checks see them.
pub(crate) fn sets_of(node: &Node) -> impl Iterator<Item = impl Iterator<Item = Entry<'_>> + Clone> {
    let owner = node.name();
    node.sets().map(move |set| {
        let (rtype, ttl) = (set.rtype, set.ttl);
        set.rdatas().map(move |rdata| Entry::from((owner, rtype, ttl, rdata)))
    })
}

/// Whether two records of a set are the same.
fn has_duplicates<'a>(entries: impl Iterator<Item = Entry<'a>> + Clone) -> bool {
    let data = entries.map(|entry| canonical(entry.rtype, entry.rdata));
    // Mostly they are in order already.
    if data.clone().is_sorted_by(|a, b| a < b) {
        return false;
    }
    let mut data: Vec<_> = data.collect();
    data.sort_unstable();
    data.array_windows().any(|[a, b]| a == b)
}

/// RFC 4034 §2.5, and the types it replaced.
pub(crate) fn may_be_beside_cname(rtype: Type) -> bool {
    matches!(rtype, Type::CNAME | Type::RRSIG | Type::NSEC | Type::SIG | Type::NXT | Type::KEY)
}

/// The hashed names of a zone whose apex has a DNAME (RFC 5155 §3).
pub(crate) fn may_be_below_dname(rtype: Type) -> bool {
    matches!(rtype, Type::NSEC3 | Type::RRSIG)
}

fn key(name: &Name) -> Key {
    name.to_lowercase().as_wire().into()
}

fn contains(marks: &HashSet<Key>, name: &Name) -> bool {
    !marks.is_empty() && marks.contains(name.to_lowercase().as_wire())
}

/// The data with its names in lower case (RFC 4034 §6.2), so that equal records have equal octets.
pub(crate) fn canonical(rtype: Type, rdata: &[u8]) -> Cow<'_, [u8]> {
    let shape = RdataNames::of(rtype);
    // Mostly all is in lower case already.
    let lowered = shape.filter(|_| has_uppercase(rdata)).and_then(|shape| {
        let start = shape.skip(rdata)?;
        let mut rest = rdata.get(start..)?;
        for _ in 0..shape.names {
            rest = Name::split(rest).ok()?.1;
        }
        let mut octets = rdata.to_vec();
        octets.get_mut(start..rdata.len().checked_sub(rest.len())?)?.make_ascii_lowercase();
        Some(octets)
    });
    lowered.map_or(Cow::Borrowed(rdata), Cow::Owned)
}

fn has_uppercase(octets: &[u8]) -> bool {
    // To the end in any case: so it is done for many octets at a time.
    octets.iter().fold(false, |found, octet| found | octet.is_ascii_uppercase())
}
