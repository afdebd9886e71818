//! RDATA to text, and RDATA against its type: the table read from the wire's side.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use cartonym_wire::{Name, NameError, Type};
use data_encoding::{BASE32_DNSSEC, BASE64, Encoding, HEXLOWER};

use super::chars::write_quoted;
use super::fields::{Kind, Row};
use super::{apl, hip, loc, svcb, time};

/// Why octets are not the data of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{rtype} {field}: {flaw}")]
pub struct RdataError {
    /// Of which type they should be.
    pub rtype: Type,
    /// In which of its fields.
    pub field: &'static str,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong in a field's octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The data ends within the field.
    #[error("the data ends too early")]
    Incomplete,
    /// Octets follow the last field.
    #[error("octets follow the last field")]
    Trailing,
    /// A name that is none, or is compressed.
    #[error("{0}")]
    Name(NameError),
    /// A value that the type does not have.
    #[error("{0}")]
    Value(&'static str),
}

/// Checks that `rdata`, with its names uncompressed, is data of `rtype`; any octets are, of a type that is not known.
///
/// # Errors
///
/// Which field is wrong, and how.
pub fn validate_rdata(rtype: Type, rdata: &[u8]) -> Result<(), RdataError> {
    let Some(row) = Row::of(rtype) else {
        return Ok(());
    };
    let mut wire = Wire::new(rdata);
    let mut last = "data";
    for field in row.fields {
        last = field.name;
        match wire.skip(field.kind) {
            Ok(()) | Err(Stop::Sink) => {}
            Err(Stop::Flaw(flaw)) => return Err(RdataError { rtype, field: field.name, flaw }),
        }
    }
    match wire.rest {
        [] => Ok(()),
        _ => Err(RdataError { rtype, field: last, flaw: Flaw::Trailing }),
    }
}

/// `rdata` in the form of a master file, names absolute; that of RFC 3597 where the type is not known or the octets
/// are none of its data.
pub fn rdata_to_text(rtype: Type, rdata: &[u8]) -> RdataText<'_> {
    RdataText { rtype, rdata }
}

/// Displays RDATA; made by [`rdata_to_text`].
#[derive(Clone, Copy, Debug)]
pub struct RdataText<'a> {
    rtype: Type,
    rdata: &'a [u8],
}

impl fmt::Display for RdataText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = Row::of(self.rtype).filter(|_| validate_rdata(self.rtype, self.rdata).is_ok());
        let Some(row) = row else {
            return write_generic(self.rdata, f);
        };
        let mut wire = Wire::new(self.rdata);
        for (at, field) in row.fields.iter().enumerate() {
            if at > 0 && !(wire.rest.is_empty() && field.kind.writes_nothing_of_nothing()) {
                f.write_str(" ")?;
            }
            wire.write(field.kind, f).map_err(|_| fmt::Error)?;
        }
        Ok(())
    }
}

fn write_generic(rdata: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\\# {}", rdata.len())?;
    if rdata.is_empty() { Ok(()) } else { write!(f, " {}", HEXLOWER.encode_display(rdata)) }
}

/// Why writing a field ended.
pub(super) enum Stop {
    Flaw(Flaw),
    /// The reader of the text had enough.
    Sink,
}

impl From<fmt::Error> for Stop {
    fn from(_: fmt::Error) -> Stop {
        Stop::Sink
    }
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Stop {
        Stop::Flaw(flaw)
    }
}

/// Octets that are read from the front.
pub(super) struct Wire<'a> {
    /// The data from its start.
    all: &'a [u8],
    /// The end of `all` that is not read yet.
    pub(super) rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub(super) fn new(rdata: &'a [u8]) -> Wire<'a> {
        Wire { all: rdata, rest: rdata }
    }

    /// Goes over a field as [`Wire::write`] does, without its text where that is quicker.
    fn skip(&mut self, kind: Kind) -> Result<(), Stop> {
        match kind {
            Kind::U8 | Kind::Algorithm => self.take(1)?,
            Kind::U16 | Kind::TypeCode | Kind::CertType => self.take(2)?,
            Kind::V4 | Kind::U32 | Kind::Span | Kind::Moment => self.take(4)?,
            Kind::Eui48 => self.take(6)?,
            Kind::Eui64 | Kind::Id64 => self.take(8)?,
            Kind::V6 => self.take(16)?,
            Kind::Name => self.name()?.as_wire(),
            Kind::Text => self.counted()?,
            Kind::Hex | Kind::Base64 | Kind::Nsap => self.some_remainder()?,
            Kind::OptBase64 | Kind::LongText => self.remainder(),
            _ => return self.write(kind, &mut Nowhere),
        };
        Ok(())
    }

    fn write(&mut self, kind: Kind, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        match kind {
            Kind::V4 => write!(out, "{}", Ipv4Addr::from(self.array()?))?,
            Kind::V6 => write!(out, "{}", Ipv6Addr::from(self.array()?))?,
            Kind::Name => write!(out, "{}", self.name()?)?,
            Kind::U8 | Kind::Algorithm => write!(out, "{}", self.u8()?)?,
            Kind::U16 | Kind::CertType => write!(out, "{}", self.u16()?)?,
            Kind::U32 | Kind::Span => write!(out, "{}", self.u32()?)?,
            Kind::Moment => time::write_moment(self.u32()?, out)?,
            Kind::TypeCode => write!(out, "{}", Type(self.u16()?))?,
            Kind::Text => write_quoted(self.counted()?, out)?,
            Kind::OptText if self.rest.is_empty() => {}
            Kind::OptText => write_quoted(self.counted()?, out)?,
            Kind::Texts => self.texts(out)?,
            Kind::Tag => self.tag(out)?,
            Kind::LongText => write_quoted(self.remainder(), out)?,
            Kind::Hex => encode(&HEXLOWER, self.some_remainder()?, out)?,
            Kind::Nsap => {
                out.write_str("0x")?;
                encode(&HEXLOWER, self.some_remainder()?, out)?;
            }
            Kind::Base64 => encode(&BASE64, self.some_remainder()?, out)?,
            Kind::OptBase64 => encode(&BASE64, self.remainder(), out)?,
            Kind::Salt => match self.counted()? {
                [] => out.write_str("-")?,
                salt => encode(&HEXLOWER, salt, out)?,
            },
            Kind::Hash => match self.counted()? {
                [] => return Err(Flaw::Value("the hash is empty").into()),
                hash => encode(&BASE32_DNSSEC, hash, out)?,
            },
            Kind::Types => self.types(out)?,
            Kind::Eui48 => self.groups(6, 1, '-', out)?,
            Kind::Eui64 => self.groups(8, 1, '-', out)?,
            Kind::Id64 => self.groups(4, 2, ':', out)?,
            Kind::Loc => loc::write(self, out)?,
            Kind::Apl => apl::write(self, out)?,
            Kind::Hip => hip::write(self, out)?,
            Kind::SvcParams => svcb::write(self, out)?,
            Kind::Gateway => self.gateway(out)?,
            Kind::Relay => self.relay(out)?,
        }
        Ok(())
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Flaw::Incomplete)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Flaw::Incomplete)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Flaw> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Flaw> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Flaw> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn name(&mut self) -> Result<&'a Name, Flaw> {
        let (name, rest) = Name::split(self.rest).map_err(Flaw::Name)?;
        self.rest = rest;
        Ok(name)
    }

    /// What a length octet counts.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], Flaw> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    pub(super) fn remainder(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn some_remainder(&mut self) -> Result<&'a [u8], Flaw> {
        if self.rest.is_empty() { Err(Flaw::Incomplete) } else { Ok(self.remainder()) }
    }

    fn texts(&mut self, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        write_quoted(self.counted()?, out)?;
        while !self.rest.is_empty() {
            out.write_char(' ')?;
            write_quoted(self.counted()?, out)?;
        }
        Ok(())
    }

    fn tag(&mut self, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        let tag = self.counted()?;
        if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
            return Err(Flaw::Value("the tag is not letters and digits").into());
        }
        tag.iter().try_for_each(|octet| out.write_char(char::from(*octet)))?;
        Ok(())
    }

    fn types(&mut self, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        let (mut last, mut separator) = (None, "");
        while !self.rest.is_empty() {
            let block = u16::from(self.u8()?);
            let bits = self.counted()?;
            if last.is_some_and(|last| last >= block) {
                return Err(Flaw::Value("the type bitmap's blocks are not in order").into());
            }
            if bits.len() > 32 || bits.last().is_none_or(|octet| *octet == 0) {
                return Err(Flaw::Value("a block of the type bitmap is empty or too long").into());
            }
            last = Some(block);
            for (at, octet) in (0..).zip(bits) {
                for bit in (0..8u16).filter(|bit| octet.rotate_left(u32::from(*bit)) & 0x80 != 0) {
                    write!(out, "{separator}{}", Type(block << 8 | at << 3 | bit))?;
                    separator = " ";
                }
            }
        }
        Ok(())
    }

    fn groups(
        &mut self,
        count: usize,
        octets: usize,
        separator: char,
        out: &mut dyn fmt::Write,
    ) -> Result<(), Stop> {
        for group in 0..count {
            if group > 0 {
                out.write_char(separator)?;
            }
            encode(&HEXLOWER, self.take(octets)?, out)?;
        }
        Ok(())
    }

    fn gateway(&mut self, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        match self.all.get(1).map(|octet| octet & 0x7F) {
            Some(0) => out.write_char('.')?,
            Some(1) => self.write(Kind::V4, out)?,
            Some(2) => self.write(Kind::V6, out)?,
            Some(3) => self.write(Kind::Name, out)?,
            _ => return Err(Flaw::Value("the gateway type is not known").into()),
        }
        Ok(())
    }

    fn relay(&mut self, out: &mut dyn fmt::Write) -> Result<(), Stop> {
        let octet = self.u8()?;
        write!(out, "{} {} ", octet >> 7, octet & 0x7F)?;
        self.gateway(out)
    }
}

impl Kind {
    /// Whether nothing on the wire is nothing in the text, not even a blank before it.
    fn writes_nothing_of_nothing(self) -> bool {
        matches!(self, Kind::OptText | Kind::OptBase64 | Kind::Types | Kind::SvcParams)
    }
}

/// Writes `octets` in an encoding.
pub(super) fn encode(encoding: &Encoding, octets: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{}", encoding.encode_display(octets))
}

/// Takes text and keeps none of it.
struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
