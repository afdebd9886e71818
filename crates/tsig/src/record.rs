//! The TSIG record: read where it stands, and put at the end of a message (RFC 8945 §4.2).

use std::time::Duration;

use cartonym_wire::{Class, HEADER_LEN, Name, NameBuf, Rcode, Type};

/// A TSIG record where it stands in a message.
#[derive(Clone, Copy)]
pub struct Tsig<'a> {
    /// Where it begins; the octets before are what is signed.
    pub start: usize,
    /// The key's name, as received.
    pub key: NameBuf,
    /// The algorithm's name, as received.
    pub algorithm: &'a Name,
    /// The code.
    pub mac: &'a [u8],
    /// The message's id when it was signed.
    pub original_id: u16,
    pub(crate) variables: Variables<'a>,
}

/// What is signed besides the message.
#[derive(Clone, Copy)]
pub(crate) struct Variables<'a> {
    /// In seconds since the Unix epoch; 48 bits.
    pub(crate) time: u64,
    /// By how many seconds clocks may differ.
    pub(crate) fudge: u16,
    pub(crate) error: Rcode,
    pub(crate) other: &'a [u8],
}

/// By how much clocks may differ (RFC 8945 §10).
pub(crate) const FUDGE: u16 = 300;

impl<'a> Tsig<'a> {
    /// Reads the record at `at`; none unless it is a whole TSIG record, in class ANY, counted, and the
    /// message's last octets.
    pub fn read(message: &'a [u8], at: usize) -> Option<Tsig<'a>> {
        let (key, at_fields) = NameBuf::expand(message, at).ok()?;
        let (fields, rdata) = message.get(at_fields..)?.split_first_chunk::<10>()?;
        let [a, b, c, d, e, f, g, h, i, j] = *fields;
        let is_tsig = Type(u16::from_be_bytes([a, b])) == Type::TSIG
            && Class(u16::from_be_bytes([c, d])) == Class::ANY
            && [e, f, g, h] == [0; 4]
            && usize::from(u16::from_be_bytes([i, j])) == rdata.len()
            && read_word(message, ADDITIONAL_AT)? > 0;
        if !is_tsig {
            return None;
        }
        // A name in here is not compressed: it is data to who does not know the type (RFC 3597 §4).
        let (algorithm, rest) = Name::split(rdata).ok()?;
        let ([a, b, c, d, e, f, g, h, i, j], rest) = rest.split_first_chunk::<10>()?;
        let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*i, *j])))?;
        let ([k, l, m, n, o, p], other) = rest.split_first_chunk::<6>()?;
        if usize::from(u16::from_be_bytes([*o, *p])) != other.len() {
            return None;
        }
        let variables = Variables {
            time: u64::from_be_bytes([0, 0, *a, *b, *c, *d, *e, *f]),
            fudge: u16::from_be_bytes([*g, *h]),
            error: Rcode(u16::from_be_bytes([*m, *n])),
            other,
        };
        Some(Tsig { start: at, key, algorithm, mac, original_id: u16::from_be_bytes([*k, *l]), variables })
    }

    /// The error it tells of.
    pub fn error(&self) -> Rcode {
        self.variables.error
    }

    /// Whether `now` is within its fudge.
    pub(crate) fn is_timely(&self, now: Duration) -> bool {
        now.as_secs().abs_diff(self.variables.time) <= u64::from(self.variables.fudge)
    }
}

impl Variables<'_> {
    /// Of a message that is signed now.
    pub(crate) fn at(now: Duration) -> Variables<'static> {
        Variables { time: now.as_secs() & MAX_TIME, fudge: FUDGE, error: Rcode::NOERROR, other: &[] }
    }
}

/// Octets that a record takes.
pub(crate) fn record_len(key: &Name, algorithm: &[u8], mac_len: usize, other_len: usize) -> usize {
    key.len().saturating_add(10).saturating_add(rdata_len(algorithm, mac_len, other_len))
}

fn rdata_len(algorithm: &[u8], mac_len: usize, other_len: usize) -> usize {
    [algorithm.len(), 16, mac_len, other_len].into_iter().fold(0, usize::saturating_add)
}

/// Puts a record behind the `len` octets of a message, and counts it; gives the new length, or none if there is no
/// room.
pub(crate) fn append(
    out: &mut [u8],
    len: usize,
    key: &Name,
    algorithm: &[u8],
    variables: &Variables<'_>,
    mac: &[u8],
) -> Option<usize> {
    let rdata_len = u16::try_from(rdata_len(algorithm, mac.len(), variables.other.len())).ok()?;
    let count = read_word(out, ADDITIONAL_AT)?.checked_add(1)?;
    let id = read_word(out, 0)?;
    let mut end = len;
    let mut put = |octets: &[u8]| {
        let start = end;
        end = start.checked_add(octets.len())?;
        out.get_mut(start..end)?.copy_from_slice(octets);
        Some(())
    };
    put(key.as_wire())?;
    put(&Type::TSIG.0.to_be_bytes())?;
    put(&Class::ANY.0.to_be_bytes())?;
    put(&[0; 4])?;
    put(&rdata_len.to_be_bytes())?;
    put(algorithm)?;
    put(&time_octets(variables.time))?;
    put(&variables.fudge.to_be_bytes())?;
    put(&(mac.len() as u16).to_be_bytes())?;
    put(mac)?;
    put(&id.to_be_bytes())?;
    put(&variables.error.0.to_be_bytes())?;
    put(&(variables.other.len() as u16).to_be_bytes())?;
    put(variables.other)?;
    out.get_mut(ADDITIONAL_AT..HEADER_LEN)?.copy_from_slice(&count.to_be_bytes());
    Some(end)
}

/// The low 48 bits.
pub(crate) fn time_octets(time: u64) -> [u8; 6] {
    let [_, _, rest @ ..] = time.to_be_bytes();
    rest
}

pub(crate) fn read_word(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..)?.first_chunk().map(|word| u16::from_be_bytes(*word))
}

/// Where a header counts its additional records.
pub(crate) const ADDITIONAL_AT: usize = 10;
const MAX_TIME: u64 = (1 << 48) - 1;
