//! Start, replacement, and the end.

use std::future::pending;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cartonym_plugin::{BoxFuture, Plugin, Query, Response, Step};
use cartonym_responder::{Chain, Responder};
use cartonym_server::{Limits, Protocol, Server, StartError};
use cartonym_testing::free_address;
use cartonym_wire::Name;

use crate::harness::*;

#[test]
fn an_address_in_use_is_reported_with_who_uses_it() {
    let (_running, address, oracle) = loopback();
    let error = Server::new().listen(address, oracle.responder()).start().unwrap_err();
    let StartError::InUse { address: at, protocol: Protocol::Udp, holder: Some(holder) } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*at, holder.pid), (address, std::process::id()));
    assert_eq!(error.to_string(), format!("{address} (UDP) is in use by {holder}"));
}

#[test]
fn a_port_taken_for_tcp_alone_is_taken() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    let error = Server::new().listen(taken, Oracle::new(1).responder()).start().unwrap_err();
    assert!(matches!(error, StartError::InUse { protocol: Protocol::Tcp, .. }), "{error:?}");
}

#[test]
fn what_comes_to_an_address_that_is_reserved_waits_for_the_start() {
    let asked = ["127.0.0.1:0", "[::1]:0"].map(|address| address.parse().unwrap());
    let server = |number: u8| {
        let listen =
            |server: Server, address: &SocketAddr| server.listen(*address, Oracle::new(number).responder());
        asked[..usize::from(number)].iter().fold(Server::new(), listen)
    };
    let reserved = server(1).reserve().unwrap();
    let address = reserved.local_addrs()[0];
    let (datagrams, mut stream) = (udp(address), tcp(address));
    datagrams.send(&query(7, "www")).unwrap();
    // One address more, which is bound at the start.
    let running = server(2).start_on(reserved).unwrap();
    assert_eq!((running.local_addrs()[0], running.local_addrs().len()), (address, 2));
    assert_eq!(tail(&hear(&datagrams).unwrap()), [192, 0, 2, 2]);
    assert_eq!(tail(&ask_tcp(&mut stream, 8, "www").unwrap()), [192, 0, 2, 2]);
    shut_down(running);
}

#[test]
fn an_address_that_is_not_ours_is_refused() {
    let error = Server::new().listen("192.0.2.1:0".parse().unwrap(), Oracle::new(1).responder()).start();
    assert!(matches!(error.unwrap_err(), StartError::Bind { .. }));
}

#[test]
fn listeners_answer_each_with_its_own_responder() {
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Server::new().workers(1).listen(any, Oracle::new(1).responder());
    let running = server.listen(any, Oracle::new(2).responder()).start().unwrap();
    for (at, number) in running.local_addrs().into_iter().zip([1, 2]) {
        assert_eq!(tail(&ask(&udp(at), 0, "www").unwrap()), [192, 0, 2, number]);
        assert_eq!(tail(&ask_tcp(&mut tcp(at), 0, "www").unwrap()), [192, 0, 2, number]);
    }
}

#[test]
fn a_replaced_responder_answers_from_then_on() {
    let (running, address, _) = loopback();
    let mut stream = tcp(address);
    assert_eq!(tail(&ask_tcp(&mut stream, 0, "www").unwrap()), [192, 0, 2, 1]);
    assert!(running.replace(0, Oracle::new(2).responder()).is_some());
    assert_eq!(tail(&ask_tcp(&mut stream, 0, "www").unwrap()), [192, 0, 2, 2]);
    assert_eq!(tail(&ask(&udp(address), 0, "www").unwrap()), [192, 0, 2, 2]);
    assert!(running.replace(1, Oracle::new(3).responder()).is_none());
}

#[test]
fn replacing_under_load_loses_no_query() {
    let (running, address, _) = loopback();
    let (done, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new([0; 2].map(AtomicUsize::new)));
    let clients: Vec<_> = (0..2)
        .map(|client| {
            let (done, rounds) = (Arc::clone(&done), Arc::clone(&rounds));
            std::thread::spawn(move || {
                let (socket, mut stream, mut id) = (udp(address), tcp(address), 0u16);
                while !done.load(Ordering::Relaxed) {
                    id = id.wrapping_add(1);
                    let label = if id % 3 == 0 { "soon" } else { "www" };
                    assert_eq!(id_of(&ask(&socket, id, label).unwrap()), id);
                    assert_eq!(id_of(&ask_tcp(&mut stream, id, label).unwrap()), id);
                    rounds[client].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 0..200 {
        running.replace(0, Oracle::new(number).responder());
        std::thread::sleep(Duration::from_millis(1));
    }
    // Who has had no turn so far is to meet replacements, too.
    eventually("each has asked", || {
        running.replace(0, Oracle::new(0).responder());
        rounds.iter().all(|rounds| rounds.load(Ordering::Relaxed) > 100)
    });
    done.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn an_update_keeps_opens_and_closes_addresses() {
    let [stays, goes, comes] = [(); 3].map(|()| free_address());
    let server = Server::new().workers(1).listen(goes, Oracle::new(1).responder());
    let mut running = server.listen(stays, Oracle::new(2).responder()).start().unwrap();
    let (mut kept, mut closed) = (tcp(stays), tcp(goes));
    ask_tcp(&mut closed, 0, "www").unwrap();
    let server = Server::new().workers(1).listen(stays, Oracle::new(3).responder());
    running.update(server.listen(comes, Oracle::new(4).responder())).unwrap();
    assert_eq!(running.local_addrs(), [stays, comes]);
    assert_eq!(tail(&ask_tcp(&mut kept, 0, "www").unwrap()), [192, 0, 2, 3]);
    assert_eq!(tail(&ask(&udp(comes), 0, "www").unwrap()), [192, 0, 2, 4]);
    assert!(is_closed(&mut closed));
    eventually("the old address is free", || UdpSocket::bind(goes).is_ok());
    shut_down(running);
}

#[test]
fn an_update_that_cannot_open_an_address_changes_nothing() {
    let (mut running, address, _) = loopback();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let free = free_address();
    let server = Server::new().workers(1).listen(free, Oracle::new(2).responder());
    let server = server.listen(taken.local_addr().unwrap(), Oracle::new(3).responder());
    assert!(matches!(running.update(server), Err(StartError::InUse { .. })));
    assert_eq!(tail(&ask(&udp(address), 0, "www").unwrap()), [192, 0, 2, 1]);
    UdpSocket::bind(free).unwrap();
}

#[test]
fn a_query_that_waits_is_answered_by_the_responder_it_began_with() {
    let (running, address, oracle) = loopback();
    let socket = udp(address);
    socket.send(&query(1, "gate")).unwrap();
    eventually("it waits", || running.counters().udp.deferred == 1);
    running.replace(0, Oracle::new(2).responder());
    oracle.gate.add_permits(1);
    assert_eq!(tail(&hear(&socket).unwrap()), [192, 0, 2, 1]);
}

#[test]
fn a_shutdown_answers_what_has_begun_and_frees_the_address() {
    let (running, address, oracle) = loopback();
    let (socket, mut stream, mut idle) = (udp(address), tcp(address), tcp(address));
    ask_tcp(&mut idle, 0, "www").unwrap();
    socket.send(&query(1, "gate")).unwrap();
    stream.write_all(&framed(2, "gate")).unwrap();
    eventually("both wait", || {
        let counters = running.counters();
        counters.udp.deferred + counters.tcp.deferred == 2
    });
    let opens = std::thread::spawn(move || {
        assert!(is_closed(&mut idle));
        oracle.gate.add_permits(2);
    });
    shut_down(running);
    opens.join().unwrap();
    assert_eq!(id_of(&hear(&socket).unwrap()), 1);
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 2);
    assert!(is_closed(&mut stream));
    let (_running, again, _) = serve(&address.to_string(), Limits::default());
    assert_eq!(again, address);
}

#[test]
fn a_shutdown_does_not_wait_for_ever() {
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let (running, address, _) = serve("127.0.0.1:0", limits);
    let mut stream = tcp(address);
    stream.write_all(&framed(2, "gate")).unwrap();
    eventually("it waits", || running.counters().tcp.deferred == 1);
    let start = Instant::now();
    shut_down(running);
    assert!(start.elapsed() < Duration::from_secs(2));
    assert!(is_closed(&mut stream));
}

#[test]
fn a_shutdown_under_load_is_prompt() {
    let (running, address, _) = loopback();
    let done = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&done);
    let client = std::thread::spawn(move || {
        let socket = udp(address);
        while !asks.load(Ordering::Relaxed) {
            // Refused once the server is gone.
            let _ = socket.send(&query(1, "www"));
        }
    });
    eventually("load", || running.counters().udp.received > 100);
    let start = Instant::now();
    shut_down(running);
    done.store(true, Ordering::Relaxed);
    client.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_server_that_is_dropped_ends() {
    let (running, address, _) = loopback();
    let mut stream = tcp(address);
    ask_tcp(&mut stream, 0, "www").unwrap();
    drop(running);
    assert!(is_closed(&mut stream));
}

#[tokio::test]
async fn a_server_may_share_the_runtime_it_is_started_from() {
    let (running, address, _) = loopback();
    let asked = tokio::task::spawn_blocking(move || ask_tcp(&mut tcp(address), 3, "soon").unwrap());
    assert_eq!(id_of(&asked.await.unwrap()), 3);
    running.shutdown().await;
}

/// Counts how many of its background futures live.
struct Busy(Arc<AtomicUsize>);

struct Alive(Arc<AtomicUsize>);

impl Plugin for Busy {
    fn name(&self) -> &'static str {
        "busy"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::Next
    }

    fn background(self: Arc<Self>) -> Option<BoxFuture<'static, ()>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(Arc::clone(&self.0));
        Some(Box::pin(async move {
            let _alive = alive;
            pending::<()>().await;
        }))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_plugins_background_runs_once_and_ends_with_its_last_responder() {
    let count = Arc::new(AtomicUsize::new(0));
    let chain = Chain::new().then(Busy(Arc::clone(&count)));
    let responder = || Responder::builder().zone(Name::ROOT, chain.clone()).build();
    let any = "127.0.0.1:0".parse().unwrap();
    let limits = Limits { deadline: Duration::from_millis(5), ..Limits::default() };
    let server = Server::new().workers(1).limits(limits).listen(any, responder());
    let running = server.listen(any, responder()).start().unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    let other = Chain::new().then(Busy(Arc::clone(&count)));
    running.replace(0, Responder::builder().zone(Name::ROOT, other.clone()).build());
    assert_eq!(count.load(Ordering::SeqCst), 2);
    running.replace(1, Responder::builder().zone(Name::ROOT, other).build());
    eventually("the first has ended", || count.load(Ordering::SeqCst) == 1);
    shut_down(running);
    eventually("the second has ended", || count.load(Ordering::SeqCst) == 0);
}

#[test]
fn a_second_update_keeps_what_the_first_did_not_know() {
    const DEADLINE: Duration = Duration::from_millis(100);
    let (old, new) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let responder = |count: &Arc<AtomicUsize>| {
        Responder::builder().zone(Name::ROOT, Chain::new().then(Busy(Arc::clone(count)))).build()
    };
    let [stays, comes] = [(); 2].map(|()| free_address());
    let limits = Limits { deadline: DEADLINE, ..Limits::default() };
    let server = Server::new().workers(1).limits(limits).listen(stays, responder(&old));
    let mut running = server.start().unwrap();
    let next = || Server::new().workers(1).listen(stays, Oracle::new(1).responder());
    running.update(next()).unwrap();
    running.update(next().listen(comes, responder(&new))).unwrap();
    eventually("the first has ended", || old.load(Ordering::SeqCst) == 0);
    std::thread::sleep(DEADLINE);
    assert_eq!(new.load(Ordering::SeqCst), 1);
}
