//! Sockets for an address: a group for UDP, of which each worker gets one, and a listener for TCP.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::holder::Holder;
use crate::sys;

/// Why a server did not start. Nothing listens then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another process listens there, or one that ended a moment ago.
    #[error("{address} ({protocol}) is in use by {}", named(.holder))]
    InUse {
        /// Where this server was to listen.
        address: SocketAddr,
        /// Which of the two.
        protocol: Protocol,
        /// Who listens there, where that could be found out.
        holder: Option<Holder>,
    },
    /// The system does not let us.
    #[error("cannot listen on {address} ({protocol})")]
    Bind {
        /// Where this server was to listen.
        address: SocketAddr,
        /// Which of the two.
        protocol: Protocol,
        /// What the system says.
        source: io::Error,
    },
    /// No runtime, or no thread.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

impl StartError {
    /// What it means that `address` could not be bound; where it is in use, `/proc` is asked by whom.
    pub fn of(address: SocketAddr, protocol: Protocol, source: io::Error) -> StartError {
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                StartError::InUse { address, protocol, holder: Holder::of(address, protocol) }
            }
            _ => StartError::Bind { address, protocol, source },
        }
    }
}

/// What carries messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

/// The sockets of one address.
pub(crate) struct Bound {
    pub(crate) address: SocketAddr,
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
}

/// Binds `workers` datagram sockets and a listener to `address`; port 0 finds one that is free for both.
pub(crate) fn bind(address: SocketAddr, workers: usize) -> Result<Bound, StartError> {
    let mut attempts = if address.port() == 0 { PORTS_TRIED } else { 1 };
    loop {
        attempts -= 1;
        match bind_both(address, workers) {
            Err(StartError::InUse { .. }) if attempts > 0 => {}
            result => return result,
        }
    }
}

/// Binds a listener alone to `address`, for a carrier that has no datagrams.
#[cfg(feature = "tls")]
pub(crate) fn bind_stream(address: SocketAddr) -> Result<Bound, StartError> {
    let failed = |source| StartError::of(address, Protocol::Tcp, source);
    let tcp = bind_tcp(address).map_err(failed)?;
    let address = tcp.local_addr().map_err(failed)?;
    Ok(Bound { address, udp: Vec::new(), tcp })
}

fn bind_both(address: SocketAddr, workers: usize) -> Result<Bound, StartError> {
    let failed = |address, protocol| move |source| StartError::of(address, protocol, source);
    let (udp, address) = bind_udp(address, workers).map_err(failed(address, Protocol::Udp))?;
    let tcp = bind_tcp(address).map_err(failed(address, Protocol::Tcp))?;
    Ok(Bound { address, udp, tcp })
}

fn bind_udp(address: SocketAddr, workers: usize) -> io::Result<(Vec<UdpSocket>, SocketAddr)> {
    let first = datagram_socket(address)?;
    // The first is bound alone, so that a port which another server shares does not look free.
    first.bind(&address.into())?;
    first.set_reuse_port(true)?;
    let first = UdpSocket::from(first);
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        let socket = datagram_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        sockets.push(socket.into());
    }
    Ok((sockets, address))
}

fn datagram_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        // IPv4 has a listener of its own, and its clients addresses of their own.
        socket.set_only_v6(true)?;
    }
    // The system may give less; a burst then finds less room, that is all.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    if address.ip().is_unspecified() {
        sys::want_destination(&socket, address.is_ipv6())?;
    }
    Ok(socket)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of a server that ended a moment ago do not keep the next from starting.
    socket.set_reuse_address(true)?;
    // Inherited by each connection: what the kernel holds for a client that does not read, or floods, is bounded
    // too, and a client that reads slowly makes progress that we see.
    socket.set_recv_buffer_size(STREAM_RECEIVE_BUFFER)?;
    socket.set_send_buffer_size(STREAM_SEND_BUFFER)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn named(holder: &Option<Holder>) -> String {
    holder.as_ref().map_or_else(|| "another process".to_owned(), Holder::to_string)
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Udp => "UDP",
            Protocol::Tcp => "TCP",
        })
    }
}

/// Octets for datagrams in a socket's queue: some ten thousand queries, a burst's worth.
const SOCKET_BUFFER: usize = 4 << 20;
/// A device that takes nothing for so long loses the reply, and not the worker.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// Octets of queries that a connection has under way.
const STREAM_RECEIVE_BUFFER: usize = 64 * 1024;
/// Octets of answers that a connection has under way: 2.5 MB/s over a path of 100 ms.
const STREAM_SEND_BUFFER: usize = 256 * 1024;
const BACKLOG: i32 = 1024;
/// A free UDP port is most often a free TCP port, not always.
const PORTS_TRIED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_of_a_group_share_the_clients() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert_eq!(bound.tcp.local_addr().unwrap(), bound.address);
        // By chance, all of 64 clients go to one of two sockets once in 2^63 times.
        for _ in 0..64 {
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"a", bound.address).unwrap();
        }
        for socket in &bound.udp {
            assert_eq!(socket.local_addr().unwrap(), bound.address);
            socket.set_read_timeout(Some(SEND_TIMEOUT)).unwrap();
            assert_eq!(socket.recv(&mut [0; 9]).unwrap(), 1);
        }
    }

    #[test]
    fn a_port_that_others_share_is_not_free() {
        let shared = datagram_socket("127.0.0.1:0".parse().unwrap()).unwrap();
        shared.set_reuse_port(true).unwrap();
        shared.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = shared.local_addr().unwrap().as_socket().unwrap();
        let error = bind(address, 2).err().unwrap();
        assert!(matches!(error, StartError::InUse { protocol: Protocol::Udp, .. }), "{error:?}");
    }
}
