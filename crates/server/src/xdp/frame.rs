//! A datagram with all that is around it: read from a frame, and written around a reply.
//!
//! ```text
//!            0          14                              34         42
//! IPv4       Ethernet   version … from, to              UDP        payload
//!            0          14                              54         62
//! IPv6       Ethernet   version … from, to              UDP        payload
//! ```
//!
//! Options, extension headers, fragments and VLANs are not read: the kernel has them (see `program`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// A datagram that has come whole, to one address and from one address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Datagram<'a> {
    V4 { head: &'a [u8; V4], payload: &'a [u8] },
    V6 { head: &'a [u8; V6], payload: &'a [u8] },
}

impl<'a> Datagram<'a> {
    /// Reads a frame; none if it is not such a datagram.
    pub(crate) fn read(frame: &'a [u8]) -> Option<Datagram<'a>> {
        let ethernet: &[u8; 14] = frame.first_chunk()?;
        // A reply to a group would be many, and one from a group is not Ethernet.
        if (ethernet[0] | ethernet[6]) & GROUP != 0 {
            return None;
        }
        match [ethernet[12], ethernet[13]] {
            IPV4 => Datagram::read_v4(frame),
            IPV6 => Datagram::read_v6(frame),
            _ => None,
        }
    }

    fn read_v4(frame: &'a [u8]) -> Option<Datagram<'a>> {
        let (head, rest) = frame.split_first_chunk::<V4>()?;
        let is_whole = u16_at(head, 20) & !DONT_FRAGMENT == 0;
        if head[14] != 0x45 || !is_whole || head[23] != UDP {
            return None;
        }
        let payload = payload(u16_at(head, 16).checked_sub(20)?, u16_at(head, 38), rest)?;
        Some(Datagram::V4 { head, payload })
    }

    fn read_v6(frame: &'a [u8]) -> Option<Datagram<'a>> {
        let (head, rest) = frame.split_first_chunk::<V6>()?;
        if head[14] >> 4 != 6 || head[20] != UDP {
            return None;
        }
        let payload = payload(u16_at(head, 18), u16_at(head, 58), rest)?;
        Some(Datagram::V6 { head, payload })
    }

    /// Whether its checksums are right, and somebody can be answered.
    pub(crate) fn is_sound(&self) -> bool {
        self.has_sender()
            && match self {
                Datagram::V4 { head, payload } => {
                    let is_right = fold(sum(&head[14..34])) == ALL_ONES;
                    // IPv4 may do without the second (RFC 768).
                    is_right && (u16_at(head, 40) == 0 || arrived(self.pseudo(), &head[34..], payload))
                }
                Datagram::V6 { head, payload } => {
                    u16_at(head, 60) != 0 && arrived(self.pseudo(), &head[54..], payload)
                }
            }
    }

    /// The sum of the header that is not there (RFC 768, RFC 8200 §8.1): addresses, protocol, length.
    fn pseudo(&self) -> u64 {
        let (addresses, len) = match self {
            Datagram::V4 { head, .. } => (&head[26..34], u16_at(head, 38)),
            Datagram::V6 { head, .. } => (&head[22..54], u16_at(head, 58)),
        };
        sum(addresses) + u64::from(UDP) + u64::from(len)
    }

    /// Whether it comes from one other machine: a reply to a group, to ourselves or to port 0 is not wanted by anybody.
    fn has_sender(&self) -> bool {
        let (source, destination) = (self.source(0), self.destination(0));
        let is_one = match source.ip() {
            IpAddr::V4(ip) => !(ip.is_multicast() || ip.is_broadcast()),
            IpAddr::V6(ip) => !ip.is_multicast(),
        };
        let ip = source.ip();
        is_one && !ip.is_unspecified() && !ip.is_loopback() && ip != destination.ip() && source.port() != 0
    }

    pub(crate) fn payload(&self) -> &'a [u8] {
        match self {
            Datagram::V4 { payload, .. } | Datagram::V6 { payload, .. } => payload,
        }
    }

    /// Where it comes from; a link-local address is one of `interface`.
    pub(crate) fn source(&self, interface: u32) -> SocketAddr {
        match self {
            Datagram::V4 { head, .. } => (v4_at(head, 26), u16_at(head, 34)).into(),
            Datagram::V6 { head, .. } => v6(v6_at(head, 22), u16_at(head, 54), interface),
        }
    }

    /// Where it came to; a link-local address is one of `interface`.
    pub(crate) fn destination(&self, interface: u32) -> SocketAddr {
        match self {
            Datagram::V4 { head, .. } => (v4_at(head, 30), u16_at(head, 36)).into(),
            Datagram::V6 { head, .. } => v6(v6_at(head, 38), u16_at(head, 56), interface),
        }
    }

    /// Octets before a reply's payload.
    pub(crate) fn head_len(&self) -> usize {
        match self {
            Datagram::V4 { .. } => V4,
            Datagram::V6 { .. } => V6,
        }
    }

    /// Writes the headers of the reply whose payload is the `len` octets behind them in `frame`, and gives the frame's
    /// length: it goes back by the way this came. None if the frame has no room for that.
    pub(crate) fn reply(&self, frame: &mut [u8], len: usize) -> Option<usize> {
        let end = self.head_len() + len;
        let udp_len = u16::try_from(8 + len).ok()?;
        match self {
            Datagram::V4 { head: query, .. } => {
                let (head, payload) = frame.get_mut(..end)?.split_first_chunk_mut::<V4>()?;
                turn_ethernet(head.first_chunk_mut()?, query.first_chunk()?);
                // An atomic datagram needs no identification (RFC 6864 §4.1), and is not to be fragmented (RFC 9715).
                let whole = udp_len.checked_add(20)?.to_be_bytes();
                head[14..26].copy_from_slice(&[0x45, 0, whole[0], whole[1], 0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
                head[26..30].copy_from_slice(&query[30..34]);
                head[30..34].copy_from_slice(&query[26..30]);
                put_u16(head, 24, !fold(sum(&head[14..34])));
                turn_udp(&mut head[34..], &query[34..], udp_len);
                let pseudo = sum(&head[26..34]) + u64::from(UDP) + u64::from(udp_len);
                put_u16(head, 40, checksum(pseudo, &head[34..], payload));
            }
            Datagram::V6 { head: query, .. } => {
                let (head, payload) = frame.get_mut(..end)?.split_first_chunk_mut::<V6>()?;
                turn_ethernet(head.first_chunk_mut()?, query.first_chunk()?);
                let whole = udp_len.to_be_bytes();
                head[14..22].copy_from_slice(&[0x60, 0, 0, 0, whole[0], whole[1], UDP, HOPS]);
                head[22..38].copy_from_slice(&query[38..54]);
                head[38..54].copy_from_slice(&query[22..38]);
                turn_udp(&mut head[54..], &query[54..], udp_len);
                let pseudo = sum(&head[22..54]) + u64::from(UDP) + u64::from(udp_len);
                put_u16(head, 60, checksum(pseudo, &head[54..], payload));
            }
        }
        Some(end)
    }
}

/// The payload of a datagram whose headers say these lengths; what an Ethernet frame is padded with comes after it.
fn payload(ip_payload: u16, udp_len: u16, rest: &[u8]) -> Option<&[u8]> {
    let is_within = (8..=ip_payload).contains(&udp_len) && usize::from(ip_payload) <= 8 + rest.len();
    is_within.then(|| rest.get(..usize::from(udp_len) - 8)).flatten()
}

fn turn_ethernet(reply: &mut [u8; 14], query: &[u8; 14]) {
    reply[..6].copy_from_slice(&query[6..12]);
    reply[6..12].copy_from_slice(&query[..6]);
    reply[12..].copy_from_slice(&query[12..]);
}

/// Ports, length, and no checksum yet.
fn turn_udp(reply: &mut [u8], query: &[u8], len: u16) {
    reply[..2].copy_from_slice(&query[2..4]);
    reply[2..4].copy_from_slice(&query[..2]);
    reply[4..6].copy_from_slice(&len.to_be_bytes());
    reply[6..8].fill(0);
}

/// The checksum of a header with 0 in its place, and what follows it (RFC 768).
fn checksum(pseudo: u64, head: &[u8], payload: &[u8]) -> u16 {
    match !fold(pseudo + sum(head) + sum(payload)) {
        // 0 would say that there is none.
        0 => ALL_ONES,
        sum => sum,
    }
}

/// Whether a header has its checksum, or what its sender leaves there for the device to finish: the sum of the pseudo
/// header alone. On a virtual device nobody does.
fn arrived(pseudo: u64, head: &[u8], payload: &[u8]) -> bool {
    let is_unfinished = || head.get(6..8) == Some(&fold(pseudo).to_be_bytes());
    fold(pseudo + sum(head) + sum(payload)) == ALL_ONES || is_unfinished()
}

/// The sum of the 16-bit words of `octets` (RFC 1071), not folded yet: 2^16 is 1 there, so that words of 32 bits do.
fn sum(octets: &[u8]) -> u64 {
    let (words, rest) = octets.as_chunks::<4>();
    let mut last = [0; 4];
    for (to, octet) in last.iter_mut().zip(rest) {
        *to = *octet;
    }
    let sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
    sum + u64::from(u32::from_be_bytes(last))
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

fn u16_at<const N: usize>(head: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([head[at], head[at + 1]])
}

fn put_u16<const N: usize>(head: &mut [u8; N], at: usize, value: u16) {
    head[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

fn v4_at(head: &[u8; V4], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3])
}

fn v6_at(head: &[u8; V6], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&head[at..at + 16]);
    Ipv6Addr::from(octets)
}

fn v6(ip: Ipv6Addr, port: u16, interface: u32) -> SocketAddr {
    let scope = if ip.is_unicast_link_local() { interface } else { 0 };
    SocketAddrV6::new(ip, port, 0, scope).into()
}

/// Octets of all headers.
const V4: usize = 14 + 20 + 8;
const V6: usize = 14 + 40 + 8;
/// The bit of a hardware address's first octet that makes it that of a group.
pub(super) const GROUP: u8 = 1;
/// Types of Ethernet frames.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// The number of the protocol.
const UDP: u8 = 17;
const DONT_FRAGMENT: u16 = 0x4000;
/// As Linux sends them.
const HOPS: u8 = 64;
const ALL_ONES: u16 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    /// From 192.0.2.1:40000 to 192.0.2.2:53, "query" and an octet of padding.
    const QUERY_V4: [u8; 48] = *b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\x00\
        \x45\0\0\x21\x12\x34\x40\0\x40\x11\xa4\x94\xc0\0\x02\x01\xc0\0\x02\x02\
        \x9c\x40\0\x35\0\x0d\x8f\x72query\0";
    /// From [2001:db8::1]:40000 to [2001:db8::2]:53, "query".
    const QUERY_V6: [u8; 67] = *b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x86\xdd\
        \x60\0\0\0\0\x0d\x11\x40\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\
        \x9c\x40\0\x35\0\x0d\xb8\x01query";

    fn parse(frame: &[u8]) -> Option<Datagram<'_>> {
        Datagram::read(frame).filter(Datagram::is_sound)
    }

    fn spoilt<const N: usize>(frame: [u8; N], changes: &[(usize, u8)]) -> [u8; N] {
        let mut frame = frame;
        for (at, octet) in changes {
            frame[*at] = *octet;
        }
        frame
    }

    #[test]
    fn a_datagram_is_read_without_the_padding_of_its_frame() {
        for (frame, from, to) in [
            (&QUERY_V4[..], "192.0.2.1:40000", "192.0.2.2:53"),
            (&QUERY_V6[..], "[2001:db8::1]:40000", "[2001:db8::2]:53"),
        ] {
            let datagram = parse(frame).unwrap();
            assert_eq!(datagram.payload(), b"query");
            assert_eq!(
                (datagram.source(7), datagram.destination(7)),
                (from.parse().unwrap(), to.parse().unwrap())
            );
        }
    }

    #[test]
    fn a_reply_goes_back_with_the_checksums_that_others_compute() {
        let mut reply = [0xee; 60];
        reply[V4..V4 + 8].copy_from_slice(b"response");
        let len = parse(&QUERY_V4).unwrap().reply(&mut reply, 8).unwrap();
        assert_eq!(
            reply[..len],
            *b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00\
               \x45\0\0\x24\0\0\x40\0\x40\x11\xb6\xc5\xc0\0\x02\x02\xc0\0\x02\x01\
               \0\x35\x9c\x40\0\x10\x16\xabresponse"
        );
        let mut reply = [0xee; 80];
        reply[V6..V6 + 8].copy_from_slice(b"response");
        let len = parse(&QUERY_V6).unwrap().reply(&mut reply, 8).unwrap();
        assert_eq!(
            reply[14..len],
            *b"\x60\0\0\0\0\x10\x11\x40\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\
               \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x35\x9c\x40\0\x10\x3f\x3aresponse"
        );
    }

    #[test]
    fn a_reply_is_a_datagram_that_is_read_again() {
        for frame in [&QUERY_V4[..], &QUERY_V6[..]] {
            let datagram = parse(frame).unwrap();
            for len in 0..100 {
                let mut reply = [len as u8; 200];
                let end = datagram.reply(&mut reply, len).unwrap();
                let back = parse(&reply[..end]).unwrap();
                assert_eq!(
                    (back.source(0), back.destination(0)),
                    (datagram.destination(0), datagram.source(0))
                );
                assert_eq!(back.payload(), vec![len as u8; len]);
            }
            assert_eq!(datagram.reply(&mut [0; 70], 100), None);
        }
    }

    #[test]
    fn what_is_wrong_in_one_octet_is_not_read() {
        for frame in [&QUERY_V4[..47], &QUERY_V6[..]] {
            // Not the Ethernet addresses, and not the traffic class and the flow of IPv6, which no checksum covers.
            let first = if frame.len() == QUERY_V6.len() { 18 } else { 14 };
            for at in first..frame.len() {
                let mut wrong = frame.to_vec();
                wrong[at] ^= 0x21;
                // The hop limit is covered by none either.
                let is_covered = !(first == 18 && at == 21);
                assert_eq!(parse(&wrong).is_none(), is_covered, "octet {at}");
            }
            for len in 0..frame.len() {
                assert!(parse(&frame[..len]).is_none(), "{len} octets");
            }
        }
    }

    #[test]
    fn no_lengths_in_a_frame_lead_out_of_it() {
        // Version and length of the header, lengths of packet and datagram, more fragments and offset, next header.
        let places: [(&[u8], &[usize]); 2] =
            [(&QUERY_V4, &[14, 16, 17, 20, 21, 23, 38, 39]), (&QUERY_V6, &[14, 18, 19, 20, 58, 59])];
        for (query, places) in places {
            for octet in 0..=255 {
                for other in [0, 1, 7, 8, 13, 19, 20, 28, 33, 255] {
                    for pair in places.windows(2) {
                        let mut frame = query.to_vec();
                        (frame[pair[0]], frame[pair[1]]) = (octet, other);
                        let Some(datagram) = Datagram::read(&frame) else { continue };
                        let len = datagram.payload().len();
                        assert!(datagram.head_len() + len <= frame.len());
                        datagram.is_sound();
                        assert!(datagram.reply(&mut [0; 100], len).is_some());
                    }
                }
            }
        }
    }

    #[test]
    fn a_checksum_may_be_missing_in_ipv4_and_unfinished_in_both() {
        assert!(parse(&spoilt(QUERY_V4, &[(40, 0), (41, 0)])).is_some());
        assert!(parse(&spoilt(QUERY_V4, &[(40, 0x84), (41, 0x22)])).is_some());
        assert!(parse(&spoilt(QUERY_V6, &[(60, 0), (61, 0)])).is_none());
        assert!(parse(&spoilt(QUERY_V6, &[(60, 0x5b), (61, 0x93)])).is_some());
    }

    #[test]
    fn who_cannot_be_answered_is_not_read() {
        // To or from a group's hardware address.
        for at in [0, 6] {
            assert!(parse(&spoilt(QUERY_V4, &[(at, 0xff)])).is_none());
            assert!(parse(&spoilt(QUERY_V6, &[(at, 0x33)])).is_none());
        }
        // The checksum of the header makes up for the address: 192.0 becomes 224.0, 255.255, 127.0, 0.0.
        for (source, checksum) in [([224, 0, 2, 1], [0x84, 0x94]), ([127, 0, 2, 1], [0xe5, 0x94])] {
            let changes = [(26, source[0]), (24, checksum[0]), (25, checksum[1]), (40, 0), (41, 0)];
            assert!(parse(&spoilt(QUERY_V4, &changes)).is_none(), "{source:?}");
        }
        // From itself: 192.0.2.2.
        assert!(parse(&spoilt(QUERY_V4, &[(29, 2), (25, 0x93), (40, 0), (41, 0)])).is_none());
        assert!(parse(&spoilt(QUERY_V4, &[(34, 0), (35, 0), (40, 0), (41, 0)])).is_none());
    }
}
