//! EDNS(0): the OPT pseudo-record and its options (RFC 6891).

use crate::{Class, Record, Type};

/// What an OPT record says (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The largest UDP message the sender can take, in octets, as it said; below 512 reads as 512 (§6.2.3).
    pub udp_size: u16,
    /// The upper eight bits of the rcode.
    pub extended_rcode: u8,
    /// 0 is the only one there is.
    pub version: u8,
    /// DNSSEC OK (RFC 3225).
    pub dnssec_ok: bool,
    /// The options, as received.
    pub options: Options<'a>,
}

/// The number of an option (RFC 6891 §9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionCode(pub u16);

/// An iterator over the options of an OPT record: code and data. Ends early where the lengths do not add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

#[allow(missing_docs)]
impl OptionCode {
    pub const NSID: OptionCode = OptionCode(3);
    pub const CLIENT_SUBNET: OptionCode = OptionCode(8);
    pub const EXPIRE: OptionCode = OptionCode(9);
    pub const COOKIE: OptionCode = OptionCode(10);
    pub const TCP_KEEPALIVE: OptionCode = OptionCode(11);
    pub const PADDING: OptionCode = OptionCode(12);
    pub const EDE: OptionCode = OptionCode(15);
}

impl<'a> Edns<'a> {
    /// Reads an OPT record; none if the record is of another type, has an owner that is not the root, or
    /// options that do not fill it.
    pub fn of(record: &Record<'a>) -> Option<Edns<'a>> {
        if record.rtype != Type::OPT || !record.owner.is_root() {
            return None;
        }
        Edns::from_parts(record.class, record.ttl_bits, record.rdata)
    }

    /// Reads the class, TTL and RDATA fields of an OPT record; none where the options do not fill it.
    pub fn from_parts(class: Class, ttl_bits: u32, rdata: &'a [u8]) -> Option<Edns<'a>> {
        let [extended_rcode, version, flags, _] = ttl_bits.to_be_bytes();
        let options = Options(rdata);
        options.are_whole().then_some(Edns {
            udp_size: class.0.max(512),
            extended_rcode,
            version,
            dnssec_ok: flags & 0x80 != 0,
            options,
        })
    }
}

impl<'a> Options<'a> {
    /// Views an OPT record's RDATA.
    pub fn new(rdata: &'a [u8]) -> Options<'a> {
        Options(rdata)
    }

    /// The data of the first option of this code.
    pub fn find(mut self, code: OptionCode) -> Option<&'a [u8]> {
        self.find_map(|(found, data)| (found == code).then_some(data))
    }

    fn are_whole(mut self) -> bool {
        while self.next().is_some() {}
        self.0.is_empty()
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (OptionCode, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, d], rest) = self.0.split_first_chunk()?;
        let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*c, *d])))?;
        self.0 = rest;
        Some((OptionCode(u16::from_be_bytes([*a, *b])), data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_fill_the_record_are_no_edns() {
        assert!(Edns::from_parts(Class(1232), 0, &[0, 3, 0, 0]).is_some());
        assert!(Edns::from_parts(Class(1232), 0, &[0, 3, 0, 1]).is_none());
        assert!(Edns::from_parts(Class(1232), 0, &[0]).is_none());
    }

    #[test]
    fn the_fields_are_read() {
        let edns = Edns::from_parts(Class(100), 0x0101_8000, &[0, 10, 0, 2, 7, 8]).unwrap();
        assert_eq!((edns.udp_size, edns.extended_rcode, edns.version, edns.dnssec_ok), (512, 1, 1, true));
        assert_eq!(edns.options.find(OptionCode::COOKIE), Some(&[7, 8][..]));
        assert_eq!(edns.options.find(OptionCode::NSID), None);
    }
}
