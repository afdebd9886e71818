//! What is to be served, and where; and the start.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use cartonym_responder::Responder;
use tokio::runtime::{Handle, Runtime};

use crate::bind::{Bound, StartError, bind};
use crate::connection::Service;
use crate::connections::Connections;
use crate::counters::Tally;
use crate::descriptors;
use crate::life::{self, Life};
use crate::limits::Limits;
use crate::running::{Listening, Running};
use crate::sys;
use crate::tcp::Acceptor;
use crate::udp::Worker;

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
    listeners: Vec<(SocketAddr, Arc<Responder>)>,
    workers: usize,
    limits: Limits,
}

/// What every listener needs to start.
struct Starter<'a> {
    server: &'a Server,
    runtime: Handle,
    connections: Arc<Connections>,
    life: Life,
    /// The processor of each worker; empty where the scheduler is to decide.
    cpus: Vec<usize>,
}

impl Server {
    /// A server without listeners, with a UDP worker for each processor.
    pub fn new() -> Server {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Server { listeners: Vec::new(), workers, limits: Limits::default() }
    }

    /// Answers at `address`, over UDP and TCP, with `responder`.
    ///
    /// Port 0 takes one that is free; [`Running::local_addrs`] then says which. An address of all zeros is all of
    /// this machine's, of its own family only: `[::]` does not include IPv4.
    pub fn listen(mut self, address: SocketAddr, responder: Arc<Responder>) -> Server {
        self.listeners.push((address, responder));
        self
    }

    /// Sets how many threads each address has for UDP; at least one.
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
        let bound = self.bind_all()?;
        let own = if Handle::try_current().is_ok() { None } else { Some(runtime()?) };
        let runtime = own.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone());
        let (life, reaper) = life::begin();
        let most = descriptors::connections(self.limits.connections);
        let connections = Connections::new(most, self.limits.connections_per_client);
        let starter = Starter { server: &self, runtime, connections, life, cpus: self.cpus() };
        let (connections, runtime) = (Arc::clone(&starter.connections), starter.runtime.clone());
        let mut running = Running::new(connections, reaper, self.limits, runtime, own);
        // A start that fails here drops `running`, which ends what has started.
        for (bound, (_, responder)) in bound.into_iter().zip(&self.listeners) {
            starter.listen(bound, responder, &mut running)?;
        }
        Ok(running)
    }

    fn bind_all(&self) -> Result<Vec<Bound>, StartError> {
        self.listeners.iter().map(|(address, _)| bind(*address, self.workers)).collect()
    }

    /// Where each processor has a worker, it keeps it: its caches stay warm. Where there are fewer workers, the
    /// scheduler knows better which processors are free.
    fn cpus(&self) -> Vec<usize> {
        let mut cpus = sys::allowed_cpus();
        if self.workers < cpus.len() {
            cpus.clear();
        }
        cpus
    }
}

impl Starter<'_> {
    fn listen(
        &self,
        bound: Bound,
        responder: &Arc<Responder>,
        running: &mut Running,
    ) -> Result<(), StartError> {
        let mut listening = Listening {
            address: bound.address,
            responder: Arc::new(ArcSwap::new(Arc::clone(responder))),
            udp: Vec::new(),
            tcp: Arc::new(Tally::default()),
        };
        let acceptor = self.acceptor(bound.tcp, &listening).map_err(StartError::Thread)?;
        let sockets: Vec<_> = bound.udp.into_iter().map(Arc::new).collect();
        let workers: Vec<Worker> = sockets
            .iter()
            .enumerate()
            .map(|(n, socket)| {
                let tally = Arc::new(Tally::default());
                listening.udp.push((Arc::clone(socket), Arc::clone(&tally)));
                Worker {
                    socket: Arc::clone(socket),
                    local: bound.address,
                    responder: Arc::clone(&listening.responder),
                    tally,
                    runtime: self.runtime.clone(),
                    deadline: self.server.limits.deadline,
                    life: self.life.clone(),
                    cpu: self.cpus.get(n % self.cpus.len().max(1)).copied(),
                }
            })
            .collect();
        running.add(listening);
        for (n, worker) in workers.into_iter().enumerate() {
            let thread = thread::Builder::new().name(format!("dns-udp-{n}"));
            thread.spawn(|| worker.run()).map_err(StartError::Thread)?;
        }
        self.runtime.spawn(acceptor.run());
        Ok(())
    }

    fn acceptor(&self, listener: std::net::TcpListener, listening: &Listening) -> io::Result<Acceptor> {
        let _runtime = self.runtime.enter();
        Ok(Acceptor {
            listener: tokio::net::TcpListener::from_std(listener)?,
            connections: Arc::clone(&self.connections),
            service: Arc::new(Service {
                responder: Arc::clone(&listening.responder),
                tally: Arc::clone(&listening.tcp),
                limits: self.server.limits,
            }),
            life: self.life.clone(),
        })
    }
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
