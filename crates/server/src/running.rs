//! A server that serves: what it has done, what it answers with, and its end.

use std::fmt;
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwap;
use cartonym_responder::Responder;
use socket2::SockRef;
use tokio::runtime::{Handle, Runtime};
use tokio::time::sleep;

use crate::background::Background;
use crate::connections::Connections;
use crate::counters::{Counters, Tally};
use crate::life::{Phase, Reaper};
use crate::limits::Limits;

/// A server that serves, until it is shut down or dropped.
#[must_use = "a server that is dropped ends"]
pub struct Running {
    listeners: Vec<Listening>,
    connections: Arc<Connections>,
    background: Arc<Background>,
    reaper: Reaper,
    limits: Limits,
    runtime: Handle,
    own_runtime: Option<Runtime>,
}

/// One address that is served.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) responder: Current,
    /// The socket and the counts of each worker.
    pub(crate) udp: Vec<(Arc<UdpSocket>, Arc<Tally>)>,
    pub(crate) tcp: Arc<Tally>,
}

/// The responder that answers at an address now.
pub(crate) type Current = Arc<ArcSwap<Responder>>;

impl Running {
    /// A server that serves nothing yet.
    pub(crate) fn new(
        connections: Arc<Connections>,
        reaper: Reaper,
        limits: Limits,
        runtime: Handle,
        own_runtime: Option<Runtime>,
    ) -> Running {
        let background = Arc::new(Background::new(runtime.clone()));
        Running { listeners: Vec::new(), connections, background, reaper, limits, runtime, own_runtime }
    }

    pub(crate) fn add(&mut self, listening: Listening) {
        self.background.start(&listening.responder.load());
        self.listeners.push(listening);
    }

    /// Answers at `listener`, counted from 0 in the order of [`Server::listen`](crate::Server::listen), with
    /// `responder` from now on; gives the one before, or none if there is no such listener.
    ///
    /// No query is lost: those that have begun keep the responder they have. The background futures of plugins that
    /// no responder holds any more are ended when no query can wait for them.
    pub fn replace(&self, listener: usize, responder: Arc<Responder>) -> Option<Arc<Responder>> {
        let listening = self.listeners.get(listener)?;
        self.background.start(&responder);
        let before = listening.responder.swap(responder);
        let all: Vec<Current> = self.listeners.iter().map(|other| Arc::clone(&other.responder)).collect();
        let (background, deadline) = (Arc::clone(&self.background), self.limits.deadline);
        self.runtime.spawn(async move {
            sleep(deadline).await;
            background.keep(&all);
        });
        Some(before)
    }

    /// Takes nothing new, finishes what has begun for as long as [`Limits::grace`] allows, and ends the rest.
    pub async fn shutdown(mut self) {
        self.drain();
        // On the server's own runtime: the caller's need not have a clock.
        let limit = self.limits.grace;
        let mut grace = self.runtime.spawn(async move { sleep(limit).await });
        tokio::select! {
            () = self.reaper.all_done() => grace.abort(),
            _ = &mut grace => {}
        }
    }

    /// The addresses served, in the order of [`Server::listen`](crate::Server::listen), with the ports they got.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listening| listening.address).collect()
    }

    /// What the server has done so far.
    pub fn counters(&self) -> Counters {
        let [accepted, refused, evicted, panics] = self.connections.counts();
        let connections = self.connections.open();
        let mut sum = Counters { connections, accepted, refused, evicted, panics, ..Counters::default() };
        for listening in &self.listeners {
            sum.tcp += listening.tcp.traffic();
            for (_, tally) in &listening.udp {
                sum.udp += tally.traffic();
                sum.panics += tally.panics();
            }
        }
        sum
    }

    fn drain(&self) {
        self.reaper.enter(Phase::Draining);
        for (socket, _) in self.listeners.iter().flat_map(|listening| &listening.udp) {
            // Wakes the worker, at no cost to any query before. Linux calls the socket unconnected, and does it.
            let _ = SockRef::from(socket.as_ref()).shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.drain();
        self.reaper.enter(Phase::Ended);
        self.connections.abort_all();
        self.background.keep(&[]);
        if let Some(runtime) = self.own_runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("local_addrs", &self.local_addrs())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}
