//! APL (RFC 3123): lists of address prefixes, `[!]family:address/prefix`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::chars::{number, parse, without_zeros_behind};
use super::error::Parsed;
use super::read::Reader;
use super::write::{Flaw, Stop, Wire};

/// Reads items to the end; there may be none.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Parsed<()> {
    while let Some(token) = reader.optional()? {
        let item = Item::parse(token.text)
            .ok_or_else(|| reader.wrong(token, "a prefix, as 1:192.0.2.0/24 or !2:2001:db8::/32"))?;
        item.push(reader.out);
    }
    Ok(())
}

/// Writes what [`read`] reads.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut dyn fmt::Write) -> Result<(), Stop> {
    let mut separator = "";
    while !wire.rest.is_empty() {
        let (family, prefix, octet) = (wire.u16()?, wire.u8()?, wire.u8()?);
        let part = wire.take(usize::from(octet & 0x7F))?;
        if part.last() == Some(&0) {
            return Err(Flaw::Value("an address ends in zeros").into());
        }
        let not = if octet & 0x80 == 0 { "" } else { "!" };
        write!(out, "{separator}{not}{family}:")?;
        match (family, prefix) {
            (V4, 0..=32) => write!(out, "{}/{prefix}", Ipv4Addr::from(padded(part)?))?,
            (V6, 0..=128) => write!(out, "{}/{prefix}", Ipv6Addr::from(padded(part)?))?,
            _ => return Err(Flaw::Value("a family or a prefix length is out of range").into()),
        }
        separator = " ";
    }
    Ok(())
}

struct Item {
    not: bool,
    family: u16,
    prefix: u8,
    address: [u8; 16],
}

impl Item {
    fn parse(word: &[u8]) -> Option<Item> {
        let (not, word) = match word.strip_prefix(b"!") {
            Some(word) => (true, word),
            None => (false, word),
        };
        let mut parts = word.rsplitn(2, |byte| *byte == b'/');
        let prefix = parts.next()?;
        let (family, address) = parts.next()?.split_at_checked(2)?;
        let mut octets = [0; 16];
        let (family, most) = match family {
            b"1:" => {
                octets.first_chunk_mut::<4>()?.copy_from_slice(&parse::<Ipv4Addr>(address)?.octets());
                (V4, 32)
            }
            b"2:" => {
                octets = parse::<Ipv6Addr>(address)?.octets();
                (V6, 128)
            }
            _ => return None,
        };
        Some(Item { not, family, prefix: number(prefix, most)? as u8, address: octets })
    }

    fn push(&self, out: &mut Vec<u8>) {
        // Zeros at the end are not sent (RFC 3123 §4.1).
        let used = without_zeros_behind(&self.address);
        out.extend_from_slice(&self.family.to_be_bytes());
        out.extend_from_slice(&[self.prefix, u8::from(self.not) << 7 | used.len() as u8]);
        out.extend_from_slice(used);
    }
}

fn padded<const N: usize>(part: &[u8]) -> Result<[u8; N], Flaw> {
    let mut address = [0; N];
    let to = address.get_mut(..part.len()).ok_or(Flaw::Value("an address is too long"))?;
    to.copy_from_slice(part);
    Ok(address)
}

/// Address families of IANA.
const V4: u16 = 1;
const V6: u16 = 2;
