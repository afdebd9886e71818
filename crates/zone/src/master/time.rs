//! Spans with units, and the calendar of signatures.

use std::fmt;

use super::chars::{append, number};

/// Seconds, plain or as in `1w2d3h4m5s`; none past 32 bits.
pub(super) fn span(word: &[u8]) -> Option<u32> {
    if let Some(seconds) = number(word, u64::from(u32::MAX)) {
        return u32::try_from(seconds).ok();
    }
    let (mut total, mut rest) = (0u64, word);
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (count, tail) = rest.split_at_checked(digits)?;
        let (unit, tail) = tail.split_first()?;
        let unit = match unit.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number(count, u64::from(u32::MAX))?.checked_mul(unit)?)?;
        rest = tail;
    }
    if word.is_empty() { None } else { u32::try_from(total).ok() }
}

/// A time as YYYYMMDDHHmmSS in UTC, or as seconds since 1970 (RFC 4034 §3.2).
pub(super) fn moment(word: &[u8]) -> Option<u32> {
    if word.len() != 14 {
        return number(word, u64::from(u32::MAX)).and_then(|seconds| u32::try_from(seconds).ok());
    }
    let part = |from: usize, to: usize, most: u64| number(word.get(from..to)?, most);
    let (year, month, day) = (part(0, 4, 9_999)?, part(4, 6, 12)?, part(6, 8, 31)?);
    if year < 1970 || month < 1 || day < 1 || day > days_of(year, month) {
        return None;
    }
    let years = (1970..year).map(days_of_year);
    let months = (1..month).map(|month| days_of(year, month));
    let days = years.chain(months).chain([day.checked_sub(1)?]).sum();
    let parts = [(24, part(8, 10, 23)?), (60, part(10, 12, 59)?), (60, part(12, 14, 59)?)];
    let seconds = parts.into_iter().try_fold(days, |value, (base, part)| append(value, base, part))?;
    u32::try_from(seconds).ok()
}

/// Writes YYYYMMDDHHmmSS.
pub(super) fn write_moment(seconds: u32, out: &mut dyn fmt::Write) -> fmt::Result {
    let (mut days, second) = (u64::from(seconds) / 86_400, seconds % 86_400);
    let mut year = 1970u64;
    while let Some(later) = days.checked_sub(days_of_year(year)) {
        (days, year) = (later, year.saturating_add(1));
    }
    let mut month = 1u64;
    while let Some(later) = days.checked_sub(days_of(year, month)) {
        (days, month) = (later, month.saturating_add(1));
    }
    let day = days.saturating_add(1);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(out, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_units() {
        for (text, seconds) in
            [("0", 0), ("300", 300), ("1h30m", 5_400), ("1W2D", 777_600), ("4294967295", u32::MAX)]
        {
            assert_eq!(span(text.as_bytes()), Some(seconds), "{text}");
        }
        for bad in ["", "h", "1x", "1h30", "4294967296", "7102w", "-1"] {
            assert_eq!(span(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        for (text, seconds) in [
            ("19700101000000", 0),
            ("20000229235959", 951_868_799),
            ("20260101000000", 1_767_225_600),
            ("21060207062815", u32::MAX),
        ] {
            assert_eq!(moment(text.as_bytes()), Some(seconds), "{text}");
            let mut back = String::new();
            write_moment(seconds, &mut back).unwrap();
            assert_eq!(back, text);
        }
        assert_eq!(moment(b"86400"), Some(86_400));
        for bad in ["20010229000000", "21060207062816", "20011301000000", "20010101240000", "2001010100000"] {
            assert_eq!(moment(bad.as_bytes()), None, "{bad}");
        }
    }
}
