//! A set of networks.

use std::net::IpAddr;

use cartonym_plugin::Network;

/// Networks as ranges of addresses: sorted, and none meets another, so that a search finds the only one that matters.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// From the first to the last address of a network, as a number.
type Range = (u128, u128);

impl Networks {
    pub(crate) fn new(networks: Vec<Network>) -> Networks {
        let mut set = Networks::default();
        for network in networks {
            match network.range() {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    set.v4.push((u32::from(first).into(), u32::from(last).into()))
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => set.v6.push((first.into(), last.into())),
                // Both ends are of one family.
                _ => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Networks {
        Networks::new(text.split(' ').map(|word| word.parse().unwrap()).collect())
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
}
