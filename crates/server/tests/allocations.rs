//! From receive to send a datagram costs no allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_responder::{Chain, Responder};
use cartonym_server::Server;
use cartonym_wire::{Name, Section, Ttl, Type};

/// Counts the allocations of all threads.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Constant;

impl Plugin for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let _ = response.record(Section::Answer, query.name(), Type::A, Ttl::ZERO, &[192, 0, 2, 1]);
        Step::Answered
    }
}

#[test]
fn a_datagram_costs_no_allocation() {
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let responder = Responder::builder().zone(Name::ROOT, Chain::new().then(Constant)).build();
        let server = Server::new().workers(1).listen(address.parse().unwrap(), responder);
        let running = server.start().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.connect(("127.0.0.1", running.local_addrs()[0].port())).unwrap();
        ask_in_runs(&socket);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        ask_in_runs(&socket);
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "{address}");
    }
}

/// A thousand queries, in runs of one to a hundred; allocates nothing itself.
fn ask_in_runs(socket: &UdpSocket) {
    const QUERY: [u8; 21] = *b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x03www\0\0\x01\0\x01";
    let mut response = [0; 512];
    for run in [1, 99, 1, 100, 9, 90, 100, 100, 100, 100, 100, 100, 50, 50] {
        for _ in 0..run {
            socket.send(&QUERY).unwrap();
        }
        for _ in 0..run {
            assert!(socket.recv(&mut response).unwrap() > QUERY.len());
        }
    }
}
