//! What must hold before a zone is changed (RFC 2136 §2.4, §3.2).

use std::collections::{HashMap, HashSet};

use cartonym_wire::{Class, Hasher, Message, NameBuf, Rcode, Record, Type};

use super::{data, section};
use crate::check::canonical;
use crate::zone::Zone;

/// Sets as they ought to be, their data with names in lower case.
type Sets = HashMap<(NameBuf, Type), HashSet<Box<[u8]>>>;

/// Checks all prerequisites of a message.
pub(super) fn check(zone: &Zone, message: Message<'_>, hasher: Hasher) -> Result<(), Rcode> {
    let mut sets = Sets::new();
    for record in section(message, 0, zone.origin()) {
        let record = record?;
        if record.ttl_bits != 0 {
            return Err(Rcode::FORMERR);
        }
        match record.class {
            Class::ANY => exists(zone, &record, hasher, true)?,
            Class::NONE => exists(zone, &record, hasher, false)?,
            Class::IN => {
                let rdata = canonical(record.rtype, &data(message, &record)?).into_owned();
                let set = sets.entry((record.owner.to_lowercase(), record.rtype)).or_default();
                set.insert(rdata.into());
            }
            _ => return Err(Rcode::FORMERR),
        }
    }
    let is_as_told = |((owner, rtype), told): (&(NameBuf, Type), &HashSet<Box<[u8]>>)| {
        let there = zone.rdatas(owner, *rtype, hasher);
        there.len() == told.len()
            && there.iter().all(|(_, rdata)| told.contains(canonical(*rtype, rdata).as_ref()))
    };
    if sets.iter().all(is_as_told) { Ok(()) } else { Err(Rcode::NXRRSET) }
}

/// Whether a name or a set is there, or is not, whatever its data. An empty non-terminal is not (§2.4.4).
fn exists(zone: &Zone, record: &Record<'_>, hasher: Hasher, ought: bool) -> Result<(), Rcode> {
    if !record.rdata.is_empty() {
        return Err(Rcode::FORMERR);
    }
    let types = zone.types(&record.owner, hasher);
    let (is_there, missing, there) = match record.rtype {
        Type::ANY => (!types.is_empty(), Rcode::NXDOMAIN, Rcode::YXDOMAIN),
        rtype => (types.contains(&rtype), Rcode::NXRRSET, Rcode::YXRRSET),
    };
    match (is_there, ought) {
        (false, true) => Err(missing),
        (true, false) => Err(there),
        _ => Ok(()),
    }
}
