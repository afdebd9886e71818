//! Batches of datagrams: one system call receives many, one sends many.
//!
//! ```text
//! peers     [ 64 addresses ]  <- recvmmsg writes them, sendmmsg reads them: a reply needs no address of its own
//! controls  [ 64 × pktinfo ]  <- likewise: what came says where to, what leaves says where from
//! received  [ 64 slots of 4 KiB ]
//! sent      [ replies, one after the other ]   a batch of short replies touches few cache lines
//! messages  [ runs of replies ]                what sendmmsg is given, and the parts of each
//! ```

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::mem::zeroed;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull, addr_of_mut};
use std::slice;

use super::control::{CONTROL, Control};
use super::runs::{self, Replies, Reply};

/// Datagrams that one system call moves at most.
pub(crate) const BATCH: usize = runs::MOST;

/// Memory for one batch, allocated once; the headers within point to its other parts.
pub(crate) struct Batch {
    block: NonNull<Block>,
    /// Datagrams received: `received <= BATCH`.
    received: usize,
    /// Replies queued, at most as many as were received.
    replies: Replies,
    /// Whether the system takes runs of replies in one message.
    segments: bool,
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

/// Where the datagrams of a batch came from, and to.
struct Flows<'a> {
    headers: &'a [libc::mmsghdr; BATCH],
    peers: &'a [libc::sockaddr_storage; BATCH],
    controls: &'a [Control; BATCH],
}

/// What datagrams have in common whose replies go the same way.
#[derive(PartialEq, Eq)]
struct Flow<'a> {
    peer: &'a [u8],
    destination: &'a [u8],
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

/// Room for one datagram. The odd cache line keeps the heads of all slots from falling into one set of the cache.
#[repr(C, align(64))]
struct Slot([u8; SLOT]);

impl Batch {
    /// A batch of nothing for this socket, with all the memory it will ever have.
    pub(crate) fn new(socket: &UdpSocket) -> Batch {
        let layout = Layout::new::<Block>();
        // SAFETY: the layout is not of size zero, and all zeros is a value of every field of `Block`.
        let Some(block) = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<Block>()) else {
            handle_alloc_error(layout)
        };
        let segments = can_segment(socket);
        let mut batch = Batch { block, received: BATCH, replies: Replies::new(), segments, used: 0 };
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
            let query = slice::from_raw_parts(addr_of_mut!((*block).received[i]).cast::<u8>(), len);
            let room = addr_of_mut!((*block).sent).cast::<u8>().add(self.used);
            (query, slice::from_raw_parts_mut(room, ROOM))
        }
    }

    /// Queues the first `len` octets of the room as the reply to datagram `i`: to where it came from, from where
    /// it came to.
    pub(crate) fn reply(&mut self, i: usize, len: usize) {
        assert!(i < self.received && len <= ROOM && self.used + len <= ARENA);
        let block = self.block.as_ptr();
        // SAFETY: the kernel or `alloc_zeroed` has written these values, and nothing writes to them before the
        // references are gone, at the end of this call.
        let flows = unsafe {
            Flows { headers: &(*block).receive_headers, peers: &(*block).peers, controls: &(*block).controls }
        };
        let flow = flows.of(i);
        let is_joined = |other: u8| self.segments && flows.of(usize::from(other)) == flow;
        self.replies.add(Reply::new(i, self.used, len), flow.hash(), is_joined);
        self.used = (self.used + len).next_multiple_of(LINE).min(ARENA);
    }

    /// Sends the replies queued; one that the system refuses is given up, the others go on.
    pub(crate) fn send(&mut self, socket: &UdpSocket) -> Sent {
        let mut sent = Sent::default();
        let mut messages = self.lay_out(0, false);
        let mut at = 0;
        while at < messages {
            // SAFETY: headers `at..messages` were written by `lay_out`; what they point to is in this block, and no
            // reference to it exists during the call.
            let n = unsafe {
                let headers = addr_of_mut!((*self.block.as_ptr()).send_headers).cast::<libc::mmsghdr>();
                libc::sendmmsg(socket.as_raw_fd(), headers.add(at), (messages - at) as u32, 0)
            };
            if let Ok(n) = usize::try_from(n) {
                sent.taken += self.replies_in(at..at + n);
                at += n;
                continue;
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::Interrupted => {}
                // The device took nothing for as long as a reply may wait; the others would wait as long.
                io::ErrorKind::WouldBlock => {
                    sent.refused += self.replies_in(at..messages);
                    at = messages;
                }
                // The way to this client may have no room for its segments, or a device that cannot make them (EIO).
                _ if self.replies_in(at..at + 1) > 1 => {
                    self.segments &= error.raw_os_error() != Some(libc::EIO);
                    (at, messages) = (0, self.lay_out(at, true));
                }
                _ => {
                    sent.refused += 1;
                    at += 1;
                }
            }
        }
        self.replies.clear();
        self.used = 0;
        sent
    }

    /// Replies in these messages.
    fn replies_in(&self, messages: Range<usize>) -> usize {
        // SAFETY: the callers ask about headers that `lay_out` has written, and nothing writes to them now.
        let headers = unsafe { &(*self.block.as_ptr()).send_headers };
        headers[messages].iter().map(|header| parts(&header.msg_hdr)).sum()
    }

    /// Writes the headers of the messages from number `from` on; `apart`, each with one of the replies only. Gives how
    /// many there are, the first at 0.
    fn lay_out(&mut self, from: usize, apart: bool) -> usize {
        let (mut run_number, mut messages, mut parts) = (0, 0, 0);
        self.replies.runs(|run| {
            if run_number >= from {
                for message in run.chunks(if apart { 1 } else { run.len() }) {
                    self.write_message(messages, parts, message);
                    messages += 1;
                    parts += message.len();
                }
            }
            run_number += 1;
        });
        messages
    }

    /// Writes a header, and from `part` on its parts: these replies, to where the first one's question came from.
    fn write_message(&self, message: usize, part: usize, replies: &[Reply]) {
        assert!(message < BATCH && part + replies.len() <= BATCH);
        let block = self.block.as_ptr();
        let datagram = usize::from(replies[0].datagram);
        // SAFETY: the indices are below `BATCH`; all pointers are into this block, and the header that takes them is
        // read by `send` only, while the block lives. `Batch::reply` has checked that the octets are in the room.
        unsafe {
            for (part, reply) in (part..).zip(replies) {
                (*block).send_vectors[part] = libc::iovec {
                    iov_base: addr_of_mut!((*block).sent).cast::<u8>().add(reply.at as usize).cast(),
                    iov_len: usize::from(reply.len),
                };
            }
            let received = &(*block).receive_headers[datagram].msg_hdr;
            let control = &mut (*block).controls[datagram];
            let mut control_len = control.turn_round(control_len(received));
            if replies.len() > 1 {
                control_len = control.segment(control_len, replies[0].len);
            }
            let header = &mut (*block).send_headers[message].msg_hdr;
            header.msg_name = received.msg_name;
            header.msg_namelen = received.msg_namelen;
            header.msg_iov = addr_of_mut!((*block).send_vectors[part]);
            header.msg_iovlen = replies.len() as _;
            header.msg_control = if control_len == 0 {
                ptr::null_mut()
            } else {
                addr_of_mut!((*block).controls[datagram]).cast()
            };
            header.msg_controllen = control_len as _;
        }
    }

    /// Restores what recvmmsg overwrote: the sizes of the rooms that the last batch used.
    fn rearm(&mut self) {
        for i in 0..self.received {
            // SAFETY: `received <= BATCH`, and nothing else refers to the headers.
            let header = unsafe { &mut (*self.block.as_ptr()).receive_headers[i].msg_hdr };
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_controllen = CONTROL as _;
        }
        (self.received, self.used) = (0, 0);
        self.replies.clear();
    }

    /// Lets the header for datagram `i` point to its parts.
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
        }
    }
}

impl<'a> Flows<'a> {
    fn of(&self, i: usize) -> Flow<'a> {
        let header = &self.headers[i].msg_hdr;
        let (peer, len) = (&self.peers[i], header.msg_namelen as usize);
        // SAFETY: the length is cut to what is borrowed, all of which was written, with zeros if nothing else.
        let peer = unsafe {
            slice::from_raw_parts(
                ptr::from_ref(peer).cast::<u8>(),
                len.min(size_of::<libc::sockaddr_storage>()),
            )
        };
        Flow { peer, destination: self.controls[i].said(control_len(header)) }
    }
}

impl Flow<'_> {
    /// Of the port, and the address or, of IPv6, its interface identifier.
    fn hash(&self) -> u64 {
        let word = |at| {
            self.peer
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |octets| u64::from_ne_bytes(*octets))
        };
        word(0) ^ word(16).rotate_left(32)
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

/// Whether the system makes datagrams of a run of replies (Linux 4.18).
fn can_segment(socket: &UdpSocket) -> bool {
    let mut segment: libc::c_int = 0;
    let mut len = size_of_val(&segment) as libc::socklen_t;
    // SAFETY: the pointers are to locals that outlive the call, and `len` is the size of what the first points to.
    let result = unsafe {
        let value = ptr::from_mut(&mut segment).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, &mut len)
    };
    result == 0
}

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
    let mut control = Control::new();
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
            header.msg_control = ptr::from_mut(&mut control).cast();
            header.msg_controllen = control_len as _;
        }
        libc::sendmsg(socket.as_raw_fd(), &header, libc::MSG_DONTWAIT)
    };
    if sent >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
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

/// Parts of a message.
#[allow(clippy::unnecessary_cast)] // As below.
fn parts(header: &libc::msghdr) -> usize {
    header.msg_iovlen as usize
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
#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let addresses = [&sockets[1], &sockets[0]].map(|socket| socket.local_addr().unwrap());
        sockets.iter().zip(addresses).for_each(|(socket, address)| socket.connect(address).unwrap());
        sockets.into()
    }

    /// Two clients, and the server that they send to.
    fn clients_of_one() -> ([UdpSocket; 2], UdpSocket) {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let clients = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        clients.iter().for_each(|client| client.connect(server.local_addr().unwrap()).unwrap());
        (clients, server)
    }

    fn receive(client: &UdpSocket) -> Vec<u8> {
        let mut room = [0; ROOM];
        let len = client.recv(&mut room).unwrap();
        room[..len].to_vec()
    }

    #[test]
    fn a_batch_holds_what_came_and_sends_what_was_written() {
        let (client, server) = pair();
        for query in [&b"a"[..], b"bc", b"", &[7; 5000]] {
            client.send(query).unwrap();
        }
        let mut batch = Batch::new(&server);
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
        let (clients, server) = clients_of_one();
        clients.iter().for_each(|client| assert_eq!(client.send(b"a").unwrap(), 1));
        let mut batch = Batch::new(&server);
        assert_eq!(batch.receive(&server, true).unwrap(), 2);
        batch.reply(0, 1);
        batch.reply(1, 2);
        // SAFETY: the batch holds two datagrams, and nothing else refers to their headers.
        unsafe { (*batch.block.as_ptr()).receive_headers[0].msg_hdr.msg_namelen = 1 };
        assert_eq!(batch.send(&server), Sent { taken: 1, refused: 1 });
        assert_eq!(clients[1].recv(&mut [0; 9]).unwrap(), 2);
    }

    #[test]
    fn what_goes_one_way_arrives_as_it_was_written_in_one_message_or_in_many() {
        let (clients, server) = clients_of_one();
        for lengths in [vec![60; 20], vec![60, 75, 60, 48, 60, 1232, 1233], (12..40).collect()] {
            let written: Vec<Vec<u8>> = (1..).zip(&lengths).map(|(fill, len)| vec![fill; *len]).collect();
            for segments in [true, false] {
                let mut batch = Batch::new(&server);
                batch.segments &= segments;
                for message in &written {
                    clients
                        .iter()
                        .for_each(|client| assert_eq!(client.send(message).unwrap(), message.len()));
                }
                let all = clients.len() * written.len();
                assert_eq!(batch.receive(&server, true).unwrap(), all);
                for i in 0..all {
                    let message = batch.exchange(i).0.to_vec();
                    batch.exchange(i).1[..message.len()].copy_from_slice(&message);
                    batch.reply(i, message.len());
                }
                let messages = batch.lay_out(0, false);
                assert!(if segments { messages < all } else { messages == all }, "{messages} of {all}");
                assert_eq!(batch.send(&server), Sent { taken: all, refused: 0 });
                for client in &clients {
                    let mut received: Vec<Vec<u8>> = written.iter().map(|_| receive(client)).collect();
                    received.sort();
                    assert_eq!(received, written);
                }
            }
        }
    }

    #[test]
    fn a_run_that_the_system_refuses_leaves_one_by_one() {
        let (clients, server) = clients_of_one();
        let on: libc::c_int = 1;
        // SAFETY: the pointer and the size are those of `on`, which outlives the call.
        let done = unsafe {
            let value = ptr::from_ref(&on).cast();
            libc::setsockopt(server.as_raw_fd(), libc::SOL_SOCKET, libc::SO_NO_CHECK, value, 4)
        };
        assert_eq!(done, 0, "a socket that makes no checksums makes no segments");
        for octet in [b"a", b"b", b"c"] {
            clients.iter().for_each(|client| assert_eq!(client.send(octet).unwrap(), 1));
        }
        let mut batch = Batch::new(&server);
        assert_eq!(batch.receive(&server, true).unwrap(), 6);
        for i in 0..6 {
            let octet = batch.exchange(i).0[0];
            batch.exchange(i).1[..9].fill(octet);
            batch.reply(i, 9);
        }
        assert_eq!(batch.lay_out(0, false), 2);
        assert_eq!(batch.send(&server), Sent { taken: 6, refused: 0 });
        for client in &clients {
            assert_eq!([0; 3].map(|_| receive(client)), [[b'a'; 9], [b'b'; 9], [b'c'; 9]]);
        }
    }

    #[test]
    fn the_room_for_replies_is_used_up_before_it_overflows() {
        let (client, server) = pair();
        let mut batch = Batch::new(&server);
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
}
