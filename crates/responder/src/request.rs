//! Reading a request: what is malformed gets its rcode here, what is well formed goes on.

use cartonym_wire::{Class, Edns, Flags, Header, Message, Opcode, Qname, Question, Rcode, Type};

/// A request whose outer form is right: one question, at most one OPT.
pub(crate) struct Request<'a> {
    pub(crate) message: Message<'a>,
    pub(crate) question: Question<'a>,
    pub(crate) edns: Option<Edns<'a>>,
}

/// What to do with octets that are not such a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing: it is no query, or too short to say whose.
    Silence,
    /// A header with this rcode and nothing more.
    Bare(Header, Rcode),
}

impl<'a> Request<'a> {
    /// Reads `datagram`; its name goes to `qname` in lower case.
    pub(crate) fn read(datagram: &'a [u8], qname: &mut Qname) -> Result<Request<'a>, Refusal> {
        let message = Message::new(datagram).map_err(|_| Refusal::Silence)?;
        let header = message.header();
        // An answer to an answer would let two servers talk for ever.
        if header.flags.has(Flags::QR) {
            return Err(Refusal::Silence);
        }
        if !matches!(header.flags.opcode(), Opcode::QUERY | Opcode::NOTIFY | Opcode::UPDATE) {
            return Err(Refusal::Bare(header, Rcode::NOTIMP));
        }
        Self::read_body(message, qname).ok_or(Refusal::Bare(header, Rcode::FORMERR))
    }

    fn read_body(message: Message<'a>, qname: &mut Qname) -> Option<Request<'a>> {
        let [questions, records @ ..] = message.header().counts;
        // More than one question has never had a meaning (RFC 9619 §4).
        if questions != 1 {
            return None;
        }
        let question = message.question_into(qname).ok()?;
        let rest = message.as_bytes().get(question.end..)?;
        let edns = match (records, rest) {
            ([0, 0, 0], []) => None,
            // The common case by far: an OPT and nothing else.
            ([0, 0, 1], [0, 0, 41, a, b, c, d, e, f, g, h, options @ ..])
                if options.len() == usize::from(u16::from_be_bytes([*g, *h])) =>
            {
                let class = Class(u16::from_be_bytes([*a, *b]));
                Some(Edns::from_parts(class, u32::from_be_bytes([*c, *d, *e, *f]), options)?)
            }
            _ => read_records(message)?,
        };
        Some(Request { message, question, edns })
    }
}

/// The OPT among other records; none where they are malformed, or OPT is doubled or in the wrong section.
#[cold]
fn read_records(message: Message<'_>) -> Option<Option<Edns<'_>>> {
    let mut edns = None;
    for record in message.records() {
        let record = record.ok()?;
        if record.rtype == Type::OPT {
            let read = Edns::of(&record).filter(|_| record.section == 2 && edns.is_none())?;
            edns = Some(read);
        }
    }
    Some(edns)
}
