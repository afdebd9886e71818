//! Datagrams.

use std::net::{IpAddr, UdpSocket};

use cartonym_server::{Limits, Server};

use crate::harness::*;

#[test]
fn a_datagram_is_answered() {
    let (_running, address, _) = loopback();
    let response = ask(&udp(address), 7, "www").unwrap();
    assert_eq!((id_of(&response), tail(&response)), (7, [192, 0, 2, 1]));
}

#[test]
fn replies_leave_from_the_address_asked() {
    let (_running, address, oracle) = serve("0.0.0.0:0", Limits::default());
    oracle.gate.add_permits(1);
    for label in ["where", "gate"] {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send_to(&query(1, label), ("127.0.0.2", address.port())).unwrap();
        let mut buffer = [0; 512];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!(from, (IpAddr::from([127, 0, 0, 2]), address.port()).into(), "{label}");
        if label == "where" {
            assert_eq!(tail(&buffer[..len]), [127, 0, 0, 2]);
        }
    }
}

#[test]
fn ipv6_is_served_at_a_wildcard_as_well() {
    let Ok(socket) = UdpSocket::bind("[::1]:0") else { return };
    let (_running, address, oracle) = serve("[::]:0", Limits::default());
    oracle.gate.add_permits(1);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for label in ["where", "gate"] {
        socket.send_to(&query(1, label), ("::1", address.port())).unwrap();
        let mut buffer = [0; 512];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((from.ip(), from.port()), (IpAddr::from(std::net::Ipv6Addr::LOCALHOST), address.port()));
        if label == "where" {
            assert_eq!(tail(&buffer[..len]), std::net::Ipv6Addr::LOCALHOST.octets());
        }
    }
}

#[test]
fn a_burst_longer_than_a_batch_is_answered_whole() {
    let (running, address, _) = loopback();
    let socket = udp(address);
    for id in 0..200 {
        socket.send(&query(id, "www")).unwrap();
    }
    let mut ids: Vec<u16> = (0..200).map(|_| id_of(&hear(&socket).unwrap())).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..200).collect::<Vec<_>>());
    eventually("200 counted", || running.counters().udp.sent == 200);
}

#[test]
fn replies_that_fill_a_batch_all_go() {
    let responder = Oracle::new(1).responder_with(4096);
    let server = Server::new().workers(1).listen("127.0.0.1:0".parse().unwrap(), responder);
    let running = server.start().unwrap();
    let socket = udp(running.local_addrs()[0]);
    // An OPT that allows 4096 octets.
    let mut big = query(0, "huge");
    big[11] = 1;
    big.extend_from_slice(&[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
    for _ in 0..120 {
        socket.send(&big).unwrap();
    }
    assert!(hear(&socket).unwrap().len() > 3800);
    // The client's queue may not hold them all; the server's part is to send them.
    eventually("all are sent", || running.counters().udp.sent == 120);
}

#[test]
fn a_query_that_waits_holds_up_no_other() {
    let (running, address, oracle) = loopback();
    let socket = udp(address);
    socket.send(&query(1, "gate")).unwrap();
    assert_eq!(id_of(&ask(&socket, 2, "www").unwrap()), 2);
    oracle.gate.add_permits(1);
    let late = hear(&socket).unwrap();
    assert_eq!((id_of(&late), tail(&late)), (1, [192, 0, 2, 1]));
    eventually("it is counted", || running.counters().udp.deferred == 1);
}

#[test]
fn a_query_that_waits_too_long_is_servfail() {
    let limits = Limits { deadline: std::time::Duration::from_millis(20), ..Limits::default() };
    let (_running, address, _) = serve("127.0.0.1:0", limits);
    let response = ask(&udp(address), 1, "gate").unwrap();
    assert_eq!(response[3] & 15, 2);
}

#[test]
fn rubbish_of_any_length_leaves_the_worker_at_work() {
    let (running, address, _) = loopback();
    let socket = udp(address);
    for len in [0, 1, 11, 12, 13, 512, 4095, 4096, 4097, 9000, 65_507] {
        socket.send(&vec![0x2e; len]).unwrap();
    }
    socket.send(&query(1, "drop")).unwrap();
    socket.send(&query(2, "stream")).unwrap();
    socket.send(&query(3, "panic")).unwrap();
    socket.send(&query(4, "www")).unwrap();
    let end = loop {
        let response = hear(&socket).unwrap();
        if id_of(&response) == 4 {
            break response;
        }
    };
    assert_eq!(tail(&end), [192, 0, 2, 1]);
    eventually("what came is what went or was dropped", || {
        let udp = running.counters().udp;
        udp.received == 15 && udp.sent + udp.dropped == 15
    });
    assert_eq!(running.counters().panics, 0);
}

#[test]
fn a_defect_costs_a_batch_and_not_the_worker() {
    let (running, address, _) = loopback();
    let socket = udp(address);
    let mut notify = query(1, "www");
    notify[2] = 0x20;
    socket.send(&notify).unwrap();
    eventually("the worker has started again", || running.counters().panics == 1);
    assert_eq!(id_of(&ask(&socket, 2, "www").unwrap()), 2);
}
