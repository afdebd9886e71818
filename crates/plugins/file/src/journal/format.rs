//! The octets of a journal.
//!
//! ```text
//! header   magic 8 · serial 4 · digest 8 · origin · checksum 4
//! entry    length 4 · checksum of the length 4 · checksum of the rest 4 · a difference
//! ```
//!
//! The header says which version of the master file the first entry begins with. Whoever appends has written the
//! entry's octets before anybody is told of it; what a crash leaves of an entry is at the end, cut or zero.

use cartonym_wire::{Name, NameBuf};
use cartonym_zone::{Difference, Zone};

use super::checksum::checksum;

/// A version of the master file: its serial, and a digest of its records, as people forget to raise serials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version {
    pub(super) serial: u32,
    digest: u64,
}

/// What a journal holds.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) origin: NameBuf,
    pub(super) base: Version,
    pub(super) differences: Vec<Difference>,
    /// Octets that are whole; what follows was never acknowledged.
    pub(super) len: usize,
}

/// Where a journal is not one.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) octet: usize,
    pub(super) what: &'static str,
}

const MAGIC: &[u8; 8] = b"CTNMJNL\x01";
const ENTRY_HEADER: usize = 12;

impl Version {
    pub(super) fn of(zone: &Zone) -> Option<Version> {
        let (_, serial) = zone.soa()?;
        // A sum, as records come in no order.
        let digest = zone.records().fold(0u64, |sum, (owner, rtype, ttl, rdata)| {
            let fields = [&rtype.0.to_be_bytes()[..], &ttl.as_secs().to_be_bytes()];
            let octets = owner.as_wire().iter().chain(fields.into_iter().flatten()).chain(rdata);
            sum.wrapping_add(fnv(octets.copied()))
        });
        Some(Version { serial, digest })
    }
}

impl Contents {
    pub(super) fn read(octets: &[u8]) -> Result<Contents, Damage> {
        let (origin, base, mut at) = read_header(octets)
            .ok_or(Damage { octet: 0, what: "this is no journal, or its beginning is gone" })?;
        let mut differences = Vec::new();
        while let Some((difference, end)) = read_entry(octets, at)? {
            differences.push(difference);
            at = end;
        }
        Ok(Contents { origin, base, differences, len: at })
    }
}

/// The octets of a journal without entries.
pub(super) fn write_header(origin: &Name, base: Version) -> Vec<u8> {
    let mut octets = MAGIC.to_vec();
    octets.extend_from_slice(&base.serial.to_be_bytes());
    octets.extend_from_slice(&base.digest.to_be_bytes());
    octets.extend_from_slice(origin.as_wire());
    octets.extend_from_slice(&checksum(&octets).to_be_bytes());
    octets
}

/// Adds an entry; nothing, and none, where it is longer than four octets can say.
pub(super) fn write_entry(difference: &Difference, out: &mut Vec<u8>) -> Option<()> {
    let mut octets = Vec::new();
    difference.write(&mut octets);
    let len = u32::try_from(octets.len()).ok()?.to_be_bytes();
    out.extend_from_slice(&len);
    out.extend_from_slice(&checksum(&len).to_be_bytes());
    out.extend_from_slice(&checksum(&octets).to_be_bytes());
    out.extend_from_slice(&octets);
    Some(())
}

fn read_header(octets: &[u8]) -> Option<(NameBuf, Version, usize)> {
    let rest = octets.strip_prefix(MAGIC)?;
    let (serial, rest) = rest.split_first_chunk()?;
    let (digest, rest) = rest.split_first_chunk()?;
    let (origin, rest) = Name::split(rest).ok()?;
    let (sum, entries) = rest.split_first_chunk()?;
    let head = octets.get(..octets.len() - rest.len())?;
    let base = Version { serial: u32::from_be_bytes(*serial), digest: u64::from_be_bytes(*digest) };
    let is_whole = checksum(head) == u32::from_be_bytes(*sum);
    is_whole.then(|| (origin.to_lowercase(), base, octets.len() - entries.len()))
}

/// The entry at `at` and where it ends; none where there is none, or only what a crash has left of one.
fn read_entry(octets: &[u8], at: usize) -> Result<Option<(Difference, usize)>, Damage> {
    let rest = octets.get(at..).unwrap_or_default();
    let damage = |what| Damage { octet: at, what };
    let Some((header, body)) = rest.split_first_chunk::<ENTRY_HEADER>() else { return Ok(None) };
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *header;
    let len = [a, b, c, d];
    if checksum(&len) != u32::from_be_bytes([e, f, g, h]) {
        // A file that was lengthened before a crash, whose first block was never filled. No update has such a header.
        let is_unwritten = header.iter().all(|octet| *octet == 0);
        return if is_unwritten { Ok(None) } else { Err(damage("the length of this update is wrong")) };
    }
    let Some((body, after)) = body.split_at_checked(u32::from_be_bytes(len) as usize) else {
        return Ok(None);
    };
    if checksum(body) != u32::from_be_bytes([i, j, k, l]) {
        let is_last = after.is_empty();
        return if is_last { Ok(None) } else { Err(damage("the checksum of this update is wrong")) };
    }
    let difference = Difference::read(body).ok_or_else(|| damage("this update is malformed"))?;
    Ok(Some((difference, octets.len() - after.len())))
}

/// FNV-1a: what it tells apart are an operator's own files.
fn fnv(octets: impl Iterator<Item = u8>) -> u64 {
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3))
}
