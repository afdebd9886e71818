//! The records of a zone as others are told of them: one after the other, with a place to go on from.

use cartonym_wire::{Name, Ttl, Type};

use crate::node::{Node, RECORD_HEADER, Set};
use crate::zone::Zone;

/// A place in front of a record of a zone. It means nothing in another version of the zone.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Place {
    shard: usize,
    slot: usize,
    record: usize,
}

/// A record of class IN.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rr<'a> {
    /// Whose.
    pub owner: &'a Name,
    /// The type.
    pub rtype: Type,
    /// The time to live.
    pub ttl: Ttl,
    /// In wire form, names uncompressed.
    pub rdata: &'a [u8],
}

impl Zone {
    /// The records from a place on, each with its own place; not the SOA, which a transfer has in places of its own.
    ///
    /// Of a CNAME that is chosen among several the first is told, as a zone may have no more than one, and of an
    /// alias nothing: the records of another name are not this zone's.
    pub fn records_from(&self, place: Place) -> impl Iterator<Item = (Place, Rr<'_>)> {
        self.nodes.nodes_from(place.shard, place.slot).flat_map(move |(shard, slot, node)| {
            let is_first = (shard, slot) == (place.shard, place.slot);
            let skip = if is_first { place.record } else { 0 };
            let records = node.told().enumerate().skip(skip);
            records.map(move |(record, rr)| (Place { shard, slot, record }, rr))
        })
    }
}

impl Node {
    /// The records that others are told of.
    pub(crate) fn told(&self) -> impl Iterator<Item = Rr<'_>> {
        let owner = self.name();
        self.sets().filter(|set| set.rtype != Type::SOA).flat_map(move |set: Set<'_>| {
            let (rtype, ttl) = (set.rtype, set.ttl);
            let most = if rtype == Type::CNAME { 1 } else { usize::MAX };
            set.records().take(most).map(move |record| {
                let rdata = record.get(RECORD_HEADER..).unwrap_or_default();
                Rr { owner, rtype, ttl, rdata }
            })
        })
    }
}
