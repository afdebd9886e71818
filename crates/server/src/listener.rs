//! One address that is to be served.

use std::net::SocketAddr;
use std::sync::Arc;

#[cfg(feature = "tls")]
use arc_swap::ArcSwap;
use cartonym_plugin::Transport;
use cartonym_responder::Responder;
#[cfg(feature = "tls")]
use rustls::ServerConfig;

use crate::limits::Patience;
use crate::proxies::Proxies;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// An address to be served: what answers there, and how messages get there and back.
#[derive(Clone, Debug)]
pub struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) responder: Arc<Responder>,
    /// Sockets and threads for UDP, where not as many as everywhere.
    pub(crate) workers: Option<usize>,
    pub(crate) carrier: Carrier,
    pub(crate) patience: Patience,
    pub(crate) proxies: Option<Arc<Proxies>>,
    #[cfg(feature = "xdp")]
    pub(crate) xdp: Option<Xdp>,
}

/// An interface whose datagrams come past the kernel's sockets (AF_XDP).
#[cfg(feature = "xdp")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Xdp {
    /// Its name, such as `eth0`.
    pub interface: String,
    /// Queues that get a thread and a socket each, counted from 0; all of the interface's if none is said.
    pub queues: Option<u32>,
}

/// How messages travel.
#[derive(Clone, Debug)]
pub(crate) enum Carrier {
    /// In datagrams, and over TCP.
    Dns,
    /// Over TCP, under TLS.
    #[cfg(feature = "tls")]
    Tls(Keys),
    /// In requests of HTTP, under TLS.
    #[cfg(feature = "tls")]
    Https(Keys),
}

/// What clients under TLS are shown now.
#[cfg(feature = "tls")]
pub(crate) type Keys = Arc<ArcSwap<ServerConfig>>;

impl Listener {
    /// Over UDP and TCP.
    ///
    /// Port 0 takes one that is free; [`Running::local_addrs`](crate::Running::local_addrs) then says which. An
    /// address of all zeros is all of this machine's, of its own family only: `[::]` does not include IPv4.
    pub fn dns(address: SocketAddr, responder: Arc<Responder>) -> Listener {
        Listener::over(Carrier::Dns, address, responder)
    }

    /// Over TLS (RFC 7858).
    #[cfg(feature = "tls")]
    pub fn tls(address: SocketAddr, responder: Arc<Responder>, tls: &Tls) -> Listener {
        Listener::over(Carrier::Tls(keys(tls, DOT)), address, responder)
    }

    /// Over HTTP/1.1 and HTTP/2 (RFC 8484): GET and POST of `/dns-query`.
    #[cfg(feature = "tls")]
    pub fn https(address: SocketAddr, responder: Arc<Responder>, tls: &Tls) -> Listener {
        Listener::over(Carrier::Https(keys(tls, HTTP)), address, responder)
    }

    /// Sets how many threads there are for UDP; at least one.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Listener {
        self.workers = Some(workers.max(1));
        self
    }

    /// Sets what its connections may take, where not what all may.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Listener {
        self.patience = patience;
        self
    }

    /// Believes balancers in whom they speak for, by the PROXY protocol.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Listener {
        self.proxies = Some(Arc::new(proxies));
        self
    }

    /// Lets an interface bring its datagrams past the sockets. Where that cannot be, a line in the log says why, and
    /// they come by the sockets.
    #[cfg(feature = "xdp")]
    #[must_use]
    pub fn xdp(mut self, xdp: Xdp) -> Listener {
        self.xdp = Some(xdp);
        self
    }

    fn over(carrier: Carrier, address: SocketAddr, responder: Arc<Responder>) -> Listener {
        Listener {
            address,
            responder,
            workers: None,
            carrier,
            patience: Patience::default(),
            proxies: None,
            #[cfg(feature = "xdp")]
            xdp: None,
        }
    }
}

impl Carrier {
    /// Whether messages travel the same way.
    pub(crate) fn is(&self, other: &Carrier) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Shows clients to come what `other` shows.
    pub(crate) fn take(&self, other: &Carrier) {
        #[cfg(not(feature = "tls"))]
        let _ = other;
        #[cfg(feature = "tls")]
        if let (Some(mine), Some(keys)) = (self.keys(), other.keys()) {
            mine.store(keys.load_full());
        }
    }

    /// Shows clients to come something else; false where they are shown nothing.
    #[cfg(feature = "tls")]
    pub(crate) fn show(&self, tls: &Tls) -> bool {
        match self {
            Carrier::Dns => return false,
            Carrier::Tls(keys) => keys.store(tls.speaking(DOT)),
            Carrier::Https(keys) => keys.store(tls.speaking(HTTP)),
        }
        true
    }

    /// What a connection is to plugins.
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Carrier::Dns => Transport::Tcp,
            #[cfg(feature = "tls")]
            Carrier::Tls(_) => Transport::Tls,
            #[cfg(feature = "tls")]
            Carrier::Https(_) => Transport::Https,
        }
    }

    #[cfg(feature = "tls")]
    fn keys(&self) -> Option<&Keys> {
        match self {
            Carrier::Dns => None,
            Carrier::Tls(keys) | Carrier::Https(keys) => Some(keys),
        }
    }
}

#[cfg(feature = "tls")]
fn keys(tls: &Tls, protocols: &[&[u8]]) -> Keys {
    Arc::new(ArcSwap::new(tls.speaking(protocols)))
}

/// The name of DNS over TLS in the handshake (RFC 7858 §3.1 leaves it out, IANA's list has it). Clients need not say it.
#[cfg(feature = "tls")]
const DOT: &[&[u8]] = &[b"dot"];
/// Versions of HTTP, the better one first.
#[cfg(feature = "tls")]
const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];
