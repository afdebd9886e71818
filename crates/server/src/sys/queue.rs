//! A queue of an interface, as an AF_XDP socket sees it.
//!
//! The frames lie in one piece of memory, and go round by four rings:
//!
//! ```text
//!          fill ─▶ kernel ─▶ received      frames that queries come in: RECEIVING, always
//!   free ◀─────────────────────┘
//!    └──▶ sent ──▶ kernel ─▶ completed ─▶ free
//! ```
//!
//! When too few are free for a batch of replies, nothing is taken from `received`; it fills up, `fill` runs dry, and the
//! kernel drops what comes.

use std::collections::VecDeque;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use socket2::SockRef;
use xdp::nic::NicIndex;
use xdp::slab::Slab;
use xdp::socket::{SocketError, XdpSocket, XdpSocketBuilder};
use xdp::umem::{FrameSize, UmemCfgBuilder};
use xdp::{Packet, RingConfigBuilder, Umem, WakableRings};

/// Octets of the longest frame that is received: the kernel keeps 256 of the room for itself (`XDP_PACKET_HEADROOM`).
pub(crate) const LONGEST_FRAME: usize = 2048 - 256;
/// Frames that are received at once, at most.
pub(crate) const FRAMES: usize = 64;

/// One queue of one interface.
pub(crate) struct Queue {
    socket: XdpSocket,
    rings: WakableRings,
    /// What was received last and has not been given back.
    received: Frames,
    /// Replies to be sent.
    replies: Frames,
    /// For the next reply.
    spare: Option<Packet>,
    /// Frames that the kernel should have for queries, and has not.
    owed: usize,
    /// Frames that the kernel has for replies, and has not given back.
    sending: usize,
    /// Whether to call the kernel once more: it may have left replies in the ring.
    is_stuck: bool,
    /// Whether the interface is.
    is_gone: bool,
    /// The memory of all frames. The last field: no packet above outlives it.
    umem: Umem,
}

/// Frames in the order that they came in.
struct Frames(VecDeque<Packet>);

impl Queue {
    /// Opens a queue of the interface of this number; nothing comes by it before a program sends it there.
    ///
    /// # Errors
    ///
    /// What the system says: mostly that this process may not, or that another has the queue.
    pub(crate) fn open(interface: u32, queue: u32) -> io::Result<Queue> {
        let umem = UmemCfgBuilder { frame_size: FrameSize::TwoK, frame_count: ALL, ..Default::default() };
        let umem = Umem::map(umem.build().map_err(io::Error::other)?)?;
        // The rings that hold what we give could hold all there is, and so never are full: not even while the kernel has not
        // said yet what it took.
        let rings =
            RingConfigBuilder { rx_count: RECEIVING, tx_count: ALL, fill_count: ALL, completion_count: ALL };
        let mut socket = XdpSocketBuilder::new().map_err(reason)?;
        let (rings, flags) =
            socket.build_wakable_rings(&umem, rings.build().map_err(io::Error::other)?).map_err(reason)?;
        let socket = socket.bind(NicIndex(interface), queue, flags).map_err(reason)?;
        let mut queue = Queue {
            socket,
            rings,
            received: Frames::new(FRAMES),
            replies: Frames::new(FRAMES),
            spare: None,
            owed: RECEIVING as usize,
            sending: 0,
            is_stuck: false,
            is_gone: false,
            umem,
        };
        queue.refill()?;
        Ok(queue)
    }

    /// Receives what there is, without waiting; gives the number of frames.
    pub(crate) fn receive(&mut self) -> usize {
        self.release();
        if self.is_stuck || self.is_starved() {
            self.kick();
        }
        self.reclaim();
        // An error is none of the ring's: the next call tries again.
        let _ = self.refill();
        if self.is_starved() {
            return 0;
        }
        let Some(ring) = &mut self.rings.rx_ring else { return 0 };
        // SAFETY: the packets are kept in `self.received`, which does not outlive `self.umem`.
        unsafe { ring.recv(&self.umem, &mut self.received) }
    }

    /// Frame `i` of those received; none if there is no such frame.
    pub(crate) fn frame(&self, i: usize) -> Option<&[u8]> {
        self.received.0.get(i).map(|packet| &**packet)
    }

    /// Frame `i` of those received, and room for its reply; none if there is no such frame, or no room.
    pub(crate) fn exchange(&mut self, i: usize) -> Option<(&[u8], &mut [u8])> {
        let received = self.received.0.get(i)?;
        if self.spare.is_none() {
            // SAFETY: the packet is kept in `self.spare`, and then in `self.replies`, neither of which outlives `self.umem`.
            let mut spare = unsafe { self.umem.alloc() }?;
            spare.adjust_tail(spare.capacity() as i32).ok()?;
            self.spare = Some(spare);
        }
        Some((received, self.spare.as_deref_mut()?))
    }

    /// Queues the first `len` octets of the room that was given last, a whole frame.
    pub(crate) fn reply(&mut self, len: usize) {
        let Some(mut reply) = self.spare.take() else { return };
        let rest = reply.len().saturating_sub(len);
        if reply.adjust_tail(-(rest as i32)).is_ok() {
            self.replies.push_front(reply);
        }
    }

    /// Sends the replies queued; gives their number.
    pub(crate) fn send(&mut self) -> usize {
        let Some(ring) = &mut self.rings.tx_ring else { return 0 };
        if self.replies.is_empty() {
            return 0;
        }
        // SAFETY: the packets are of `self.umem`, which the kernel keeps for as long as the socket is open.
        let sent = unsafe { ring.send(&mut self.replies, false) }.unwrap_or_default();
        self.sending += sent;
        self.kick();
        sent
    }

    /// Waits until there is something to receive, or to be sent once more, or `end` is over: the writer's end of its pipe
    /// is closed.
    pub(crate) fn wait(&mut self, end: &PipeReader) {
        let is_starved = self.is_starved();
        let wanted = if is_starved { 0 } else { libc::POLLIN };
        let timeout = if is_starved || self.is_stuck { SOON } else { SILENCE }.as_millis() as libc::c_int;
        let mut files = [(self.socket.as_raw_fd(), wanted), (end.as_raw_fd(), 0)]
            .map(|(fd, events)| libc::pollfd { fd, events, revents: 0 });
        // SAFETY: the pointer and the number are those of `files`, which outlives the call.
        // An interrupted wait is a wait that is over.
        let ready = unsafe { libc::poll(files.as_mut_ptr(), files.len() as libc::nfds_t, timeout) };
        // Silence may be that of an interface that is gone: newer kernels say so only to who calls.
        self.is_stuck |= ready == 0;
        self.is_gone |= files[0].revents & (libc::POLLERR | libc::POLLNVAL) != 0;
    }

    /// Whether nothing comes any more, since there is no interface any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Lets the last replies leave: what the kernel has not sent when the socket is closed, it forgets.
    pub(crate) fn drain(&mut self) {
        for _ in 0..DRAINS {
            self.reclaim();
            if self.sending == 0 || self.is_gone {
                return;
            }
            self.kick();
            thread::sleep(SOON);
        }
    }

    /// Gives back what was received, and replies that a defect has kept from being sent.
    fn release(&mut self) {
        self.owed += self.received.len();
        for packet in self.received.0.drain(..).chain(self.replies.0.drain(..)) {
            self.umem.free_packet(packet);
        }
    }

    /// Takes back what has been sent.
    fn reclaim(&mut self) {
        let sent = self.rings.completion_ring.dequeue(&mut self.umem, ALL as usize);
        self.sending = self.sending.saturating_sub(sent);
    }

    /// Gives the kernel frames for queries.
    fn refill(&mut self) -> io::Result<()> {
        if self.owed > 0 {
            // SAFETY: the kernel keeps the memory for as long as the socket is open.
            self.owed -= unsafe { self.rings.fill_ring.enqueue(&mut self.umem, self.owed, false) }?;
        }
        Ok(())
    }

    /// Whether there may be too few frames for the replies to a batch.
    fn is_starved(&self) -> bool {
        self.umem.allocatable() < FRAMES
    }

    /// Lets the kernel send what is queued. Without zero-copy it does so within the call, some 32 frames at a time.
    fn kick(&mut self) {
        for _ in 0..KICKS {
            let result = SockRef::from(&self.as_fd()).send_with_flags(&[], libc::MSG_DONTWAIT);
            self.is_stuck = result.as_ref().is_err_and(may_pass);
            // Not so an interface that is down: it may come back, and then sends what it has with what comes next.
            self.is_gone |= result.is_err_and(|error| error.raw_os_error() == Some(libc::ENXIO));
            if !self.is_stuck {
                return;
            }
        }
    }
}

/// Whether the kernel would send more if it were called again, now or soon.
fn may_pass(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::ResourceBusy, io::ErrorKind::Interrupted];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(libc::ENOBUFS)
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket is open for as long as `self` is.
        unsafe { BorrowedFd::borrow_raw(self.socket.as_raw_fd()) }
    }
}

// SAFETY: the memory, the rings and the socket belong to this value alone, and nothing in it is bound to a thread.
unsafe impl Send for Queue {}

impl Frames {
    fn new(room: usize) -> Frames {
        Frames(VecDeque::with_capacity(room))
    }
}

/// "Front" is where the crate puts in, "back" where it takes out.
impl Slab for Frames {
    fn available(&self) -> usize {
        FRAMES - self.0.len()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push_front(&mut self, packet: Packet) -> Option<Packet> {
        if self.available() == 0 {
            return Some(packet);
        }
        self.0.push_back(packet);
        None
    }

    fn pop_back(&mut self) -> Option<Packet> {
        self.0.pop_front()
    }
}

/// What the system says, without what was called.
fn reason(error: SocketError) -> io::Error {
    match error {
        SocketError::SocketCreation(error)
        | SocketError::Bind(error)
        | SocketError::SetSockOpt { inner: error, .. }
        | SocketError::GetSockOpt { inner: error, .. }
        | SocketError::RingMap { inner: error, .. } => error,
    }
}

/// Frames of a queue: 4 MiB.
const ALL: u32 = 2048;
/// Of which queries come in.
const RECEIVING: u32 = ALL / 2;
/// Calls to send what is queued, at most; twice as many as [`FRAMES`] needs.
const KICKS: usize = 2 * FRAMES / 32;
/// Until another look whether frames have been sent, or can be.
const SOON: Duration = Duration::from_millis(1);
/// Until a look whether the interface is still there.
const SILENCE: Duration = Duration::from_secs(1);
/// Looks at the end: 100 ms.
const DRAINS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_could_not_send_now_is_tried_again_and_what_it_never_can_is_not() {
        for code in [libc::EAGAIN, libc::EBUSY, libc::EINTR, libc::ENOBUFS] {
            assert!(may_pass(&io::Error::from_raw_os_error(code)), "{code}");
        }
        for code in [libc::ENETDOWN, libc::ENXIO, libc::EBADF] {
            assert!(!may_pass(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }
}
