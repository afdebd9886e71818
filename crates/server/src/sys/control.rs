//! What goes along with a datagram (cmsg(3)): which of our addresses it came to or leaves from, and how long its segments are.

use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Room for one `in6_pktinfo` message, the larger of the two kinds, and for the length of segments.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control([u8; CONTROL]);

impl Control {
    pub(super) fn new() -> Control {
        Control([0; CONTROL])
    }

    /// The address that a datagram came to, from the first `len` octets.
    pub(super) fn destination(&self, len: usize) -> Option<IpAddr> {
        match self.head(len)? {
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let at = DATA + offset_of!(libc::in_pktinfo, ipi_addr);
                Some(Ipv4Addr::from(*self.part::<4>(at)?).into())
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let at = DATA + offset_of!(libc::in6_pktinfo, ipi6_addr);
                Some(Ipv6Addr::from(*self.part::<16>(at)?).into())
            }
            _ => None,
        }
    }

    /// Makes what says "came to" say "leaves from"; gives the length, 0 if there is nothing to say.
    ///
    /// The interface is left to routing, but for link-local addresses, which mean nothing without one.
    pub(super) fn turn_round(&mut self, len: usize) -> usize {
        match self.head(len) {
            // The source is `ipi_spec_dst`: it is set, and a local address even if the datagram was a broadcast.
            Some((libc::IPPROTO_IP, libc::IP_PKTINFO)) => {
                self.put(DATA + offset_of!(libc::in_pktinfo, ipi_ifindex), &[0; 4]);
                CONTROL_V4
            }
            Some((libc::IPPROTO_IPV6, libc::IPV6_PKTINFO)) => {
                let link_local = matches!(self.part::<2>(DATA), Some([0xfe, b]) if b & 0xc0 == 0x80);
                if !link_local {
                    self.put(DATA + offset_of!(libc::in6_pktinfo, ipi6_ifindex), &[0; 4]);
                }
                CONTROL_V6
            }
            _ => 0,
        }
    }

    /// Says that a datagram is to leave from `source`; gives the length.
    pub(super) fn write(&mut self, source: SocketAddr) -> usize {
        let (len, level, kind) = match source {
            SocketAddr::V4(_) => (size_of::<libc::in_pktinfo>(), libc::IPPROTO_IP, libc::IP_PKTINFO),
            SocketAddr::V6(_) => (size_of::<libc::in6_pktinfo>(), libc::IPPROTO_IPV6, libc::IPV6_PKTINFO),
        };
        self.put(offset_of!(libc::cmsghdr, cmsg_len), &(DATA + len).to_ne_bytes());
        self.put(offset_of!(libc::cmsghdr, cmsg_level), &level.to_ne_bytes());
        self.put(offset_of!(libc::cmsghdr, cmsg_type), &kind.to_ne_bytes());
        match source {
            SocketAddr::V4(source) => {
                self.put(DATA + offset_of!(libc::in_pktinfo, ipi_spec_dst), &source.ip().octets());
                CONTROL_V4
            }
            SocketAddr::V6(source) => {
                self.put(DATA, &source.ip().octets());
                let interface = DATA + offset_of!(libc::in6_pktinfo, ipi6_ifindex);
                self.put(interface, &source.scope_id().to_ne_bytes());
                CONTROL_V6
            }
        }
    }

    /// Says, behind the first `len` octets, that the datagram is to leave in segments of `segment` octets; gives the length.
    pub(super) fn segment(&mut self, len: usize, segment: u16) -> usize {
        self.put(len + offset_of!(libc::cmsghdr, cmsg_len), &(DATA + size_of::<u16>()).to_ne_bytes());
        self.put(len + offset_of!(libc::cmsghdr, cmsg_level), &libc::SOL_UDP.to_ne_bytes());
        self.put(len + offset_of!(libc::cmsghdr, cmsg_type), &libc::UDP_SEGMENT.to_ne_bytes());
        self.put(len + DATA, &segment.to_ne_bytes());
        len + CONTROL_SEGMENT
    }

    /// The first `len` octets: the same for datagrams that came to one address.
    pub(super) fn said(&self, len: usize) -> &[u8] {
        &self.0[..len.min(CONTROL)]
    }

    /// Level and type of the first message.
    fn head(&self, len: usize) -> Option<(libc::c_int, libc::c_int)> {
        if len < DATA {
            return None;
        }
        let level = self.part::<4>(offset_of!(libc::cmsghdr, cmsg_level))?;
        let kind = self.part::<4>(offset_of!(libc::cmsghdr, cmsg_type))?;
        Some((libc::c_int::from_ne_bytes(*level), libc::c_int::from_ne_bytes(*kind)))
    }

    fn part<const N: usize>(&self, at: usize) -> Option<&[u8; N]> {
        self.0.get(at..)?.first_chunk()
    }

    fn put(&mut self, at: usize, octets: &[u8]) {
        self.0[at..at + octets.len()].copy_from_slice(octets);
    }
}

/// Where the data of a control message begins.
const DATA: usize = size_of::<libc::cmsghdr>().next_multiple_of(align_of::<libc::cmsghdr>());
/// Octets of a control message with its padding.
const CONTROL_V4: usize = control_space(size_of::<libc::in_pktinfo>());
const CONTROL_V6: usize = control_space(size_of::<libc::in6_pktinfo>());
const CONTROL_SEGMENT: usize = control_space(size_of::<u16>());
/// Octets of the most that is said of a datagram.
pub(super) const CONTROL: usize = CONTROL_V6 + CONTROL_SEGMENT;

// The length is written with the octets of a `usize`, of which some C libraries read half: the first.
const _: () = assert!(offset_of!(libc::cmsghdr, cmsg_len) == 0);

const fn control_space(len: usize) -> usize {
    DATA + len.next_multiple_of(align_of::<libc::cmsghdr>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_where_to_is_made_to_say_where_from() {
        for source in ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"] {
            let source: SocketAddr = source.parse().unwrap();
            let (mut said, mut turned) = (Control::new(), Control::new());
            let len = said.write(source);
            turned.0 = said.0;
            if let SocketAddr::V4(v4) = source {
                // As the kernel tells it: by which interface, and where to.
                turned.put(DATA, &[9, 0, 0, 0]);
                turned.put(DATA + offset_of!(libc::in_pktinfo, ipi_addr), &v4.ip().octets());
                assert_eq!(turned.destination(len), Some(source.ip()));
                turned.put(DATA + offset_of!(libc::in_pktinfo, ipi_addr), &[0; 4]);
            } else {
                assert_eq!(turned.destination(len), Some(source.ip()));
            }
            assert_eq!((turned.turn_round(len), turned.0), (len, said.0), "{source}");
            assert_eq!((turned.destination(0), turned.turn_round(0)), (None, 0));
        }
    }
}
