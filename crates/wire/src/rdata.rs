//! Where names stand in RDATA, so that they can be compressed on the way out and expanded on the way in.

use crate::name::octets_of;
use crate::{Name, NameBuf, ParseError, Type};

/// The shape of a type's RDATA as far as names go: `before` octets, then `names` names, then the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RdataNames {
    /// Octets, or for NAPTR an expression in front of the first name.
    pub before: Before,
    /// How many names follow each other.
    pub names: u8,
    /// Whether a sender may compress them: only in the types of RFC 1035 (RFC 3597 §4).
    pub compressible: bool,
}

/// What stands in front of the first name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// So many octets.
    Octets(u8),
    /// Four octets and three character-strings (NAPTR, RFC 3403 §4.1).
    Naptr,
}

impl RdataNames {
    /// The shape of `rtype`; none where no name may have been compressed.
    pub const fn of(rtype: Type) -> Option<RdataNames> {
        let (before, names, compressible) = match rtype {
            Type::NS | Type::MD | Type::MF | Type::CNAME | Type::MB | Type::MG | Type::MR | Type::PTR => {
                (Before::Octets(0), 1, true)
            }
            Type::SOA | Type::MINFO => (Before::Octets(0), 2, true),
            Type::MX => (Before::Octets(2), 1, true),
            Type::RP => (Before::Octets(0), 2, false),
            Type::AFSDB | Type::RT | Type::KX => (Before::Octets(2), 1, false),
            Type::PX => (Before::Octets(2), 2, false),
            Type::SRV => (Before::Octets(6), 1, false),
            Type::SIG | Type::RRSIG => (Before::Octets(18), 1, false),
            Type::DNAME | Type::NXT | Type::NSEC => (Before::Octets(0), 1, false),
            Type::NAPTR => (Before::Naptr, 1, false),
            Type::SVCB | Type::HTTPS => (Before::Octets(2), 1, false),
            _ => return None,
        };
        Some(RdataNames { before, names, compressible })
    }

    /// How many octets of `rdata` stand before the first name.
    pub fn skip(self, rdata: &[u8]) -> Option<usize> {
        match self.before {
            Before::Octets(count) => Some(usize::from(count)),
            Before::Naptr => {
                (0..3).try_fold(4usize, |at, _| rdata.get(at).map(|len| at.saturating_add(octets_of(*len))))
            }
        }
    }
}

/// Writes to `out` the RDATA of a received record with its names expanded, and gives its length.
///
/// # Errors
///
/// [`ParseError`] if a name is none or passes the RDATA's end, `Incomplete` also where `out` is too small: 64 KiB
/// is always enough.
pub fn expand_rdata(
    message: &[u8],
    rtype: Type,
    start: usize,
    len: usize,
    out: &mut [u8],
) -> Result<usize, ParseError> {
    let end = start.checked_add(len).ok_or(ParseError::Incomplete)?;
    let rdata = message.get(start..end).ok_or(ParseError::Incomplete)?;
    let mut out = Out { bytes: out, len: 0 };
    let Some(shape) = RdataNames::of(rtype) else {
        return out.put(rdata);
    };
    let skip = shape.skip(rdata).ok_or(ParseError::Incomplete)?;
    out.put(rdata.get(..skip).ok_or(ParseError::Incomplete)?)?;
    let mut at = start.saturating_add(skip);
    for _ in 0..shape.names {
        let (name, next) = NameBuf::expand(message, at).map_err(ParseError::Name)?;
        if next > end {
            return Err(ParseError::Incomplete);
        }
        out.put(name.as_wire())?;
        at = next;
    }
    out.put(message.get(at..end).ok_or(ParseError::Incomplete)?)
}

struct Out<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<usize, ParseError> {
        let end = self.len.saturating_add(bytes.len());
        self.bytes.get_mut(self.len..end).ok_or(ParseError::Incomplete)?.copy_from_slice(bytes);
        self.len = end;
        Ok(end)
    }
}

/// The first name of an expanded RDATA: the target of CNAME, NS, SRV, MX and the like.
impl RdataNames {
    /// The first name in `rdata`, which must be expanded; none where the type has none.
    pub fn first(rtype: Type, rdata: &[u8]) -> Option<&Name> {
        let skip = RdataNames::of(rtype)?.skip(rdata)?;
        Name::split(rdata.get(skip..)?).ok().map(|(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_exchange_is_expanded() {
        let message = b"\x01a\0\0\x0a\x01b\xC0\x00";
        let mut out = [0; 64];
        let len = expand_rdata(message, Type::MX, 3, 6, &mut out).unwrap();
        assert_eq!(&out[..len], b"\0\x0a\x01b\x01a\0");
        assert_eq!(RdataNames::first(Type::MX, &out[..len]).unwrap().to_string(), "b.a.");
        assert!(expand_rdata(message, Type::MX, 3, 5, &mut out).is_err());
    }

    #[test]
    fn rdata_past_every_message_is_incomplete() {
        assert_eq!(expand_rdata(&[0; 4], Type::A, usize::MAX, 4, &mut [0; 64]), Err(ParseError::Incomplete));
    }
}
