//! Connections that behave.

use std::io::Write;
use std::net::Shutdown;

use crate::harness::*;

#[test]
fn a_message_over_a_connection_is_answered() {
    let (running, address, _) = loopback();
    let mut stream = tcp(address);
    let response = ask_tcp(&mut stream, 7, "www").unwrap();
    assert_eq!((id_of(&response), tail(&response)), (7, [192, 0, 2, 1]));
    assert_eq!(id_of(&ask_tcp(&mut stream, 8, "www").unwrap()), 8);
    let counters = running.counters();
    assert_eq!(
        (counters.tcp.received, counters.tcp.sent, counters.accepted, counters.connections),
        (2, 2, 1, 1)
    );
}

#[test]
fn a_message_may_come_an_octet_at_a_time() {
    let (_running, address, _) = loopback();
    let mut stream = tcp(address);
    for octet in [framed(1, "www"), framed(2, "www")].concat() {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 2);
}

#[test]
fn queries_sent_in_one_go_are_all_answered() {
    let (_running, address, _) = loopback();
    let mut stream = tcp(address);
    let run: Vec<u8> = (0..2000).flat_map(|id| framed(id, "www")).collect();
    let mut writer = stream.try_clone().unwrap();
    let writes = std::thread::spawn(move || writer.write_all(&run).unwrap());
    for id in 0..2000 {
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), id);
    }
    writes.join().unwrap();
}

#[test]
fn a_query_that_waits_is_overtaken() {
    let (_running, address, oracle) = loopback();
    let mut stream = tcp(address);
    stream.write_all(&[framed(1, "gate"), framed(2, "www"), framed(3, "soon")].concat()).unwrap();
    let mut ids = [id_of(&read_message(&mut stream).unwrap()), id_of(&read_message(&mut stream).unwrap())];
    ids.sort_unstable();
    assert_eq!(ids, [2, 3]);
    oracle.gate.add_permits(1);
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answers() {
    let (_running, address, oracle) = loopback();
    let mut stream = tcp(address);
    stream.write_all(&[framed(1, "www"), framed(2, "gate")].concat()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 1);
    oracle.gate.add_permits(1);
    assert_eq!(id_of(&read_message(&mut stream).unwrap()), 2);
    assert!(is_closed(&mut stream));
}

#[test]
fn a_response_may_be_many_messages() {
    let (_running, address, _) = loopback();
    let mut stream = tcp(address);
    stream.write_all(&framed(5, "stream")).unwrap();
    for _ in 0..10 {
        assert_eq!(id_of(&read_message(&mut stream).unwrap()), 5);
    }
    assert_eq!(id_of(&ask_tcp(&mut stream, 6, "www").unwrap()), 6);
}

#[test]
fn answers_of_60_kb_arrive_whole() {
    let (_running, address, _) = loopback();
    let mut stream = tcp(address);
    stream.write_all(&(0..20).flat_map(|id| framed(id, "huge")).collect::<Vec<_>>()).unwrap();
    for id in 0..20 {
        let message = read_message(&mut stream).unwrap();
        assert_eq!(id_of(&message), id);
        assert!(message.len() > 60_000 && tail(&message) == [b'x'; 238]);
    }
}

#[test]
fn rubbish_closes_no_one_elses_connection() {
    let (_running, address, _) = loopback();
    let mut good = tcp(address);
    for rubbish in
        [&[0, 0][..], &[0, 1, 9], &[0xff, 0xff, 1, 2, 3], &[0, 12, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]]
    {
        let mut stream = tcp(address);
        stream.write_all(rubbish).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
    }
    assert_eq!(id_of(&ask_tcp(&mut good, 1, "www").unwrap()), 1);
}

#[test]
fn more_queries_may_come_than_may_wait() {
    let (_running, address, oracle) = loopback();
    let mut stream = tcp(address);
    stream.write_all(&(0..500).flat_map(|id| framed(id, "gate")).collect::<Vec<_>>()).unwrap();
    oracle.gate.add_permits(500);
    let mut ids: Vec<u16> = (0..500).map(|_| id_of(&read_message(&mut stream).unwrap())).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..500).collect::<Vec<_>>());
}

#[test]
fn a_defect_costs_a_connection_and_not_the_listener() {
    let (running, address, _) = loopback();
    let mut notify = framed(1, "www");
    notify[4] = 0x20;
    let mut stream = tcp(address);
    stream.write_all(&notify).unwrap();
    assert!(is_closed(&mut stream));
    assert_eq!(id_of(&ask_tcp(&mut tcp(address), 2, "www").unwrap()), 2);
    eventually("it is counted", || running.counters().panics == 1);
}
