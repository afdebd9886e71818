//! Route 53's text of records, and what master files make of it.

use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::master::{NoIncludes, Parser};

/// A record that was read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) owner: NameBuf,
    pub(crate) rtype: Type,
    pub(crate) ttl: Ttl,
    pub(crate) rdata: Vec<u8>,
}

/// Reads one record of a set.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn record(name: &str, ttl: i64, rtype: &str, value: &str) -> Result<Record, String> {
    let (name, value) = (decimal(name), decimal(value));
    // A line that begins so is no record in a master file.
    if name.starts_with('$') {
        return Err("a name with a bare `$`".to_owned());
    }
    let line = format!("{name} {ttl} IN {rtype} {value}\n");
    let mut parser = Parser::new(line.as_bytes(), "route53", Name::ROOT, &NoIncludes);
    let record = match parser.next_record() {
        Some(Ok(record)) => Record {
            owner: record.owner.to_lowercase(),
            rtype: record.rtype,
            ttl: record.ttl,
            rdata: record.rdata.to_vec(),
        },
        Some(Err(error)) => return Err(error.mistake.to_string()),
        None => return Err("no record".to_owned()),
    };
    match parser.next_record() {
        None => Ok(record),
        Some(_) => Err("more than one line".to_owned()),
    }
}

/// Reads a name.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn name(text: &str) -> Result<NameBuf, String> {
    let name: NameBuf = decimal(text).parse().map_err(|_| format!("no name: `{text}`"))?;
    Ok(name.to_lowercase())
}

/// Writes octets by their decimal number (RFC 1035 §5.1), which Route 53 writes by their octal one: `\052` is `*`.
fn decimal(text: &str) -> String {
    let mut decimal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        decimal.push_str(before);
        let number = escape.get(1..4).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let octet = number.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        // What is behind another backslash stands for itself, a backslash too.
        let len = match octet {
            Some(octet) => {
                decimal.push_str(&format!("\\{octet:03}"));
                4
            }
            None => {
                let len = escape.chars().take(2).map(char::len_utf8).sum();
                decimal.push_str(&escape[..len]);
                len
            }
        };
        rest = &escape[len..];
    }
    decimal.push_str(rest);
    decimal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_have_their_decimal_number() {
        for (octal, expected) in [
            ("www.example.", "www.example."),
            (r"\052.example.", r"\042.example."),
            (r"a\100b\377.example.", r"a\064b\255.example."),
            (r#""say \"\303\244\" \\052""#, r#""say \"\195\164\" \\052""#),
            // More than an octet, and the end: left to who reads it.
            (r"\400\", r"\400\"),
            ("\\ä1", "\\ä1"),
        ] {
            assert_eq!(decimal(octal), expected, "{octal}");
        }
    }

    #[test]
    fn an_escaped_asterisk_is_a_wildcard() {
        assert_eq!(name(r"\052.Example.").unwrap(), "*.example.".parse::<NameBuf>().unwrap());
    }

    #[test]
    fn a_value_is_one_record_and_no_directive() {
        assert!(record("a.example.", 60, "A", "192.0.2.1").is_ok());
        for (name, rtype, value) in [
            ("a.example.", "A", "192.0.2.1\nb.example. 60 IN A 192.0.2.2"),
            ("a.example.", "A", "192.0.2.1\n$INCLUDE x"),
            ("$INCLUDE", "A", "192.0.2.1"),
            ("a.example.", "A", "nowhere"),
            ("a.example.", "NONE", "1"),
            ("a.example.", "A", ""),
            ("a.example.", "TXT", "\"open"),
        ] {
            let read = record(name, 60, rtype, value);
            assert!(read.is_err(), "{name} {rtype} {value}: {read:?}");
        }
    }
}
