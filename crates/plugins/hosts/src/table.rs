//! The names and addresses of a hosts file.

use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use cartonym_wire::{Hasher, Name, NameBuf, SuffixMap, Type};

/// Addresses by name, and names by address.
#[derive(Debug)]
pub(crate) struct Table {
    names: SuffixMap<Addresses>,
    /// By the name in `in-addr.arpa.` or `ip6.arpa.`, names as RDATA.
    reverse: SuffixMap<Vec<Box<[u8]>>>,
    /// Whether any name begins with an asterisk.
    has_wildcard: bool,
    pub(crate) modified: Duration,
}

/// The addresses of one name, as RDATA.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    v4: Vec<[u8; 4]>,
    v6: Vec<[u8; 16]>,
}

impl Table {
    pub(crate) fn new(modified: Duration) -> Table {
        // The names are the operator's choice, not a stranger's: their hashes need no secret.
        let hasher = Hasher::new(0);
        Table {
            names: SuffixMap::new(hasher),
            reverse: SuffixMap::new(hasher),
            has_wildcard: false,
            modified,
        }
    }

    /// Adds the lines of `text`; those that say nothing, and names that are in no zone, are passed over.
    pub(crate) fn add(&mut self, text: &str, zones: &[NameBuf], reverse: bool) {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(address) else { continue };
            for name in words.filter_map(|word| word.parse::<NameBuf>().ok()) {
                if zones.iter().any(|zone| name.is_within(zone)) {
                    self.insert(&name.to_lowercase(), address, reverse);
                }
            }
        }
    }

    fn insert(&mut self, name: &Name, address: IpAddr, reverse: bool) {
        let mut addresses = self.names.remove(name).unwrap_or_default();
        match address {
            IpAddr::V4(v4) => push_new(&mut addresses.v4, v4.octets()),
            IpAddr::V6(v6) => push_new(&mut addresses.v6, v6.octets()),
        }
        self.names.insert(name, addresses);
        if name.is_wildcard() {
            self.has_wildcard = true;
        } else if reverse && let Some(pointer) = reverse_name(address) {
            let mut names = self.reverse.remove(&pointer).unwrap_or_default();
            push_new(&mut names, name.as_wire().into());
            self.reverse.insert(&pointer, names);
        }
    }

    /// The addresses of `name`, or of the wildcard in its place.
    pub(crate) fn addresses(&self, name: &Name) -> Option<&Addresses> {
        let wildcard = || {
            let wildcard = NameBuf::child(b"*", name.parent()?).ok()?;
            self.names.get(&wildcard)
        };
        self.names.get(name).or_else(|| if self.has_wildcard { wildcard() } else { None })
    }

    /// The names of the address that `pointer` stands for.
    pub(crate) fn names(&self, pointer: &Name) -> Option<&[Box<[u8]>]> {
        self.reverse.get(pointer).map(Vec::as_slice)
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Addresses {
    /// As RDATA of a type.
    pub(crate) fn of(&self, rtype: Type) -> impl Iterator<Item = &[u8]> {
        let v4 = self.v4.iter().map(|octets| octets.as_slice()).filter(move |_| rtype == Type::A);
        let v6 = self.v6.iter().map(|octets| octets.as_slice()).filter(move |_| rtype == Type::AAAA);
        v4.chain(v6)
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

/// Reads an address; the zone of a link-local one is of this host only, and left out.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.split('%').next()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The name that an address has for PTR queries (RFC 1035 §3.5, RFC 3596 §2.5).
fn reverse_name(address: IpAddr) -> Option<NameBuf> {
    let mut text = String::new();
    // Writing to a string does not fail.
    match address {
        IpAddr::V4(v4) => {
            for octet in v4.octets().iter().rev() {
                let _ = write!(text, "{octet}.");
            }
            text.push_str("in-addr.arpa.");
        }
        IpAddr::V6(v6) => {
            for octet in v6.octets().iter().rev() {
                let _ = write!(text, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
            text.push_str("ip6.arpa.");
        }
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_name() {
        let name = |text: &str| reverse_name(text.parse().unwrap()).unwrap().to_string();
        assert_eq!(name("192.0.2.1"), "1.2.0.192.in-addr.arpa.");
        assert_eq!(name("2001:db8::ab"), format!("b.a.{}8.b.d.0.1.0.0.2.ip6.arpa.", "0.".repeat(22)));
    }
}
