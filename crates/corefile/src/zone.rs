//! Zone names: normalised, checked, and made from networks.

use std::net::IpAddr;

use crate::key::split_key;
use crate::word::Brief;
use crate::{Error, Word};

/// The zones that a plugin's ZONES arguments name: lower-case and fully qualified, a network as its reverse zones.
///
/// As in a server block's keys a scheme and a port may be there; here they mean nothing.
///
/// # Errors
///
/// At the first word that is no zone.
pub fn zones(words: &[Word]) -> Result<Vec<String>, Error> {
    let mut zones = Vec::new();
    for word in words {
        let (_, name, _) = split_key(word)?;
        zones.extend(expand(word, name)?);
    }
    Ok(zones)
}

/// The zones that one name or network stands for.
pub(crate) fn expand(word: &Word, name: &str) -> Result<Vec<String>, Error> {
    check_name(name).map_err(|why| {
        let error = word.error(format!("`{}` is not a domain name: {why}", Brief(name)));
        match name.strip_suffix('{') {
            Some(_) => error.help("put a space before `{`"),
            None if name.is_empty() => error.help("the root zone is written as `.`"),
            None => error,
        }
    })?;
    match Network::parse(name) {
        None => Ok(vec![fully_qualified(name)]),
        Some(Network { address: IpAddr::V6(_), mask: 0 }) => Err(word
            .error(format!("`{}` is not a network to serve", Brief(name)))
            .help("the zone is `ip6.arpa`")),
        Some(network) => Ok(network.reverse_zones()),
    }
}

/// Whether `name` is labels of 1 to 63 octets, of at most 255 octets on the wire (RFC 1035 §2.3.4).
fn check_name(name: &str) -> Result<(), &'static str> {
    if name == "." {
        return Ok(());
    }
    if name.is_empty() {
        return Err("it is empty");
    }
    let (mut label, mut wire) = (0usize, 1usize);
    let mut octets = name.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' if label == 0 => return Err("a label is empty"),
            b'.' => {
                wire = wire.saturating_add(label).saturating_add(1);
                label = 0;
                continue;
            }
            b'\\' => skip_escaped(&mut octets)?,
            _ => {}
        }
        label = label.saturating_add(1);
        if label > 63 {
            return Err("a label is longer than 63 octets");
        }
    }
    if label > 0 {
        wire = wire.saturating_add(label).saturating_add(1);
    }
    if wire > 255 { Err("it is longer than 255 octets") } else { Ok(()) }
}

/// Skips what follows a backslash: three digits up to 255, or any other octet (RFC 1035 §5.1).
fn skip_escaped(octets: &mut std::str::Bytes<'_>) -> Result<(), &'static str> {
    let first = octets.next().ok_or("it ends with a backslash")?;
    if !first.is_ascii_digit() {
        return Ok(());
    }
    match (octets.next(), octets.next()) {
        (Some(second), Some(third)) if second.is_ascii_digit() && third.is_ascii_digit() => {
            // Of three digits each, the greater number is the greater text.
            if [first, second, third] > *b"255" { Err("an escape is greater than 255") } else { Ok(()) }
        }
        _ => Err("an escape has not three digits"),
    }
}

/// In lower case, with the dot at the end.
fn fully_qualified(name: &str) -> String {
    let mut name = name.to_ascii_lowercase();
    let backslashes = |rest: &str| rest.bytes().rev().take_while(|octet| *octet == b'\\').count();
    let escapes = name.strip_suffix('.').map_or(0, backslashes);
    // `a\.` ends in a dot that belongs to its label.
    if !name.ends_with('.') || escapes % 2 == 1 {
        name.push('.');
    }
    name
}

/// `address/mask`.
struct Network {
    address: IpAddr,
    mask: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, mask) = text.split_once('/')?;
        if mask.is_empty() || !mask.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let mask: u32 = mask.parse().ok()?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        (mask <= width).then_some(Self { address, mask })
    }

    /// One zone if the mask ends between two labels, else one for each value of the label it cuts: at most 128.
    fn reverse_zones(&self) -> Vec<String> {
        // The values of all labels, how many are whole, how many bits there are of the next, and which it could have.
        let (labels, whole, cut, all_bits) = match self.address {
            IpAddr::V4(address) => (address.octets().to_vec(), self.mask / 8, self.mask % 8, 0xFF_u8),
            IpAddr::V6(address) => {
                let halves = address.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 0x0F]);
                (halves.collect(), self.mask / 4, self.mask % 4, 0x0F)
            }
        };
        let below = |zone: &str, label: u8| match self.address {
            IpAddr::V4(_) => format!("{label}.{zone}"),
            IpAddr::V6(_) => format!("{label:x}.{zone}"),
        };
        let root = if self.address.is_ipv4() { "in-addr.arpa." } else { "ip6.arpa." };
        let (whole, rest) = labels.split_at_checked(whole as usize).unwrap_or_default();
        let zone = whole.iter().fold(root.to_owned(), |zone, label| below(&zone, *label));
        match rest.first().filter(|_| cut > 0) {
            Some(label) => {
                let free = all_bits.unbounded_shr(cut);
                (label & !free..=label | free).map(|label| below(&zone, label)).collect()
            }
            None => vec![zone],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Position;

    fn word(text: &str) -> Word {
        let position = Position { file: Arc::from("t"), line: 1, column: 1 };
        Word { text: text.to_owned(), position, quoted: false }
    }

    fn one(text: &str) -> Result<Vec<String>, String> {
        zones(&[word(text)]).map_err(|error| error.message)
    }

    #[test]
    fn a_name_becomes_lower_case_and_fully_qualified() {
        let table = [
            (".", "."),
            ("Example.ORG", "example.org."),
            ("example.org.", "example.org."),
            ("example.org:53", "example.org."),
            ("tls://example.org:53", "example.org."),
            ("a\\.", "a\\.."),
            ("a\\\\.", "a\\\\."),
            ("10.0.0.1", "10.0.0.1."),
            ("10.0.0.0/33", "10.0.0.0/33."),
            ("0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa."),
            ("10.0.0.0/+8", "10.0.0.0/+8."),
            ("\\065\\.b", "\\065\\.b."),
        ];
        for (text, zone) in table {
            assert_eq!(one(text), Ok(vec![zone.to_owned()]), "{text}");
        }
    }

    #[test]
    fn a_network_becomes_its_reverse_zones() {
        let table = [
            ("10.0.0.0/24", "0.0.10.in-addr.arpa."),
            ("10.0.0.77/24", "0.0.10.in-addr.arpa."),
            ("10.0.0.0/8", "10.in-addr.arpa."),
            ("0.0.0.0/0", "in-addr.arpa."),
            ("192.0.2.1/32", "1.2.0.192.in-addr.arpa."),
            (
                "10.0.0.0/30",
                "0.0.0.10.in-addr.arpa. 1.0.0.10.in-addr.arpa. 2.0.0.10.in-addr.arpa. 3.0.0.10.in-addr.arpa.",
            ),
            ("10.1.2.0/23", "2.1.10.in-addr.arpa. 3.1.10.in-addr.arpa."),
            ("2001:db8::/32", "8.b.d.0.1.0.0.2.ip6.arpa."),
            ("2001:db8::/31", "8.b.d.0.1.0.0.2.ip6.arpa. 9.b.d.0.1.0.0.2.ip6.arpa."),
            ("fe80::/10", "8.e.f.ip6.arpa. 9.e.f.ip6.arpa. a.e.f.ip6.arpa. b.e.f.ip6.arpa."),
            ("10.0.0.0/24:1053", "0.0.10.in-addr.arpa."),
        ];
        for (text, zones) in table {
            assert_eq!(one(text).map(|zones| zones.join(" ")).as_deref(), Ok(zones), "{text}");
        }
        assert_eq!(one("10.0.0.0/25").unwrap().len(), 128);
        assert_eq!(one("128.0.0.0/1").unwrap().last().unwrap(), "255.in-addr.arpa.");
        assert_eq!(
            one("2001:db8::1/128").unwrap(),
            [format!("1.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(23))]
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["abcdefghi"; 26].join(".");
        let table = [
            ("a..b", "`a..b` is not a domain name: a label is empty"),
            (".a", "`.a` is not a domain name: a label is empty"),
            ("..", "`..` is not a domain name: a label is empty"),
            ("a\\", "`a\\` is not a domain name: it ends with a backslash"),
            ("a\\25", "`a\\25` is not a domain name: an escape has not three digits"),
            ("a\\256", "`a\\256` is not a domain name: an escape is greater than 255"),
            ("::/0", "`::/0` is not a network to serve"),
            ("", "an empty word is not a zone"),
        ];
        for (text, message) in table {
            assert_eq!(one(text), Err(message.to_owned()), "{text}");
        }
        assert!(one(&long_label).unwrap_err().ends_with("a label is longer than 63 octets"));
        assert!(one(&long_name).unwrap_err().ends_with("it is longer than 255 octets"));
        assert!(one(&long_name[..253]).is_ok());
    }
}
