//! RDATA from text: a function for each kind of field.

use std::net::Ipv6Addr;

use cartonym_wire::{Name, Type};
use data_encoding::{BASE32_DNSSEC, BASE64, Encoding, HEXLOWER_PERMISSIVE};

use super::chars::{number, parse, push_name, push_unescaped, v4, without_zeros_behind};
use super::error::{Fault, Mistake, Parsed, show};
use super::fields::{ALGORITHMS, CERTIFICATES, Kind, Row};
use super::lexer::{Lexer, Token};
use super::write::validate_rdata;
use super::{apl, hip, loc, svcb, time};

/// Reads the rest of an entry into `out`, which is empty, as the data of `rtype`.
pub(super) fn read_rdata(rtype: Type, lexer: &mut Lexer<'_>, origin: &Name, out: &mut Vec<u8>) -> Parsed<()> {
    let start = lexer.place();
    if lexer.take_generic()? {
        return read_generic(rtype, lexer, out);
    }
    let Some(row) = Row::of(rtype) else {
        return Err(Fault::new(start, Mistake::NoTextForm(rtype)));
    };
    let mut reader = Reader { lexer, origin, row, field: "", out };
    for field in row.fields {
        reader.field = field.name;
        reader.read(field.kind)?;
    }
    if let Some(extra) = reader.lexer.token()? {
        return Err(Fault::new(extra.place, Mistake::too_many(row, extra.text)));
    }
    match out.len() {
        0..=MAX_RDATA_LEN => Ok(()),
        len => Err(Fault::new(start, Mistake::TooLong(len))),
    }
}

/// Reads a length and words of hex digits (RFC 3597 §5).
fn read_generic(rtype: Type, lexer: &mut Lexer<'_>, out: &mut Vec<u8>) -> Parsed<()> {
    let start = lexer.place();
    let usage = |place| Fault::new(place, Mistake::Usage { usage: "\\# LENGTH HEX, as \\# 4 c0000201" });
    let length = lexer.token()?.ok_or_else(|| usage(start))?;
    let announced = number(length.text, MAX_RDATA_LEN as u64).ok_or_else(|| usage(length.place))? as u16;
    if let Some(first) = lexer.token()? {
        let word = join(first, lexer)?;
        decode(&HEXLOWER_PERMISSIVE, &word, out).ok_or_else(|| usage(first.place))?;
    }
    if out.len() != usize::from(announced) {
        return Err(Fault::new(start, Mistake::GenericLength { announced, present: out.len() }));
    }
    validate_rdata(rtype, out).map_err(|error| Fault::new(start, Mistake::Generic(error)))
}

/// The words of one record's data, and where its octets go.
pub(super) struct Reader<'l, 't> {
    pub(super) lexer: &'l mut Lexer<'t>,
    pub(super) origin: &'l Name,
    pub(super) row: &'static Row,
    /// The name of the field being read, for errors.
    pub(super) field: &'static str,
    pub(super) out: &'l mut Vec<u8>,
}

impl<'t> Reader<'_, 't> {
    fn read(&mut self, kind: Kind) -> Parsed<()> {
        match kind {
            Kind::V4 => self.v4(),
            Kind::V6 => self.v6(),
            Kind::Name => self.name(),
            Kind::U8 => self.u8(),
            Kind::U16 => self.u16(),
            Kind::U32 => self.u32(),
            Kind::Span => self.parsed(time::span, "seconds, or units as in 1h30m"),
            Kind::Moment => self.parsed(time::moment, "a time as YYYYMMDDHHmmSS"),
            Kind::TypeCode => self.type_code(),
            Kind::Algorithm => self.mnemonic(ALGORITHMS, 255, "an algorithm's number or mnemonic"),
            Kind::CertType => self.mnemonic(CERTIFICATES, 65_535, "a certificate type's number or mnemonic"),
            Kind::Text => self.word().and_then(|token| self.text(token)),
            Kind::OptText => self.optional()?.map_or(Ok(()), |token| self.text(token)),
            Kind::Texts => self.texts(),
            Kind::Tag => self.tag(),
            Kind::LongText => self.long_text(),
            Kind::Hex => self.encoded(&HEXLOWER_PERMISSIVE, "hex digits"),
            Kind::Nsap => self.nsap(),
            Kind::Base64 => self.encoded(&BASE64, "Base64"),
            Kind::OptBase64 => self.optional()?.map_or(Ok(()), |token| self.base64(token)),
            Kind::Salt => self.salt(),
            Kind::Hash => self.hash(),
            Kind::Types => self.types(),
            Kind::Eui48 => self.groups(6, 2, b'-', "six pairs of hex digits, as 00-00-5e-00-53-2a"),
            Kind::Eui64 => self.groups(8, 2, b'-', "eight pairs of hex digits, as 00-00-5e-ef-10-00-00-2a"),
            Kind::Id64 => self.groups(4, 4, b':', "four groups of hex digits, as 0014:4fff:ff20:ee64"),
            Kind::Loc => loc::read(self),
            Kind::Apl => apl::read(self),
            Kind::Hip => hip::read(self),
            Kind::SvcParams => svcb::read(self),
            Kind::Gateway => self.gateway(),
            Kind::Relay => self.relay(),
        }
    }

    /// The next word, which must be there.
    pub(super) fn word(&mut self) -> Parsed<Token<'t>> {
        match self.lexer.token()? {
            Some(token) => Ok(token),
            None => Err(Fault::new(self.lexer.place(), Mistake::too_few(self.row))),
        }
    }

    /// The next word, if there is one.
    pub(super) fn optional(&mut self) -> Parsed<Option<Token<'t>>> {
        self.lexer.token()
    }

    /// The mistake that `token` is not what it should be.
    #[cold]
    pub(super) fn wrong(&self, token: Token<'_>, expected: &'static str) -> Box<Fault> {
        let (rtype, field, word) = (self.row.rtype, self.field, show(token.text));
        Fault::new(token.place, Mistake::Field { rtype, field, word, expected })
    }

    /// The mistake that the field breaks a rule.
    #[cold]
    pub(super) fn against(&self, token: Token<'_>, why: String) -> Box<Fault> {
        Fault::new(token.place, Mistake::Rule { rtype: self.row.rtype, field: self.field, why })
    }

    fn v4(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let address = v4(token.text).ok_or_else(|| self.wrong(token, "an IPv4 address, as 192.0.2.1"))?;
        self.out.extend_from_slice(&address);
        Ok(())
    }

    fn v6(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let address: Ipv6Addr =
            parse(token.text).ok_or_else(|| self.wrong(token, "an IPv6 address, as 2001:db8::1"))?;
        self.out.extend_from_slice(&address.octets());
        Ok(())
    }

    pub(super) fn name(&mut self) -> Parsed<()> {
        let token = self.word()?;
        self.name_of(token)
    }

    pub(super) fn name_of(&mut self, token: Token<'_>) -> Parsed<()> {
        push_name(token.text, self.origin, self.out)
            .map_err(|why| Fault::new(token.place, Mistake::Name { word: show(token.text), why }))
    }

    pub(super) fn u8(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let value = number(token.text, 255).ok_or_else(|| self.wrong(token, "a number from 0 to 255"))?;
        self.out.push(value as u8);
        Ok(())
    }

    fn u16(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let value =
            number(token.text, 65_535).ok_or_else(|| self.wrong(token, "a number from 0 to 65535"))?;
        self.out.extend_from_slice(&(value as u16).to_be_bytes());
        Ok(())
    }

    fn u32(&mut self) -> Parsed<()> {
        let whole = |word: &[u8]| number(word, u64::from(u32::MAX)).map(|value| value as u32);
        self.parsed(whole, "a number from 0 to 4294967295")
    }

    fn parsed(&mut self, parse: impl Fn(&[u8]) -> Option<u32>, expected: &'static str) -> Parsed<()> {
        let token = self.word()?;
        let value = parse(token.text).ok_or_else(|| self.wrong(token, expected))?;
        self.out.extend_from_slice(&value.to_be_bytes());
        Ok(())
    }

    fn type_code(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let rtype = self.a_type(token)?;
        self.out.extend_from_slice(&rtype.0.to_be_bytes());
        Ok(())
    }

    fn a_type(&self, token: Token<'_>) -> Parsed<Type> {
        parse(token.text).ok_or_else(|| self.wrong(token, "a type"))
    }

    /// A number up to `most`, which is of one octet or of two, or a mnemonic of `table`.
    fn mnemonic(&mut self, table: &[(&str, u16)], most: u16, expected: &'static str) -> Parsed<()> {
        let token = self.word()?;
        let named = || table.iter().find(|(name, _)| token.text.eq_ignore_ascii_case(name.as_bytes()));
        let value = number(token.text, u64::from(most))
            .map(|value| value as u16)
            .or_else(|| named().map(|(_, value)| *value))
            .ok_or_else(|| self.wrong(token, expected))?;
        let octets = value.to_be_bytes();
        self.out.extend(octets.iter().skip(usize::from(most == 255)));
        Ok(())
    }

    fn text(&mut self, token: Token<'_>) -> Parsed<()> {
        let start = self.out.len();
        self.out.push(0);
        push_unescaped(token.text, self.out).ok_or_else(|| self.wrong(token, BAD_ESCAPE))?;
        set_length(self.out, start).ok_or_else(|| self.wrong(token, "at most 255 octets long; split it"))
    }

    fn texts(&mut self) -> Parsed<()> {
        let first = self.word()?;
        self.text(first)?;
        while let Some(token) = self.optional()? {
            self.text(token)?;
        }
        Ok(())
    }

    fn tag(&mut self) -> Parsed<()> {
        let token = self.word()?;
        if token.text.is_empty() || !token.text.iter().all(u8::is_ascii_alphanumeric) {
            return Err(self.wrong(token, "letters and digits, as issue"));
        }
        self.text(token)
    }

    fn long_text(&mut self) -> Parsed<()> {
        let token = self.word()?;
        push_unescaped(token.text, self.out).ok_or_else(|| self.wrong(token, BAD_ESCAPE))
    }

    /// The words up to the end, at least one, as one encoded whole.
    pub(super) fn encoded(&mut self, encoding: &Encoding, expected: &'static str) -> Parsed<()> {
        let first = self.word()?;
        self.encoded_from(first, encoding, expected)
    }

    fn base64(&mut self, first: Token<'t>) -> Parsed<()> {
        self.encoded_from(first, &BASE64, "Base64")
    }

    fn encoded_from(&mut self, first: Token<'t>, encoding: &Encoding, expected: &'static str) -> Parsed<()> {
        let word = join(first, self.lexer)?;
        decode(encoding, &word, self.out)
            .filter(|len| *len > 0)
            .map(drop)
            .ok_or_else(|| self.wrong(first, expected))
    }

    fn nsap(&mut self) -> Parsed<()> {
        let token = self.word()?;
        let digits = token.text.strip_prefix(b"0x").or_else(|| token.text.strip_prefix(b"0X"));
        let digits =
            digits.map(|digits| digits.iter().copied().filter(|byte| *byte != b'.').collect::<Vec<_>>());
        digits
            .and_then(|digits| decode(&HEXLOWER_PERMISSIVE, &digits, self.out))
            .filter(|len| *len > 0)
            .map(drop)
            .ok_or_else(|| self.wrong(token, "0x and hex digits"))
    }

    fn salt(&mut self) -> Parsed<()> {
        let token = self.word()?;
        match token.text {
            b"-" => {
                self.out.push(0);
                Ok(())
            }
            word => self.counted(token, &HEXLOWER_PERMISSIVE, word, "hex digits, or - for none"),
        }
    }

    fn hash(&mut self) -> Parsed<()> {
        let token = self.word()?;
        self.counted(token, &BASE32_DNSSEC, token.text, "Base32hex")
    }

    /// A length and the octets of `word`, 1 to 255.
    fn counted(
        &mut self,
        token: Token<'_>,
        encoding: &Encoding,
        word: &[u8],
        expected: &'static str,
    ) -> Parsed<()> {
        let start = self.out.len();
        self.out.push(0);
        decode(encoding, word, self.out)
            .filter(|len| *len > 0)
            .and_then(|_| set_length(self.out, start))
            .ok_or_else(|| self.wrong(token, expected))
    }

    fn types(&mut self) -> Parsed<()> {
        let mut types = Vec::new();
        while let Some(token) = self.optional()? {
            types.push(self.a_type(token)?);
        }
        types.sort_unstable();
        for window in types.chunk_by(|a, b| a.0 >> 8 == b.0 >> 8) {
            self.window(window);
        }
        Ok(())
    }

    /// The types of one block of 256, which are in order: its number, a length, so many octets of bits.
    fn window(&mut self, types: &[Type]) {
        let mut bits = [0u8; 32];
        for rtype in types {
            let [_, low] = rtype.0.to_be_bytes();
            if let Some(octet) = bits.get_mut(usize::from(low / 8)) {
                *octet |= 0x80u8.rotate_right(u32::from(low % 8));
            }
        }
        let block = types.first().map_or(0, |rtype| (rtype.0 >> 8) as u8);
        let used = without_zeros_behind(&bits);
        self.out.extend_from_slice(&[block, used.len() as u8]);
        self.out.extend_from_slice(used);
    }

    /// `count` groups of `digits` hex digits with `separator` between them.
    fn groups(&mut self, count: usize, digits: usize, separator: u8, expected: &'static str) -> Parsed<()> {
        let token = self.word()?;
        let mut groups = token.text.split(|byte| *byte == separator);
        let are_whole = groups.clone().count() == count
            && groups.all(|group| {
                group.len() == digits && decode(&HEXLOWER_PERMISSIVE, group, self.out).is_some()
            });
        if are_whole { Ok(()) } else { Err(self.wrong(token, expected)) }
    }

    /// What the data's second octet says: 0 nothing, 1 and 2 an address, 3 a name.
    fn gateway(&mut self) -> Parsed<()> {
        match self.out.get(1).map(|octet| octet & 0x7F) {
            Some(0) => {
                let token = self.word()?;
                if token.text == b"." {
                    Ok(())
                } else {
                    Err(self.wrong(token, "a dot, as gateway type 0 asks"))
                }
            }
            Some(1) => self.v4(),
            Some(2) => self.v6(),
            Some(3) => self.name(),
            _ => {
                let token = self.word()?;
                Err(self.wrong(token, "known: the gateway type before it must be 0, 1, 2 or 3"))
            }
        }
    }

    fn relay(&mut self) -> Parsed<()> {
        let discovery = self.word()?;
        let bit = number(discovery.text, 1).ok_or_else(|| self.wrong(discovery, "0 or 1"))?;
        let rtype = self.word()?;
        let value = number(rtype.text, 3).ok_or_else(|| self.wrong(rtype, "a relay type from 0 to 3"))?;
        self.out.push((bit << 7 | value) as u8);
        self.gateway()
    }
}

/// `first` and the words up to the end as one; borrowed if it is alone, as it mostly is.
fn join<'t>(first: Token<'t>, lexer: &mut Lexer<'t>) -> Parsed<std::borrow::Cow<'t, [u8]>> {
    let mut whole = std::borrow::Cow::Borrowed(first.text);
    while let Some(token) = lexer.token()? {
        whole.to_mut().extend_from_slice(token.text);
    }
    Ok(whole)
}

/// Appends what `word` encodes, and says how many octets that is.
pub(super) fn decode(encoding: &Encoding, word: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let start = out.len();
    let room = encoding.decode_len(word.len()).ok()?;
    out.resize(start.checked_add(room)?, 0);
    let len = encoding.decode_mut(word, out.get_mut(start..)?).ok()?;
    out.truncate(start.saturating_add(len));
    Some(len)
}

/// Makes the octet at `start` the number of those behind it; none if they are more than 255.
fn set_length(out: &mut [u8], start: usize) -> Option<()> {
    let (length, octets) = out.get_mut(start..)?.split_first_mut()?;
    *length = u8::try_from(octets.len()).ok()?;
    Some(())
}

/// Octets of the longest RDATA.
const MAX_RDATA_LEN: usize = 65_535;
const BAD_ESCAPE: &str = "well escaped; a backslash needs a character or three digits up to 255";
