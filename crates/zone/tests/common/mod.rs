//! Zones from text, questions to them, and what came of it.

// Each test file uses its part.
#![allow(dead_code)]

use cartonym_wire::{
    Builder, Class, Flags, Hasher, Message, Name, NameBuf, Qname, Rcode, Type, expand_rdata,
};
use cartonym_zone::master::{NoIncludes, Parser, rdata_to_text};
use cartonym_zone::{Ask, Outcome, Zone};

pub(crate) const HASHER: Hasher = Hasher::new(11);

/// A record as a reader of the message sees it: owner in lower case, type, TTL, RDATA without compression.
pub(crate) type Rr = (NameBuf, Type, u32, Vec<u8>);

/// An answer, read back from the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) rcode: String,
    pub(crate) aa: bool,
    pub(crate) tc: bool,
    /// Answer, authority, additional; each in an order of its own.
    pub(crate) sections: [Vec<Rr>; 3],
    pub(crate) len: usize,
}

pub(crate) fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// The zone of a master file; the owner of its first record is the origin.
pub(crate) fn zone(text: &str) -> Zone {
    let mut parser = Parser::new(text.as_bytes(), "test", Name::ROOT, &NoIncludes);
    let mut edit = None;
    while let Some(record) = parser.next_record() {
        let record = record.unwrap();
        let edit = edit.get_or_insert_with(|| Zone::new(record.owner, HASHER).edit(HASHER));
        edit.add(record.owner, record.rtype, record.ttl, record.rdata).unwrap();
    }
    edit.unwrap().finish()
}

/// Asks as a client over a stream would.
pub(crate) fn ask(zone: &Zone, qname: &Name, qtype: Type) -> Answered {
    ask_with(
        zone,
        qname,
        Ask { qtype, random: 0, is_question: true, name_servers: false, dnssec_ok: false },
        65535,
    )
    .unwrap()
}

/// Asks with chance and a limit; none where the answer is an alias.
pub(crate) fn ask_with(zone: &Zone, qname: &Name, ask: Ask, limit: usize) -> Option<Answered> {
    let other = name("other.question.test.");
    let asked = if ask.is_question { qname } else { &*other };
    let question = [asked.as_wire(), &ask.qtype.0.to_be_bytes(), &Class::IN.0.to_be_bytes()].concat();
    let mut buf = [0; 65535];
    let mut out = Builder::new(&mut buf, 1, Flags::QR, limit);
    out.question(&question).unwrap();
    match zone.answer(&Qname::new(qname), ask, &mut out) {
        outcome @ (Outcome::Written(_) | Outcome::Onward(_)) => {
            let rcode = if let Outcome::Written(rcode) = outcome { rcode } else { Rcode::NOERROR };
            let flags = out.flags();
            let len = out.finish();
            assert!(len <= limit);
            Some(Answered {
                rcode: rcode.to_string(),
                aa: flags.has(Flags::AA),
                tc: flags.has(Flags::TC),
                sections: sections(&buf[..len]),
                len,
            })
        }
        Outcome::Alias(_) => None,
    }
}

/// The records of a message, which must be whole.
fn sections(octets: &[u8]) -> [Vec<Rr>; 3] {
    let mut sections: [Vec<Rr>; 3] = Default::default();
    let mut rdata = vec![0; 65535];
    for record in Message::new(octets).unwrap().records() {
        let record = record.unwrap();
        let len =
            expand_rdata(octets, record.rtype, record.rdata_start, record.rdata.len(), &mut rdata).unwrap();
        let owner = record.owner.to_lowercase();
        sections[usize::from(record.section)].push((
            owner,
            record.rtype,
            record.ttl_bits,
            rdata[..len].to_vec(),
        ));
    }
    sections
}

impl Answered {
    /// In one line: rcode, flags, and each section's records without TTL, sorted; of a SOA only the owner.
    pub(crate) fn line(&self) -> String {
        let mut line = self.rcode.clone();
        line.push_str(if self.aa { " aa" } else { "" });
        line.push_str(if self.tc { " tc" } else { "" });
        for (section, records) in ["answer", "authority", "additional"].iter().zip(&self.sections) {
            let mut texts: Vec<String> = records.iter().map(text).collect();
            texts.sort();
            for text in texts {
                line.push_str(&format!("; {section} {text}"));
            }
        }
        line
    }
}

fn text((owner, rtype, _, rdata): &Rr) -> String {
    match *rtype {
        Type::SOA => format!("{owner} SOA"),
        rtype => format!("{owner} {rtype} {}", rdata_to_text(rtype, rdata)),
    }
}
