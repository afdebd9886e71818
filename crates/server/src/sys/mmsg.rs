//! Batches of datagrams: one system call receives many, one sends many.
//!
//! ```text
//! peers     [ 64 addresses ]  <- recvmmsg writes them, sendmmsg reads them: a reply needs no address of its own
//! controls  [ 64 × pktinfo ]  <- likewise: what came says where to, what leaves says where from
//! received  [ 64 slots of 4 KiB ]
//! sent      [ replies, one after the other ]   a batch of short replies touches few cache lines
//! ```

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::mem::{offset_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull, addr_of_mut};

/// Datagrams that one system call moves at most.
pub(crate) const BATCH: usize = 64;

/// Memory for one batch, allocated once; the headers within point to its other parts.
pub(crate) struct Batch {
    block: NonNull<Block>,
    /// Datagrams received: `received <= BATCH`.
    received: usize,
    /// Replies queued: `queued <= received`.
    queued: usize,
    /// Octets of `Block::sent` in use: `used <= ARENA`.
    used: usize,
}

/// One datagram of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Envelope {
    /// Where it came from.
    pub(crate) peer: SocketAddr,
    /// The address it came to, where the socket was told to ask (see [`want_destination`]).
    pub(crate) destination: Option<IpAddr>,
    /// Whether its end was cut off.
    pub(crate) truncated: bool,
}

/// What a batch of replies came to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    /// Replies that the system took.
    pub(crate) taken: usize,
    /// Replies that it refused.
    pub(crate) refused: usize,
}

#[repr(C)]
struct Block {
    peers: [libc::sockaddr_storage; BATCH],
    controls: [Control; BATCH],
    receive_vectors: [libc::iovec; BATCH],
    send_vectors: [libc::iovec; BATCH],
    receive_headers: [libc::mmsghdr; BATCH],
    send_headers: [libc::mmsghdr; BATCH],
    received: [Slot; BATCH],
    sent: [u8; ARENA],
}

/// Room for one `in6_pktinfo` message, the larger of the two kinds.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Room for one datagram. The odd cache line keeps the heads of all slots from falling into one set of the cache.
#[repr(C, align(64))]
struct Slot([u8; SLOT]);

impl Batch {
    /// A batch of nothing, with all the memory it will ever have.
    pub(crate) fn new() -> Batch {
        let layout = Layout::new::<Block>();
        // SAFETY: the layout is not of size zero, and all zeros is a value of every field of `Block`.
        let Some(block) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<Block>()) else {
            handle_alloc_error(layout)
        };
        let mut batch = Batch { block, received: BATCH, queued: 0, used: 0 };
        for i in 0..BATCH {
            batch.point(i);
        }
        batch
    }

    /// Receives what there is, and waits only if there is nothing.
    ///
    /// # Errors
    ///
    /// Those of recvmmsg(2); the batch is empty then.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, waits: bool) -> io::Result<usize> {
        self.rearm();
        let flags = if waits { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        // SAFETY: the first `BATCH` headers point to memory of this block, which lives as long as `self`, with
        // the true sizes; no reference to any of it exists during the call, since `self` is borrowed mutably.
        let n = unsafe {
            let headers = addr_of_mut!((*self.block.as_ptr()).receive_headers).cast();
            libc::recvmmsg(socket.as_raw_fd(), headers, BATCH as u32, flags as _, ptr::null_mut())
        };
        self.received = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
        Ok(self.received)
    }

    /// Who sent datagram `i` of this batch; none if it has no address that a reply could go to.
    pub(crate) fn envelope(&self, i: usize) -> Option<Envelope> {
        assert!(i < self.received);
        // SAFETY: `i` is below `BATCH`; the kernel or `alloc_zeroed` has written these values, and nothing
        // writes to them while `self` is borrowed.
        let (header, peer, control) = unsafe {
            let block = self.block.as_ptr();
            (&(*block).receive_headers[i].msg_hdr, &(*block).peers[i], &(*block).controls[i])
        };
        // What wakes a receiver for shutdown looks like a datagram from nowhere.
        if header.msg_namelen == 0 {
            return None;
        }
        Some(Envelope {
            peer: address(peer).filter(|peer| peer.port() != 0)?,
            destination: control.destination(control_len(header)),
            truncated: header.msg_flags & libc::MSG_TRUNC != 0,
        })
    }

    /// Whether the room for replies is used up until [`Batch::send`].
    pub(crate) fn is_full(&self) -> bool {
        ARENA - self.used < ROOM
    }

    /// The octets of datagram `i`, and room for its reply.
    pub(crate) fn exchange(&mut self, i: usize) -> (&[u8], &mut [u8]) {
        assert!(i < self.received && !self.is_full());
        let block = self.block.as_ptr();
        // SAFETY: `i` is below `BATCH`, the length is cut to the slot, and `used + ROOM <= ARENA` as checked
        // above. The two slices are of different fields, and borrow `self` for as long as they live.
        unsafe {
            let len = ((*block).receive_headers[i].msg_len as usize).min(SLOT);
            let query = std::slice::from_raw_parts(addr_of_mut!((*block).received[i]).cast::<u8>(), len);
            let room = addr_of_mut!((*block).sent).cast::<u8>().add(self.used);
            (query, std::slice::from_raw_parts_mut(room, ROOM))
        }
    }

    /// Queues the first `len` octets of the room as the reply to datagram `i`: to where it came from, from where
    /// it came to.
    pub(crate) fn reply(&mut self, i: usize, len: usize) {
        assert!(i < self.received && self.queued < BATCH && len <= ROOM && self.used + len <= ARENA);
        let block = self.block.as_ptr();
        // SAFETY: the indices and the sum were checked above; all pointers are into this block, and the header
        // that takes them is read by `send` only, while the block lives.
        unsafe {
            let received = &(*block).receive_headers[i].msg_hdr;
            let vector = &mut (*block).send_vectors[self.queued];
            vector.iov_base = addr_of_mut!((*block).sent).cast::<u8>().add(self.used).cast();
            vector.iov_len = len;
            let header = &mut (*block).send_headers[self.queued].msg_hdr;
            header.msg_name = received.msg_name;
            header.msg_namelen = received.msg_namelen;
            let control_len = (*block).controls[i].turn_round(control_len(received));
            header.msg_control =
                if control_len == 0 { ptr::null_mut() } else { addr_of_mut!((*block).controls[i]).cast() };
            header.msg_controllen = control_len as _;
        }
        self.queued += 1;
        self.used = (self.used + len).next_multiple_of(LINE).min(ARENA);
    }

    /// Sends the replies queued; one that the system refuses is given up, the others go on.
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> Sent {
        let mut sent = Sent::default();
        let mut at = 0;
        while at < self.queued {
            // SAFETY: headers `at..queued` were written by `reply` since the last call; what they point to is in
            // this block, and no reference to it exists during the call.
            let n = unsafe {
                let headers = addr_of_mut!((*self.block.as_ptr()).send_headers).cast::<libc::mmsghdr>();
                libc::sendmmsg(socket.as_raw_fd(), headers.add(at), (self.queued - at) as u32, 0)
            };
            if let Ok(n) = usize::try_from(n) {
                sent.taken += n;
                at += n;
                continue;
            }
            let refused = match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => 0,
                // The device took nothing for as long as a reply may wait; the others would wait as long.
                io::ErrorKind::WouldBlock => self.queued - at,
                _ => 1,
            };
            sent.refused += refused;
            at += refused;
        }
        (self.queued, self.used) = (0, 0);
        sent
    }

    /// Restores what recvmmsg overwrote: the sizes of the rooms that the last batch used.
    fn rearm(&mut self) {
        for i in 0..self.received {
            // SAFETY: `received <= BATCH`, and nothing else refers to the headers.
            let header = unsafe { &mut (*self.block.as_ptr()).receive_headers[i].msg_hdr };
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_controllen = CONTROL as _;
        }
        (self.received, self.queued, self.used) = (0, 0, 0);
    }

    /// Lets the headers at `i` point to the parts at `i`.
    fn point(&mut self, i: usize) {
        let block = self.block.as_ptr();
        // SAFETY: `i` is below `BATCH`; every pointer is derived from `block` itself, so it stays good whatever
        // references to parts come and go.
        unsafe {
            (*block).receive_vectors[i] =
                libc::iovec { iov_base: addr_of_mut!((*block).received[i]).cast(), iov_len: SLOT - LINE };
            let header = addr_of_mut!((*block).receive_headers[i].msg_hdr);
            (*header).msg_name = addr_of_mut!((*block).peers[i]).cast();
            (*header).msg_control = addr_of_mut!((*block).controls[i]).cast();
            (*header).msg_iov = addr_of_mut!((*block).receive_vectors[i]);
            (*header).msg_iovlen = 1;
            let header = addr_of_mut!((*block).send_headers[i].msg_hdr);
            (*header).msg_iov = addr_of_mut!((*block).send_vectors[i]);
            (*header).msg_iovlen = 1;
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: `block` was allocated with this layout and is freed once; `Block` has nothing to drop.
        unsafe { dealloc(self.block.as_ptr().cast(), Layout::new::<Block>()) }
    }
}

// SAFETY: the block belongs to this value alone, and nothing in it is bound to a thread.
unsafe impl Send for Batch {}

/// Makes `socket` tell where each datagram came to; wanted where it is bound to no address in particular.
///
/// # Errors
///
/// Those of setsockopt(2).
pub(crate) fn want_destination(socket: &socket2::Socket, v6: bool) -> io::Result<()> {
    let (level, name) = match v6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        false => (libc::IPPROTO_IP, libc::IP_PKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: the pointer and the size are those of `on`, which outlives the call.
    let result = unsafe {
        let value = ptr::from_ref(&on).cast();
        libc::setsockopt(socket.as_raw_fd(), level, name, value, size_of_val(&on) as u32)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends one reply to `peer`, from `source` where that is given.
///
/// # Errors
///
/// Those of sendmsg(2); `WouldBlock` rather than waiting.
pub(crate) fn reply(
    socket: &UdpSocket,
    octets: &[u8],
    peer: SocketAddr,
    source: Option<SocketAddr>,
) -> io::Result<()> {
    let peer = socket2::SockAddr::from(peer);
    let mut control = Control([0; CONTROL]);
    let control_len = source.map_or(0, |source| control.write(source));
    let mut vector = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    // SAFETY: all zeros is a value of `msghdr`; every pointer in it is to a local or an argument that outlives
    // the call, with its true size, and sendmsg only reads.
    let sent = unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_name = peer.as_ptr().cast_mut().cast();
        header.msg_namelen = peer.len();
        header.msg_iov = &mut vector;
        header.msg_iovlen = 1;
        if control_len > 0 {
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = control_len as _;
        }
        libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT)
    };
    if sent >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Control {
    /// The address that a datagram came to, from the first `len` octets.
    fn destination(&self, len: usize) -> Option<IpAddr> {
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
    fn turn_round(&mut self, len: usize) -> usize {
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
    fn write(&mut self, source: SocketAddr) -> usize {
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

/// A socket address as the kernel wrote it.
fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that a `sockaddr_in` is here; the storage is large and aligned enough.
            let v4 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for a `sockaddr_in6`.
            let v6 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(ip, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// Octets of control messages that came.
#[allow(clippy::unnecessary_cast)] // The field's type differs from one C library to another.
fn control_len(header: &libc::msghdr) -> usize {
    header.msg_controllen as usize
}

const LINE: usize = 64;
/// Octets that a datagram may have: far above what this server advertises (1232); what is longer is cut.
const SLOT: usize = 4096 + LINE;
/// Octets that a reply may have.
const ROOM: usize = 4096;
/// Octets for the replies of a batch: enough for 64 of the length that crosses any network whole.
const ARENA: usize = 128 * 1024;
/// Where the data of a control message begins.
const DATA: usize = size_of::<libc::cmsghdr>().next_multiple_of(align_of::<libc::cmsghdr>());
/// Octets of a control message with its padding.
const CONTROL_V4: usize = control_space(size_of::<libc::in_pktinfo>());
const CONTROL_V6: usize = control_space(size_of::<libc::in6_pktinfo>());
const CONTROL: usize = CONTROL_V6;

const fn control_space(len: usize) -> usize {
    DATA + len.next_multiple_of(align_of::<libc::cmsghdr>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = [&sockets[1], &sockets[0]].map(|socket| socket.local_addr().unwrap());
        sockets.iter().zip(addresses).for_each(|(socket, address)| socket.connect(address).unwrap());
        sockets.into()
    }

    #[test]
    fn a_batch_holds_what_came_and_sends_what_was_written() {
        let (client, server) = pair();
        for query in [&b"a"[..], b"bc", b"", &[7; 5000]] {
            client.send(query).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(batch.receive(&server, true).unwrap(), 4);
        let lengths = [0, 1, 2, 3].map(|i| batch.exchange(i).0.len());
        assert_eq!(lengths, [1, 2, 0, 4096]);
        assert_eq!([0, 1, 2, 3].map(|i| batch.envelope(i).unwrap().truncated), [false, false, false, true]);
        assert_eq!(batch.envelope(0).unwrap().peer, client.local_addr().unwrap());
        for i in [0, 2] {
            batch.exchange(i).1[..3].copy_from_slice(&[i as u8; 3]);
            batch.reply(i, 3);
        }
        assert_eq!(batch.send(&server), Sent { taken: 2, refused: 0 });
        assert_eq!(batch.send(&server), Sent::default());
        for octet in [0, 2] {
            let mut reply = [0; 9];
            assert_eq!((client.recv(&mut reply).unwrap(), reply[..3] == [octet; 3]), (3, true));
        }
        let nothing = batch.receive(&server, false).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_reply_that_the_system_refuses_does_not_keep_back_the_next() {
        let (client, server) = pair();
        client.send(b"a").unwrap();
        client.send(b"b").unwrap();
        let mut batch = Batch::new();
        batch.receive(&server, true).unwrap();
        batch.reply(0, 1);
        batch.reply(1, 2);
        // SAFETY: the batch holds two replies, and nothing else refers to their headers.
        unsafe { (*batch.block.as_ptr()).send_headers[0].msg_hdr.msg_namelen = 1 };
        assert_eq!(batch.send(&server), Sent { taken: 1, refused: 1 });
        assert_eq!(client.recv(&mut [0; 9]).unwrap(), 2);
    }

    #[test]
    fn the_room_for_replies_is_used_up_before_it_overflows() {
        let (client, server) = pair();
        let mut batch = Batch::new();
        (0..BATCH).for_each(|_| assert_eq!(client.send(b"a").unwrap(), 1));
        assert_eq!(batch.receive(&server, true).unwrap(), BATCH);
        let mut replies = 0;
        while !batch.is_full() {
            batch.reply(replies, ROOM);
            replies += 1;
        }
        assert_eq!(replies, ARENA / ROOM);
        assert_eq!(batch.send(&server).taken, replies);
        assert!(!batch.is_full());
    }

    #[test]
    fn what_says_where_to_is_made_to_say_where_from() {
        for source in ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"] {
            let source: SocketAddr = source.parse().unwrap();
            let (mut said, mut turned) = (Control([0; CONTROL]), Control([0; CONTROL]));
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
