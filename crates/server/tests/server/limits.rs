//! Connections that do not behave. What depends on time alone is tested beside the connection, on a clock that is set.

use std::io::Write;
use std::time::Duration;

use cartonym_server::{Limits, Listener, Patience, Server};

use crate::harness::*;

const SHORT: Duration = Duration::from_millis(60);

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let (running, address, _) = serve("127.0.0.1:0", Limits { first_message: SHORT, ..Limits::default() });
    assert!(is_closed(&mut tcp(address)));
    eventually("its place is free", || running.counters().connections == 0);
}

#[test]
fn a_connection_that_has_fallen_silent_is_closed() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { idle: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    ask_tcp(&mut stream, 1, "www").unwrap();
    assert!(is_closed(&mut stream));
}

#[test]
fn a_listener_may_have_limits_of_its_own() {
    let patience = Patience { idle: Some(SHORT), messages: Some(2), ..Patience::default() };
    let listener = |patience| {
        Listener::dns("127.0.0.1:0".parse().unwrap(), Oracle::new(1).responder()).patience(patience)
    };
    let server = Server::new().workers(1).with(listener(patience)).with(listener(Patience::default()));
    let mut running = server.start().unwrap();
    let [short, long] = running.local_addrs()[..] else { panic!() };
    let mut stream = tcp(short);
    ask_tcp(&mut stream, 1, "www").unwrap();
    assert!(is_closed(&mut stream));
    // What comes with the last message it may send is not read.
    let mut talkative = tcp(short);
    talkative.write_all(&[framed(1, "www"), framed(2, "www"), framed(3, "www")].concat()).unwrap();
    let ids = [1, 2].map(|_| id_of(&read_message(&mut talkative).unwrap()));
    assert_eq!((ids, is_closed(&mut talkative)), ([1, 2], true));
    let mut other = tcp(long);
    (0..3).for_each(|id| drop(ask_tcp(&mut other, id, "www").unwrap()));
    running.update(Server::new().with(listener(Patience::default())).with(listener(patience))).unwrap();
    assert_eq!(running.local_addrs(), [short, long]);
    ask_tcp(&mut other, 3, "www").unwrap();
    let mut new = tcp(long);
    ask_tcp(&mut new, 1, "www").unwrap();
    assert!(is_closed(&mut new));
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_cut_off() {
    let (running, address, _) = serve("127.0.0.1:0", Limits { stall: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    // The answers would be 60 MB; what the kernel holds for the two of us is less than a tenth of that.
    stream.write_all(&(0..1000).flat_map(|id| framed(id, "huge")).collect::<Vec<_>>()).unwrap();
    eventually("it is cut off", || running.counters().connections == 0);
    assert!(running.counters().tcp.received < 200, "{:?}", running.counters());
}

#[test]
fn when_all_places_are_taken_the_connection_idle_longest_is_closed() {
    let (running, address, _) = serve("127.0.0.1:0", Limits { connections: 3, ..Limits::default() });
    let mut streams: Vec<_> = (0..3).map(|_| tcp(address)).collect();
    for (id, stream) in streams.iter_mut().enumerate() {
        ask_tcp(stream, id as u16, "www").unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    ask_tcp(&mut streams[0], 9, "www").unwrap();
    let mut newcomer = tcp(address);
    assert_eq!(id_of(&ask_tcp(&mut newcomer, 3, "www").unwrap()), 3);
    assert!(is_closed(&mut streams[1]));
    assert_eq!(id_of(&ask_tcp(&mut streams[0], 4, "www").unwrap()), 4);
    assert_eq!((running.counters().evicted, running.counters().connections), (1, 3));
}

#[test]
fn a_thousand_connections_one_after_the_other_find_places() {
    let (running, address, _) = serve("127.0.0.1:0", Limits { connections: 16, ..Limits::default() });
    let streams: Vec<_> = (0..200).map(|_| tcp(address)).collect();
    for id in 0..800 {
        assert_eq!(id_of(&ask_tcp(&mut tcp(address), id, "www").unwrap()), id);
    }
    drop(streams);
    eventually("all are gone", || running.counters().connections == 0);
    assert_eq!(running.counters().accepted, 1000);
}

#[test]
fn newcomers_wait_while_all_places_are_busy() {
    let (running, address, oracle) = serve("127.0.0.1:0", Limits { connections: 1, ..Limits::default() });
    let mut busy = tcp(address);
    busy.write_all(&framed(1, "gate")).unwrap();
    eventually("it waits", || running.counters().tcp.deferred == 1);
    let mut newcomer = tcp(address);
    newcomer.write_all(&framed(2, "www")).unwrap();
    assert_eq!(running.counters().accepted, 1);
    oracle.gate.add_permits(1);
    assert_eq!(id_of(&read_message(&mut busy).unwrap()), 1);
    assert_eq!(id_of(&read_message(&mut newcomer).unwrap()), 2);
}

#[test]
fn a_client_with_all_its_places_busy_is_refused() {
    let limits = Limits { connections_per_client: 1, ..Limits::default() };
    let (running, address, _) = serve("127.0.0.1:0", limits);
    let mut busy = tcp(address);
    busy.write_all(&framed(1, "gate")).unwrap();
    eventually("it waits", || running.counters().tcp.deferred == 1);
    assert!(is_closed(&mut tcp(address)));
    assert_eq!(running.counters().refused, 1);
}
