//! A zone as it comes in: records of a transfer, one after the other, to a version (RFC 5936 §2.2, RFC 1995 §4).
//!
//! ```text
//! AXFR   SOA(new) record… SOA(new)
//! IXFR   SOA(new) { SOA(old) removed… SOA(next) added… }… SOA(new)
//! ```
//!
//! An IXFR may be answered in the form of an AXFR, or with the SOA alone; the second record tells.

use std::sync::Arc;

use cartonym_wire::{
    Class, Flags, Hasher, MAX_MESSAGE_LEN, Message, Name, NameBuf, Rcode, Record, Ttl, Type, expand_rdata,
};
use cartonym_zone::master::validate_rdata;
use cartonym_zone::{Zone, ZoneEdit};

/// A version in the making.
pub(crate) struct Incoming {
    origin: NameBuf,
    hasher: Hasher,
    /// The version that differences lead on from; none where the whole zone is asked for.
    before: Option<Arc<Zone>>,
    state: State,
    /// The SOA of the version that is to come: TTL and RDATA.
    soa: Option<(Ttl, Vec<u8>)>,
    edit: Option<ZoneEdit>,
    /// Where RDATA is expanded.
    room: Vec<u8>,
}

/// What has come so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Nothing,
    FirstSoa,
    Whole,
    Removing,
    /// Up to this version.
    Adding(u32),
    Done,
}

/// What a transfer came to.
#[derive(Debug)]
pub(crate) enum Update {
    /// There is nothing newer than what is here.
    Current,
    /// A new version.
    Zone(Arc<Zone>),
}

/// Why a transfer came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error("cannot be reached")]
    Io(#[from] std::io::Error),
    #[error("does not answer in time")]
    Timeout,
    #[error("answers {0}")]
    Refused(Rcode),
    #[error(transparent)]
    Signature(#[from] cartonym_tsig::VerifyError),
    #[error("sends what is no transfer: {0}")]
    Malformed(&'static str),
    #[error("sends a record that is not the zone's: {0} {1}")]
    Foreign(String, Type),
    #[error("sends a malformed record: {0} {1}")]
    Rdata(String, Type),
    #[error("sends a difference to another version than the one here: {0} {1}")]
    Mismatch(String, Type),
}

impl Incoming {
    pub(crate) fn new(origin: &Name, hasher: Hasher, before: Option<Arc<Zone>>) -> Incoming {
        let origin = origin.to_lowercase();
        Incoming {
            origin,
            hasher,
            before,
            state: State::Nothing,
            soa: None,
            edit: None,
            room: vec![0; MAX_MESSAGE_LEN],
        }
    }

    /// Takes the next message, which has been verified; true when it was the last.
    pub(crate) fn take(&mut self, octets: &[u8]) -> Result<bool, TransferError> {
        let message = Message::new(octets).map_err(|_| TransferError::Malformed("no message"))?;
        let flags = message.header().flags;
        if flags.rcode() != Rcode::NOERROR {
            return Err(TransferError::Refused(flags.rcode()));
        }
        if !flags.has(Flags::QR) || flags.has(Flags::TC) {
            return Err(TransferError::Malformed("no response, or a truncated one"));
        }
        let mut is_empty = true;
        for record in message.records() {
            let record = record.map_err(|_| TransferError::Malformed("a broken record"))?;
            if record.section == 0 {
                is_empty = false;
                self.record(octets, &record)?;
            }
        }
        if is_empty {
            return Err(TransferError::Malformed("a message without records"));
        }
        Ok(self.state == State::Done)
    }

    /// What has come.
    pub(crate) fn finish(self) -> Result<Update, TransferError> {
        match (self.state, self.edit) {
            (State::Done, Some(edit)) => Ok(Update::Zone(Arc::new(edit.finish()))),
            (State::Done, None) => Ok(Update::Current),
            _ => Err(TransferError::Malformed("the end is missing")),
        }
    }

    fn record(&mut self, octets: &[u8], record: &Record<'_>) -> Result<(), TransferError> {
        let Record { owner, rtype, class, .. } = *record;
        let is_soa = rtype == Type::SOA;
        let is_foreign = class != Class::IN
            || rtype.is_query_only()
            || !owner.is_within(&self.origin)
            || is_soa && owner != self.origin;
        if is_foreign {
            return Err(TransferError::Foreign(owner.to_string(), rtype));
        }
        let mut room = std::mem::take(&mut self.room);
        let rdata = expand_rdata(octets, rtype, record.rdata_start, record.rdata.len(), &mut room)
            .ok()
            .and_then(|len| room.get(..len))
            .filter(|rdata| validate_rdata(rtype, rdata).is_ok());
        let taken = match rdata {
            None => Err(TransferError::Rdata(owner.to_string(), rtype)),
            Some(rdata) if is_soa => self.soa(record.ttl(), rdata),
            Some(rdata) => self.other(&owner, rtype, record.ttl(), rdata),
        };
        self.room = room;
        taken
    }

    fn soa(&mut self, ttl: Ttl, rdata: &[u8]) -> Result<(), TransferError> {
        let serial = serial_of(rdata).ok_or(TransferError::Malformed("a short SOA"))?;
        let Some(new) = self.soa.as_ref().map(|(_, rdata)| rdata) else {
            return self.first_soa(ttl, rdata, serial);
        };
        let new_serial = serial_of(new).unwrap_or_default();
        let is_last = new_serial == serial && *new == rdata;
        self.state = match self.state {
            State::FirstSoa if self.here() == Some(serial) => {
                self.edit = self.before.as_ref().map(|zone| zone.edit(self.hasher));
                State::Removing
            }
            // A zone of nothing but its SOA.
            State::FirstSoa if is_last => {
                self.begin_whole();
                self.end()?
            }
            State::Whole if is_last => self.end()?,
            State::Removing => State::Adding(serial),
            State::Adding(to) if to == new_serial && is_last => self.end()?,
            State::Adding(to) if to != new_serial && to == serial => State::Removing,
            _ => return Err(TransferError::Malformed("an SOA where none belongs")),
        };
        Ok(())
    }

    fn first_soa(&mut self, ttl: Ttl, rdata: &[u8], serial: u32) -> Result<(), TransferError> {
        self.soa = Some((ttl, rdata.to_vec()));
        let is_current = self.here().is_some_and(|here| !is_newer(serial, here));
        self.state = if is_current { State::Done } else { State::FirstSoa };
        Ok(())
    }

    fn other(&mut self, owner: &Name, rtype: Type, ttl: Ttl, rdata: &[u8]) -> Result<(), TransferError> {
        if self.state == State::FirstSoa {
            self.begin_whole();
            self.state = State::Whole;
        }
        let Some(edit) = self.edit.as_mut() else {
            return Err(TransferError::Malformed("a record where none belongs"));
        };
        let is_taken = match self.state {
            State::Removing => edit.remove_record(owner, rtype, rdata),
            State::Whole | State::Adding(_) => edit.add(owner, rtype, ttl, rdata),
            _ => return Err(TransferError::Malformed("a record where none belongs")),
        };
        match (is_taken, self.state) {
            (Ok(true), _) | (Ok(false), State::Whole) => Ok(()),
            (Ok(false), _) => Err(TransferError::Mismatch(owner.to_string(), rtype)),
            (Err(_), _) => Err(TransferError::Foreign(owner.to_string(), rtype)),
        }
    }

    fn begin_whole(&mut self) {
        self.edit = Some(Zone::new(&self.origin, self.hasher).edit(self.hasher));
    }

    /// All is there but the SOA.
    fn end(&mut self) -> Result<State, TransferError> {
        if let (Some(edit), Some((ttl, rdata))) = (&mut self.edit, &self.soa) {
            let put = edit
                .remove_set(&self.origin, Type::SOA)
                .and_then(|()| edit.add(&self.origin, Type::SOA, *ttl, rdata));
            put.map_err(|_| TransferError::Malformed("an SOA that is too large"))?;
        }
        Ok(State::Done)
    }

    /// The serial of the version that is here.
    fn here(&self) -> Option<u32> {
        self.before.as_ref()?.soa().map(|(_, serial)| serial)
    }
}

/// The serial in an SOA's RDATA.
pub(crate) fn serial_of(rdata: &[u8]) -> Option<u32> {
    let numbers = rdata.get(rdata.len().checked_sub(20)?..)?;
    numbers.first_chunk().map(|serial| u32::from_be_bytes(*serial))
}

/// Serial number arithmetic (RFC 1982 §3.2).
pub(crate) fn is_newer(serial: u32, than: u32) -> bool {
    (serial.wrapping_sub(than) as i32) > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use cartonym_testing::TestRecord;
    use cartonym_wire::{Builder, Section};

    const HASHER: Hasher = Hasher::new(1);
    const A: &str = "www.example. 60 A 192.0.2.1";
    const B: &str = "www.example. 60 A 192.0.2.2";

    fn soa(serial: u32) -> String {
        format!("example. 60 SOA ns.example. host.example. {serial} 2 3 4 5")
    }

    fn origin() -> NameBuf {
        "example.".parse().unwrap()
    }

    fn message(records: &[&str]) -> Vec<u8> {
        let mut room = vec![0; 4096];
        let mut builder = Builder::new(&mut room, 1, Flags::QR, 4096);
        for record in records {
            let TestRecord { owner, ttl, rtype, rdata } = record.parse().unwrap();
            builder.record(Section::Answer, &owner, rtype, Class::IN, ttl, &rdata).unwrap();
        }
        let len = builder.finish();
        room.truncate(len);
        room
    }

    /// Version 7, of one record.
    fn before() -> Arc<Zone> {
        let mut edit = Zone::new(&origin(), HASHER).edit(HASHER);
        for record in [&*soa(7), A] {
            let TestRecord { owner, ttl, rtype, rdata } = record.parse().unwrap();
            edit.add(&owner, rtype, ttl, &rdata).unwrap();
        }
        Arc::new(edit.finish())
    }

    /// What comes of records, each in a message of its own, behind version 7 or nothing.
    fn take(before: Option<Arc<Zone>>, records: &[&str]) -> Result<Update, TransferError> {
        let mut incoming = Incoming::new(&origin(), HASHER, before);
        let mut is_done = false;
        for record in records {
            assert!(!is_done, "there is more");
            is_done = incoming.take(&message(&[record]))?;
        }
        incoming.finish()
    }

    fn addresses(update: Update) -> String {
        let Update::Zone(zone) = update else { return "current".to_owned() };
        let www: NameBuf = "www.example.".parse().unwrap();
        let last: Vec<u8> = zone.rdatas(&www, Type::A, HASHER).iter().map(|(_, rdata)| rdata[3]).collect();
        format!("{} {last:?}", zone.soa().unwrap().1)
    }

    #[test]
    fn each_form_leads_to_its_version() {
        let [s7, s8, s9] = [7, 8, 9].map(soa);
        let forms: [(&[&str], &str); 6] = [
            (&[&s8, A, B, &s8], "8 [1, 2]"),
            (&[&s8, &s7, A, &s8, B, &s8], "8 [2]"),
            (&[&s9, &s7, A, &s8, B, &s8, B, &s9, A, &s9], "9 [1]"),
            (&[&s9, &s7, &s9, &s9], "9 [1]"),
            (&[&s8, &s8], "8 []"),
            (&[&s7], "current"),
        ];
        for (records, expected) in forms {
            assert_eq!(addresses(take(Some(before()), records).unwrap()), expected, "{records:?}");
        }
        assert_eq!(addresses(take(None, &[&s7, A, &s7]).unwrap()), "7 [1]");
    }

    #[test]
    fn what_is_cut_anywhere_is_nothing() {
        let [s7, s8, s9] = [7, 8, 9].map(soa);
        let all: [&[&str]; 2] = [&[&s9, &s7, A, &s8, B, &s8, B, &s9, A, &s9], &[&s8, A, B, &s8]];
        for records in all {
            for end in 0..records.len() {
                assert!(take(Some(before()), &records[..end]).is_err(), "{end}");
            }
        }
    }

    #[test]
    fn what_contradicts_itself_is_nothing() {
        let [s6, s7, s8, s9] = [6, 7, 8, 9].map(soa);
        let bad: [&[&str]; 9] = [
            // No SOA first, or another one last.
            &[A, &s8],
            &[&s8, A, &s9],
            // From a version that is not here, or by a step that leads elsewhere.
            &[&s8, &s6, A, &s8, B, &s8],
            &[&s9, &s7, A, &s8, B, &s9],
            &[&s9, &s7, A, &s8, B, &s7, B, &s9, A, &s9],
            // What is removed is not there; what is added is.
            &[&s8, &s7, B, &s8, B, &s8],
            &[&s8, &s7, &s8, A, &s8],
            // Not the zone's.
            &[&s8, "www.elsewhere. 60 A 192.0.2.1", &s8],
            &[&s8, "sub.example. 60 SOA ns.example. host.example. 8 2 3 4 5", &s8],
        ];
        for records in bad {
            assert!(take(Some(before()), records).is_err(), "{records:?}");
        }
    }

    #[test]
    fn nothing_may_follow_the_end() {
        let (s7, s8) = (soa(7), soa(8));
        for records in [&[&*s8, A, &s8, B][..], &[&s7, A], &[&s8, &s7, A, &s8, &s8, &s8]] {
            let mut incoming = Incoming::new(&origin(), HASHER, Some(before()));
            assert!(incoming.take(&message(records)).is_err(), "{records:?}");
        }
    }

    #[test]
    fn malformed_rdata_is_refused() {
        let mut octets = message(&[&soa(8), A, &soa(8)]);
        let a_at = octets.windows(4).position(|octets| octets == [192, 0, 2, 1]).unwrap();
        octets[a_at - 9] = 28;
        let taken = Incoming::new(&origin(), HASHER, None).take(&octets);
        assert!(matches!(taken, Err(TransferError::Rdata(..))), "{taken:?}");
    }
}
