//! Addresses for programs that have to be told theirs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Domain, Socket, Type};

/// An address of 127.0.0.1 where nobody listens: for a program that is started with it.
///
/// No two calls of a process give the same, before thousands of others. The port is none that the system gives away, to a client
/// or to who asks for any: a port that was free a moment ago would be somebody else's now and then.
///
/// # Panics
///
/// There is none.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Tests run in several processes, too, whose numbers follow each other.
    let first = (std::process::id().wrapping_mul(101) % u32::from(count)) as u16;
    let address = |number: u16| {
        let port = PORTS.start + (first + number % count) % count;
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    };
    let mut tried = (0..count).map(|_| address(NEXT.fetch_add(1, Ordering::Relaxed)));
    tried.find(|address| bind(*address).is_ok()).expect("loopback has a free port")
}

/// Takes the address for a moment, and does not listen there: a program that another thread starts meanwhile has what is open until it runs, and
/// who connected to that would be reset.
fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // Nor does it so keep out who comes after.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Below those that Linux gives away (ip(7): 32,768 to 60,999), and those that programs have by default are few.
const PORTS: Range<u16> = 10_000..24_000;

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn no_two_are_the_same_and_none_is_taken() {
        let first = free_address();
        let next = SocketAddr::from((first.ip(), first.port() + 1));
        let _taken = TcpListener::bind(next);
        let mut all: Vec<_> = (0..200).map(|_| free_address()).chain([first, next]).collect();
        assert!(all.iter().all(|address| PORTS.contains(&address.port()) || *address == next));
        let given = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), given);
    }
}
