//! Dynamic update (RFC 2136): what a message asks of a zone, done as a whole or not at all.

mod changes;
mod prerequisites;

use cartonym_wire::{Hasher, Message, Name, ParseError, Rcode, Record, Type, expand_rdata};

use crate::difference::Difference;
use crate::master::validate_rdata;
use crate::node::ALIAS;
use crate::zone::Zone;

/// A version that an update has led to.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The zone with all that was asked for.
    pub zone: Zone,
    /// What leads to it.
    pub difference: Difference,
}

impl Zone {
    /// Does what an UPDATE message asks for, in the order of RFC 2136 §3.2 and §3.4, and raises the serial (§3.6); none
    /// where nothing comes of it. Who may ask is not looked at here, nor is the zone section.
    ///
    /// A record that is added brings its set to its TTL, as a set has one (RFC 2181 §5.2).
    ///
    /// # Errors
    ///
    /// The rcode of the answer; nothing is changed then.
    pub fn update(&self, message: Message<'_>, hasher: Hasher) -> Result<Option<Updated>, Rcode> {
        prerequisites::check(self, message, hasher)?;
        let changes = changes::scan(self, message)?;
        let mut zone = changes::apply(self, &changes, hasher)?;
        // A zone without SOA has no versions.
        let mut difference = zone.difference(self).ok_or(Rcode::SERVFAIL)?;
        if difference.is_empty() {
            return Ok(None);
        }
        changes::respect_dnames(&zone, &difference, hasher)?;
        if difference.to.serial == difference.from.serial {
            difference.to.raise();
            zone = zone.with_version(&difference.to, hasher).map_err(|_| Rcode::SERVFAIL)?;
        }
        Ok(Some(Updated { zone, difference }))
    }
}

/// The records of a section, each of which must be the zone's.
fn section<'m>(
    message: Message<'m>,
    section: u8,
    origin: &Name,
) -> impl Iterator<Item = Result<Record<'m>, Rcode>> {
    let all = message.records();
    all.filter(move |record| record.as_ref().map_or(true, |record| record.section == section)).map(
        move |record| match record {
            Err(_) => Err(Rcode::FORMERR),
            Ok(record) if !record.owner.is_within(origin) => Err(Rcode::NOTZONE),
            Ok(record) => Ok(record),
        },
    )
}

/// The data of a record, its names uncompressed; of a type that can be stored, and well formed.
fn data(message: Message<'_>, record: &Record<'_>) -> Result<Box<[u8]>, Rcode> {
    let Record { rtype, rdata, rdata_start, .. } = *record;
    if rtype.is_query_only() || matches!(rtype, Type(0) | ALIAS) {
        return Err(Rcode::FORMERR);
    }
    let mut octets = vec![0; rdata.len() + MAX_EXPANSION];
    let read = |octets: &mut [u8]| -> Result<usize, ParseError> {
        expand_rdata(message.as_bytes(), rtype, rdata_start, rdata.len(), octets)
    };
    let len = read(&mut octets).map_err(|_| Rcode::FORMERR)?;
    octets.truncate(len);
    validate_rdata(rtype, &octets).map_err(|_| Rcode::FORMERR)?;
    Ok(octets.into())
}

/// Octets that RDATA may grow by: no type has more than two names.
const MAX_EXPANSION: usize = 2 * cartonym_wire::MAX_NAME_LEN;
