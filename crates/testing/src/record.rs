//! Records as a test writes and reads them.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use cartonym_wire::{Name, NameBuf, RdataNames, Ttl, Type};

/// A record from its text: `www.example. 60 A 192.0.2.1`. Of RDATA it knows addresses, names, numbers before names
/// (MX, SRV), numbers after names (SOA), and words (TXT, HINFO).
#[derive(Clone, Debug)]
pub struct TestRecord {
    /// Whose.
    pub owner: NameBuf,
    /// For how long.
    pub ttl: Ttl,
    /// What.
    pub rtype: Type,
    /// As on the wire, uncompressed.
    pub rdata: Vec<u8>,
}

impl FromStr for TestRecord {
    type Err = String;

    fn from_str(text: &str) -> Result<TestRecord, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [owner, ttl, rtype, rdata @ ..] = &*words else { return Err(format!("too short: {text}")) };
        let rtype = rtype.parse().map_err(|error| format!("{text}: {error}"))?;
        let read = || {
            Some(TestRecord {
                owner: owner.parse().ok()?,
                ttl: Ttl::from_secs(ttl.parse().ok()?),
                rtype,
                rdata: rdata_octets(rtype, rdata)?,
            })
        };
        read().ok_or_else(|| format!("not a record: {text}"))
    }
}

fn rdata_octets(rtype: Type, words: &[&str]) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    match rtype {
        Type::A => octets.extend(words.first()?.parse::<Ipv4Addr>().ok()?.octets()),
        Type::AAAA => octets.extend(words.first()?.parse::<Ipv6Addr>().ok()?.octets()),
        Type::TXT | Type::HINFO => {
            for word in words {
                octets.push(u8::try_from(word.len()).ok()?);
                octets.extend_from_slice(word.as_bytes());
            }
        }
        _ => {
            // In front of a name numbers have two octets, behind it four.
            let mut name_seen = false;
            for word in words {
                match word.parse::<u32>() {
                    Ok(number) if name_seen => octets.extend(number.to_be_bytes()),
                    Ok(number) => octets.extend(u16::try_from(number).ok()?.to_be_bytes()),
                    Err(_) => {
                        octets.extend_from_slice(word.parse::<NameBuf>().ok()?.as_wire());
                        name_seen = true;
                    }
                }
            }
        }
    }
    Some(octets)
}

/// RDATA, uncompressed, as a test reads it: the form of [`TestRecord`], or hexadecimal digits.
pub fn rdata_text(rtype: Type, rdata: &[u8]) -> String {
    match rtype {
        Type::A if rdata.len() == 4 => {
            rdata.first_chunk().map(|octets| Ipv4Addr::from(*octets).to_string()).unwrap_or_default()
        }
        Type::AAAA if rdata.len() == 16 => {
            rdata.first_chunk().map(|octets| Ipv6Addr::from(*octets).to_string()).unwrap_or_default()
        }
        Type::TXT | Type::HINFO => strings(rdata),
        _ => names_and_numbers(rtype, rdata).unwrap_or_else(|| hex(rdata)),
    }
}

fn strings(mut rdata: &[u8]) -> String {
    let mut words = Vec::new();
    while let Some((&len, rest)) = rdata.split_first() {
        let (word, rest) = rest.split_at_checked(usize::from(len)).unwrap_or((rest, &[]));
        words.push(format!("{:?}", String::from_utf8_lossy(word)));
        rdata = rest;
    }
    words.join(" ")
}

fn names_and_numbers(rtype: Type, rdata: &[u8]) -> Option<String> {
    let shape = RdataNames::of(rtype).filter(|_| rtype != Type::RRSIG && rtype != Type::NSEC)?;
    let (before, mut rest) = rdata.split_at_checked(shape.skip(rdata)?)?;
    let mut words: Vec<String> =
        before.as_chunks().0.iter().map(|word| u16::from_be_bytes(*word).to_string()).collect();
    for _ in 0..shape.names {
        let (name, after) = Name::split(rest).ok()?;
        words.push(name.to_string());
        rest = after;
    }
    words.extend(rest.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word).to_string()));
    Some(words.join(" "))
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}
