//! The responder alone, in an event loop that is not ours: bytes in, bytes out. The loop is mio's; io_uring or a game's
//! would do as well. There is one thread, and no runtime.
#![allow(clippy::print_stdout, reason = "people are told where it listens")]

use std::error::Error;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cartonym::plugin::{Client, Transport};
use cartonym::responder::{Moment, Scratch, Verdict};
use cartonym::wire::{NameBuf, Ttl, Type};
use cartonym::zone::{RecordTable, Zone};
use cartonym::{Chain, Records, Responder};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

fn main() -> Result<(), Box<dyn Error>> {
    let responder = responder()?;
    let mut socket =
        UdpSocket::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:5353").parse()?)?;
    let local = socket.local_addr()?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(64));
    poll.registry().register(&mut socket, Token(0), Interest::READABLE)?;
    println!("DNS at [{local}]");
    let (mut scratch, mut query, mut out) = (Scratch::default(), vec![0; 65_535], vec![0; 1232]);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        // Readable is said once, for all that is there.
        while let Ok((len, address)) = socket.recv_from(&mut query) {
            let client = Client { address, local, transport: Transport::Udp };
            match responder.respond(&mut scratch, &query[..len], client, moment(), &mut out) {
                // A full send buffer is a lost datagram, as elsewhere on the way.
                Verdict::Send(len) => drop(socket.send_to(&out[..len], address)),
                Verdict::Drop => {}
                // No plugin of this chain waits. Where one does, `suspended.resume(deadline)` is a future for the loop's
                // own executor.
                Verdict::Wait(suspended) => drop(suspended),
            }
        }
    }
}

/// A responder for one zone of a few records.
fn responder() -> Result<Arc<Responder>, Box<dyn Error>> {
    let origin: NameBuf = "example.".parse()?;
    let table = Arc::new(RecordTable::new(chance()));
    let mut zone = Zone::new(&origin, table.hasher()).edit(table.hasher());
    let server: NameBuf = "ns.example.".parse()?;
    let times = [1, 3600, 600, 86_400, 60].map(u32::to_be_bytes).concat();
    let soa = [server.as_wire(), server.as_wire(), &times].concat();
    zone.add(&origin, Type::SOA, Ttl::from_secs(3600), &soa)?;
    zone.add(&origin, Type::NS, Ttl::from_secs(3600), server.as_wire())?;
    zone.add(&server, Type::A, Ttl::from_secs(3600), &[192, 0, 2, 53])?;
    zone.add(&"www.example.".parse::<NameBuf>()?, Type::A, Ttl::from_secs(60), &[192, 0, 2, 1])?;
    table.put(Arc::new(zone.finish()));
    Ok(Responder::builder().zone(&origin, Chain::new().then(Records::of(table))).build())
}

/// What a query's answer may depend on; one reading of the clock would do for all that are there at once.
#[allow(clippy::disallowed_methods, reason = "the loop is who brings the time")]
fn moment() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Moment { now, random: chance() }
}

fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}
