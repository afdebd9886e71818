//! A set of networks.

use std::net::IpAddr;

/// Networks as ranges of addresses: sorted, and none meets another, so that a search finds the only one that matters.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// From the first to the last address of a network, as a number.
type Range = (u128, u128);

/// A network of either family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Network {
    V4(Range),
    V6(Range),
}

impl Networks {
    pub(crate) fn new(networks: Vec<Network>) -> Networks {
        let mut set = Networks::default();
        for network in networks {
            match network {
                Network::V4(range) => set.v4.push(range),
                Network::V6(range) => set.v6.push(range),
            }
        }
        Networks { v4: merge(set.v4), v6: merge(set.v6) }
    }

    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let (ranges, address) = match address {
            IpAddr::V4(v4) => (&self.v4, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => (&self.v6, u128::from(v6)),
        };
        let behind = ranges.partition_point(|(first, _)| *first <= address);
        behind.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, last)| address <= *last)
    }
}

/// Sorts ranges, and makes one of those that meet.
fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, range| {
        let meets = next.0 <= range.1;
        if meets {
            range.1 = range.1.max(next.1);
        }
        meets
    });
    ranges
}

/// Reads an address, or a network in CIDR notation; its host bits may be anything.
pub(crate) fn read_network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let host_bits = width - prefix.filter(|prefix| *prefix <= width).or(prefix.is_none().then_some(width))?;
    let mask = 1u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1);
    let range = (bits & !mask, bits | mask);
    Some(if width == 32 { Network::V4(range) } else { Network::V6(range) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        Networks::new(text.split(' ').map(|word| read_network(word).unwrap()).collect())
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        let set =
            networks("192.0.2.0/24 10.1.2.3 10.0.0.0/8 2001:db8::/32 ::1 192.0.2.128/25 198.51.100.7/30");
        let table = [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("192.0.1.255", false),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("198.51.100.4", true),
            ("198.51.100.8", false),
            ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true),
            ("2001:db9::", false),
            ("::1", true),
            ("::", false),
            // The numbers are those of an IPv4 address that is in the set.
            ("::10.1.2.3", false),
        ];
        for (address, expected) in table {
            assert_eq!(set.contain(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_network_may_be_everything() {
        assert!(networks("0.0.0.0/0").contain("255.255.255.255".parse().unwrap()));
        assert!(networks("::/0").contain("ffff::".parse().unwrap()));
        assert!(!networks("0.0.0.0/0").contain("::".parse().unwrap()));
        assert!(!Networks::default().contain("::".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8", "a", "10.0.0.0/8/8"]
        {
            assert_eq!(read_network(text), None, "{text}");
        }
    }
}
