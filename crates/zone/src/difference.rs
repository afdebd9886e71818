//! What leads from one version of a zone to the next.

use std::collections::HashSet;
use std::fmt;

use cartonym_wire::{Hasher, Name, Ttl, Type};

use crate::node::{Node, read_u32};
use crate::walk::Rr;
use crate::zone::{EditError, Zone};

/// What leads from one version of a zone to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The version that is left.
    pub from: Soa,
    /// The version that is reached.
    pub to: Soa,
    /// What the first has and the second has not; without SOA.
    pub removed: Records,
    /// What the second has and the first has not; without SOA.
    pub added: Records,
}

/// The SOA of a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Soa {
    /// Tells versions apart.
    pub serial: u32,
    /// The record's time to live.
    pub ttl: Ttl,
    /// In wire form, names uncompressed.
    pub rdata: Box<[u8]>,
}

/// Records in one block of memory.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// Each a name, then type 2 · ttl 4 · length 2 · RDATA.
    bytes: Vec<u8>,
    len: usize,
}

impl Zone {
    /// The SOA.
    pub fn version(&self) -> Option<Soa> {
        let set = self.apex.set(Type::SOA)?;
        let (rdata, serial) = self.soa()?;
        Some(Soa { serial, ttl: set.ttl, rdata: rdata.into() })
    }

    /// What leads from `before` to this zone; none where one of them has no SOA.
    ///
    /// Costs what has changed where one was made from the other, as the parts they share are not looked at; and as
    /// much as both hold where they have nothing in common.
    pub fn difference(&self, before: &Zone) -> Option<Difference> {
        let (mut removed, mut added) = (Records::default(), Records::default());
        self.nodes.changes(&before.nodes, |old, new| match (old, new) {
            (Some(old), Some(new)) if old.has_records_of(new) => {}
            (Some(old), Some(new)) => compare(old, new, &mut removed, &mut added),
            (old, new) => {
                old.into_iter().flat_map(Node::told).for_each(|rr| removed.push(rr));
                new.into_iter().flat_map(Node::told).for_each(|rr| added.push(rr));
            }
        });
        Some(Difference { from: before.version()?, to: self.version()?, removed, added })
    }

    /// The zone that a difference leads to; none where it begins with another version than this one.
    pub fn advance(&self, difference: &Difference, hasher: Hasher) -> Option<Zone> {
        if self.version()? != difference.from {
            return None;
        }
        let mut edit = self.edit(hasher);
        for rr in difference.removed.iter() {
            edit.remove_record(rr.owner, rr.rtype, rr.rdata).ok().filter(|was_there| *was_there)?;
        }
        for rr in difference.added.iter() {
            edit.add(rr.owner, rr.rtype, rr.ttl, rr.rdata).ok().filter(|is_new| *is_new)?;
        }
        edit.finish().with_version(&difference.to, hasher).ok()
    }

    /// With another SOA.
    pub(crate) fn with_version(&self, soa: &Soa, hasher: Hasher) -> Result<Zone, EditError> {
        let mut edit = self.edit(hasher);
        edit.remove_set(self.origin(), Type::SOA)?;
        edit.add(self.origin(), Type::SOA, soa.ttl, &soa.rdata)?;
        Ok(edit.finish())
    }
}

impl Difference {
    /// Whether both versions have the same records, the SOA among them.
    pub fn is_empty(&self) -> bool {
        self.from == self.to && self.removed.is_empty() && self.added.is_empty()
    }

    /// Writes it down, for [`Difference::read`].
    pub fn write(&self, out: &mut Vec<u8>) {
        for soa in [&self.from, &self.to] {
            // RDATA of a zone fits into a message, and so its length into two octets.
            out.extend_from_slice(&soa.ttl.as_secs().to_be_bytes());
            out.extend_from_slice(&(soa.rdata.len() as u16).to_be_bytes());
            out.extend_from_slice(&soa.rdata);
        }
        out.extend_from_slice(&(self.removed.bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(&self.removed.bytes);
        out.extend_from_slice(&self.added.bytes);
    }

    /// What [`Difference::write`] has written; none for other octets.
    pub fn read(octets: &[u8]) -> Option<Difference> {
        let (from, rest) = Soa::split(octets)?;
        let (to, rest) = Soa::split(rest)?;
        let (len, rest) = rest.split_first_chunk()?;
        let (removed, added) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
        Some(Difference { from, to, removed: Records::read(removed)?, added: Records::read(added)? })
    }
}

impl Soa {
    /// Makes it the next version's (RFC 1982 §3.1); 0 is left out, as to some it means no serial at all.
    pub(crate) fn raise(&mut self) {
        self.serial = self.serial.wrapping_add(1).max(1);
        let at = self.rdata.len().checked_sub(20);
        if let Some(octets) = at.and_then(|at| self.rdata.get_mut(at..at + 4)) {
            octets.copy_from_slice(&self.serial.to_be_bytes());
        }
    }

    fn split(octets: &[u8]) -> Option<(Soa, &[u8])> {
        let ([a, b, c, d, e, f], rest) = octets.split_first_chunk()?;
        let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*e, *f])))?;
        let serial = read_u32(rdata, rdata.len().checked_sub(20)?);
        let ttl = Ttl::from_secs(u32::from_be_bytes([*a, *b, *c, *d]));
        Some((Soa { serial, ttl, rdata: rdata.into() }, rest))
    }
}

fn compare(old: &Node, new: &Node, removed: &mut Records, added: &mut Records) {
    let had: HashSet<Rr<'_>> = old.told().collect();
    let has: HashSet<Rr<'_>> = new.told().collect();
    old.told().filter(|rr| !has.contains(rr)).for_each(|rr| removed.push(rr));
    new.told().filter(|rr| !had.contains(rr)).for_each(|rr| added.push(rr));
}

impl Records {
    /// Adds a record.
    pub fn push(&mut self, rr: Rr<'_>) {
        // RDATA of a zone fits into a message, and so its length into two octets.
        let len = rr.rdata.len() as u16;
        self.bytes.extend_from_slice(rr.owner.as_wire());
        self.bytes.extend_from_slice(&rr.rtype.0.to_be_bytes());
        self.bytes.extend_from_slice(&rr.ttl.as_secs().to_be_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(rr.rdata);
        self.len += 1;
    }

    /// Records in one block, if it is nothing else.
    fn read(bytes: &[u8]) -> Option<Records> {
        let (mut rest, mut len) = (bytes, 0);
        while !rest.is_empty() {
            rest = split(rest)?.1;
            len += 1;
        }
        Some(Records { bytes: bytes.to_vec(), len })
    }

    /// The records in their order.
    pub fn iter(&self) -> impl Iterator<Item = Rr<'_>> {
        self.iter_from(0).map(|(_, rr)| rr)
    }

    /// The records from an octet on, each with that where it begins; 0 is where the first does.
    pub fn iter_from(&self, octet: usize) -> impl Iterator<Item = (usize, Rr<'_>)> {
        let mut rest = self.bytes.get(octet..).unwrap_or_default();
        std::iter::from_fn(move || {
            let at = self.bytes.len() - rest.len();
            let (rr, after) = split(rest)?;
            rest = after;
            Some((at, rr))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Octets in memory.
    pub fn octets(&self) -> usize {
        self.bytes.len()
    }
}

fn split(bytes: &[u8]) -> Option<(Rr<'_>, &[u8])> {
    let (owner, rest) = Name::split(bytes).ok()?;
    let ([a, b, c, d, e, f, g, h], rest) = rest.split_first_chunk::<8>()?;
    let (rdata, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*g, *h])))?;
    let (rtype, ttl) = (Type(u16::from_be_bytes([*a, *b])), u32::from_be_bytes([*c, *d, *e, *f]));
    Some((Rr { owner, rtype, ttl: Ttl::from_secs(ttl), rdata }, rest))
}

impl<'a> FromIterator<Rr<'a>> for Records {
    fn from_iter<I: IntoIterator<Item = Rr<'a>>>(records: I) -> Records {
        let mut all = Records::default();
        records.into_iter().for_each(|rr| all.push(rr));
        all
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
