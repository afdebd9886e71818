//! One thread and one queue: receive a batch, answer each datagram for the address it came to, send.

use std::io::{PipeReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cartonym_plugin::{Client, Transport};

use super::frame::Datagram;
use crate::sys::{self, FRAMES, Queue};
use crate::udp::{self, Desk, Round};

/// What a thread serves, and with what.
pub(crate) struct Worker {
    pub(crate) queue: Queue,
    /// Each as it would serve a socket; it sends there what had to wait. In the order of [`key`].
    pub(crate) seats: Vec<udp::Worker>,
    pub(crate) route: Route,
    pub(crate) end: End,
    /// The processor to stay on.
    pub(crate) cpu: Option<usize>,
}

/// What is the same for all queues of an interface, for as long as nobody changes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Route {
    /// The interface's number.
    pub(crate) interface: u32,
    /// Its queues that can be served.
    pub(crate) queues: u32,
    /// The longest frame that leaves by it.
    pub(crate) longest: usize,
    /// Addresses of everybody on a network, whom no reply is for.
    pub(crate) broadcast: Arc<[Ipv4Addr]>,
}

/// By what a worker learns that it is to end.
pub(crate) struct End {
    pub(crate) has_come: Arc<AtomicBool>,
    /// Whether it has been said that the interface is gone.
    pub(crate) is_told: Arc<AtomicBool>,
    /// Wakes it.
    pub(crate) bell: PipeReader,
}

impl Worker {
    /// Serves until the end, and what has come by then. A defect costs a batch: the worker starts again.
    pub(crate) fn run(mut self) {
        if let Some(cpu) = self.cpu {
            sys::pin_to(cpu);
        }
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            if let Some(seat) = self.seats.first() {
                seat.tally.panicked();
            }
            tracing::error!("a worker of an interface's queue panicked and was started again");
        }
    }

    fn serve(&mut self) {
        let mut desks: Vec<Desk> = self.seats.iter().map(|_| Desk::new()).collect();
        while !self.end.has_come.load(Ordering::Relaxed) {
            if self.turn(&mut desks) == 0 {
                self.queue.wait(&self.end.bell);
            }
            if self.queue.is_gone() {
                return self.end.wait();
            }
        }
        // Nothing more comes by now.
        let mut left = DRAINED_BATCHES;
        while left > 0 && self.turn(&mut desks) > 0 {
            left -= 1;
        }
        self.queue.drain();
    }

    /// Receives, answers and sends one batch; gives its size.
    fn turn(&mut self, desks: &mut [Desk]) -> usize {
        let received = self.queue.receive();
        if received == 0 {
            return 0;
        }
        let mut frames = [(0, 0); FRAMES];
        let mut ours = 0;
        let found = (0..received).filter_map(|i| Some((self.place(self.queue.frame(i)?)?, i)));
        for (to, frame) in frames.iter_mut().zip(found) {
            *to = frame;
            ours += 1;
        }
        let frames = frames.get_mut(..ours).unwrap_or_default();
        frames.sort_unstable();
        // One look at the clock and at the configuration for each address that is asked, not for each datagram.
        for frames in frames.chunk_by(|(this, _), (next, _)| this == next) {
            self.answer(frames, desks);
        }
        received
    }

    /// Which seat a frame is for.
    fn place(&self, frame: &[u8]) -> Option<usize> {
        let local = Datagram::read(frame)?.destination(self.route.interface);
        let of = |ip| self.seats.binary_search_by_key(&(ip, local.port()), |seat| key(seat.local)).ok();
        let all: IpAddr =
            if local.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        of(local.ip()).or_else(|| of(all))
    }

    /// Answers those of a batch's frames that are for one seat: its place, and theirs.
    fn answer(&mut self, frames: &[(usize, usize)], desks: &mut [Desk]) {
        let Some((place, _)) = frames.first() else { return };
        let (Some(seat), Some(desk)) = (self.seats.get(*place), desks.get_mut(*place)) else { return };
        let mut round = Round::begin(seat, desk);
        let mut replies = 0;
        for (_, i) in frames {
            let Some((frame, room)) = self.queue.exchange(*i) else {
                round.refuse();
                continue;
            };
            if let Some(len) = self.route.answer(frame, room, &mut round) {
                self.queue.reply(len);
                replies += 1;
            }
        }
        let sent = self.queue.send() as u64;
        round.traffic.sent += sent;
        round.traffic.dropped += u64::saturating_sub(replies, sent);
        round.end();
    }
}

impl Route {
    /// Answers the datagram of a frame in `room`: the length of the frame that is to be sent.
    fn answer(&self, frame: &[u8], room: &mut [u8], round: &mut Round<'_>) -> Option<usize> {
        let end = room.len().min(self.longest);
        let asked = self
            .asked(frame)
            .and_then(|(datagram, client)| Some((datagram, client, room.get_mut(datagram.head_len()..end)?)));
        let Some((datagram, client, out)) = asked else {
            round.refuse();
            return None;
        };
        let len = round.answer(datagram.payload(), client, out)?;
        let len = datagram.reply(room, len);
        round.traffic.dropped += u64::from(len.is_none());
        len
    }

    /// A datagram that is to be answered, and to whom.
    fn asked<'a>(&self, frame: &'a [u8]) -> Option<(Datagram<'a>, Client)> {
        let datagram = Datagram::read(frame).filter(Datagram::is_sound)?;
        let (address, local) = (datagram.source(self.interface), datagram.destination(self.interface));
        let is_many = matches!(address.ip(), IpAddr::V4(ip) if self.broadcast.contains(&ip));
        (!is_many).then_some((datagram, Client { address, local, transport: Transport::Udp }))
    }
}

impl End {
    /// Waits for it and nothing else, as the interface is gone.
    fn wait(&self) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!("the interface is gone: sockets serve alone");
        }
        // Nobody writes there: it is over when the writer's end is closed.
        let _ = (&self.bell).read(&mut [0]);
    }
}

/// By what seats are found.
pub(super) fn key(local: SocketAddr) -> (IpAddr, u16) {
    (local.ip(), local.port())
}

/// Batches answered after the end was announced: as many as a queue holds.
const DRAINED_BATCHES: usize = 2048 / FRAMES;
