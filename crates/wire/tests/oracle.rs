//! Another codec as the oracle: what we build it reads as meant, and what it builds we read.

use std::net::{Ipv4Addr, Ipv6Addr};

use cartonym_wire::{
    Builder, Class, Edns, Flags, Message, Name, NameBuf, Opcode, OptionCode, Rcode, Section, Ttl, Type,
    expand_rdata,
};
use hickory_proto::op;
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name as TheirName, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use proptest::prelude::*;

/// A name of a few labels that often share their ends, so that compression has something to do.
fn name() -> impl Strategy<Value = String> {
    let label = prop_oneof![Just("a".to_owned()), Just("B".to_owned()), "[a-z0-9]{1,20}"];
    (
        proptest::collection::vec(label, 0..4),
        prop_oneof![Just("example.com."), Just("example."), Just("net.")],
    )
        .prop_map(|(labels, end)| labels.iter().map(|label| format!("{label}.")).collect::<String>() + end)
}

fn rdata() -> impl Strategy<Value = RData> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| RData::A(A(Ipv4Addr::from(octets)))),
        any::<[u8; 16]>().prop_map(|octets| RData::AAAA(AAAA(Ipv6Addr::from(octets)))),
        name().prop_map(|target| RData::CNAME(CNAME(theirs(&target)))),
        name().prop_map(|target| RData::NS(NS(theirs(&target)))),
        (any::<u16>(), name())
            .prop_map(|(preference, target)| RData::MX(MX::new(preference, theirs(&target)))),
        (any::<[u16; 3]>(), name()).prop_map(|([a, b, c], target)| RData::SRV(SRV::new(
            a,
            b,
            c,
            theirs(&target)
        ))),
        (name(), name(), any::<[u32; 2]>()).prop_map(|(mname, rname, [serial, minimum])| {
            RData::SOA(SOA::new(theirs(&mname), theirs(&rname), serial, 60, 10, 3600, minimum))
        }),
        "[ -~]{0,80}".prop_map(|text| RData::TXT(TXT::new(vec![text]))),
    ]
}

fn records() -> impl Strategy<Value = Vec<(u8, Record)>> {
    let record = (0..3u8, name(), 0..=0x7fff_ffffu32, rdata())
        .prop_map(|(section, owner, ttl, rdata)| (section, Record::from_rdata(theirs(&owner), ttl, rdata)));
    proptest::collection::vec(record, 0..30).prop_map(|mut records| {
        records.sort_by_key(|(section, _)| *section);
        records
    })
}

proptest! {
    #[test]
    fn what_we_build_the_other_reads(question in name(), id: u16, records in records()) {
        let mut octets = vec![0; 65535];
        let flags = Flags::QR.with(Flags::AA, true).with_rcode(Rcode::NXDOMAIN);
        let mut builder = Builder::new(&mut octets, id, flags, 65535);
        let qname = ours(&question);
        builder.question(&[qname.as_wire(), &[0, 1, 0, 1]].concat()).unwrap();
        for (section, record) in &records {
            let section = [Section::Answer, Section::Authority, Section::Additional][usize::from(*section)];
            let owner = ours(&record.name.to_string());
            let rtype = Type(u16::from(record.record_type()));
            let rdata = uncompressed(&record.data);
            builder.record(section, &owner, rtype, Class::IN, Ttl::from_secs(record.ttl), &rdata).unwrap();
        }
        let len = builder.finish();
        let message = op::Message::from_bytes(&octets[..len]).unwrap();
        prop_assert_eq!(message.metadata.id, id);
        prop_assert!(message.metadata.authoritative);
        prop_assert_eq!(message.metadata.response_code, op::ResponseCode::NXDomain);
        prop_assert_eq!(message.queries[0].name(), &theirs(&question));
        let read = message.answers.iter().map(|record| (0, record.clone()))
            .chain(message.authorities.iter().map(|record| (1, record.clone())))
            .chain(message.additionals.iter().map(|record| (2, record.clone())));
        prop_assert_eq!(read.collect::<Vec<_>>(), records);
    }

    #[test]
    fn what_the_other_builds_we_read(question in name(), id: u16, records in records()) {
        let mut message = op::Message::new(id, op::MessageType::Response, op::OpCode::Query);
        message.add_query(op::Query::query(theirs(&question), RecordType::A));
        for (section, record) in &records {
            match section {
                0 => drop(message.add_answer(record.clone())),
                1 => drop(message.add_authority(record.clone())),
                _ => drop(message.add_additional(record.clone())),
            }
        }
        let octets = message.to_bytes().unwrap();
        let message = Message::new(&octets).unwrap();
        prop_assert_eq!(message.header().id, id);
        prop_assert!(message.header().flags.has(Flags::QR));
        prop_assert_eq!(message.header().flags.opcode(), Opcode::QUERY);
        let asked = message.question().unwrap();
        prop_assert_eq!(asked.name, &*ours(&question));
        prop_assert_eq!((asked.qtype, asked.qclass), (Type::A, Class::IN));
        let read: Vec<_> = message.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), records.len());
        for (read, (section, record)) in read.iter().zip(&records) {
            let mut rdata = vec![0; 65535];
            let len = expand_rdata(&octets, read.rtype, read.rdata_start, read.rdata.len(), &mut rdata).unwrap();
            prop_assert_eq!(read.section, *section);
            prop_assert_eq!(read.owner, ours(&record.name.to_string()));
            prop_assert_eq!(read.ttl().as_secs(), record.ttl);
            prop_assert_eq!(&rdata[..len], &uncompressed(&record.data)[..]);
        }
    }

    #[test]
    fn edns_of_the_other_is_read(size in 512u16.., version: u8, dnssec_ok: bool, cookie in any::<[u8; 8]>()) {
        let mut message = op::Message::new(7, op::MessageType::Query, op::OpCode::Query);
        message.add_query(op::Query::query(theirs("example."), RecordType::A));
        let mut edns = op::Edns::new();
        edns.set_max_payload(size).set_version(version).set_dnssec_ok(dnssec_ok);
        edns.options_mut().insert(hickory_proto::rr::rdata::opt::EdnsOption::Unknown(10, cookie.to_vec()));
        message.set_edns(edns);
        let octets = message.to_bytes().unwrap();
        let message = Message::new(&octets).unwrap();
        let records: Vec<_> = message.records().collect::<Result<_, _>>().unwrap();
        let edns = Edns::of(&records[0]).unwrap();
        prop_assert_eq!((edns.udp_size, edns.version, edns.dnssec_ok), (size, version, dnssec_ok));
        prop_assert_eq!(edns.options.find(OptionCode::COOKIE), Some(&cookie[..]));
    }

    #[test]
    fn any_octets_are_read_without_a_panic_and_in_bounded_steps(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(message) = Message::new(&octets) {
            let _ = message.question();
            prop_assert!(message.records().count() <= octets.len());
        }
        let _ = Name::split(&octets);
        let _ = NameBuf::expand(&octets, 0);
    }
}

fn ours(text: &str) -> NameBuf {
    text.parse().unwrap()
}

fn theirs(text: &str) -> TheirName {
    let mut name: TheirName = text.parse().unwrap();
    name.set_fqdn(true);
    name
}

/// RDATA in wire form, alone, so that there is nothing to point to.
fn uncompressed(rdata: &RData) -> Vec<u8> {
    let record = Record::from_rdata(TheirName::root(), 0, rdata.clone());
    let octets = record.to_bytes().unwrap();
    // Root owner, type, class, TTL and length stand in front; two names in one RDATA may still share an end.
    let read = Record::from_bytes(&octets).unwrap();
    assert_eq!((read.dns_class, &read.data), (DNSClass::IN, rdata));
    let mut message = vec![0; 12];
    message.extend_from_slice(&octets);
    let mut out = vec![0; 65535];
    let rtype = Type(u16::from(rdata.record_type()));
    // Pointers count from the start of what was encoded.
    let len = expand_rdata(&octets, rtype, 11, octets.len() - 11, &mut out).unwrap();
    out.truncate(len);
    out
}
