//! Who holds an address that is in use, where `/proc` tells.

use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bind::Protocol;

/// A process that listens where we would.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its command's name.
    pub command: String,
}

impl Holder {
    /// The process that holds `address`; none where it is another user's, or has just gone.
    pub(crate) fn of(address: SocketAddr, protocol: Protocol) -> Option<Holder> {
        let tables = match protocol {
            Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
            Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        };
        let tables = tables.iter().filter_map(|path| fs::read_to_string(path).ok());
        let inodes: Vec<String> = tables.flat_map(|table| holding(&table, address, protocol)).collect();
        let links: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
        let pid = fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            has_one(pid, &links).then_some(pid)
        })?;
        let command = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(Holder { pid, command: command.trim().to_owned() })
    }
}

/// Whether a process has one of these sockets open.
fn has_one(pid: u32, links: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().filter_map(|file| fs::read_link(file.path()).ok()).any(|target| {
        let target = target.to_string_lossy();
        links.iter().any(|link| *link == target)
    })
}

/// The inodes of the sockets in `table` (proc_net(5)) that stand in the way of `address`.
fn holding(table: &str, address: SocketAddr, protocol: Protocol) -> Vec<String> {
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| {
        let (local, state, inode) = (row.get(1)?, row.get(3)?, row.get(9)?);
        let listens = protocol == Protocol::Udp || *state == LISTEN;
        let (ip, port) = read_address(local)?;
        let clashes = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        (listens && port == address.port() && clashes).then(|| (*inode).to_owned())
    })
    .collect()
}

/// An address as hexadecimal words in this machine's byte order, a colon, and the port.
fn read_address(text: &str) -> Option<(IpAddr, u16)> {
    let (ip, port) = text.split_once(':')?;
    let words = ip.as_bytes().chunks(8).map(|word| {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        Some(word.to_ne_bytes())
    });
    let octets: Vec<u8> = words.collect::<Option<Vec<_>>>()?.concat();
    let ip = match octets.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?)),
        _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)),
    };
    Some((ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.command, self.pid)
    }
}

/// A TCP socket that listens, in proc_net(5)'s `st`.
const LISTEN: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_as_the_holder_of_its_socket() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let holder = Holder::of(socket.local_addr().unwrap(), Protocol::Udp).unwrap();
        assert_eq!(holder.pid, std::process::id());
        assert!(!holder.command.is_empty());
    }

    #[test]
    fn an_address_no_one_holds_has_no_holder() {
        let free = cartonym_testing::free_address();
        assert_eq!(Holder::of(free, Protocol::Tcp), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_of_both_families_are_read() {
        assert_eq!(read_address("0100007F:0035"), Some((Ipv4Addr::LOCALHOST.into(), 53)));
        let v6 = "00000000000000000000000001000000:0035";
        assert_eq!(read_address(v6), Some((Ipv6Addr::LOCALHOST.into(), 53)));
        assert_eq!(read_address("rubbish"), None);
    }
}
