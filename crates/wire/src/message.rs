//! A received message: its header, its question, its records, each read when asked for.

use std::fmt;

use crate::{Class, HEADER_LEN, Name, NameBuf, NameError, Opcode, Qname, Rcode, Ttl, Type};

/// A message as received (RFC 1035 §4.1). Only the header has been looked at; records are read on the way.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    header: Header,
}

/// The twelve octets that every message begins with (RFC 1035 §4.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Chosen by the one who asks, echoed by the one who answers.
    pub id: u16,
    /// QR, opcode, AA, TC, RD, RA, Z, AD, CD and the rcode's low four bits.
    pub flags: Flags,
    /// Entries of question, answer, authority and additional section.
    pub counts: [u16; 4],
}

/// The second two octets of a header.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

/// What is asked (RFC 1035 §4.1.2); the name as received.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The name, its case kept.
    pub name: &'a Name,
    /// The type asked for.
    pub qtype: Type,
    /// The class asked for.
    pub qclass: Class,
    /// Where the question ends in the message.
    pub end: usize,
}

/// A record where it stands in a message (RFC 1035 §4.1.3).
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The owner, expanded.
    pub owner: NameBuf,
    /// The type.
    pub rtype: Type,
    /// The class; a payload size in OPT (RFC 6891 §6.1.2).
    pub class: Class,
    /// The 32 bits of the TTL field as they are; flags in OPT.
    pub ttl_bits: u32,
    /// RDATA as received: names in it may be compressed, see [`crate::expand_rdata`].
    pub rdata: &'a [u8],
    /// Where the record begins in the message.
    pub start: usize,
    /// Where the RDATA begins in the message.
    pub rdata_start: usize,
    /// 0 for answer, 1 for authority, 2 for additional.
    pub section: u8,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ParseError {
    /// The bytes end within what a count promised.
    Incomplete,
    /// A name is not one.
    Name(NameError),
    /// Octets follow the last record.
    TrailingOctets,
}

impl<'a> Message<'a> {
    /// Views `bytes`, of which only the header is read.
    ///
    /// # Errors
    ///
    /// [`ParseError::Incomplete`] below twelve octets.
    pub fn new(bytes: &'a [u8]) -> Result<Message<'a>, ParseError> {
        let header = bytes.first_chunk().map(Header::read).ok_or(ParseError::Incomplete)?;
        Ok(Message { bytes, header })
    }

    /// The header.
    pub fn header(&self) -> Header {
        self.header
    }

    /// All octets.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first question. A compressed name is refused: there is nothing yet to point at.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; `Incomplete` also where the header promises none.
    pub fn question(&self) -> Result<Question<'a>, ParseError> {
        let body = self.bytes.get(HEADER_LEN..).ok_or(ParseError::Incomplete)?;
        let (name, rest) = Name::split(body).map_err(ParseError::Name)?;
        Message::question_of(name, rest)
    }

    /// The first question, its name prepared for lookups on the same walk over it.
    ///
    /// # Errors
    ///
    /// As [`Message::question`].
    pub fn question_into(&self, qname: &mut Qname) -> Result<Question<'a>, ParseError> {
        let body = self.bytes.get(HEADER_LEN..).ok_or(ParseError::Incomplete)?;
        let len = qname.read(body).map_err(ParseError::Name)?;
        let (name, rest) = body.split_at_checked(len).ok_or(ParseError::Incomplete)?;
        Message::question_of(Name::of(name), rest)
    }

    fn question_of(name: &'a Name, rest: &'a [u8]) -> Result<Question<'a>, ParseError> {
        let [a, b, c, d] = *rest.first_chunk().ok_or(ParseError::Incomplete)?;
        Ok(Question {
            name,
            qtype: Type(u16::from_be_bytes([a, b])),
            qclass: Class(u16::from_be_bytes([c, d])),
            end: name.len().saturating_add(HEADER_LEN + 4),
        })
    }

    /// The records behind the questions, in order, with their section.
    ///
    /// Ends after the first error, and yields [`ParseError::TrailingOctets`] if bytes are left over.
    pub fn records(&self) -> Records<'a> {
        let [questions, sections @ ..] = self.header.counts;
        let (mut at, mut failed) = (HEADER_LEN, None);
        for _ in 0..questions {
            match NameBuf::expand(self.bytes, at) {
                Ok((_, end)) => at = end.saturating_add(4),
                Err(error) => {
                    failed = Some(ParseError::Name(error));
                    break;
                }
            }
        }
        Records { bytes: self.bytes, at, left: sections, section: 0, failed, done: false }
    }
}

impl Header {
    fn read(bytes: &[u8; HEADER_LEN]) -> Header {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
        let word = |high, low| u16::from_be_bytes([high, low]);
        Header {
            id: word(a, b),
            flags: Flags(word(c, d)),
            counts: [word(e, f), word(g, h), word(i, j), word(k, l)],
        }
    }
}

#[allow(missing_docs)]
impl Flags {
    pub const QR: Flags = Flags(0x8000);
    pub const AA: Flags = Flags(0x0400);
    pub const TC: Flags = Flags(0x0200);
    pub const RD: Flags = Flags(0x0100);
    pub const RA: Flags = Flags(0x0080);
    pub const Z: Flags = Flags(0x0040);
    pub const AD: Flags = Flags(0x0020);
    pub const CD: Flags = Flags(0x0010);
}

impl Flags {
    /// Whether all of `flags` are set.
    pub const fn has(self, flags: Flags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With `flags` set or cleared.
    pub const fn with(self, flags: Flags, on: bool) -> Flags {
        if on { Flags(self.0 | flags.0) } else { Flags(self.0 & !flags.0) }
    }

    /// What the message asks for.
    pub const fn opcode(self) -> Opcode {
        Opcode((self.0 >> 11 & 0xF) as u8)
    }

    /// The rcode's low four bits.
    pub const fn rcode(self) -> Rcode {
        Rcode(self.0 & 0xF)
    }

    /// With the low four bits of `rcode`.
    pub const fn with_rcode(self, rcode: Rcode) -> Flags {
        Flags(self.0 & !0xF | rcode.0 & 0xF)
    }

    /// With `opcode`.
    pub const fn with_opcode(self, opcode: Opcode) -> Flags {
        Flags(self.0 & !0x7800 | (opcode.0 as u16 & 0xF) << 11)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.opcode(), self.rcode())?;
        let names = [
            (Flags::QR, "qr"),
            (Flags::AA, "aa"),
            (Flags::TC, "tc"),
            (Flags::RD, "rd"),
            (Flags::RA, "ra"),
            (Flags::Z, "z"),
            (Flags::AD, "ad"),
            (Flags::CD, "cd"),
        ];
        names.iter().filter(|(flag, _)| self.has(*flag)).try_for_each(|(_, name)| write!(f, " {name}"))
    }
}

/// An iterator over the records of a message.
#[derive(Clone)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    left: [u16; 3],
    section: u8,
    failed: Option<ParseError>,
    done: bool,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<Record<'a>, ParseError> {
        let start = self.at;
        let (owner, at) = NameBuf::expand(self.bytes, start).map_err(ParseError::Name)?;
        let (fixed, rest) =
            self.bytes.get(at..).and_then(|rest| rest.split_first_chunk()).ok_or(ParseError::Incomplete)?;
        let [a, b, c, d, e, f, g, h, i, j]: [u8; 10] = *fixed;
        let len = usize::from(u16::from_be_bytes([i, j]));
        let rdata = rest.get(..len).ok_or(ParseError::Incomplete)?;
        let rdata_start = at.saturating_add(fixed.len());
        self.at = rdata_start.saturating_add(len);
        Ok(Record {
            owner,
            rtype: Type(u16::from_be_bytes([a, b])),
            class: Class(u16::from_be_bytes([c, d])),
            ttl_bits: u32::from_be_bytes([e, f, g, h]),
            rdata,
            start,
            rdata_start,
            section: self.section,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if let Some(error) = self.failed {
            self.done = true;
            return Some(Err(error));
        }
        while let Some(left) = self.left.get_mut(usize::from(self.section)) {
            if let Some(others) = left.checked_sub(1) {
                *left = others;
                let record = self.read();
                self.done = record.is_err();
                return Some(record);
            }
            self.section = self.section.saturating_add(1);
        }
        self.done = true;
        (self.at != self.bytes.len()).then_some(Err(ParseError::TrailingOctets))
    }
}

impl Record<'_> {
    /// The time to live.
    pub fn ttl(&self) -> Ttl {
        Ttl::from_secs(self.ttl_bits)
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {:02x?}", self.owner, self.ttl_bits, self.class, self.rtype, self.rdata)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseError::Incomplete => f.write_str("the message is not complete"),
            ParseError::Name(error) => fmt::Display::fmt(error, f),
            ParseError::TrailingOctets => f.write_str("octets follow the last record"),
        }
    }
}

impl std::error::Error for ParseError {}
