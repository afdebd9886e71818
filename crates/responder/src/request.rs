//! Reading a request: what is malformed gets its rcode here, what is well formed goes on.

use std::num::NonZeroUsize;

use cartonym_wire::{
    Class, Edns, Flags, HEADER_LEN, Header, Message, Opcode, OptionCode, Qname, Question, Rcode, Type,
};

/// A request whose outer form is right: one question, at most one OPT, at most one TSIG, at the end.
pub(crate) struct Request<'a> {
    pub(crate) message: Message<'a>,
    pub(crate) question: Question<'a>,
    pub(crate) edns: Option<Edns<'a>>,
    /// Where the TSIG record begins, which is the last one.
    pub(crate) tsig_at: Option<NonZeroUsize>,
}

/// What to do with octets that are not such a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal<'a> {
    /// Nothing: it is no query, or too short to say whose.
    Silence,
    /// A header with this rcode and nothing more.
    Bare(Header, Rcode),
    /// A cookie: there is an OPT with one, and no question (RFC 7873 §5.4).
    Cookie(Header, Edns<'a>),
}

impl<'a> Request<'a> {
    /// Reads `datagram`; its name goes to `qname` in lower case.
    pub(crate) fn read(datagram: &'a [u8], qname: &mut Qname) -> Result<Request<'a>, Refusal<'a>> {
        let message = Message::new(datagram).map_err(|_| Refusal::Silence)?;
        let header = message.header();
        // An answer to an answer would let two servers talk for ever.
        if header.flags.has(Flags::QR) {
            return Err(Refusal::Silence);
        }
        if !matches!(header.flags.opcode(), Opcode::QUERY | Opcode::NOTIFY | Opcode::UPDATE) {
            return Err(Refusal::Bare(header, Rcode::NOTIMP));
        }
        Self::read_body(message, qname).ok_or_else(|| Self::without_question(message))
    }

    /// What to do with a message of any number of questions but one.
    #[cold]
    fn without_question(message: Message<'a>) -> Refusal<'a> {
        let header = message.header();
        let is_bare = header.counts == [0, 0, 0, 1] && header.flags.opcode() == Opcode::QUERY;
        match read_records(message) {
            Some((Some(edns), None)) if is_bare && edns.options.find(OptionCode::COOKIE).is_some() => {
                Refusal::Cookie(header, edns)
            }
            _ => Refusal::Bare(header, Rcode::FORMERR),
        }
    }

    fn read_body(message: Message<'a>, qname: &mut Qname) -> Option<Request<'a>> {
        let [questions, records @ ..] = message.header().counts;
        // More than one question has never had a meaning (RFC 9619 §4).
        if questions != 1 {
            return None;
        }
        let question = message.question_into(qname).ok()?;
        let rest = message.as_bytes().get(question.end..)?;
        let (edns, tsig_at) = match (records, rest) {
            ([0, 0, 0], []) => (None, None),
            // The common case by far: an OPT and nothing else.
            ([0, 0, 1], [0, 0, 41, a, b, c, d, e, f, g, h, options @ ..])
                if options.len() == usize::from(u16::from_be_bytes([*g, *h])) =>
            {
                let class = Class(u16::from_be_bytes([*a, *b]));
                (Some(Edns::from_parts(class, u32::from_be_bytes([*c, *d, *e, *f]), options)?), None)
            }
            _ => read_records(message)?,
        };
        Some(Request { message, question, edns, tsig_at })
    }
}

/// The OPT among other records, and where TSIG begins; none where they are malformed, one of the two is doubled or in
/// the wrong section, or TSIG is not the last (RFC 8945 §5.1).
#[cold]
fn read_records(message: Message<'_>) -> Option<(Option<Edns<'_>>, Option<NonZeroUsize>)> {
    let (mut edns, mut tsig_at) = (None, None);
    for record in message.records() {
        let record = record.ok().filter(|_| tsig_at.is_none())?;
        match record.rtype {
            Type::OPT if record.section != 2 || edns.is_some() => return None,
            Type::OPT => edns = Some(Edns::of(&record)?),
            Type::TSIG if record.section != 2 => return None,
            Type::TSIG => tsig_at = NonZeroUsize::new(record.start),
            _ => {}
        }
    }
    Some((edns, tsig_at))
}

/// Writes to `out` the message without its last additional record, which begins at `at`.
pub(crate) fn without_last(message: Message<'_>, at: usize, out: &mut Vec<u8>) {
    let [.., additional] = message.header().counts;
    out.clear();
    out.extend_from_slice(message.as_bytes().get(..at).unwrap_or_default());
    if let Some(count) = out.get_mut(HEADER_LEN - 2..HEADER_LEN) {
        count.copy_from_slice(&additional.saturating_sub(1).to_be_bytes());
    }
}
