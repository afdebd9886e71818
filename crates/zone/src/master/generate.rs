//! `$GENERATE`: one line of text for each number of a range, as BIND has it.

use std::io::Write;

use cartonym_wire::Type;

use super::chars::{number, parse};
use super::error::{Fault, Mistake, Parsed, show};
use super::fields::{Kind, Row};
use super::lexer::{Lexer, Place, Token};

/// The lines that are still to be made.
pub(super) struct Generation {
    /// Where the directive stands.
    pub(super) place: Place,
    numbers: std::iter::StepBy<std::ops::RangeInclusive<u32>>,
    owner: Vec<u8>,
    /// TTL, class, type and data.
    rest: Vec<u8>,
    /// The line in the making, kept for its room.
    line: Vec<u8>,
}

impl Generation {
    /// Reads `RANGE OWNER [TTL] [CLASS] TYPE DATA`.
    pub(super) fn read(place: Place, lexer: &mut Lexer<'_>) -> Parsed<Generation> {
        let range = word(lexer)?;
        let numbers = numbers(range.text).ok_or_else(|| {
            let expected = "FROM-TO or FROM-TO/STEP, of at most 16777216 numbers up to 2147483647";
            Fault::new(range.place, Mistake::Generate { word: show(range.text), expected })
        })?;
        let owner = word(lexer)?.text.to_vec();
        let start = lexer.place();
        let mut last = word(lexer)?;
        let mut before = last;
        while let Some(token) = lexer.token()? {
            before = std::mem::replace(&mut last, token);
        }
        let mut rest = lexer.text_since(start).to_vec();
        if last.quoted && !begins_with_text(before) {
            // BIND wants data of several fields in quotes; without them it is what the type's own reader takes.
            rest.truncate(last.place.at.saturating_sub(start.at));
            rest.extend_from_slice(last.text);
        }
        Ok(Generation { place, numbers, owner, rest, line: Vec::new() })
    }

    /// Makes the next line.
    pub(super) fn next_line(&mut self) -> Option<Result<&[u8], Mistake>> {
        let number = self.numbers.next()?;
        self.line.clear();
        // What follows the owner begins with the blank behind it.
        let made = expand(&self.owner, number, &mut self.line)
            .and_then(|()| expand(&self.rest, number, &mut self.line));
        Some(made.map(|()| self.line.as_slice()))
    }
}

fn word<'t>(lexer: &mut Lexer<'t>) -> Parsed<Token<'t>> {
    let usage = "$GENERATE FROM-TO[/STEP] OWNER [TTL] [CLASS] TYPE DATA";
    match lexer.token()? {
        Some(token) => Ok(token),
        None => Err(Fault::new(lexer.place(), Mistake::Usage { usage })),
    }
}

fn numbers(word: &[u8]) -> Option<std::iter::StepBy<std::ops::RangeInclusive<u32>>> {
    let mut parts = word.splitn(2, |byte| *byte == b'/');
    let mut ends = parts.next()?.splitn(2, |byte| *byte == b'-');
    let (from, to) = (number(ends.next()?, MAX_NUMBER)?, number(ends.next()?, MAX_NUMBER)?);
    let step = parts.next().map_or(Some(1), |step| number(step, MAX_NUMBER))?;
    let bounded = to.checked_sub(from)?.checked_div(step)? < MAX_LINES;
    bounded.then(|| (from as u32..=to as u32).step_by(step as usize))
}

/// Whether the type that `token` names begins with a string, which its quotes belong to.
fn begins_with_text(token: Token<'_>) -> bool {
    let row = parse::<Type>(token.text).and_then(Row::of);
    let first = row.and_then(|row| row.fields.first()).map(|field| field.kind);
    matches!(first, None | Some(Kind::Text | Kind::Texts))
}

/// Appends `template` with `$` and `${offset,width,base}` replaced by `number`.
fn expand(template: &[u8], number: u32, out: &mut Vec<u8>) -> Result<(), Mistake> {
    let mut rest = template;
    loop {
        rest = match rest {
            [] => return Ok(()),
            [b'\\', escaped, tail @ ..] => {
                out.extend_from_slice(&[b'\\', *escaped]);
                tail
            }
            [b'$', b'$', tail @ ..] => {
                out.extend_from_slice(b"\\$");
                tail
            }
            [b'$', b'{', tail @ ..] => {
                let mut parts = tail.splitn(2, |byte| *byte == b'}');
                let modifier = parts.next().unwrap_or_default();
                modify(modifier, number, out).ok_or_else(|| Mistake::Generate {
                    word: format!("${{{}}}", show(modifier)),
                    expected: "${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N, and no result below zero",
                })?;
                parts.next().unwrap_or_default()
            }
            [b'$', tail @ ..] => {
                print(out, format_args!("{number}"));
                tail
            }
            [octet, tail @ ..] => {
                out.push(*octet);
                tail
            }
        };
    }
}

fn modify(modifier: &[u8], value: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = modifier.split(|byte| *byte == b',');
    let offset: i64 = parse(parts.next()?)?;
    let width = parts.next().map_or(Some(0), |part| number(part, MAX_WIDTH))? as usize;
    let base = parts.next().unwrap_or(b"d");
    if parts.next().is_some() {
        return None;
    }
    let value = u32::try_from(i64::from(value).checked_add(offset)?).ok()?;
    match base {
        b"d" => print(out, format_args!("{value:0width$}")),
        b"o" => print(out, format_args!("{value:0width$o}")),
        b"x" => print(out, format_args!("{value:0width$x}")),
        b"X" => print(out, format_args!("{value:0width$X}")),
        b"n" => nibbles(value, width, b"0123456789abcdef", out),
        b"N" => nibbles(value, width, b"0123456789ABCDEF", out),
        _ => return None,
    }
    Some(())
}

/// Hex digits from the last to the first with dots between them, `width` octets wide with the dots.
fn nibbles(mut value: u32, width: usize, digits: &[u8; 16], out: &mut Vec<u8>) {
    let end = out.len().saturating_add(width);
    loop {
        out.extend(digits.get(value as usize % 16));
        value /= 16;
        if value == 0 && out.len() >= end {
            return;
        }
        out.push(b'.');
        if value == 0 && out.len() >= end {
            return;
        }
    }
}

fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes whatever is written.
    let _ = out.write_fmt(text);
}

/// The most lines of one directive.
const MAX_LINES: u64 = 1 << 24;
const MAX_NUMBER: u64 = i32::MAX as u64;
const MAX_WIDTH: u64 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(template: &str, number: u32) -> String {
        let mut out = Vec::new();
        match expand(template.as_bytes(), number, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn a_dollar_is_the_number() {
        for (template, expected) in [
            ("host-$", "host-26"),
            ("$.$", "26.26"),
            ("a$$b\\$c", "a\\$b\\$c"),
            ("${0}", "26"),
            ("${-6}", "20"),
            ("${0,4}", "0026"),
            ("${1,4,o}", "0033"),
            ("${0,0,x}-${0,3,X}", "1a-01A"),
            ("${0,0,n}", "a.1"),
            ("${0,7,N}", "A.1.0.0"),
        ] {
            assert_eq!(expanded(template, 26), expected, "{template}");
        }
    }

    #[test]
    fn a_bad_modifier_says_how_it_is_written() {
        for bad in ["${", "${}", "${a}", "${1,b}", "${1,2,z}", "${1,2,d,4}", "${-27}", "${1,256}"] {
            assert!(expanded(bad, 26).starts_with("$GENERATE: `${"), "{bad}");
        }
    }

    #[test]
    fn a_range_is_bounded() {
        let count = |range: &str| numbers(range.as_bytes()).map(Iterator::count);
        assert_eq!(count("1-3"), Some(3));
        assert_eq!(count("0-10/5"), Some(3));
        for bad in ["", "1", "3-1", "1-", "-1", "1-2/0", "0-16777216", "0-2147483648/1000", "1-2-3"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }
}
