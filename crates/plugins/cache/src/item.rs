//! A response that is kept.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use cartonym_plugin::{Query, Response};
use cartonym_wire::{
    Class, Flags, Full, MAX_MESSAGE_LEN, Message, Name, NameBuf, Rcode, Record, Section, Ttl, Type,
    expand_rdata,
};

use crate::key::{Bits, Key};
use crate::options::{Keeping, Options};

/// A response, and what it answers.
///
/// It is kept as the message that it was. For a query with the same name of the same length, which is nearly every query,
/// its sections are copied as they are: every pointer in them points into the message, and the question is as long as it was.
#[derive(Debug)]
pub(crate) struct Item {
    name: Box<[u8]>,
    qtype: Type,
    qclass: Class,
    bits: Bits,
    pub(crate) kind: Kind,
    /// The second it was stored in.
    pub(crate) stored: u64,
    /// How many seconds it may be used.
    pub(crate) lifetime: u64,
    /// What no TTL is greater than.
    max_ttl: u32,
    rcode: Rcode,
    flags: Flags,
    message: Box<[u8]>,
    /// Where the question ends, and then each section.
    ends: [usize; 4],
    /// Where each TTL stands, and what it is.
    ttls: Box<[(usize, u32)]>,
    /// Whether the question was the client's, so that pointers to it name what was asked.
    as_asked: bool,
    hits: AtomicU32,
    used: AtomicU64,
    refreshing: AtomicBool,
}

/// What a response says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// There it is.
    Answer,
    /// It is not there.
    Denial,
    /// Nobody knows.
    Failure,
}

/// What TTLs are written.
#[derive(Clone, Copy)]
pub(crate) enum Ttls {
    /// Each less so many seconds.
    Less(u64),
    /// All the same.
    All(Ttl),
}

impl Item {
    /// The response as an item; none if it is not to be kept.
    pub(crate) fn of(
        key: &Key<'_>,
        now: u64,
        query: &Query<'_>,
        response: &mut Response<'_>,
        options: &Options,
    ) -> Option<Item> {
        let (rcode, flags) = (response.rcode(), response.flags());
        let message = response.message()?;
        let question_end = message.question().ok()?.end;
        let mut summary = Summary::new(question_end);
        for record in message.records() {
            summary.add(message, &record.ok()?, key.qtype)?;
        }
        let kind = summary.kind(rcode)?;
        let lifetime = match kind {
            Kind::Answer => bounded(summary.min_ttl, &options.answers),
            Kind::Denial => bounded(summary.min_ttl, &options.denials),
            Kind::Failure => options.servfail.as_secs(),
        };
        (lifetime > 0).then(|| Item {
            name: key.name.as_wire().into(),
            qtype: key.qtype,
            qclass: key.qclass,
            bits: key.bits,
            kind,
            stored: now,
            lifetime,
            max_ttl: if kind == Kind::Answer { options.answers.max_ttl } else { options.denials.max_ttl },
            rcode,
            flags,
            message: message.as_bytes().into(),
            ends: summary.ends,
            ttls: summary.ttls.into(),
            as_asked: query.is_as_asked(),
            hits: AtomicU32::new(0),
            used: AtomicU64::new(now),
            refreshing: AtomicBool::new(false),
        })
    }

    /// Whether this is the answer to the question.
    pub(crate) fn answers(&self, key: &Key<'_>) -> bool {
        *self.name == *key.name.as_wire()
            && (self.qtype, self.qclass, self.bits) == (key.qtype, key.qclass, key.bits)
    }

    /// The question's name and type.
    pub(crate) fn question(&self) -> (Option<NameBuf>, Type) {
        (Name::from_wire(&self.name).ok().map(Name::to_buf), self.qtype)
    }

    /// Seconds since it was stored; without end where the clock was put back meanwhile.
    pub(crate) fn age(&self, now: u64) -> u64 {
        now.checked_sub(self.stored).unwrap_or(u64::MAX)
    }

    /// Counts a hit, and says how many there were without a longer gap than this between two.
    pub(crate) fn hit(&self, now: u64, gap: u64) -> u32 {
        let last = self.used.swap(now, Ordering::Relaxed);
        if now.saturating_sub(last) > gap {
            self.hits.store(0, Ordering::Relaxed);
        }
        self.hits.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The second of its last hit.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Says that it is being asked for again; false if somebody else has said so.
    pub(crate) fn begin_refresh(&self) -> bool {
        !self.refreshing.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn end_refresh(&self) {
        self.refreshing.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Relaxed)
    }

    /// Bounds the TTLs of the response that has just been kept, so that all clients see the same.
    pub(crate) fn bound(&self, response: &mut Response<'_>) {
        let too_long = self.ttls.iter().filter(|(_, ttl)| *ttl > self.max_ttl);
        too_long.for_each(|(at, _)| patch_ttl(response, *at, self.max_ttl));
    }

    /// Writes the response for a query.
    pub(crate) fn write(&self, query: &Query<'_>, response: &mut Response<'_>, ttls: Ttls) {
        self.touch(query.now().as_secs());
        response.set_rcode(self.rcode);
        for flag in [Flags::AA, Flags::RA] {
            response.set_flag(flag, self.flags.has(flag));
        }
        // Only who asks for it hears that the answer is authentic (RFC 6840 §5.7).
        let wants_ad = self.bits.dnssec_ok || query.flags().has(Flags::AD);
        response.set_flag(Flags::AD, self.flags.has(Flags::AD) && wants_ad);
        if self.copy(query, response, ttls).is_err() {
            response.clear_records();
            // What does not fit is left out, and said to be.
            let _ = self.write_records(response, ttls);
        }
    }

    fn touch(&self, now: u64) {
        if now > self.used() {
            self.used.store(now, Ordering::Relaxed);
        }
    }

    /// Copies the sections as they are.
    fn copy(&self, query: &Query<'_>, response: &mut Response<'_>, ttls: Ttls) -> Result<(), Full> {
        let [question_end, ..] = self.ends;
        if !self.as_asked || !query.is_as_asked() || response.len() != question_end {
            return Err(Full);
        }
        let counts = Message::new(&self.message).map_err(|_| Full)?.header().counts;
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for ((section, count), ends) in sections.into_iter().zip(&counts[1..]).zip(self.ends.windows(2)) {
            if let [start, end] = *ends {
                let octets = self.message.get(start..end).unwrap_or_default();
                response.builder().raw(section, *count, octets)?;
            }
        }
        for (at, ttl) in &self.ttls {
            patch_ttl(response, *at, ttls.of(*ttl, self.max_ttl));
        }
        Ok(())
    }

    /// Writes record by record: for a question of another length, or a message with less room.
    #[cold]
    fn write_records(&self, response: &mut Response<'_>, ttls: Ttls) -> Option<()> {
        let mut rdata = vec![0; MAX_MESSAGE_LEN];
        for record in Message::new(&self.message).ok()?.records() {
            let record = record.ok()?;
            let (start, len) = (record.rdata_start, record.rdata.len());
            let len = expand_rdata(&self.message, record.rtype, start, len, &mut rdata).ok()?;
            let ttl = Ttl::from_secs(ttls.of(record.ttl().as_secs(), self.max_ttl));
            let section = section(&record);
            response
                .record_of_class(section, &record.owner, record.rtype, record.class, ttl, rdata.get(..len)?)
                .ok()?;
        }
        Some(())
    }
}

impl Ttls {
    fn of(self, ttl: u32, max: u32) -> u32 {
        match self {
            Ttls::Less(elapsed) => u64::from(ttl.min(max)).saturating_sub(elapsed) as u32,
            Ttls::All(ttl) => ttl.as_secs(),
        }
    }
}

/// What there is to know about a response's records.
struct Summary {
    ends: [usize; 4],
    ttls: Vec<(usize, u32)>,
    min_ttl: u32,
    has_type: bool,
    has_soa: bool,
}

impl Summary {
    fn new(question_end: usize) -> Summary {
        Summary {
            ends: [question_end; 4],
            ttls: Vec::new(),
            min_ttl: u32::MAX,
            has_type: false,
            has_soa: false,
        }
    }

    fn add(&mut self, message: Message<'_>, record: &Record<'_>, qtype: Type) -> Option<()> {
        let (ttl, end) = (record.ttl().as_secs(), record.rdata_start + record.rdata.len());
        // The end of a section is, until they have records, the end of those behind it, too.
        self.ends.iter_mut().skip(usize::from(record.section) + 1).for_each(|section| *section = end);
        // In front of RDATA are its length, of two octets, and the TTL, of four.
        self.ttls.push((record.rdata_start - 6, ttl));
        self.min_ttl = self.min_ttl.min(ttl);
        match record.section {
            0 => self.has_type |= record.rtype == qtype || qtype == Type::ANY,
            1 if record.rtype == Type::SOA => {
                self.has_soa = true;
                self.min_ttl = self.min_ttl.min(soa_minimum(message, record)?);
            }
            _ => {}
        }
        Some(())
    }

    /// What the response says; none if it is nothing to keep.
    fn kind(&self, rcode: Rcode) -> Option<Kind> {
        match rcode {
            Rcode::NOERROR if self.has_type => Some(Kind::Answer),
            // A chain of aliases may end where there is nothing; without an SOA it may as well go on elsewhere, and
            // without an answer it is a referral.
            Rcode::NOERROR | Rcode::NXDOMAIN if self.has_soa => Some(Kind::Denial),
            Rcode::SERVFAIL | Rcode::NOTIMP => Some(Kind::Failure),
            _ => None,
        }
    }
}

fn patch_ttl(response: &mut Response<'_>, at: usize, ttl: u32) {
    response.builder().patch(at, (ttl >> 16) as u16);
    response.builder().patch(at + 2, ttl as u16);
}

/// The last field of an SOA: how long a denial holds (RFC 2308 §4).
fn soa_minimum(message: Message<'_>, record: &Record<'_>) -> Option<u32> {
    let end = record.rdata_start + record.rdata.len();
    message.as_bytes().get(..end)?.last_chunk().map(|minimum| u32::from_be_bytes(*minimum))
}

fn section(record: &Record<'_>) -> Section {
    match record.section {
        0 => Section::Answer,
        1 => Section::Authority,
        _ => Section::Additional,
    }
}

fn bounded(ttl: u32, keeping: &Keeping) -> u64 {
    u64::from(ttl.min(keeping.max_ttl).max(keeping.min_ttl))
}
