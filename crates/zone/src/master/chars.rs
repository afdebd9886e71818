//! Octets of text: escapes, names, numbers, character-strings; both ways.

use std::fmt;

use cartonym_wire::{MAX_LABEL_LEN, MAX_NAME_LEN, Name, NameBuf, NameError};

/// Appends the name `text` in wire form; relative ones get `origin`. On an error, some of it may be there.
///
/// The same as [`NameBuf::parse`], which it leaves escapes to, but straight into the buffer: the text is copied behind
/// a dot, so that a dot stands where each length goes, and walked from its end, where lengths are known.
pub(super) fn push_name(text: &[u8], origin: &Name, out: &mut Vec<u8>) -> Result<(), NameError> {
    match text {
        b"" => return Err(NameError::Incomplete),
        b"." => {
            out.push(0);
            return Ok(());
        }
        b"@" => {
            out.extend_from_slice(origin.as_wire());
            return Ok(());
        }
        _ => {}
    }
    let start = out.len();
    out.push(b'.');
    out.extend_from_slice(text);
    let octets = out.get_mut(start..).unwrap_or_default();
    let (is_absolute, labels) = match octets {
        [labels @ .., last @ b'.'] => {
            *last = 0;
            (true, labels)
        }
        labels => (false, labels),
    };
    let mut len = 0usize;
    for octet in labels.iter_mut().rev() {
        match *octet {
            b'.' => {
                // What is wrong with labels so, if an escape before them does not put it right, is said there.
                if !(1..=MAX_LABEL_LEN).contains(&len) {
                    return push_parsed(text, origin, start, out);
                }
                *octet = len as u8;
                len = 0;
            }
            b'\\' => return push_parsed(text, origin, start, out),
            // Not even a text of all memory is so long.
            _ => len = len.wrapping_add(1),
        }
    }
    if !is_absolute {
        out.extend_from_slice(origin.as_wire());
    }
    if out.len().saturating_sub(start) > MAX_NAME_LEN { Err(NameError::TooLong) } else { Ok(()) }
}

#[cold]
fn push_parsed(text: &[u8], origin: &Name, start: usize, out: &mut Vec<u8>) -> Result<(), NameError> {
    out.truncate(start);
    out.extend_from_slice(NameBuf::parse(text, origin)?.as_wire());
    Ok(())
}

/// Appends the octets that `text` stands for; none if a backslash is followed by neither a character nor three
/// digits up to 255.
pub(super) fn push_unescaped(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escape) = rest.split_at_checked(at)?;
        out.extend_from_slice(plain);
        let (octet, tail) = match escape {
            [_, a @ b'0'..=b'9', b, c, tail @ ..] => (number(&[*a, *b, *c], 255)? as u8, tail),
            [_, b'0'..=b'9', ..] | [_] | [] => return None,
            [_, octet, tail @ ..] => (*octet, tail),
        };
        out.push(octet);
        rest = tail;
    }
    out.extend_from_slice(rest);
    Some(())
}

/// Writes `octets` as a quoted string.
pub(super) fn write_quoted(octets: &[u8], out: &mut dyn fmt::Write) -> fmt::Result {
    out.write_char('"')?;
    for &octet in octets {
        match octet {
            b'"' | b'\\' => write!(out, "\\{}", octet as char)?,
            b' '..=b'~' => out.write_char(octet as char)?,
            _ => write!(out, "\\{octet:03}")?,
        }
    }
    out.write_char('"')
}

/// A decimal number up to `most`, digits only.
pub(super) fn number(word: &[u8], most: u64) -> Option<u64> {
    // No number here has more than eleven digits.
    if word.is_empty() || word.len() > 18 {
        return None;
    }
    let mut value = 0u64;
    for byte in word {
        // Eighteen digits are less than 2^63.
        value = value.wrapping_mul(10).wrapping_add(digit(*byte)?);
    }
    (value <= most).then_some(value)
}

/// An IPv4 address: four numbers up to 255, without zeros before them.
pub(super) fn v4(word: &[u8]) -> Option<[u8; 4]> {
    let (mut octets, mut part) = ([0u8; 4], None);
    let mut places = octets.iter_mut();
    for byte in word {
        if *byte == b'.' {
            *places.next()? = part.take()?;
            continue;
        }
        let digit = digit(*byte)? as u8;
        part = Some(match part {
            None => digit,
            Some(0) => return None,
            Some(value) => u8::checked_mul(value, 10)?.checked_add(digit)?,
        });
    }
    *places.next()? = part?;
    places.next().is_none().then_some(octets)
}

/// A decimal number with up to `places` digits after the point, in units of the last of them.
pub(super) fn decimal(word: &[u8], places: usize) -> Option<u64> {
    let mut parts = word.splitn(2, |byte| *byte == b'.');
    let (whole, part) = (parts.next()?, parts.next().unwrap_or_default());
    if part.len() > places || whole.len() > 10 {
        return None;
    }
    let mut digits = part.iter().chain(std::iter::repeat(&b'0')).take(places);
    digits.try_fold(number(whole, u64::MAX)?, |value, byte| append(value, 10, digit(*byte)?))
}

/// `value` with one more digit, of `base`; none past 64 bits.
pub(super) fn append(value: u64, base: u64, digit: u64) -> Option<u64> {
    value.checked_mul(base)?.checked_add(digit)
}

fn digit(byte: u8) -> Option<u64> {
    Some(u64::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10)
}

/// `octets` up to the last that is not zero.
pub(super) fn without_zeros_behind(octets: &[u8]) -> &[u8] {
    let last = octets.iter().rposition(|octet| *octet != 0);
    last.and_then(|last| octets.get(..=last)).unwrap_or_default()
}

/// What the standard library reads from text.
pub(super) fn parse<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_name_is_read_as_wire_reads_it() {
        let origin: NameBuf = "example.com.".parse().unwrap();
        let long = format!("{0}.{0}.{0}.{0}", "a".repeat(63));
        let escaped = "\\046".repeat(20);
        let plain =
            ["@", ".", "a", "a.", "a.b", "", "..", "a..b", ".a", &long, &long[..250], &"a".repeat(64)];
        let escapes = ["a\\.b", "\\@", "a\\..", "a\\..b", "a\\...", "\\.", &escaped];
        for text in plain.into_iter().chain(escapes) {
            let mut out = b"before".to_vec();
            let pushed = push_name(text.as_bytes(), &origin, &mut out);
            match NameBuf::parse(text.as_bytes(), &origin) {
                Ok(name) => assert_eq!(&out[6..], name.as_wire(), "{text}"),
                Err(error) => assert_eq!(pushed, Err(error), "{text}"),
            }
        }
    }

    #[test]
    fn quoted_octets_are_read_as_they_were() {
        let octets: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        write_quoted(&octets, &mut text).unwrap();
        let mut back = Vec::new();
        push_unescaped(&text.as_bytes()[1..text.len() - 1], &mut back).unwrap();
        assert_eq!(back, octets);
        for bad in ["\\", "\\1", "\\12", "\\256", "\\12a"] {
            assert!(push_unescaped(bad.as_bytes(), &mut back).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_read_as_the_standard_library_reads_it() {
        for text in [
            "0.0.0.0",
            "192.0.2.1",
            "255.255.255.255",
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.00",
            "1..2.3",
            "1.2.3.4.",
            ".1.2.3",
            "1.2.3.a",
            "1.2.3.+4",
            " 1.2.3.4",
            "1.2.3.0000004",
        ] {
            assert_eq!(v4(text.as_bytes()), text.parse::<Ipv4Addr>().ok().map(|it| it.octets()), "{text}");
        }
    }

    #[test]
    fn numbers_have_digits_and_bounds() {
        assert_eq!(number(b"65535", 65535), Some(65535));
        for bad in ["", "65536", "-1", "+1", "1a", "99999999999999999999"] {
            assert_eq!(number(bad.as_bytes(), 65535), None, "{bad}");
        }
        assert_eq!(decimal(b"12.3", 3), Some(12_300));
        assert_eq!(decimal(b"12", 2), Some(1_200));
        assert_eq!(decimal(b"1.234", 2), None);
    }
}
