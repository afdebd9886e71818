//! From the entries of a name to its records.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::{Policy, RrSet};

use crate::entry::Entry;
use crate::leases::Leases;
use crate::lifetime::{Bounds, LONGEST, until};
use crate::store::Store;

/// What answers are made of.
pub(crate) struct Compiler<'a> {
    pub(crate) zone: &'a Name,
    pub(crate) leases: &'a Leases,
    pub(crate) bounds: Bounds,
    /// Seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// The records of a name, and what goes with them.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) sets: Vec<RrSet>,
    /// When they are to be made again, and for which lease.
    pub(crate) wakes: Vec<(u64, i64)>,
    /// Whether a TTL ends at a moment.
    pub(crate) has_moments: bool,
}

impl Compiler<'_> {
    /// The records that a name of the zone has.
    pub(crate) fn name(&self, name: &Name, store: &Store) -> Compiled {
        let entries = grouped(store.at(name));
        let mut made = Compiled::default();
        if name == self.zone {
            // A subtree of its own keeps the apex from having the addresses of all that is below it.
            let own = self.convention(&[b"dns", b"apex"], store);
            self.addresses(if own.is_empty() { &entries } else { &own }, &mut made);
            self.name_servers(&self.convention(&[b"dns", b"ns"], store), &mut made);
            made.sets.push(self.soa());
        } else if is_reverse(name) {
            self.addresses(&entries, &mut made);
            self.pointers(&store.exactly(name).collect::<Vec<_>>(), &mut made);
        } else if !self.addresses(&entries, &mut made) {
            self.aliases(name, &entries, &mut made);
        }
        self.others(&entries, &mut made);
        made
    }

    /// The records of a name that is answered from these entries.
    pub(crate) fn of(&self, name: &Name, entries: Vec<&Entry>) -> Compiled {
        let entries = grouped(entries);
        let mut made = Compiled::default();
        if !self.addresses(&entries, &mut made) {
            self.aliases(name, &entries, &mut made);
        }
        self.others(&entries, &mut made);
        made
    }

    /// The entries of a name below the apex that has a meaning.
    fn convention<'s>(&self, labels: &[&[u8]], store: &'s Store) -> Vec<&'s Entry> {
        let name = labels.iter().try_fold(self.zone.to_buf(), |parent, label| NameBuf::child(label, &parent));
        name.map(|name| grouped(store.at(&name))).unwrap_or_default()
    }

    /// A and AAAA, and whether there are any.
    fn addresses(&self, entries: &[&Entry], made: &mut Compiled) -> bool {
        let before = made.sets.len();
        for (rtype, is_v4) in [(Type::A, true), (Type::AAAA, false)] {
            let with: Vec<_> = entries
                .iter()
                .filter_map(|entry| Some((*entry, entry.address().filter(|ip| ip.is_ipv4() == is_v4)?)))
                .collect();
            let mut set = self.set(rtype, Policy::All, with.iter().map(|(entry, _)| *entry), made);
            for (_, address) in with {
                match address {
                    IpAddr::V4(v4) => set.push(&v4.octets()),
                    IpAddr::V6(v6) => set.push(&v6.octets()),
                }
            }
            set.finish(made);
        }
        made.sets.len() > before
    }

    /// CNAME. Of several names each answer has one, as a name may have no more (RFC 1034 §3.6.2).
    fn aliases(&self, name: &Name, entries: &[&Entry], made: &mut Compiled) {
        let with: Vec<_> = entries
            .iter()
            .filter_map(|entry| Some((*entry, entry.alias().filter(|host| !host.is_within(name))?)))
            .collect();
        let policy = if with.len() > 1 { Policy::One } else { Policy::All };
        let mut set = self.set(Type::CNAME, policy, with.iter().map(|(entry, _)| *entry), made);
        for (entry, host) in with {
            set.push_weighted(host.as_wire(), entry.weight, [None; 2]);
        }
        set.finish(made);
    }

    fn pointers(&self, entries: &[&Entry], made: &mut Compiled) {
        let with: Vec<_> = entries.iter().filter_map(|entry| Some((*entry, entry.alias()?))).collect();
        let mut set = self.set(Type::PTR, Policy::All, with.iter().map(|(entry, _)| *entry), made);
        with.iter().for_each(|(_, host)| set.push(host.as_wire()));
        set.finish(made);
    }

    fn name_servers(&self, entries: &[&Entry], made: &mut Compiled) {
        let with: Vec<_> = entries.iter().filter_map(|entry| Some((*entry, entry.target()?))).collect();
        let mut set = self.set(Type::NS, Policy::All, with.iter().map(|(entry, _)| *entry), made);
        with.iter().for_each(|(_, target)| set.push(target.as_wire()));
        set.finish(made);
    }

    /// TXT, SRV and MX, which neither an address nor a name keeps out.
    fn others(&self, entries: &[&Entry], made: &mut Compiled) {
        self.texts(entries, made);
        self.services(entries, made);
        self.mails(entries, made);
    }

    fn texts(&self, entries: &[&Entry], made: &mut Compiled) {
        let with: Vec<_> = entries.iter().copied().filter(|entry| !entry.text.is_empty()).collect();
        let mut set = self.set(Type::TXT, Policy::All, with.iter().copied(), made);
        for entry in with {
            let chunks = entry.text.as_bytes().chunks(u8::MAX.into());
            let rdata = chunks.flat_map(|chunk| [&[chunk.len() as u8], chunk].concat());
            set.push(&rdata.collect::<Vec<_>>());
        }
        set.finish(made);
    }

    fn services(&self, entries: &[&Entry], made: &mut Compiled) {
        let with: Vec<_> =
            entries.iter().filter_map(|entry| Some((*entry, entry.port?, entry.target()?))).collect();
        let mut weights: HashMap<u16, u32> = HashMap::new();
        for (entry, ..) in &with {
            *weights.entry(entry.priority).or_default() += u32::from(entry.weight);
        }
        // Addresses that stand beside their record need not be looked up, and there may be any number of them.
        let all_addresses = with.iter().all(|(entry, ..)| entry.address().is_some());
        let policy = if all_addresses { Policy::Sample(0) } else { Policy::All };
        let mut set = self.set(Type::SRV, policy, with.iter().map(|(entry, ..)| *entry), made);
        let mut seen = HashSet::new();
        for (entry, port, target) in &with {
            if !seen.insert((target, port)) {
                continue;
            }
            let sum = weights.get(&entry.priority).copied().unwrap_or(1).max(1);
            let weight = (100 * u32::from(entry.weight) / sum).max(1) as u16;
            let numbers = [entry.priority, weight, *port].map(u16::to_be_bytes);
            let rdata = [numbers.as_flattened(), target.as_wire()].concat();
            set.push_weighted(&rdata, 1, [entry.address(), None]);
        }
        set.finish(made);
    }

    fn mails(&self, entries: &[&Entry], made: &mut Compiled) {
        let mails = entries.iter().filter(|entry| entry.is_mail);
        let with: Vec<_> = mails.filter_map(|entry| Some((*entry, entry.target()?))).collect();
        let mut set = self.set(Type::MX, Policy::All, with.iter().map(|(entry, _)| *entry), made);
        for (entry, target) in with {
            set.push(&[&entry.priority.to_be_bytes(), target.as_wire()].concat());
        }
        set.finish(made);
    }

    fn soa(&self) -> RrSet {
        let name = |labels: &[&[u8]]| {
            let name =
                labels.iter().try_fold(self.zone.to_buf(), |parent, label| NameBuf::child(label, &parent));
            name.unwrap_or(NameBuf::ROOT)
        };
        let (mname, rname) = (name(&[b"dns", b"ns"]), name(&[b"hostmaster"]));
        let numbers = [self.now as u32, 7200, 1800, 86400, SOA_TTL].map(u32::to_be_bytes);
        let mut set = RrSet::new(Type::SOA, Ttl::from_secs(SOA_TTL), Policy::All);
        set.push(&[mname.as_wire(), rname.as_wire(), numbers.as_flattened()].concat());
        set
    }

    /// A set to fill, that lives as long as the entries it is made of.
    fn set<'e>(
        &self,
        rtype: Type,
        policy: Policy,
        entries: impl Iterator<Item = &'e Entry>,
        made: &mut Compiled,
    ) -> Filling {
        let (mut secs, mut first_end) = (LONGEST, None);
        for entry in entries {
            let otherwise = if entry.lease == 0 { DEFAULT_TTL } else { self.bounds.max };
            secs = secs.min(entry.ttl.unwrap_or(otherwise));
            if entry.lease != 0 {
                // Of a lease not yet known nothing is promised.
                let end = (self.leases.ends(entry.lease).unwrap_or(self.now), entry.lease);
                first_end = Some(first_end.map_or(end, |first: (u64, i64)| first.min(end)));
                secs = secs.min(self.bounds.max);
            }
        }
        let ttl = match first_end {
            Some((end, _)) if secs > self.bounds.min && end.saturating_sub(self.now) <= secs.into() => {
                made.has_moments = true;
                until(end)
            }
            Some((end, lease)) => {
                if secs > self.bounds.min {
                    made.wakes.push((end - u64::from(secs), lease));
                }
                Ttl::from_secs(secs)
            }
            None => Ttl::from_secs(secs),
        };
        Filling { set: RrSet::new(rtype, ttl, policy), seen: HashSet::new(), octets: 0 }
    }
}

/// A set that takes each record once, and no more than a message does.
struct Filling {
    set: RrSet,
    seen: HashSet<Box<[u8]>>,
    octets: usize,
}

impl Filling {
    fn push(&mut self, rdata: &[u8]) {
        self.push_weighted(rdata, 1, [None; 2]);
    }

    fn push_weighted(&mut self, rdata: &[u8], weight: u16, addresses: [Option<IpAddr>; 2]) {
        let octets = self.octets + HEADER + rdata.len();
        if octets <= MAX_OCTETS && self.seen.insert(rdata.into()) {
            self.octets = octets;
            self.set.push_weighted(rdata, weight, addresses);
        }
    }

    fn finish(self, made: &mut Compiled) {
        if !self.set.is_empty() {
            made.sets.push(self.set);
        }
    }
}

/// The entries that hold together: where those of the shortest keys are of one group, others' deeper down are left out.
fn grouped(entries: Vec<&Entry>) -> Vec<&Entry> {
    let depth = |entry: &Entry| entry.name.label_count();
    let Some(least) = entries.iter().map(|entry| depth(entry)).min() else { return entries };
    let shortest = entries.iter().filter(|entry| depth(entry) == least && !entry.group.is_empty());
    let groups: HashSet<&str> = shortest.map(|entry| &*entry.group).collect();
    let mut groups = groups.into_iter();
    let (Some(group), None) = (groups.next(), groups.next()) else { return entries };
    entries.iter().copied().filter(|entry| entry.group.is_empty() || *entry.group == *group).collect()
}

/// Whether a name stands for an address: a host there is who has it.
fn is_reverse(name: &Name) -> bool {
    let mut labels: Vec<&[u8]> = name.labels().collect();
    labels.reverse();
    matches!(*labels, [b"arpa", b"in-addr" | b"ip6", ..])
}

/// In seconds, of an entry that says nothing of it.
const DEFAULT_TTL: u32 = 300;
/// In seconds; how long resolvers remember that there is nothing.
pub(crate) const SOA_TTL: u32 = 30;
/// Octets of a record without its data.
const HEADER: usize = 12;
/// Octets of a set: less than a message has, and than a zone takes.
const MAX_OCTETS: usize = 60_000;
