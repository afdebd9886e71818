//! What is to change in a zone (RFC 2136 §2.5, §3.4).

use cartonym_wire::{Class, Hasher, Message, Name, NameBuf, Rcode, Record, Ttl, Type};

use super::{data, section};
use crate::check::{canonical, may_be_below_dname, may_be_beside_cname};
use crate::difference::Difference;
use crate::node::{Policy, RrSet};
use crate::zone::{EditError, Zone, ZoneEdit};

/// One record of the update section.
pub(super) struct Change {
    owner: NameBuf,
    rtype: Type,
    what: What,
}

enum What {
    Add(Ttl, Box<[u8]>),
    DeleteRecord(Box<[u8]>),
    DeleteSet,
    DeleteName,
}

/// Reads all that is asked for, before any of it is done (§3.4.1).
pub(super) fn scan(zone: &Zone, message: Message<'_>) -> Result<Vec<Change>, Rcode> {
    section(message, 1, zone.origin()).map(|record| Change::read(message, &record?)).collect()
}

/// The zone with all changes, its serial only as they say (§3.4.2).
pub(super) fn apply(zone: &Zone, changes: &[Change], hasher: Hasher) -> Result<Zone, Rcode> {
    let mut target = Target { edit: zone.edit(hasher), origin: zone.origin(), hasher };
    for change in changes {
        // The owner is within the zone, so what does not go into it is too much of one set.
        target.take(change).map_err(|_| Rcode::REFUSED)?;
    }
    Ok(target.edit.finish())
}

/// Refuses names below a DNAME, which a zone must not take (RFC 6672 §5.2).
pub(super) fn respect_dnames(zone: &Zone, difference: &Difference, hasher: Hasher) -> Result<(), Rcode> {
    for rr in difference.added.iter() {
        let is_above_names = rr.rtype == Type::DNAME && zone.has_names_below(rr.owner, hasher);
        let is_below_dname = !may_be_below_dname(rr.rtype) && has_dname_above(zone, rr.owner, hasher);
        if is_above_names || is_below_dname {
            return Err(Rcode::REFUSED);
        }
    }
    Ok(())
}

fn has_dname_above(zone: &Zone, owner: &Name, hasher: Hasher) -> bool {
    let parents = std::iter::successors(owner.parent(), |name| name.parent());
    let mut within = parents.take_while(|name| name.is_within(zone.origin()));
    within.any(|name| zone.types(name, hasher).contains(&Type::DNAME))
}

impl Change {
    fn read(message: Message<'_>, record: &Record<'_>) -> Result<Change, Rcode> {
        let Record { owner, rtype, .. } = *record;
        let has_ttl = record.ttl_bits != 0;
        let what = match (record.class, rtype) {
            (Class::IN, _) => What::Add(record.ttl(), data(message, record)?),
            (Class::NONE, _) if !has_ttl => What::DeleteRecord(data(message, record)?),
            (Class::ANY, _) if has_ttl || !record.rdata.is_empty() => return Err(Rcode::FORMERR),
            (Class::ANY, Type::ANY) => What::DeleteName,
            (Class::ANY, rtype) if !rtype.is_query_only() => What::DeleteSet,
            _ => return Err(Rcode::FORMERR),
        };
        Ok(Change { owner: owner.to_lowercase(), rtype, what })
    }
}

/// A zone on its way to the next version.
struct Target<'z> {
    edit: ZoneEdit,
    origin: &'z Name,
    hasher: Hasher,
}

impl Target<'_> {
    fn take(&mut self, change: &Change) -> Result<(), EditError> {
        let (owner, rtype) = (&*change.owner, change.rtype);
        match &change.what {
            What::Add(ttl, rdata) => self.add(owner, rtype, *ttl, rdata),
            What::DeleteRecord(rdata) => self.delete_record(owner, rtype, rdata),
            What::DeleteSet => self.delete_set(owner, rtype),
            What::DeleteName => {
                let types = self.types(owner);
                types.into_iter().try_for_each(|rtype| self.delete_set(owner, rtype))
            }
        }
    }

    /// Adds a record, in place of one that it is a new form of (§3.4.2.2).
    fn add(&mut self, owner: &Name, rtype: Type, ttl: Ttl, rdata: &[u8]) -> Result<(), EditError> {
        let types = self.types(owner);
        let is_barred = match rtype {
            Type::CNAME => types.iter().any(|there| !may_be_beside_cname(*there)),
            Type::SOA => !self.is_newer_soa(owner, rdata),
            // Another DNAME stays as it is (RFC 6672 §5.2).
            Type::DNAME if types.contains(&Type::DNAME) => !self.has(owner, rtype, rdata),
            _ => false,
        };
        let is_beside_cname = types.contains(&Type::CNAME) && !may_be_beside_cname(rtype);
        if is_barred || is_beside_cname {
            return Ok(());
        }
        let mut set = RrSet::new(rtype, ttl, Policy::All);
        let mut is_placed = false;
        for (_, there) in self.edit.zone().rdatas(owner, rtype, self.hasher) {
            if !is_replaced(rtype, there, rdata) {
                set.push(there);
            } else if !std::mem::replace(&mut is_placed, true) {
                set.push(rdata);
            }
        }
        if !is_placed {
            set.push(rdata);
        }
        self.edit.put(owner, &set)
    }

    /// Takes a record out, but neither the SOA nor the apex's last NS (§3.4.2.4).
    fn delete_record(&mut self, owner: &Name, rtype: Type, rdata: &[u8]) -> Result<(), EditError> {
        let there = self.edit.zone().rdatas(owner, rtype, self.hasher);
        let is_last_ns = rtype == Type::NS && owner == self.origin && there.len() == 1;
        if rtype == Type::SOA || is_last_ns {
            return Ok(());
        }
        let found = there.iter().find(|(_, there)| is_equal(rtype, there, rdata));
        // As it is written in the zone, whose case may be another.
        let Some(rdata) = found.map(|(_, there)| there.to_vec()) else { return Ok(()) };
        self.edit.remove_record(owner, rtype, &rdata).map(drop)
    }

    /// Takes a set out, but neither SOA nor NS of the apex (§3.4.2.3).
    fn delete_set(&mut self, owner: &Name, rtype: Type) -> Result<(), EditError> {
        if owner == self.origin && matches!(rtype, Type::SOA | Type::NS) {
            return Ok(());
        }
        self.edit.remove_set(owner, rtype)
    }

    fn is_newer_soa(&mut self, owner: &Name, rdata: &[u8]) -> bool {
        let serial = rdata.len().checked_sub(20).map(|at| crate::node::read_u32(rdata, at));
        let there = self.edit.zone().soa().map(|(_, serial)| serial);
        owner == self.origin && serial.zip(there).is_some_and(|(new, there)| is_newer(new, there))
    }

    fn has(&mut self, owner: &Name, rtype: Type, rdata: &[u8]) -> bool {
        let there = self.edit.zone().rdatas(owner, rtype, self.hasher);
        there.iter().any(|(_, there)| is_equal(rtype, there, rdata))
    }

    fn types(&mut self, owner: &Name) -> Vec<Type> {
        self.edit.zone().types(owner, self.hasher)
    }
}

/// Whether a new record takes the place of one that is there.
fn is_replaced(rtype: Type, there: &[u8], new: &[u8]) -> bool {
    match rtype {
        Type::SOA | Type::CNAME => true,
        // Address and protocol; what follows is a map of ports.
        Type::WKS => there.get(..5) == new.get(..5),
        _ => is_equal(rtype, there, new),
    }
}

/// Whether data are the same but for the case of names (§1.1.1).
fn is_equal(rtype: Type, one: &[u8], other: &[u8]) -> bool {
    one == other || canonical(rtype, one) == canonical(rtype, other)
}

/// Serial number arithmetic (RFC 1982 §3.2).
fn is_newer(serial: u32, than: u32) -> bool {
    (serial.wrapping_sub(than) as i32) > 0
}
