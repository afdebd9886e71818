//! Networks of clients.

use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin alike: `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    address: IpAddr,
    /// Bits that count, from the left.
    len: u32,
}

impl Network {
    pub(crate) fn holds(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= self.len
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros() >= self.len
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Network, ()> {
        let (address, len) = text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
        let address: IpAddr = address.parse().map_err(drop)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let len = len.map_or(Ok(most), str::parse).map_err(drop)?;
        if len <= most { Ok(Network { address, len }) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_alike() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.holds(inside.parse().unwrap()) && !network.holds(outside.parse().unwrap()));
        }
        assert!(
            ["192.0.2.0/33", "192.0.2/24", "/8", "::/129"]
                .iter()
                .all(|text| text.parse::<Network>().is_err())
        );
    }
}
