//! The origin's records that many answers end with: ready but for where the origin stands in the question.

use cartonym_wire::{Builder, Class, Full, Name, Section, Ttl, Type};

use crate::node::{Node, RECORD_HEADER, read_u32};

/// Records of the authority section whose names are written out as far as the origin, which is a pointer.
#[derive(Clone)]
pub(crate) struct Ready {
    rtype: Type,
    ttl: Ttl,
    rdatas: Vec<Box<[u8]>>,
    /// The whole records.
    octets: Vec<u8>,
    /// Where in `octets` the origin's place in the question is to be filled in.
    pointers: Vec<u16>,
}

impl Ready {
    /// The SOA as negative answers have it: its TTL is the smaller of the record's and its MINIMUM (RFC 2308 §5).
    pub(crate) fn negative_soa(apex: &Node, origin: &Name) -> Option<Ready> {
        let set = apex.set(Type::SOA)?;
        let rdata = set.rdatas().next()?;
        let minimum = Ttl::from_secs(read_u32(rdata, rdata.len().checked_sub(4)?));
        let mut ready = Ready::new(Type::SOA, set.ttl.min(minimum));
        ready.add(rdata, 2, origin)?;
        Some(ready)
    }

    /// The NS set, which says whose answers these are.
    pub(crate) fn name_servers(apex: &Node, origin: &Name) -> Option<Ready> {
        let set = apex.set(Type::NS)?;
        let mut ready = Ready::new(Type::NS, set.ttl);
        set.rdatas().try_for_each(|rdata| ready.add(rdata, 1, origin))?;
        Some(ready)
    }

    fn new(rtype: Type, ttl: Ttl) -> Ready {
        Ready { rtype, ttl, rdatas: Vec::new(), octets: Vec::new(), pointers: Vec::new() }
    }

    /// Adds a record whose RDATA begins with so many names.
    fn add(&mut self, rdata: &[u8], names: usize, origin: &Name) -> Option<()> {
        let start = self.octets.len();
        self.pointer()?;
        self.octets.extend_from_slice(&self.rtype.0.to_be_bytes());
        self.octets.extend_from_slice(&Class::IN.0.to_be_bytes());
        self.octets.extend_from_slice(&self.ttl.as_secs().to_be_bytes());
        self.octets.extend_from_slice(&[0, 0]);
        let mut rest = rdata;
        for _ in 0..names {
            let (name, after) = Name::split(rest).ok()?;
            if name.is_within(origin) {
                self.octets.extend_from_slice(name.as_wire().get(..name.len() - origin.len())?);
                self.pointer()?;
            } else {
                self.octets.extend_from_slice(name.as_wire());
            }
            rest = after;
        }
        self.octets.extend_from_slice(rest);
        let len = u16::try_from(self.octets.len() - start - RECORD_HEADER).ok()?;
        let len_at = start + RECORD_HEADER - 2;
        self.octets.get_mut(len_at..len_at + 2)?.copy_from_slice(&len.to_be_bytes());
        self.rdatas.push(rdata.into());
        Some(())
    }

    fn pointer(&mut self) -> Option<()> {
        self.pointers.push(u16::try_from(self.octets.len()).ok()?);
        self.octets.extend_from_slice(&[0, 0]);
        Some(())
    }

    /// Writes the records by one copy, the origin at `origin_at`.
    pub(crate) fn copy(&self, origin_at: u16, out: &mut Builder<'_>) -> Result<(), Full> {
        let at = out.len();
        out.raw(Section::Authority, self.rdatas.len() as u16, &self.octets)?;
        for pointer in &self.pointers {
            out.patch(at + usize::from(*pointer), 0xC000 | origin_at);
        }
        Ok(())
    }

    /// Writes the records by name, where the question does not hold the origin; all or none.
    pub(crate) fn write(&self, origin: &Name, out: &mut Builder<'_>) -> Result<(), Full> {
        let mark = out.mark();
        let mut rdatas = self.rdatas.iter();
        let written = rdatas.try_for_each(|rdata| {
            out.record(Section::Authority, origin, self.rtype, Class::IN, self.ttl, rdata)
        });
        if written.is_err() {
            out.rewind(mark);
        }
        written
    }
}
