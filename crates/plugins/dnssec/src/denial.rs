//! The NSEC record that says what is not there: of one name, and of no other.
//!
//! A signer that does not know the zone's names cannot say which are its neighbours. It says instead that the name asked for
//! exists, without the type asked for, and that the next name is the one right behind it: a lie, but one that hides
//! nothing (RFC 9824 §3).

use cartonym_wire::{MAX_LABEL_LEN, Name, NameBuf, Type};

/// What is denied about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    /// The name itself.
    Name,
    /// The type, at the zone's apex.
    AtApex,
    /// The type, elsewhere.
    Type,
    /// A DS record, at a delegation.
    Ds,
}

/// The RDATA of the NSEC record at `name` for a query of type `qtype`; none for a name that has no successor.
pub(crate) fn nsec(name: &Name, denied: Denied, qtype: Type) -> Option<Vec<u8>> {
    let (types, more): (&[Type], &[Type]) = match denied {
        // What tells a name that is not there from one that only has nothing; who asks for it is refused before.
        Denied::Name => (&[Type::NXNAME], &[]),
        // To ask for all types and get none is to be told of none.
        _ if qtype == Type::ANY => (&[], &[]),
        Denied::AtApex => (ELSEWHERE, APEX),
        Denied::Type => (ELSEWHERE, &[]),
        Denied::Ds => (CUT, &[]),
    };
    let types = [types, more].into_iter().flatten().filter(|rtype| **rtype != qtype);
    let mut rdata = successor(name)?.as_wire().to_vec();
    rdata.extend(bitmap(types.chain(ALWAYS).copied()));
    Some(rdata)
}

/// The first name behind `name` in the canonical order (RFC 4034 §6.1), or where names end, one close behind it.
fn successor(name: &Name) -> Option<NameBuf> {
    if let Ok(child) = NameBuf::child(&[0], name) {
        return Some(child);
    }
    let (label, parent) = (name.labels().next()?, name.parent()?);
    if label.len() < MAX_LABEL_LEN
        && let Ok(longer) = NameBuf::child(&[label, &[0]].concat(), parent)
    {
        return Some(longer);
    }
    let (last, head) = label.split_last()?;
    NameBuf::child(&[head, &[last.checked_add(1)?]].concat(), parent).ok()
}

/// Types as a bit each, in blocks of 256 of which only the octets up to the last that is not zero are there (RFC 4034
/// §4.1.2).
fn bitmap(types: impl Iterator<Item = Type>) -> Vec<u8> {
    let mut blocks = [[0u8; 32]; 2];
    for rtype in types {
        let [block, low] = rtype.0.to_be_bytes();
        if let Some(block) = blocks.get_mut(usize::from(block)) {
            block[usize::from(low / 8)] |= 0x80 >> (low % 8);
        }
    }
    let mut octets = Vec::new();
    for (number, block) in (0u8..).zip(blocks) {
        if let Some(last) = block.iter().rposition(|octet| *octet != 0) {
            octets.extend([number, last as u8 + 1]);
            octets.extend_from_slice(&block[..=last]);
        }
    }
    octets
}

/// The proof itself and its signature, which are there whatever was asked for (RFC 4035 §2.3).
const ALWAYS: &[Type] = &[Type::RRSIG, Type::NSEC];

/// What a delegation has.
const CUT: &[Type] = &[Type::NS];

/// All that a name may have as far as this signer knows: a cache may take what is not listed for denied (RFC 8198 §5.4).
/// Not CNAME, DNAME and NS, which say something of other types and names as well.
const ELSEWHERE: &[Type] = &[
    Type::A,
    Type::PTR,
    Type::HINFO,
    Type::MX,
    Type::TXT,
    Type::RP,
    Type::AFSDB,
    Type::AAAA,
    Type::LOC,
    Type::SRV,
    Type::NAPTR,
    Type::KX,
    Type::CERT,
    Type::APL,
    Type::SSHFP,
    Type::IPSECKEY,
    Type::DHCID,
    Type::TLSA,
    Type::SMIMEA,
    Type::HIP,
    Type::OPENPGPKEY,
    Type::SVCB,
    Type::HTTPS,
    Type::SPF,
    Type::URI,
    Type::CAA,
];

/// What only an apex has besides.
const APEX: &[Type] =
    &[Type::NS, Type::SOA, Type::DNSKEY, Type::CDS, Type::CDNSKEY, Type::CSYNC, Type::ZONEMD];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NameBuf {
        text.parse().unwrap()
    }

    #[test]
    fn the_bits_are_those_of_the_example_of_rfc_4034() {
        // §4.3, where 1234 is one of them, whose block is left out here.
        let types = [Type::A, Type::MX, Type::RRSIG, Type::NSEC];
        assert_eq!(bitmap(types.into_iter()), [0, 6, 0x40, 1, 0, 0, 0, 3]);
        assert_eq!(bitmap([Type::CAA].into_iter()), [1, 1, 0x40]);
    }

    #[test]
    fn a_name_that_is_not_there_has_only_its_proof_and_says_so() {
        for qtype in [Type::A, Type::NSEC, Type::ANY] {
            let rdata = nsec(&name("x.example."), Denied::Name, qtype).unwrap();
            assert_eq!(rdata, b"\x01\0\x01x\x07example\0\0\x11\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\x80");
        }
    }

    #[test]
    fn what_was_asked_for_is_never_there_but_the_proof_always() {
        for denied in [Denied::Name, Denied::AtApex, Denied::Type] {
            for qtype in [Type::A, Type::AAAA, Type::NSEC, Type::RRSIG, Type::SOA, Type::CAA, Type::DS] {
                let rdata = nsec(&name("a."), denied, qtype).unwrap();
                let bits = &rdata[5..];
                let with: Vec<Type> = (0..512).map(Type).filter(|rtype| has(bits, *rtype)).collect();
                assert_eq!(with.contains(&qtype), ALWAYS.contains(&qtype), "{denied:?} {qtype}: {with:?}");
                assert!(ALWAYS.iter().all(|rtype| with.contains(rtype)), "{denied:?} {qtype}: {with:?}");
            }
        }
        let all = nsec(&name("a."), Denied::Type, Type::ANY).unwrap();
        assert_eq!(all[5..], bitmap([Type::RRSIG, Type::NSEC].into_iter()));
    }

    #[test]
    fn only_an_apex_and_a_delegation_have_servers() {
        let has_servers = |denied, qtype| has(&nsec(&name("a."), denied, qtype).unwrap()[5..], Type::NS);
        assert!(has_servers(Denied::AtApex, Type::A) && has_servers(Denied::Ds, Type::DS));
        assert!(!has_servers(Denied::Type, Type::DS) && !has_servers(Denied::Name, Type::DS));
    }

    #[test]
    fn the_successor_comes_behind_also_where_names_end() {
        let long = "a".repeat(62);
        let full = format!("{0}.{0}.{0}.{1}.", "a".repeat(63), "a".repeat(61));
        let one_less = format!("{long}.{0}.{0}.{1}.", "a".repeat(63), "a".repeat(61));
        for text in ["a.", "b.a.", &full, &one_less, &full[1..]] {
            let name = name(text);
            let next = successor(&name).unwrap();
            assert!(*next > *name, "{text} {next}");
        }
        assert!(successor(&NameBuf::child(&[255; 63], &self::name(&full[64..])).unwrap()).is_none());
    }

    fn has(mut bits: &[u8], rtype: Type) -> bool {
        let [block, low] = rtype.0.to_be_bytes();
        while let [number, len, rest @ ..] = bits {
            let (octets, tail) = rest.split_at(usize::from(*len));
            if *number == block {
                return octets.get(usize::from(low / 8)).is_some_and(|octet| octet & 0x80 >> (low % 8) != 0);
            }
            bits = tail;
        }
        false
    }
}
