//! The messages of a transfer, one made when the one before is on its way.

use std::collections::VecDeque;
use std::sync::Arc;

use cartonym_plugin::Query;
use cartonym_wire::{Builder, Class, Flags, Full, HEADER_LEN, MAX_MESSAGE_LEN, NameBuf, Section, Type};
use cartonym_zone::{Difference, Place, Records, Rr, Soa, Zone};

/// What every message of a transfer begins with.
pub(crate) struct Head {
    id: u16,
    flags: Flags,
    question: Box<[u8]>,
}

/// The messages of a transfer.
pub(crate) struct Pages {
    head: Head,
    /// What is still to be told; that from the first message on, which alone repeats the question.
    parts: VecDeque<Part>,
    is_first: bool,
    /// Where messages are written.
    room: Vec<u8>,
}

/// Records to be told, and how far the telling is.
enum Part {
    Records(Records, usize),
    Zone(Arc<Zone>, Place),
}

/// Octets of a message: as far as compression reaches, and so no waste (RFC 1035 §4.1.4).
const PAGE: usize = 16 * 1024;
/// Octets of a message that holds one record too large for that; signature and OPT still fit behind it.
const LARGE_PAGE: usize = MAX_MESSAGE_LEN - 1024;

impl Head {
    pub(crate) fn of(query: &Query<'_>) -> Head {
        let message = query.message().as_bytes();
        let flags = Flags(query.flags().0 & Flags::RD.0 | Flags::QR.0 | Flags::AA.0);
        let question = message.get(HEADER_LEN..query.question().end).unwrap_or_default();
        Head { id: query.id(), flags, question: question.into() }
    }
}

impl Pages {
    /// The SOA alone: there is nothing new (RFC 1995 §2).
    pub(crate) fn lone(head: Head, origin: NameBuf, soa: &Soa) -> Pages {
        Pages::new(head, [Part::of([soa_rr(&origin, soa)])])
    }

    /// A whole zone (RFC 5936 §2.2).
    pub(crate) fn whole(head: Head, zone: Arc<Zone>, soa: &Soa) -> Pages {
        let soa = || Part::of([soa_rr(zone.origin(), soa)]);
        Pages::new(head, [soa(), Part::Zone(Arc::clone(&zone), Place::default()), soa()])
    }

    /// What has changed, as one step (RFC 1995 §4).
    pub(crate) fn changes(head: Head, origin: NameBuf, difference: Difference) -> Pages {
        let Difference { from, to, removed, added } = difference;
        let soa = |soa| soa_rr(&origin, soa);
        let parts = [
            Part::of([soa(&to), soa(&from)]),
            Part::Records(removed, 0),
            Part::of([soa(&to)]),
            Part::Records(added, 0),
            Part::of([soa(&to)]),
        ];
        Pages::new(head, parts)
    }

    fn new(head: Head, parts: impl Into<VecDeque<Part>>) -> Pages {
        Pages { head, parts: parts.into(), is_first: true, room: vec![0; MAX_MESSAGE_LEN] }
    }
}

fn soa_rr<'a>(owner: &'a cartonym_wire::Name, soa: &'a Soa) -> Rr<'a> {
    Rr { owner, rtype: Type::SOA, ttl: soa.ttl, rdata: &soa.rdata }
}

impl Iterator for Pages {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut page = Builder::new(&mut self.room, self.head.id, self.head.flags, PAGE);
        if std::mem::take(&mut self.is_first) {
            page.question(&self.head.question).ok()?;
        }
        while let Some(part) = self.parts.front_mut() {
            if part.write(&mut page).is_err() {
                break;
            }
            self.parts.pop_front();
        }
        // Nothing is left, or nothing fits: the client sees that the end is missing.
        if page.count_of(Section::Answer) == 0 {
            return None;
        }
        let len = page.finish();
        self.room.get(..len).map(<[u8]>::to_vec)
    }
}

impl Part {
    fn of<'a>(records: impl IntoIterator<Item = Rr<'a>>) -> Part {
        Part::Records(records.into_iter().collect(), 0)
    }

    /// Writes as much as fits, and remembers how far it came if that is not all.
    fn write(&mut self, page: &mut Builder<'_>) -> Result<(), Full> {
        match self {
            Part::Records(records, from) => {
                let stop = records.iter_from(*from).find(|(_, rr)| put(page, rr).is_err());
                match stop.map(|(at, _)| at) {
                    Some(at) => *from = at,
                    None => return Ok(()),
                }
            }
            Part::Zone(zone, from) => {
                let stop = zone.records_from(*from).find(|(_, rr)| put(page, rr).is_err());
                match stop.map(|(at, _)| at) {
                    Some(at) => *from = at,
                    None => return Ok(()),
                }
            }
        }
        Err(Full)
    }
}

fn put(page: &mut Builder<'_>, rr: &Rr<'_>) -> Result<(), Full> {
    let mut put = || page.record(Section::Answer, rr.owner, rr.rtype, Class::IN, rr.ttl, rr.rdata);
    match put() {
        Err(Full) if page.count_of(Section::Answer) == 0 => {
            page.set_limit(LARGE_PAGE);
            page.record(Section::Answer, rr.owner, rr.rtype, Class::IN, rr.ttl, rr.rdata)
        }
        written => written,
    }
}
