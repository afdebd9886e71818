//! What is to be served, and where; and the start.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use cartonym_responder::Responder;
use tokio::runtime::{Handle, Runtime};

#[cfg(feature = "tls")]
use crate::bind::bind_stream;
use crate::bind::{Bound, StartError, bind};
use crate::connection::Service;
use crate::connections::Connections;
use crate::counters::Tally;
use crate::descriptors;
use crate::life::{self, Life};
use crate::limits::Limits;
use crate::listener::{Carrier, Listener};
use crate::running::{Listening, Running};
use crate::sys;
use crate::tcp::Acceptor;

/// Listeners to be: each an address, served over UDP and TCP, and the responder that answers there.
///
/// ```
/// use cartonym_responder::Responder;
/// use cartonym_server::Server;
///
/// // No routes: every query is REFUSED.
/// let responder = Responder::builder().build();
/// let running = Server::new().listen("127.0.0.1:0".parse()?, responder).start()?;
/// println!("listening on {:?}", running.local_addrs());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) workers: usize,
    limits: Limits,
}

/// Addresses that are bound, for a [`Server`] that does not serve yet: what comes there waits.
#[must_use = "what is dropped is bound no more"]
pub struct Reserved(Vec<(Listener, Bound)>);

/// What every listener needs to start.
pub(crate) struct Starter {
    pub(crate) runtime: Handle,
    pub(crate) connections: Arc<Connections>,
    pub(crate) limits: Limits,
}

impl Server {
    /// A server without listeners, with a UDP worker for each processor.
    pub fn new() -> Server {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Server { listeners: Vec::new(), workers, limits: Limits::default() }
    }

    /// Answers at `address`, over UDP and TCP, with `responder`: [`Listener::dns`].
    pub fn listen(self, address: SocketAddr, responder: Arc<Responder>) -> Server {
        self.with(Listener::dns(address, responder))
    }

    /// Answers where and how `listener` says.
    pub fn with(mut self, listener: Listener) -> Server {
        self.listeners.push(listener);
        self
    }

    /// Sets how many threads each address has for UDP where nothing else is said; at least one.
    pub fn workers(mut self, workers: usize) -> Server {
        self.workers = workers.max(1);
        self
    }

    /// Sets what clients may take.
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Binds all addresses, and then serves them.
    ///
    /// What waits runs on the tokio runtime this is called from, or else on one of its own.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing listens then.
    pub fn start(self) -> Result<Running, StartError> {
        let reserved = self.reserve()?;
        self.start_on(reserved)
    }

    /// Binds all addresses, for [`Server::start_on`].
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is bound then.
    pub fn reserve(&self) -> Result<Reserved, StartError> {
        let bound = self.bind(&self.listeners)?;
        Ok(Reserved(self.listeners.iter().cloned().zip(bound).collect()))
    }

    /// Serves as [`Server::start`] does, on what was bound before; an address that is not among that is bound now, and what
    /// is not needed is let go.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing listens then.
    pub fn start_on(self, mut reserved: Reserved) -> Result<Running, StartError> {
        let taken: Vec<_> = self.listeners.iter().map(|listener| reserved.take(listener)).collect();
        // Before others are bound, which it may be in the way of.
        drop(reserved);
        let bound = self.listeners.iter().zip(taken);
        let bound = bound.map(|(listener, taken)| taken.map_or_else(|| self.bind_one(listener), Ok));
        let bound = bound.collect::<Result<Vec<_>, _>>()?;
        let own = if Handle::try_current().is_ok() { None } else { Some(runtime()?) };
        let runtime = own.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone());
        let most = descriptors::connections(self.limits.connections);
        let connections = Connections::new(most, self.limits.connections_per_client);
        let mut running = Running::new(Starter { runtime, connections, limits: self.limits }, own);
        // A start that fails here drops `running`, which ends what has started.
        for (bound, listener) in bound.into_iter().zip(self.listeners) {
            running.listen(bound, listener)?;
        }
        #[cfg(feature = "xdp")]
        running.set_fronts();
        Ok(running)
    }

    /// Binds all, or none.
    pub(crate) fn bind<'a>(
        &self,
        listeners: impl IntoIterator<Item = &'a Listener>,
    ) -> Result<Vec<Bound>, StartError> {
        listeners.into_iter().map(|listener| self.bind_one(listener)).collect()
    }

    fn bind_one(&self, listener: &Listener) -> Result<Bound, StartError> {
        match listener.carrier {
            Carrier::Dns => bind(listener.address, listener.workers.unwrap_or(self.workers)),
            #[cfg(feature = "tls")]
            Carrier::Tls(_) | Carrier::Https(_) => bind_stream(listener.address),
        }
    }
}

impl Reserved {
    /// The addresses that are bound, in the order of [`Server::with`], with the ports they got.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.0.iter().map(|(_, bound)| bound.address).collect()
    }

    /// What was bound for such a listener, whatever answers there.
    fn take(&mut self, listener: &Listener) -> Option<Bound> {
        let is_like = |like: &Listener| {
            (like.address, like.workers) == (listener.address, listener.workers)
                && like.carrier.is(&listener.carrier)
        };
        let at = self.0.iter().position(|(like, _)| is_like(like))?;
        Some(self.0.remove(at).1)
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reserved").field(&self.local_addrs()).finish()
    }
}

impl Starter {
    /// Serves `bound` from now on.
    ///
    /// # Errors
    ///
    /// [`StartError::Thread`]; what has been started ends.
    pub(crate) fn open(&self, bound: Bound, listener: Listener) -> Result<Listening, StartError> {
        let (life, reaper) = life::begin();
        let responder = Arc::new(ArcSwap::new(listener.responder));
        let service = Service {
            responder: Arc::clone(&responder),
            tally: Arc::new(Tally::default()),
            limits: self.limits.with(listener.patience),
            proxies: listener.proxies,
        };
        let mut listening = Listening {
            asked: listener.address,
            address: bound.address,
            responder,
            carrier: listener.carrier,
            udp: Vec::new(),
            #[cfg(feature = "xdp")]
            xdp: listener.xdp,
            #[cfg(feature = "xdp")]
            seats: Vec::new(),
            service: Arc::new(ArcSwap::from_pointee(service)),
            reaper,
        };
        let acceptor = self.acceptor(bound.tcp, &listening, &life).map_err(StartError::Thread)?;
        let cpus = cpus(bound.udp.len());
        for (n, socket) in bound.udp.into_iter().enumerate() {
            let (socket, tally) = (Arc::new(socket), Arc::new(Tally::default()));
            listening.udp.push((Arc::clone(&socket), Arc::clone(&tally)));
            let cpu = cpus.get(n % cpus.len().max(1)).copied();
            let worker = listening.worker(socket, tally, life.clone(), self, cpu);
            let thread = thread::Builder::new().name(format!("dns-udp-{n}"));
            thread.spawn(|| worker.run()).map_err(StartError::Thread)?;
        }
        self.runtime.spawn(acceptor.run());
        Ok(listening)
    }

    fn acceptor(
        &self,
        listener: std::net::TcpListener,
        listening: &Listening,
        life: &Life,
    ) -> io::Result<Acceptor> {
        let _runtime = self.runtime.enter();
        Ok(Acceptor {
            listener: tokio::net::TcpListener::from_std(listener)?,
            local: listening.address,
            carrier: listening.carrier.clone(),
            connections: Arc::clone(&self.connections),
            service: Arc::clone(&listening.service),
            life: life.clone(),
        })
    }
}

/// The processor of each worker; none where the scheduler is to decide.
///
/// Where each processor has a worker, it keeps it: its caches stay warm. Where there are fewer workers, the scheduler
/// knows better which processors are free.
pub(crate) fn cpus(workers: usize) -> Vec<usize> {
    let mut cpus = sys::allowed_cpus();
    if workers < cpus.len() {
        cpus.clear();
    }
    cpus
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

fn runtime() -> Result<Runtime, StartError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.thread_name("dns-runtime").enable_all().build().map_err(StartError::Thread)
}
