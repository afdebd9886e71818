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
    // The dot at the end becomes the root's length.
    let (mut len, mut is_last) = (0, true);
    for octet in out.get_mut(start..).unwrap_or_default().iter_mut().rev() {
        match *octet {
            // What is wrong with labels so, if an escape before them does not put it right, is said there.
            b'.' if len == 0 && !is_last || len > MAX_LABEL_LEN => {
                return push_parsed(text, origin, start, out);
            }
            b'\\' => return push_parsed(text, origin, start, out),
            b'.' => *octet = std::mem::take(&mut len) as u8,
            _ => len += 1,
        }
        is_last = false;
    }
    if !text.ends_with(b".") {
        out.extend_from_slice(origin.as_wire());
    }
    if out.len() - start > MAX_NAME_LEN { Err(NameError::TooLong) } else { Ok(()) }
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
        out.extend_from_slice(rest.get(..at)?);
        let (octet, tail) = match rest.get(at + 1..)? {
            [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', tail @ ..] => {
                let value =
                    [a, b, c].iter().fold(0u16, |value, digit| value * 10 + u16::from(**digit - b'0'));
                (u8::try_from(value).ok()?, tail)
            }
            [b'0'..=b'9', ..] => return None,
            [octet, tail @ ..] => (*octet, tail),
            [] => return None,
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
    // Twenty digits could overflow; no number here has more than eleven.
    if word.is_empty() || word.len() > 18 {
        return None;
    }
    let mut value = 0u64;
    for byte in word {
        value = value * 10 + u64::from(digit(*byte)?);
    }
    (value <= most).then_some(value)
}

/// A decimal number with up to `places` digits after the point, in units of the last of them.
pub(super) fn decimal(word: &[u8], places: usize) -> Option<u64> {
    let (whole, part) = match word.iter().position(|byte| *byte == b'.') {
        Some(at) => (word.get(..at)?, word.get(at + 1..)?),
        None => (word, &[][..]),
    };
    if part.len() > places || whole.len() > 10 {
        return None;
    }
    let mut value = number(whole, u64::MAX)?;
    for place in 0..places {
        value = value * 10 + part.get(place).map_or(Some(0), |byte| digit(*byte)).map(u64::from)?;
    }
    Some(value)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// What the standard library reads from text.
pub(super) fn parse<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
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
