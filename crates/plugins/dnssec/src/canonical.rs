//! Records in the form in which they are signed (RFC 4034 §6).

use cartonym_wire::{Class, Name, RdataNames, Ttl, Type};

/// The records of one owner, type and class; names in RDATA are written out.
#[derive(Clone, Debug)]
pub(crate) struct RrSet<'a> {
    pub(crate) owner: &'a Name,
    pub(crate) rtype: Type,
    /// The least of the records'.
    pub(crate) ttl: Ttl,
    pub(crate) rdatas: Vec<&'a [u8]>,
}

impl RrSet<'_> {
    /// The octets that follow RRSIG's own fields in what is signed (RFC 4034 §3.1.8.1): whole records in their canonical
    /// order, none of them twice, each with the original TTL.
    pub(crate) fn canonical(&self, original: Ttl) -> Vec<u8> {
        let owner = self.owner.to_lowercase();
        let mut rdatas: Vec<Vec<u8>> = self.rdatas.iter().map(|rdata| lowercase(self.rtype, rdata)).collect();
        rdatas.sort_unstable();
        rdatas.dedup();
        let mut octets = Vec::new();
        for rdata in &rdatas {
            octets.extend_from_slice(owner.as_wire());
            octets.extend_from_slice(&self.rtype.0.to_be_bytes());
            octets.extend_from_slice(&Class::IN.0.to_be_bytes());
            octets.extend_from_slice(&original.as_secs().to_be_bytes());
            // What came out of a message has a length of 16 bits.
            octets.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            octets.extend_from_slice(rdata);
        }
        octets
    }

    /// Labels of the owner, without the root's and that of a wildcard (RFC 4034 §3.1.3).
    pub(crate) fn labels(&self) -> u8 {
        let count = self.owner.label_count() - usize::from(self.owner.is_wildcard());
        // A name has at most 127.
        count as u8
    }
}

/// RDATA with its names in lower case, where the type is one of those that RFC 4034 §6.2 lists, less NSEC and all that
/// came later (RFC 6840 §5.1).
fn lowercase(rtype: Type, rdata: &[u8]) -> Vec<u8> {
    let mut lower = rdata.to_vec();
    let keeps_case = matches!(rtype, Type::NSEC | Type::SVCB | Type::HTTPS);
    let Some(shape) = RdataNames::of(rtype).filter(|_| !keeps_case) else { return lower };
    let Some(mut at) = shape.skip(rdata) else { return lower };
    for _ in 0..shape.names {
        let Some(Ok((name, _))) = rdata.get(at..).map(Name::split) else { return lower };
        // A length octet is at most 63, below 'A'.
        if let Some(octets) = lower.get_mut(at..at + name.len()) {
            octets.make_ascii_lowercase();
        }
        at += name.len();
    }
    lower
}

#[cfg(test)]
mod tests {
    use cartonym_wire::NameBuf;

    use super::*;

    fn check_rdata(rtype: Type, rdata: &[u8], canonical: &[u8]) {
        assert_eq!(lowercase(rtype, rdata), canonical, "{rtype}");
    }

    #[test]
    fn names_in_rdata_are_in_lower_case_where_the_type_is_listed() {
        check_rdata(Type::NS, b"\x02NS\x01A\0", b"\x02ns\x01a\0");
        check_rdata(Type::SOA, b"\x01N\0\x01H\0ABCDABCDABCDABCDABCD", b"\x01n\0\x01h\0ABCDABCDABCDABCDABCD");
        check_rdata(Type::SRV, b"ABCDEF\x01H\0", b"ABCDEF\x01h\0");
        check_rdata(Type::NAPTR, b"ABCD\x01S\x03SIP\x02!E\x01R\0", b"ABCD\x01S\x03SIP\x02!E\x01r\0");
        check_rdata(Type::TXT, b"\x02AB", b"\x02AB");
        check_rdata(Type::NSEC, b"\x01A\0\0\x01@", b"\x01A\0\0\x01@");
        check_rdata(Type::HTTPS, b"\0\x01\x01A\0", b"\0\x01\x01A\0");
    }

    #[test]
    fn malformed_rdata_stays_as_it_is() {
        for rdata in [&b""[..], b"\x05AB", b"\xC0\x0C", b"\0"] {
            check_rdata(Type::MX, rdata, rdata);
            check_rdata(Type::SOA, rdata, rdata);
            check_rdata(Type::NAPTR, rdata, rdata);
        }
    }

    #[test]
    fn records_are_in_the_order_of_their_octets_and_none_is_twice() {
        let owner: NameBuf = "A.example.".parse().unwrap();
        let rdatas = vec![&b"\x02bb"[..], b"\x01c", b"\x02ba", b"\x01c"];
        let set = RrSet { owner: &owner, rtype: Type::TXT, ttl: Ttl::ZERO, rdatas };
        let head = b"\x01a\x07example\0\0\x10\0\x01\0\0\0\x3C";
        let one = |rdata: &[u8]| [head, &(rdata.len() as u16).to_be_bytes()[..], rdata].concat();
        let all = [one(b"\x01c"), one(b"\x02ba"), one(b"\x02bb")].concat();
        assert_eq!(set.canonical(Ttl::from_secs(60)), all);
    }

    #[test]
    fn a_wildcard_is_no_label() {
        for (owner, labels) in [(".", 0), ("example.", 1), ("*.example.", 1), ("a.*.example.", 3)] {
            let owner: NameBuf = owner.parse().unwrap();
            let set = RrSet { owner: &owner, rtype: Type::A, ttl: Ttl::ZERO, rdatas: Vec::new() };
            assert_eq!(set.labels(), labels, "{owner}");
        }
    }
}
