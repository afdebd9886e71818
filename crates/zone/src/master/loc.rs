//! LOC (RFC 1876): a place on the earth.

use std::fmt;

use super::chars::{append, decimal, number};
use super::error::Parsed;
use super::lexer::Token;
use super::read::Reader;
use super::write::{Flaw, Stop, Wire};

/// Reads `d [m [s]] N|S d [m [s]] E|W altitude [size [horizontal [vertical]]]`, lengths in metres.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Parsed<()> {
    let latitude = angle(reader, 90, (b'N', b'S'), "degrees up to 90, minutes, seconds and N or S")?;
    let longitude = angle(reader, 180, (b'E', b'W'), "degrees up to 180, minutes, seconds and E or W")?;
    let token = reader.word()?;
    let altitude =
        altitude(token).ok_or_else(|| reader.wrong(token, "metres from -100000 to 42849672.95"))?;
    let mut sizes = DEFAULT_SIZES;
    for size in &mut sizes {
        let Some(token) = reader.optional()? else { break };
        *size = metres(token.text)
            .and_then(pack)
            .ok_or_else(|| reader.wrong(token, "metres from 0 to 90000000"))?;
    }
    reader.out.push(0);
    reader.out.extend_from_slice(&sizes);
    for number in [latitude, longitude, altitude] {
        reader.out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

/// Writes what [`read`] reads.
pub(super) fn write(wire: &mut Wire<'_>, out: &mut dyn fmt::Write) -> Result<(), Stop> {
    if wire.u8()? != 0 {
        return Err(Flaw::Value("the version is not 0").into());
    }
    let sizes = [wire.u8()?, wire.u8()?, wire.u8()?];
    write_angle(wire.u32()?, 90, ('N', 'S'), out)?;
    write_angle(wire.u32()?, 180, ('E', 'W'), out)?;
    let altitude = wire.u32()?;
    let sign = if altitude < SEA_LEVEL { "-" } else { "" };
    let centimetres = altitude.abs_diff(SEA_LEVEL);
    write!(out, "{sign}{}.{:02}m", centimetres / 100, centimetres % 100)?;
    for size in sizes {
        let centimetres = unpack(size).ok_or(Flaw::Value("a size is not a digit and a power of ten"))?;
        write!(out, " {}.{:02}m", centimetres / 100, centimetres % 100)?;
    }
    Ok(())
}

/// Thousandths of a second of arc, north or east of the middle of 32 bits.
fn angle(
    reader: &mut Reader<'_, '_>,
    most: u64,
    (plus, minus): (u8, u8),
    expected: &'static str,
) -> Parsed<u32> {
    let mut parts = Vec::with_capacity(3);
    loop {
        let token = reader.word()?;
        if let Some(is_plus) = sign(token.text, plus, minus) {
            let total = arc(&parts).filter(|total| Some(*total) <= arc(&[most]));
            let from_equator = if is_plus { u32::checked_add } else { u32::checked_sub };
            let angle = total.and_then(|total| from_equator(EQUATOR, total));
            return angle.ok_or_else(|| reader.wrong(token, expected));
        }
        let part = match parts.len() {
            0 => number(token.text, most),
            1 => number(token.text, 59),
            2 => decimal(token.text, 3).filter(|milliseconds| *milliseconds < MINUTE),
            _ => None,
        };
        parts.push(part.ok_or_else(|| reader.wrong(token, expected))?);
    }
}

/// Thousandths of a second, from degrees, minutes and thousandths of a second; the last two may be left out.
fn arc(parts: &[u64]) -> Option<u32> {
    let (degrees, minutes, milliseconds) = match *parts {
        [degrees] => (degrees, 0, 0),
        [degrees, minutes] => (degrees, minutes, 0),
        [degrees, minutes, milliseconds] => (degrees, minutes, milliseconds),
        _ => return None,
    };
    u32::try_from(append(append(degrees, 60, minutes)?, MINUTE, milliseconds)?).ok()
}

/// Whether `word` is the letter of one side, and of which.
fn sign(word: &[u8], plus: u8, minus: u8) -> Option<bool> {
    let [letter] = word else { return None };
    let letter = letter.to_ascii_uppercase();
    (letter == plus || letter == minus).then_some(letter == plus)
}

fn write_angle(
    value: u32,
    most: u64,
    (plus, minus): (char, char),
    out: &mut dyn fmt::Write,
) -> Result<(), Stop> {
    let total = value.abs_diff(EQUATOR);
    if Some(total) > arc(&[most]) {
        return Err(Flaw::Value("an angle is out of range").into());
    }
    let total = u64::from(total);
    let (minutes, milliseconds) = (total / MINUTE, total % MINUTE);
    let letter = if value < EQUATOR { minus } else { plus };
    write!(out, "{} {} ", minutes / 60, minutes % 60)?;
    write!(out, "{}.{:03} {letter} ", milliseconds / 1000, milliseconds % 1000)?;
    Ok(())
}

/// Centimetres above 100 km below the sea.
fn altitude(token: Token<'_>) -> Option<u32> {
    match token.text.strip_prefix(b"-") {
        Some(below) => SEA_LEVEL.checked_sub(u32::try_from(metres(below)?).ok()?),
        None => SEA_LEVEL.checked_add(u32::try_from(metres(token.text)?).ok()?),
    }
}

/// Centimetres of `12.34m`, where the unit may be left out.
fn metres(word: &[u8]) -> Option<u64> {
    let word = word.strip_suffix(b"m").or_else(|| word.strip_suffix(b"M")).unwrap_or(word);
    decimal(word, 2)
}

/// A digit in the high four bits, a power of ten in the low four.
fn pack(centimetres: u64) -> Option<u8> {
    (0..=9).find_map(|power| {
        let digit = centimetres.checked_div(power_of_ten(power)?)?;
        (digit <= 9).then_some((digit as u8) << 4 | power)
    })
}

fn unpack(size: u8) -> Option<u64> {
    let (digit, power) = (size >> 4, size & 0x0F);
    // Zero has one form, so that what is written is read as it was.
    let valid = digit <= 9 && power <= 9 && (digit > 0 || power == 0);
    power_of_ten(power).filter(|_| valid)?.checked_mul(u64::from(digit))
}

fn power_of_ten(power: u8) -> Option<u64> {
    10u64.checked_pow(u32::from(power))
}

/// 1 m, 10 km and 10 m.
const DEFAULT_SIZES: [u8; 3] = [0x12, 0x16, 0x13];
/// Zero of angles.
const EQUATOR: u32 = 1 << 31;
/// Zero of altitudes, in centimetres.
const SEA_LEVEL: u32 = 10_000_000;
/// A minute of arc in thousandths of a second.
const MINUTE: u64 = 60_000;
