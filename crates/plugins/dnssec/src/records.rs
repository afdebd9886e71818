//! The records of a response, taken out of it: set by set, to be signed and written again.

use std::collections::HashMap;

use cartonym_plugin::Response;
use cartonym_wire::{Class, Message, Name, NameBuf, Section, Ttl, Type, expand_rdata};

use crate::canonical::RrSet;

/// The records of a response in their sets, each where its first record stood.
pub(crate) struct Records {
    /// RDATA with names written out, one after the other.
    octets: Vec<u8>,
    sets: Vec<Set>,
}

/// Records of one section, owner, type and class.
pub(crate) struct Set {
    pub(crate) section: Section,
    pub(crate) owner: NameBuf,
    pub(crate) rtype: Type,
    pub(crate) class: Class,
    /// TTL, and where the RDATA is.
    records: Vec<(Ttl, usize, usize)>,
}

impl Records {
    /// Those of `response`; none if a record in it is malformed, as one of another server's may be.
    pub(crate) fn of(response: &mut Response<'_>) -> Option<Records> {
        let message = response.message()?;
        let mut records = Records { octets: Vec::with_capacity(message.as_bytes().len()), sets: Vec::new() };
        let mut places = HashMap::new();
        for record in message.records() {
            let record = record.ok()?;
            let section = *SECTIONS.get(usize::from(record.section))?;
            let (start, end) =
                records.expand(message, record.rtype, record.rdata_start, record.rdata.len())?;
            let key = (
                record.section,
                record.owner.to_lowercase().as_wire().to_vec(),
                record.rtype.0,
                record.class.0,
            );
            let place = *places.entry(key).or_insert(records.sets.len());
            if place == records.sets.len() {
                let (owner, rtype, class) = (record.owner, record.rtype, record.class);
                records.sets.push(Set { section, owner, rtype, class, records: Vec::new() });
            }
            records.sets.get_mut(place)?.records.push((record.ttl(), start, end));
        }
        Some(records)
    }

    /// The sets of a section.
    pub(crate) fn of_section(&self, section: Section) -> impl Iterator<Item = &Set> {
        self.sets.iter().filter(move |set| set.section == section)
    }

    /// TTL and RDATA of each record of a set.
    pub(crate) fn rdatas<'a>(&'a self, set: &'a Set) -> impl Iterator<Item = (Ttl, &'a [u8])> {
        set.records.iter().map(|(ttl, start, end)| (*ttl, self.octets.get(*start..*end).unwrap_or_default()))
    }

    /// How long what is denied with this SOA set may be kept.
    pub(crate) fn denial_ttl(&self, soa: &Set) -> Ttl {
        self.rdatas(soa).map(|(ttl, rdata)| denial_ttl(ttl, rdata)).min().unwrap_or(Ttl::ZERO)
    }

    /// A set as it is signed.
    pub(crate) fn rrset<'a>(&'a self, set: &'a Set) -> RrSet<'a> {
        RrSet {
            owner: &set.owner,
            rtype: set.rtype,
            ttl: set.ttl(),
            rdatas: self.rdatas(set).map(|(_, rdata)| rdata).collect(),
        }
    }

    /// Whether there is a signature of a set already: of another signer.
    pub(crate) fn is_signed(&self, set: &Set) -> bool {
        let signatures = self
            .of_section(set.section)
            .filter(|other| other.rtype == Type::RRSIG && other.owner == set.owner);
        let mut rdatas = signatures.flat_map(|signatures| self.rdatas(signatures));
        rdatas.any(|(_, rdata)| rdata.starts_with(&set.rtype.0.to_be_bytes()))
    }

    /// Where a name leads by the aliases of the answer section.
    pub(crate) fn end_of_chain(&self, name: &Name) -> NameBuf {
        let mut end = name.to_buf();
        let aliases = || self.of_section(Section::Answer).filter(|set| set.rtype == Type::CNAME);
        // Each alias leads on once: a loop has an end.
        for _ in aliases() {
            let next =
                aliases().find(|alias| *alias.owner == *end).and_then(|alias| self.rdatas(alias).next());
            match next.map(|(_, target)| Name::from_wire(target)) {
                Some(Ok(target)) => end = target.to_lowercase(),
                _ => break,
            }
        }
        end
    }

    /// Writes out the RDATA of a record, and says where it is.
    fn expand(&mut self, message: Message<'_>, rtype: Type, at: usize, len: usize) -> Option<(usize, usize)> {
        let start = self.octets.len();
        self.octets.resize(start + len + MAX_EXPANSION, 0);
        let out = self.octets.get_mut(start..)?;
        let end = start + expand_rdata(message.as_bytes(), rtype, at, len, out).ok()?;
        self.octets.truncate(end);
        Some((start, end))
    }
}

impl Set {
    /// The least of its records'.
    pub(crate) fn ttl(&self) -> Ttl {
        self.records.iter().map(|(ttl, _, _)| *ttl).min().unwrap_or(Ttl::ZERO)
    }
}

/// How long what a zone denies may be kept: no longer than its SOA record, nor than that says (RFC 9077 §3).
pub(crate) fn denial_ttl(ttl: Ttl, soa: &[u8]) -> Ttl {
    soa.last_chunk().map_or(ttl, |minimum| ttl.min(Ttl::from_secs(u32::from_be_bytes(*minimum))))
}

const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];
/// Octets that two names have more when they are written out.
const MAX_EXPANSION: usize = 2 * 255;
