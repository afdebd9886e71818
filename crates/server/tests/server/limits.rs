//! Connections that do not behave.

use std::io::Write;
use std::time::Duration;

use cartonym_server::Limits;

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
fn a_message_whose_end_does_not_come_closes_the_connection() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { message: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    stream.write_all(&[framed(1, "www"), vec![0xff, 0xff, 0, 0]].concat()).unwrap();
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
    assert!(is_closed(&mut stream));
}

#[test]
fn a_client_that_drips_is_cut_off() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { first_message: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut drips = [0xff; 2000].iter();
    // Each octet comes in good time; their message does not.
    while !is_closed(&mut stream) {
        let octet = drips.next().expect("cut off within ten seconds");
        let _ = stream.write_all(&[*octet]);
    }
}

#[test]
fn messages_that_follow_closely_do_not_add_up_to_a_slow_one() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { message: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    // Each write ends one message and begins the next, for longer than one may take.
    let (head, tail) = (framed(1, "www")[..9].to_vec(), framed(1, "www")[9..].to_vec());
    stream.write_all(&head).unwrap();
    for _ in 0..10 {
        std::thread::sleep(SHORT / 6);
        stream.write_all(&[tail.clone(), head.clone()].concat()).unwrap();
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
    }
}

#[test]
fn a_connection_that_waits_for_an_answer_is_not_idle() {
    let limits = Limits { idle: SHORT, message: SHORT, first_message: SHORT, ..Limits::default() };
    let (_running, address, oracle) = serve("127.0.0.1:0", limits);
    let mut stream = tcp(address);
    stream.write_all(&framed(1, "gate")).unwrap();
    std::thread::sleep(SHORT * 3);
    oracle.gate.add_permits(1);
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
}

#[test]
fn a_connection_ends_with_its_life_whatever_it_does() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { life: SHORT, ..Limits::default() });
    let mut stream = tcp(address);
    stream.write_all(&framed(1, "gate")).unwrap();
    assert!(is_closed(&mut stream));
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
fn a_client_that_reads_slowly_gets_it_all() {
    let (_running, address, _) = serve("127.0.0.1:0", Limits { stall: SHORT * 3, ..Limits::default() });
    let mut stream = tcp(address);
    stream.write_all(&(0..100).flat_map(|id| framed(id, "huge")).collect::<Vec<_>>()).unwrap();
    for id in 0..100 {
        std::thread::sleep(SHORT / 10);
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), id);
    }
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
