//! What the system knows about its interfaces.

use std::ffi::CString;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::{fs, io, ptr};

use socket2::{Domain, Socket, Type};
use xdp::nic::NicIndex;

/// The number of the interface of this name, if there is one.
///
/// # Errors
///
/// Those of if_nametoindex(3).
pub(crate) fn number(name: &str) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    Ok(NicIndex::lookup_by_name(&name)?.map(|index| index.0))
}

/// The longest packet that leaves by the interface of this name, in octets.
///
/// # Errors
///
/// Those of ioctl(2), such as that there is no such interface.
pub(crate) fn mtu(name: &str) -> io::Result<usize> {
    let mut request = request(name)?;
    // SAFETY: the call fills in the field that is read.
    let mtu = unsafe {
        ask(libc::SIOCGIFMTU, &mut request)?;
        request.ifr_ifru.ifru_mtu
    };
    usize::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// How many queues of the interface of this name can be served: those that both receive and send. One without a queue to
/// send by would swallow the replies.
///
/// # Errors
///
/// Those of ioctl(2), such as that there is no such interface.
pub(crate) fn queues(name: &str) -> io::Result<u32> {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    let mut request = request(name)?;
    request.ifr_ifru.ifru_data = (&raw mut channels).cast();
    // SAFETY: the call fills in `channels`, which is laid out as it expects and outlives it.
    match unsafe { ask(libc::SIOCETHTOOL, &mut request) } {
        Ok(()) => {}
        // The driver does not tell; the kernel itself may.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => channels = listed(name)?,
        Err(error) => return Err(error),
    }
    Ok(channels.both_ways())
}

/// The queues that the kernel lists.
fn listed(name: &str) -> io::Result<Channels> {
    let mut channels = Channels::default();
    for entry in fs::read_dir(format!("/sys/class/net/{name}/queues"))? {
        match entry?.file_name().as_encoded_bytes() {
            [b'r', ..] => channels.receiving += 1,
            [b't', ..] => channels.sending += 1,
            _ => {}
        }
    }
    Ok(channels)
}

/// `struct ethtool_channels`: how many there may be of each kind, and how many there are.
#[derive(Default)]
#[repr(C)]
struct Channels {
    command: u32,
    most: [u32; 4],
    receiving: u32,
    sending: u32,
    other: u32,
    /// Those that do both.
    combined: u32,
}

impl Channels {
    /// How many receive and send; the combined ones count from 0 in both.
    fn both_ways(&self) -> u32 {
        self.receiving.min(self.sending).saturating_add(self.combined).max(1)
    }
}

/// A request about the interface of this name.
fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all zeros is a value of `ifreq`.
    let mut request: libc::ifreq = unsafe { zeroed() };
    // A zero stays behind the name.
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::NotFound.into());
    }
    for (to, octet) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = octet as libc::c_char;
    }
    Ok(request)
}

/// # Safety
///
/// - `request` is as the call expects it.
unsafe fn ask(call: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // Any socket does, and needs no address for that.
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // SAFETY: the caller's promise; `request` outlives the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), call, request) } {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What this machine may be asked at, and what it may not ask from, each in order.
#[derive(Default)]
pub(crate) struct Addresses {
    /// By which others may know it.
    pub(crate) own: Vec<IpAddr>,
    /// Of everybody on a network of its.
    pub(crate) broadcast: Vec<Ipv4Addr>,
}

/// The addresses of this machine.
///
/// # Errors
///
/// Those of getifaddrs(3).
pub(crate) fn addresses() -> io::Result<Addresses> {
    let mut list = ptr::null_mut();
    // SAFETY: `list` outlives the call.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Addresses::default();
    let mut entry = list;
    // SAFETY: the list ends with a null pointer; its entries, and the addresses that they point to, are there until
    // `freeifaddrs`, and an address is as long as its family says.
    unsafe {
        while let Some(this) = entry.as_ref() {
            found.own.extend(ip(this.ifa_addr));
            if this.ifa_flags & libc::IFF_BROADCAST as libc::c_uint != 0
                && let Some(IpAddr::V4(broadcast)) = ip(this.ifa_ifu)
            {
                found.broadcast.push(broadcast);
            }
            entry = this.ifa_next;
        }
        libc::freeifaddrs(list);
    }
    found.own.retain(|ip| !ip.is_loopback());
    found.own.sort_unstable();
    found.own.dedup();
    found.broadcast.sort_unstable();
    found.broadcast.dedup();
    Ok(found)
}

/// # Safety
///
/// - `address` is null, or that of an address as long as its family says.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the caller's promise; an address of this family is a `sockaddr_in`.
            let ip = unsafe { (*address.cast::<libc::sockaddr_in>()).sin_addr.s_addr };
            Some(Ipv4Addr::from(ip.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: likewise a `sockaddr_in6`.
            let ip = unsafe { (*address.cast::<libc::sockaddr_in6>()).sin6_addr.s6_addr };
            Some(Ipv6Addr::from(ip).into())
        }
        _ => None,
    }
}

/// Asks for [`Channels`].
const ETHTOOL_GCHANNELS: u32 = 0x3c;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_counts_that_receives_and_sends() {
        // receiving, sending, combined
        for (channels, both_ways) in [
            ((4, 4, 0), 4),
            ((4, 1, 0), 1),
            ((1, 4, 0), 1),
            ((0, 0, 8), 8),
            ((2, 0, 8), 8),
            ((2, 1, 8), 9),
            // A driver that tells nothing has one.
            ((0, 0, 0), 1),
            ((u32::MAX, u32::MAX, 1), u32::MAX),
        ] {
            let (receiving, sending, combined) = channels;
            let counts = Channels { receiving, sending, combined, ..Channels::default() };
            assert_eq!(counts.both_ways(), both_ways, "{channels:?}");
        }
    }

    #[test]
    fn the_loopback_interface_is_known_and_no_other_is_made_up() {
        assert_eq!(number("lo").unwrap(), Some(1));
        assert!(mtu("lo").unwrap() > 1000);
        for name in ["ctx-none", "a name that is longer than names are"] {
            assert!(mtu(name).is_err() && queues(name).is_err());
        }
    }
}
