//! A network in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Addresses that begin with the same bits: `192.0.2.0/24`. An address without a length is a network of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// With the host bits that it was written with, which mean nothing.
    address: IpAddr,
    /// At most 32 or 128, as the address has bits.
    length: u8,
}

/// The text is neither an address nor a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotANetwork;

impl Network {
    /// Whether an address is one of its; an IPv4 address is never one of an IPv6 network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(other)) => (u32::from(ours) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(ours), IpAddr::V6(other)) => (u128::from(ours) ^ u128::from(other)).leading_zeros(),
            _ => return false,
        };
        same >= u32::from(self.length)
    }

    /// The first and the last of its addresses.
    pub fn range(&self) -> (IpAddr, IpAddr) {
        let length = u32::from(self.length);
        match self.address {
            IpAddr::V4(address) => {
                let (bits, hosts) = (u32::from(address), u32::MAX.checked_shr(length).unwrap_or(0));
                (Ipv4Addr::from(bits & !hosts).into(), Ipv4Addr::from(bits | hosts).into())
            }
            IpAddr::V6(address) => {
                let (bits, hosts) = (u128::from(address), u128::MAX.checked_shr(length).unwrap_or(0));
                (Ipv6Addr::from(bits & !hosts).into(), Ipv6Addr::from(bits | hosts).into())
            }
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().ok().filter(|length| *length <= bits).ok_or(NotANetwork)?,
            None => bits,
        };
        Ok(Network { address, length })
    }
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an address nor a network")
    }
}

impl std::error::Error for NotANetwork {}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_its_addresses() {
        let contains = |text: &str, address: &str| network(text).contains(address.parse().unwrap());
        assert!(contains("192.0.2.128/25", "192.0.2.255") && !contains("192.0.2.128/25", "192.0.2.127"));
        assert!(contains("0.0.0.0/0", "255.255.255.255") && !contains("0.0.0.0/0", "::"));
        assert!(contains("2001:db8::/127", "2001:db8::1") && !contains("2001:db8::/127", "2001:db8::2"));
        assert!(contains("192.0.2.1/32", "192.0.2.1"));
        assert!(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.2"));
    }

    #[test]
    fn a_network_goes_from_its_first_address_to_its_last() {
        let range = |text: &str| {
            let (first, last) = network(text).range();
            format!("{first} {last}")
        };
        assert_eq!(range("198.51.100.7/30"), "198.51.100.4 198.51.100.7");
        assert_eq!(range("192.0.2.1"), "192.0.2.1 192.0.2.1");
        assert_eq!(range("0.0.0.0/0"), "0.0.0.0 255.255.255.255");
        assert_eq!(range("2001:db8::1/127"), "2001:db8:: 2001:db8::1");
        assert_eq!(range("::/0"), ":: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8", "a", "1.2.3.4/8/8"]
        {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork), "{text}");
        }
    }
}
