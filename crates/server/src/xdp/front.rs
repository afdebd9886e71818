//! The interfaces that bring datagrams to us past the sockets: opened when listeners want it, and again when they change.
//!
//! The sockets stay open. What an interface does not bring comes by them: from other interfaces, from queues without a
//! worker, for an address that the machine got later, and everything, where AF_XDP is not to be had.

use std::collections::BTreeMap;
use std::io::{self, PipeWriter};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::program::{self, MOST_ADDRESSES};
use super::worker::{End, Route, Worker, key};
use crate::listener::Xdp;
use crate::running::{Current, Listening};
use crate::server::{Starter, cpus};
use crate::sys::{Link, Mode, Program, Queue, Sockets, interface};

/// All interfaces that bring datagrams.
#[derive(Default)]
pub(crate) struct Fronts(Vec<Front>);

/// One interface that does; dropped, it does so no more, and what it has brought is answered.
struct Front {
    wanted: Wanted,
    /// As it was found: another may have its name one day, or it another length.
    route: Route,
    /// Goes first: then nothing more comes.
    link: Option<Link>,
    has_ended: Arc<AtomicBool>,
    /// Closed, it wakes the workers.
    bell: Option<PipeWriter>,
    workers: Vec<JoinHandle<()>>,
}

/// What an interface is to bring, and for whom.
struct Wanted {
    xdp: Xdp,
    /// Who answers, in the order of the workers' seats.
    seats: Vec<Current>,
    /// None is a wildcard.
    addresses: Vec<SocketAddr>,
}

/// Why an interface does not bring datagrams.
#[derive(Debug, thiserror::Error)]
enum XdpError {
    #[error("there is no such interface")]
    NoInterface,
    #[error("nothing from elsewhere comes by it")]
    Loopback,
    #[error("the machine has no address that it could bring datagrams for")]
    NoAddress,
    #[error("{0} addresses are more than a program is made for")]
    ManyAddresses(usize),
    #[error("the system does not tell about it")]
    Unknown(#[source] io::Error),
    #[error("the system does not let us")]
    Forbidden(#[source] io::Error),
    #[error("the kernel does not take the program")]
    Program(#[source] io::Error),
    #[error("no socket for queue {0}")]
    Socket(u32, #[source] io::Error),
    #[error("the program cannot be attached")]
    Attach(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl Fronts {
    /// Lets interfaces bring datagrams to `listeners` as these want it; says so where one cannot. What is as it was stays.
    pub(crate) fn set(&mut self, listeners: &mut [Listening], starter: &Starter) {
        let wanted: Vec<_> =
            wanted(listeners).into_values().map(|(wanted, at)| (route(&wanted), wanted, at)).collect();
        // All that goes goes first: a queue has one socket.
        self.0.retain(|front| wanted.iter().any(|(route, wanted, _)| front.is(route, wanted)));
        for (route, wanted, places) in wanted {
            if self.0.iter().any(|front| front.is(&route, &wanted)) {
                continue;
            }
            let interface = wanted.xdp.interface.clone();
            match route.and_then(|route| Front::open(wanted, route, &places, listeners, starter)) {
                Ok(front) => self.0.push(front),
                Err(error) => tracing::warn!(
                    interface,
                    error = report(&error),
                    "AF_XDP is not to be had: sockets serve alone"
                ),
            }
        }
    }

    /// The names of those that do.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|front| front.wanted.xdp.interface.as_str())
    }

    /// Ends all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// By interface: what it is to bring, and the places of the listeners it is for, in the order of [`key`].
fn wanted(listeners: &[Listening]) -> BTreeMap<String, (Wanted, Vec<usize>)> {
    let mut machine = None;
    let mut interfaces: BTreeMap<String, (Wanted, Vec<usize>)> = BTreeMap::new();
    let mut places: Vec<usize> = (0..listeners.len()).collect();
    places.sort_by_key(|place| listeners.get(*place).map(|at| key(at.address)));
    for place in places {
        // What has no sockets for datagrams, as under TLS, leaves those of its port to others.
        let Some(listening) = listeners.get(place).filter(|at| !at.udp.is_empty()) else { continue };
        let Some(xdp) = &listening.xdp else { continue };
        let (wanted, places) = interfaces.entry(xdp.interface.clone()).or_insert_with(|| {
            (Wanted { xdp: xdp.clone(), seats: Vec::new(), addresses: Vec::new() }, Vec::new())
        });
        // Who wants all has its way, and then who wants most.
        wanted.xdp.queues = wanted.xdp.queues.zip(xdp.queues).map(|(all, this)| all.max(this));
        wanted.seats.push(Arc::clone(&listening.responder));
        places.push(place);
        // A machine that does not tell its addresses has none for us, which is said when the interface is opened.
        let machine = machine.get_or_insert_with(|| interface::addresses().unwrap_or_default());
        wanted.addresses.extend(addresses(listening.address, &machine.own));
    }
    interfaces
}

/// `address` itself, or for a wildcard those of the machine.
fn addresses(address: SocketAddr, machine: &[IpAddr]) -> Vec<SocketAddr> {
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    let of_family = machine.iter().filter(|ip| ip.is_ipv4() == address.is_ipv4());
    of_family.map(|ip| SocketAddr::new(*ip, address.port())).collect()
}

/// What there is of the interface that is wanted.
fn route(wanted: &Wanted) -> Result<Route, XdpError> {
    let name = &wanted.xdp.interface;
    let interface = interface::number(name).map_err(XdpError::Unknown)?.ok_or(XdpError::NoInterface)?;
    if interface == LOOPBACK {
        return Err(XdpError::Loopback);
    }
    let queues = interface::queues(name).map_err(XdpError::Unknown)?;
    let longest = ETHERNET + interface::mtu(name).map_err(XdpError::Unknown)?;
    let broadcast = interface::addresses().map_err(XdpError::Unknown)?.broadcast;
    Ok(Route { interface, queues, longest, broadcast: broadcast.into() })
}

impl Wanted {
    fn is(&self, other: &Wanted) -> bool {
        let is_same = |(mine, theirs)| Arc::ptr_eq(mine, theirs);
        self.xdp == other.xdp
            && self.addresses == other.addresses
            && self.seats.len() == other.seats.len()
            && self.seats.iter().zip(&other.seats).all(is_same)
    }
}

impl Front {
    fn open(
        wanted: Wanted,
        route: Route,
        places: &[usize],
        listeners: &mut [Listening],
        starter: &Starter,
    ) -> Result<Front, XdpError> {
        match wanted.addresses.len() {
            0 => return Err(XdpError::NoAddress),
            many if many > MOST_ADDRESSES => return Err(XdpError::ManyAddresses(many)),
            _ => {}
        }
        let Route { interface, queues: all, .. } = route;
        let queues = wanted.xdp.queues.map_or(all, |queues| all.min(queues));
        if let Some(asked) = wanted.xdp.queues.filter(|asked| *asked > queues) {
            tracing::warn!(interface = wanted.xdp.interface, asked, queues, "the interface has fewer queues");
        }
        let sockets = Sockets::new(queues).map_err(XdpError::Forbidden)?;
        let program = program::assemble(&wanted.addresses, sockets.as_fd());
        let program = Program::load(&program).map_err(XdpError::Program)?;
        let mut opened = Vec::new();
        for n in 0..queues {
            let queue = open_queue(interface, n).map_err(|error| XdpError::Socket(n, error))?;
            sockets.put(n, queue.as_fd()).map_err(|error| XdpError::Socket(n, error))?;
            opened.push(queue);
        }
        let (ring, bell) = io::pipe().map_err(XdpError::Thread)?;
        let mut front = Front {
            wanted,
            route,
            link: None,
            has_ended: Arc::default(),
            bell: Some(bell),
            workers: Vec::new(),
        };
        let is_told = Arc::default();
        let cpus = cpus(opened.len());
        for (n, queue) in opened.into_iter().enumerate() {
            let bell = ring.try_clone().map_err(XdpError::Thread)?;
            let seats = places.iter().filter_map(|place| listeners.get_mut(*place)?.seat(n, starter));
            let worker = Worker {
                queue,
                seats: seats.collect(),
                route: front.route.clone(),
                end: End { has_come: Arc::clone(&front.has_ended), is_told: Arc::clone(&is_told), bell },
                cpu: cpus.get(n).copied(),
            };
            let thread = thread::Builder::new().name(format!("dns-xdp-{n}"));
            front.workers.push(thread.spawn(|| worker.run()).map_err(XdpError::Thread)?);
        }
        // Last of all: from now on datagrams come.
        let (link, mode) = attach(&program, interface).map_err(XdpError::Attach)?;
        front.link = Some(link);
        tracing::info!(interface = front.wanted.xdp.interface, queues, ?mode, "AF_XDP brings datagrams");
        Ok(front)
    }

    /// Whether it is what is wanted now, of the interface as it is now.
    fn is(&self, route: &Result<Route, XdpError>, wanted: &Wanted) -> bool {
        self.wanted.is(wanted) && route.as_ref().is_ok_and(|route| self.route == *route)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.link.take());
        self.has_ended.store(true, Ordering::Relaxed);
        drop(self.bell.take());
        for worker in self.workers.drain(..) {
            // It has caught its panics, and said so.
            let _ = worker.join();
        }
    }
}

/// Opens a queue. For a moment after its last socket was closed, the kernel has not forgotten that one.
fn open_queue(interface: u32, queue: u32) -> io::Result<Queue> {
    let mut left = BUSY_TRIES;
    loop {
        match Queue::open(interface, queue) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && left > 0 => {
                left -= 1;
                thread::sleep(BUSY);
            }
            result => return result,
        }
    }
}

/// In the driver if that can, and where every driver can if not.
fn attach(program: &Program, interface: u32) -> io::Result<(Link, Mode)> {
    let native = match program.attach(interface, Mode::Native) {
        Ok(link) => return Ok((link, Mode::Native)),
        Err(error) => error,
    };
    // If that fails too, the first reason says more.
    program.attach(interface, Mode::Generic).map(|link| (link, Mode::Generic)).map_err(|_| native)
}

/// An error with its causes, in one line.
fn report(error: &XdpError) -> String {
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

/// Together a second.
const BUSY_TRIES: usize = 100;
const BUSY: Duration = Duration::from_millis(10);
/// The number of `lo`, in every network namespace.
const LOOPBACK: u32 = 1;
/// Octets that a frame has before the packet.
const ETHERNET: usize = 14;
