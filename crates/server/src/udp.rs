//! One thread and one socket: receive a batch, answer it, send it.

use std::io;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use cartonym_plugin::{Client, Transport};
use cartonym_responder::{Reply, Responder, Scratch, Suspended, Verdict};
use tokio::runtime::Handle;

use crate::connection::Service;
use crate::counters::{Tally, Traffic};
use crate::life::Life;
use crate::moments::{self, Moments};
use crate::proxies::{Dropped, Sessions};
use crate::sys::{self, BATCH, Batch, Envelope};

/// What a thread serves, and with what.
pub(crate) struct Worker {
    pub(crate) socket: Arc<UdpSocket>,
    pub(crate) local: SocketAddr,
    pub(crate) responder: Arc<ArcSwap<Responder>>,
    /// Of which a worker looks at who speaks for others.
    pub(crate) service: Arc<ArcSwap<Service>>,
    pub(crate) tally: Arc<Tally>,
    /// Where queries wait for plugins.
    pub(crate) runtime: Handle,
    /// How long they may.
    pub(crate) deadline: Duration,
    pub(crate) life: Life,
    /// The processor to stay on.
    pub(crate) cpu: Option<usize>,
}

/// What a worker keeps from batch to batch, besides the datagrams.
pub(crate) struct Desk {
    scratch: Scratch,
    moments: Moments,
    sessions: Sessions,
}

/// A batch being answered, by one configuration from its first datagram to its last.
pub(crate) struct Round<'a> {
    worker: &'a Worker,
    desk: &'a mut Desk,
    responder: Guard<Arc<Responder>>,
    service: Guard<Arc<Service>>,
    pub(crate) traffic: Traffic,
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
        let (mut batch, mut desk) = (Batch::new(&self.socket), Desk::new());
        while !self.life.is_draining() {
            self.turn(&mut batch, &mut desk, true);
        }
        // What has come by now is still answered; under a flood, as much of it as a queue holds.
        let mut left = DRAINED_BATCHES;
        while left > 0 && self.turn(&mut batch, &mut desk, false) > 0 {
            left -= 1;
        }
    }

    /// Receives, answers and sends one batch; gives its size.
    fn turn(&self, batch: &mut Batch, desk: &mut Desk, waits: bool) -> usize {
        let received = match batch.receive(&self.socket, waits) {
            Ok(received) => received,
            Err(error) => {
                self.receive_failed(&error);
                return 0;
            }
        };
        let mut round = Round::begin(self, desk);
        for i in 0..received {
            self.answer(batch, i, &mut round);
        }
        self.send(batch, &mut round.traffic);
        round.end();
        received
    }

    fn answer(&self, batch: &mut Batch, i: usize, round: &mut Round<'_>) {
        let Some(envelope) = batch.envelope(i) else { return };
        if envelope.truncated {
            round.refuse();
            return;
        }
        if batch.is_full() {
            self.send(batch, &mut round.traffic);
        }
        let (query, out) = batch.exchange(i);
        if let Some(len) = round.answer(query, self.client(&envelope), out) {
            batch.reply(i, len);
        }
    }

    fn send(&self, batch: &mut Batch, traffic: &mut Traffic) {
        let sent = batch.send(&self.socket);
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

    /// Lets the runtime wait for the reply, and send it to `peer`, who may not be the client but speak for it.
    #[cold]
    fn defer(&self, suspended: Box<Suspended>, peer: SocketAddr) {
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
                .is_some_and(|message| sys::reply(&socket, &message, peer, source).is_ok());
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

impl Desk {
    pub(crate) fn new() -> Desk {
        Desk {
            scratch: Scratch::with_clock(moments::now),
            moments: Moments::new(),
            sessions: Sessions::default(),
        }
    }
}

impl<'a> Round<'a> {
    /// Looks at the clock, and at who answers now.
    pub(crate) fn begin(worker: &'a Worker, desk: &'a mut Desk) -> Round<'a> {
        desk.moments.tick();
        let (responder, service) = (worker.responder.load(), worker.service.load());
        Round { worker, desk, responder, service, traffic: Traffic::default() }
    }

    /// Answers one datagram into `out`: the length of what is to be sent now to where it came from.
    pub(crate) fn answer(&mut self, mut query: &[u8], mut client: Client, out: &mut [u8]) -> Option<usize> {
        let peer = client.address;
        self.traffic.received += 1;
        let moment = self.desk.moments.next();
        if let Some(proxies) = self.service.proxies.as_deref() {
            match proxies.unwrap(query, &mut client, moment.now, &mut self.desk.sessions) {
                Ok(len) => query = query.get(len..).unwrap_or_default(),
                Err(Dropped) => {
                    self.traffic.dropped += 1;
                    return None;
                }
            }
        }
        match self.responder.respond(&mut self.desk.scratch, query, client, moment, out) {
            Verdict::Send(len) => return Some(len),
            Verdict::Drop => self.traffic.dropped += 1,
            Verdict::Wait(suspended) => {
                self.traffic.deferred += 1;
                self.worker.defer(suspended, peer);
            }
        }
        None
    }

    /// Counts a datagram that nobody is asked about.
    pub(crate) fn refuse(&mut self) {
        self.traffic.received += 1;
        self.traffic.dropped += 1;
    }

    /// Counts, after the replies are sent.
    pub(crate) fn end(self) {
        // One more look at the clock for the whole batch, and only where somebody wants to know.
        if self.desk.scratch.is_timed() {
            self.responder.took(&mut self.desk.scratch, self.desk.moments.elapsed());
        }
        self.worker.tally.add(&self.traffic);
    }
}

/// Batches answered after the end was announced.
const DRAINED_BATCHES: usize = 8192 / BATCH;
const RETRY: Duration = Duration::from_millis(10);
