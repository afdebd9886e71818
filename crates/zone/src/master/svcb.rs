//! SvcParams of SVCB and HTTPS (RFC 9460 §2.1, §7, §8).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use data_encoding::BASE64;

use super::chars::{number, parse, push_unescaped, write_quoted};
use super::error::Parsed;
use super::lexer::Token;
use super::read::{Reader, decode};
use super::write::{Flaw, Stop, Wire, encode};

/// Reads `key[=value]` to the end, and writes the parameters in the order of their keys.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Parsed<()> {
    let mut params: Vec<(u16, Token<'_>, Vec<u8>)> = Vec::new();
    while let Some(token) = reader.lexer.pair()? {
        let (key, value) = read_param(reader, token)?;
        if params.iter().any(|(other, ..)| *other == key) {
            return Err(reader.against(token, format!("the key {} is there twice", Key(key))));
        }
        params.push((key, token, value));
    }
    params.sort_by_key(|(key, ..)| *key);
    for (key, token, value) in &params {
        if let Some(missing) = missing(*key, value, params.iter().map(|(key, ..)| *key)) {
            return Err(reader.against(*token, format!("{} needs {}", Key(*key), Key(missing))));
        }
        reader.out.extend_from_slice(&key.to_be_bytes());
        reader.out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        reader.out.extend_from_slice(value);
    }
    Ok(())
}

/// Writes what [`read`] reads.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut dyn fmt::Write) -> Result<(), Stop> {
    let all = wire.rest;
    let (mut last, mut separator) = (None, "");
    while !wire.rest.is_empty() {
        let (key, value) = param(wire)?;
        if last.is_some_and(|last| last >= key) {
            return Err(Flaw::Value("the keys are not in order").into());
        }
        if missing(key, value, keys(all)).is_some() {
            return Err(Flaw::Value("a key needs another one, which is not there").into());
        }
        write!(out, "{separator}{}", Key(key))?;
        write_value(key, value, out)?;
        (last, separator) = (Some(key), " ");
    }
    Ok(())
}

fn param<'a>(wire: &mut Wire<'a>) -> Result<(u16, &'a [u8]), Flaw> {
    let (key, len) = (wire.u16()?, wire.u16()?);
    Ok((key, wire.take(usize::from(len))?))
}

fn keys(params: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut wire = Wire::new(params);
    std::iter::from_fn(move || param(&mut wire).ok().map(|(key, _)| key))
}

/// The key that `key` with `value` asks for and that is not among those that are there.
fn missing(key: u16, value: &[u8], mut there: impl Iterator<Item = u16>) -> Option<u16> {
    match key {
        // Both are in order, so each is walked once, however many a stranger sends.
        MANDATORY => octet_pairs(value).find(|asked| !there.any(|key| key == *asked)),
        NO_DEFAULT_ALPN if !there.any(|key| key == ALPN) => Some(ALPN),
        _ => None,
    }
}

fn octet_pairs(value: &[u8]) -> impl Iterator<Item = u16> + '_ {
    value.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
}

fn read_param(reader: &Reader<'_, '_>, token: Token<'_>) -> Parsed<(u16, Vec<u8>)> {
    let equals = token.text.iter().position(|byte| *byte == b'=');
    let (key, value) = match equals.and_then(|at| token.text.split_at_checked(at)) {
        Some((key, value)) => (key, value.get(1..)),
        None => (token.text, None),
    };
    let key = Key::parse(key).ok_or_else(|| reader.wrong(token, "a parameter, as alpn=h2 or key667=x"))?.0;
    let quoted = value.and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
    let mut octets = Vec::new();
    push_unescaped(quoted.or(value).unwrap_or_default(), &mut octets)
        .ok_or_else(|| reader.wrong(token, "well escaped"))?;
    let (value, expected) = read_value(key, value.is_some(), octets);
    let value = value.filter(|value| value.len() <= usize::from(u16::MAX));
    Ok((key, value.ok_or_else(|| reader.wrong(token, expected))?))
}

/// The value in wire form, and what would be right where there is none.
fn read_value(key: u16, is_given: bool, text: Vec<u8>) -> (Option<Vec<u8>>, &'static str) {
    let list = || text.split(|byte| *byte == b',');
    match key {
        MANDATORY => (mandatory(list().map(Key::parse)), "mandatory= and other keys, each once, with commas"),
        ALPN => (alpn(&text), "alpn= and protocols with commas, as h2,h3"),
        NO_DEFAULT_ALPN | OHTTP => ((!is_given).then(Vec::new), "without a value"),
        PORT => {
            (number(&text, 65_535).map(|port| (port as u16).to_be_bytes().to_vec()), "port= and 0 to 65535")
        }
        IPV4HINT => (
            list()
                .map(|item| parse(item).map(|it: Ipv4Addr| it.octets()))
                .collect::<Option<Vec<_>>>()
                .map(|it| it.concat()),
            "ipv4hint= and addresses with commas",
        ),
        IPV6HINT => (
            list()
                .map(|item| parse(item).map(|it: Ipv6Addr| it.octets()))
                .collect::<Option<Vec<_>>>()
                .map(|it| it.concat()),
            "ipv6hint= and addresses with commas",
        ),
        ECH => {
            let mut octets = Vec::new();
            let decoded = decode(&BASE64, &text, &mut octets).filter(|len| *len > 0);
            (decoded.map(|_| octets), "ech= and Base64")
        }
        DOHPATH => {
            (Some(text).filter(|path| is_doh_path(path)), "dohpath= and a template, as /dns-query{?dns}")
        }
        _ => (Some(text), "at most 65535 octets long"),
    }
}

/// The keys in order; none if one is unknown, is there twice, or is `mandatory` itself (RFC 9460 §8).
fn mandatory(keys: impl Iterator<Item = Option<Key>>) -> Option<Vec<u8>> {
    let mut keys = keys.map(|key| key.map(|key| key.0)).collect::<Option<Vec<_>>>()?;
    keys.sort_unstable();
    is_mandatory(keys.iter().copied()).then(|| keys.into_iter().flat_map(u16::to_be_bytes).collect())
}

fn is_mandatory(mut keys: impl Iterator<Item = u16>) -> bool {
    let mut last = MANDATORY;
    keys.all(|key| std::mem::replace(&mut last, key) < key) && last > MANDATORY
}

/// Protocol identifiers with their lengths; `\,` and `\\` are a comma and a backslash in one (RFC 9460 §A.1).
fn alpn(text: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut id) = (Vec::new(), Vec::new());
    let mut push = |id: &mut Vec<u8>| {
        out.push(u8::try_from(id.len()).ok().filter(|len| *len > 0)?);
        out.append(id);
        Some(())
    };
    let mut octets = text.iter();
    while let Some(&octet) = octets.next() {
        match octet {
            b',' => push(&mut id)?,
            b'\\' => id.push(*octets.next()?),
            _ => id.push(octet),
        }
    }
    push(&mut id)?;
    Some(out)
}

fn write_value(key: u16, value: &[u8], out: &mut dyn fmt::Write) -> Result<(), Stop> {
    let bad = Flaw::Value("the value of a key is not valid");
    match key {
        MANDATORY => {
            if !value.len().is_multiple_of(2) || !is_mandatory(octet_pairs(value)) {
                return Err(bad.into());
            }
            write_list(octet_pairs(value).map(Key), out)?;
        }
        ALPN => write_alpn(value, out)?,
        NO_DEFAULT_ALPN | OHTTP if value.is_empty() => {}
        NO_DEFAULT_ALPN | OHTTP => return Err(bad.into()),
        PORT => write!(out, "={}", u16::from_be_bytes(value.try_into().map_err(|_| bad)?))?,
        IPV4HINT => match value.as_chunks::<4>() {
            (addresses @ [_, ..], []) => write_list(addresses.iter().map(|it| Ipv4Addr::from(*it)), out)?,
            _ => return Err(bad.into()),
        },
        IPV6HINT => match value.as_chunks::<16>() {
            (addresses @ [_, ..], []) => write_list(addresses.iter().map(|it| Ipv6Addr::from(*it)), out)?,
            _ => return Err(bad.into()),
        },
        ECH if value.is_empty() => return Err(bad.into()),
        ECH => {
            out.write_char('=')?;
            encode(&BASE64, value, out)?;
        }
        DOHPATH if !is_doh_path(value) => return Err(bad.into()),
        _ if value.is_empty() => {}
        _ => {
            out.write_char('=')?;
            write_quoted(value, out)?;
        }
    }
    Ok(())
}

fn write_list(items: impl Iterator<Item = impl fmt::Display>, out: &mut dyn fmt::Write) -> fmt::Result {
    let mut separator = '=';
    for item in items {
        write!(out, "{separator}{item}")?;
        separator = ',';
    }
    Ok(())
}

fn write_alpn(value: &[u8], out: &mut dyn fmt::Write) -> Result<(), Stop> {
    let mut wire = Wire::new(value);
    let mut text = Vec::new();
    loop {
        let id = wire.counted()?;
        if id.is_empty() {
            return Err(Flaw::Value("a protocol is empty").into());
        }
        for octet in id {
            if matches!(octet, b',' | b'\\') {
                text.push(b'\\');
            }
            text.push(*octet);
        }
        if wire.rest.is_empty() {
            break;
        }
        text.push(b',');
    }
    out.write_char('=')?;
    write_quoted(&text, out)?;
    Ok(())
}

/// Whether this is a relative template with the variable `dns` (RFC 9461 §5).
fn is_doh_path(path: &[u8]) -> bool {
    path.starts_with(b"/") && path.windows(3).any(|part| part == b"dns") && std::str::from_utf8(path).is_ok()
}

/// The key of a parameter: its name, or `keyNNN`.
struct Key(u16);

impl Key {
    fn parse(word: &[u8]) -> Option<Key> {
        let named = KEYS.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes()));
        if let Some(key) = named {
            return Some(Key(key as u16));
        }
        let digits = word.strip_prefix(b"key")?;
        // Leading zeros are not allowed (RFC 9460 §2.1), nor is 65535, which is reserved (§14.3.2).
        let canonical = digits == b"0" || !digits.starts_with(b"0");
        number(digits, 65_534).filter(|_| canonical).map(|key| Key(key as u16))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KEYS.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "key{}", self.0),
        }
    }
}

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;
/// Names in the order of their numbers.
const KEYS: &[&str] =
    &["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];
