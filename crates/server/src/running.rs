//! A server that serves: what it has done, what it answers with, and its end.

use std::fmt;
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use cartonym_responder::Responder;
use socket2::SockRef;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::background::Background;
use crate::bind::{Bound, StartError};
use crate::connection::Service;
use crate::counters::{Counters, Tally};
use crate::life::{Life, Phase, Reaper};
use crate::limits::Limits;
#[cfg(feature = "xdp")]
use crate::listener::Xdp;
use crate::listener::{Carrier, Listener};
use crate::proxies::Proxies;
use crate::server::{Server, Starter};
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::udp::Worker;
#[cfg(feature = "xdp")]
use crate::xdp::Fronts;

/// A server that serves, until it is shut down or dropped.
#[must_use = "a server that is dropped ends"]
pub struct Running {
    listeners: Vec<Listening>,
    #[cfg(feature = "xdp")]
    fronts: Fronts,
    background: Arc<Background>,
    /// Changes of who answers, of which only the last ends what nobody holds any more.
    changes: Arc<AtomicU64>,
    starter: Starter,
    own_runtime: Option<Runtime>,
}

/// One address that is served; dropped, it is served no more.
pub(crate) struct Listening {
    /// The address as it was asked for, perhaps with port 0.
    pub(crate) asked: SocketAddr,
    pub(crate) address: SocketAddr,
    pub(crate) responder: Current,
    pub(crate) carrier: Carrier,
    /// The socket and the counts of each worker.
    pub(crate) udp: Vec<(Arc<UdpSocket>, Arc<Tally>)>,
    /// The interface that brings its datagrams past the sockets, if there is to be one.
    #[cfg(feature = "xdp")]
    pub(crate) xdp: Option<Xdp>,
    /// The counts of each of its queues, whatever becomes of them.
    #[cfg(feature = "xdp")]
    pub(crate) seats: Vec<Arc<Tally>>,
    /// What connections to come share.
    pub(crate) service: Arc<ArcSwap<Service>>,
    pub(crate) reaper: Reaper,
}

/// The responder that answers at an address now.
pub(crate) type Current = Arc<ArcSwap<Responder>>;

impl Running {
    /// A server that serves nothing yet.
    pub(crate) fn new(starter: Starter, own_runtime: Option<Runtime>) -> Running {
        let background = Arc::new(Background::new(starter.runtime.clone()));
        Running {
            listeners: Vec::new(),
            #[cfg(feature = "xdp")]
            fronts: Fronts::default(),
            background,
            changes: Arc::default(),
            starter,
            own_runtime,
        }
    }

    /// Serves one more address.
    pub(crate) fn listen(&mut self, bound: Bound, listener: Listener) -> Result<(), StartError> {
        let listening = self.starter.open(bound, listener)?;
        self.background.start(&listening.responder.load());
        self.listeners.push(listening);
        Ok(())
    }

    /// Answers at `listener`, counted from 0 in the order of [`Server::with`], with `responder` from now on; gives the
    /// one before, or none if there is no such listener.
    ///
    /// No query is lost: those that have begun keep the responder they have. The background futures of plugins that
    /// no responder holds any more are ended when no query can wait for them.
    pub fn replace(&self, listener: usize, responder: Arc<Responder>) -> Option<Arc<Responder>> {
        let listening = self.listeners.get(listener)?;
        let change = self.begin_change();
        self.background.start(&responder);
        let before = listening.responder.swap(responder);
        self.forget(change);
        Some(before)
    }

    /// Shows clients that connect to `listener` from now on other certificates; false if there is no such listener,
    /// or it is not under TLS.
    #[cfg(feature = "tls")]
    pub fn replace_tls(&self, listener: usize, tls: &Tls) -> bool {
        self.listeners.get(listener).is_some_and(|listening| listening.carrier.show(tls))
    }

    /// Serves what `server` names from now on, in its order: an address that is served already keeps its sockets and
    /// gets its responder, as by [`Running::replace`], its certificates and its patience; a new one is opened; one that is not named any more takes
    /// nothing new, finishes what has begun for as long as [`Limits::grace`] allows, and is
    /// closed.
    ///
    /// The limits of the whole, and the number of workers at an address that stays, remain what they were at the start.
    ///
    /// # Errors
    ///
    /// [`StartError`], for a new address; all is as before then.
    pub fn update(&mut self, server: Server) -> Result<(), StartError> {
        let places = self.places_of(&server.listeners);
        let change = self.begin_change();
        let opened = self.open_new(&server, &places).inspect_err(|_| self.forget(change))?;
        let mut opened = opened.into_iter();
        let mut before: Vec<_> = self.listeners.drain(..).map(Some).collect();
        for (place, listener) in places.into_iter().zip(server.listeners) {
            let mut kept = place.and_then(|place| before.get_mut(place)?.take());
            if let Some(listening) = &mut kept {
                #[cfg(feature = "xdp")]
                {
                    listening.xdp = listener.xdp;
                }
                self.background.start(&listener.responder);
                listening.responder.store(listener.responder);
                listening.carrier.take(&listener.carrier);
                listening.allow(self.starter.limits.with(listener.patience), listener.proxies);
            }
            self.listeners.extend(kept.or_else(|| opened.next()));
        }
        // Before addresses are closed, whose datagrams they would go on to bring.
        #[cfg(feature = "xdp")]
        self.set_fronts();
        before.into_iter().flatten().for_each(|gone| self.close(gone));
        self.forget(change);
        Ok(())
    }

    /// Lets interfaces bring datagrams as the listeners want it now.
    #[cfg(feature = "xdp")]
    pub(crate) fn set_fronts(&mut self) {
        self.fronts.set(&mut self.listeners, &self.starter);
    }

    /// Where each of `listeners` is served already; one of ours is not two of theirs.
    fn places_of(&self, listeners: &[Listener]) -> Vec<Option<usize>> {
        let mut left: Vec<usize> = (0..self.listeners.len()).collect();
        let place_of = |listener: &Listener| {
            let is_same =
                |place: &usize| self.listeners.get(*place).is_some_and(|listening| listening.is(listener));
            left.iter().position(is_same).map(|found| left.remove(found))
        };
        listeners.iter().map(place_of).collect()
    }

    /// Opens what `server` names and has no place; on an error, none of it.
    fn open_new(&self, server: &Server, places: &[Option<usize>]) -> Result<Vec<Listening>, StartError> {
        let new: Vec<&Listener> = server
            .listeners
            .iter()
            .zip(places)
            .filter(|(_, place)| place.is_none())
            .map(|(new, _)| new)
            .collect();
        let bound = server.bind(new.iter().copied())?;
        let open = |(bound, listener): (Bound, &Listener)| self.starter.open(bound, listener.clone());
        let opened: Vec<Listening> = bound.into_iter().zip(new).map(open).collect::<Result<_, _>>()?;
        opened.iter().for_each(|listening| self.background.start(&listening.responder.load()));
        Ok(opened)
    }

    fn close(&self, mut listening: Listening) {
        listening.drain();
        let grace = self.starter.limits.grace;
        self.starter.runtime.spawn(async move {
            tokio::select! {
                () = listening.reaper.all_done() => {}
                () = sleep(grace) => {}
            }
        });
    }

    /// From now on, no earlier change ends anything: it does not know what is started next.
    fn begin_change(&self) -> u64 {
        self.changes.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Ends the background futures that no responder holds, once no query can wait for them.
    fn forget(&self, change: u64) {
        let all: Vec<Current> =
            self.listeners.iter().map(|listening| Arc::clone(&listening.responder)).collect();
        let (background, changes) = (Arc::clone(&self.background), Arc::clone(&self.changes));
        let deadline = self.starter.limits.deadline;
        self.starter.runtime.spawn(async move {
            sleep(deadline).await;
            background.keep(&all, || changes.load(Ordering::SeqCst) == change);
        });
    }

    /// Takes nothing new, finishes what has begun for as long as [`Limits::grace`] allows, and
    /// ends the rest. What plugins do beside the queries has a second more to end.
    pub async fn shutdown(mut self) {
        #[cfg(feature = "xdp")]
        self.fronts.clear();
        self.listeners.iter().for_each(Listening::drain);
        // On the server's own runtime: the caller's need not have a clock.
        let limit = self.starter.limits.grace;
        let mut grace = self.starter.runtime.spawn(async move { sleep(limit).await });
        let all_done = async {
            for listening in &mut self.listeners {
                listening.reaper.all_done().await;
            }
        };
        tokio::select! {
            () = all_done => grace.abort(),
            _ = &mut grace => {}
        }
        self.background.end().await;
    }

    /// The addresses served, in the order of [`Server::with`](crate::Server::with), with the ports they got.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listening| listening.address).collect()
    }

    /// The interfaces that bring datagrams past the sockets.
    #[cfg(feature = "xdp")]
    pub fn interfaces(&self) -> Vec<&str> {
        self.fronts.interfaces().collect()
    }

    /// What the server has done so far.
    pub fn counters(&self) -> Counters {
        let [accepted, refused, evicted, panics] = self.starter.connections.counts();
        let connections = self.starter.connections.open();
        let mut sum = Counters { connections, accepted, refused, evicted, panics, ..Counters::default() };
        for listening in &self.listeners {
            sum.tcp += listening.service.load().tally.traffic();
            for (_, tally) in &listening.udp {
                sum.udp += tally.traffic();
                sum.panics += tally.panics();
            }
            #[cfg(feature = "xdp")]
            for tally in &listening.seats {
                sum.udp += tally.traffic();
                sum.panics += tally.panics();
            }
        }
        sum
    }
}

impl Listening {
    /// Whether it is what `listener` asks for, whatever answers there.
    fn is(&self, listener: &Listener) -> bool {
        self.asked == listener.address && self.carrier.is(&listener.carrier)
    }

    /// A worker for its datagrams.
    pub(crate) fn worker(
        &self,
        socket: Arc<UdpSocket>,
        tally: Arc<Tally>,
        life: Life,
        starter: &Starter,
        cpu: Option<usize>,
    ) -> Worker {
        Worker {
            socket,
            local: self.address,
            responder: Arc::clone(&self.responder),
            service: Arc::clone(&self.service),
            tally,
            runtime: starter.runtime.clone(),
            deadline: starter.limits.deadline,
            life,
            cpu,
        }
    }

    /// What a queue of its interface needs to answer its datagrams; none if it has no sockets.
    #[cfg(feature = "xdp")]
    pub(crate) fn seat(&mut self, queue: usize, starter: &Starter) -> Option<Worker> {
        let (socket, _) = self.udp.first()?;
        let life = self.reaper.life()?;
        while self.seats.len() <= queue {
            self.seats.push(Arc::default());
        }
        let tally = self.seats.get(queue)?;
        Some(self.worker(Arc::clone(socket), Arc::clone(tally), life, starter, None))
    }

    /// Allows clients to come so much.
    fn allow(&self, limits: Limits, proxies: Option<Arc<Proxies>>) {
        let Service { responder, tally, .. } = &**self.service.load();
        let (responder, tally) = (Arc::clone(responder), Arc::clone(tally));
        self.service.store(Arc::new(Service { responder, tally, limits, proxies }));
    }

    /// Takes nothing new.
    fn drain(&self) {
        self.reaper.enter(Phase::Draining);
        for (socket, _) in &self.udp {
            // Wakes the worker, at no cost to any query before. Linux calls the socket unconnected, and does it.
            let _ = SockRef::from(socket.as_ref()).shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.drain();
        self.reaper.enter(Phase::Ended);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        #[cfg(feature = "xdp")]
        self.fronts.clear();
        self.listeners.clear();
        self.starter.connections.abort_all();
        self.background.abort();
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
