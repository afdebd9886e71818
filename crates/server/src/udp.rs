//! One thread and one socket: receive a batch, answer it, send it.

use std::io;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cartonym_plugin::{Client, Transport};
use cartonym_responder::{Reply, Responder, Scratch, Suspended, Verdict};
use tokio::runtime::Handle;

use crate::counters::{Tally, Traffic};
use crate::life::Life;
use crate::moments::{self, Moments};
use crate::sys::{self, BATCH, Batch, Envelope};

/// What a thread serves, and with what.
pub(crate) struct Worker {
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) local: SocketAddr,
    pub(crate) responder: Arc<ArcSwap<Responder>>,
    pub(crate) tally: Arc<Tally>,
    /// Where queries wait for plugins.
    pub(crate) runtime: Handle,
    /// How long they may.
    pub(crate) deadline: Duration,
    pub(crate) life: Life,
    /// The processor to stay on.
    pub(crate) cpu: Option<usize>,
}

/// A worker's own memory: all that it will ever have.
struct Desk {
    batch: Batch,
    scratch: Scratch,
    moments: Moments,
}

impl Worker {
    /// Serves until the server drains. A defect costs a batch: the worker starts again.
    pub(crate) fn run(self) {
        if let Some(cpu) = self.cpu {
            sys::pin_to(cpu);
        }
        while catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.tally.panicked();
            tracing::error!(address = %self.local, "a UDP worker panicked and was started again");
        }
    }

    fn serve(&self) {
        let mut desk =
            Desk { batch: Batch::new(), scratch: Scratch::with_clock(moments::now), moments: Moments::new() };
        while !self.life.is_draining() {
            self.turn(&mut desk, true);
        }
        // What has come by now is still answered; under a flood, as much of it as a queue holds.
        let mut left = DRAINED_BATCHES;
        while left > 0 && self.turn(&mut desk, false) > 0 {
            left -= 1;
        }
    }

    /// Receives, answers and sends one batch; gives its size.
    fn turn(&self, desk: &mut Desk, waits: bool) -> usize {
        let received = match desk.batch.receive(&self.socket, waits) {
            Ok(received) => received,
            Err(error) => {
                self.receive_failed(&error);
                return 0;
            }
        };
        desk.moments.tick();
        let mut traffic = Traffic::default();
        let responder = self.responder.load();
        for i in 0..received {
            self.answer(desk, i, &responder, &mut traffic);
        }
        self.send(desk, &mut traffic);
        // One more look at the clock for the whole batch, and only where somebody wants to know.
        if desk.scratch.is_timed() {
            responder.took(&mut desk.scratch, desk.moments.elapsed());
        }
        drop(responder);
        self.tally.add(&traffic);
        received
    }

    fn answer(&self, desk: &mut Desk, i: usize, responder: &Responder, traffic: &mut Traffic) {
        let Some(envelope) = desk.batch.envelope(i) else { return };
        traffic.received += 1;
        if envelope.truncated {
            traffic.dropped += 1;
            return;
        }
        let client = self.client(&envelope);
        if desk.batch.is_full() {
            self.send(desk, traffic);
        }
        let (query, out) = desk.batch.exchange(i);
        match responder.respond(&mut desk.scratch, query, client, desk.moments.next(), out) {
            Verdict::Send(len) => desk.batch.reply(i, len),
            Verdict::Drop => traffic.dropped += 1,
            Verdict::Wait(suspended) => {
                traffic.deferred += 1;
                self.defer(suspended);
            }
        }
    }

    fn send(&self, desk: &mut Desk, traffic: &mut Traffic) {
        let sent = desk.batch.send(&self.socket);
        traffic.sent += sent.taken as u64;
        traffic.dropped += sent.refused as u64;
    }

    fn client(&self, envelope: &Envelope) -> Client {
        let local = match (envelope.destination, envelope.peer) {
            (None, _) => self.local,
            // A link-local address means nothing without its interface, which is the one it came by.
            (Some(std::net::IpAddr::V6(ip)), SocketAddr::V6(peer)) => {
                SocketAddrV6::new(ip, self.local.port(), 0, peer.scope_id()).into()
            }
            (Some(ip), _) => SocketAddr::new(ip, self.local.port()),
        };
        Client { address: envelope.peer, local, transport: Transport::Udp }
    }

    /// Lets the runtime wait for the reply, and send it.
    #[cold]
    fn defer(&self, suspended: Box<Suspended>) {
        let (socket, tally, life) = (self.socket.clone(), self.tally.clone(), self.life.clone());
        let (local, deadline) = (self.local, self.deadline);
        self.runtime.spawn(async move {
            // In this order: the socket is dropped first, so that when the server counts as done it is closed.
            let mut life = life;
            let socket = socket;
            let mut suspended = suspended;
            let timer = suspended.timer();
            let client = suspended.client();
            let reply = tokio::select! {
                reply = suspended.resume(tokio::time::sleep(deadline)) => reply,
                () = life.ended() => Reply::Nothing,
            };
            let source = local.ip().is_unspecified().then_some(client.local);
            // A stream cannot be told in datagrams.
            let sent = reply
                .into_message()
                .is_some_and(|message| sys::reply(&socket, &message, client.address, source).is_ok());
            if let Some(timer) = timer {
                timer.stop(moments::now());
            }
            tally.add(&Traffic { sent: u64::from(sent), dropped: u64::from(!sent), ..Traffic::default() });
        });
    }

    #[cold]
    fn receive_failed(&self, error: &io::Error) {
        match error.kind() {
            // Interrupted by a signal, or told of an earlier reply that no one took: the next call waits again.
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock => {}
            // A want of memory may pass; to ask again at once would only use up the processor.
            _ => std::thread::sleep(RETRY),
        }
    }
}

/// Batches answered after the end was announced.
const DRAINED_BATCHES: usize = 8192 / BATCH;
const RETRY: Duration = Duration::from_millis(10);
