//! Balancers, and those who would be one.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use cartonym_server::{Limits, Listener, Others, Proxies, Running, Server};

use crate::harness::*;

const V1: &[u8] = b"PROXY TCP4 198.51.100.7 127.0.0.1 4000 53\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0C\xC6\x33\x64\x07\x7F\0\0\x01\x0F\xA0\0\x35";

/// A server that believes those in `allowed`, and rejects headers of others.
fn behind(allowed: &str) -> (Running, SocketAddr) {
    let sessions = Some((Duration::from_secs(60), 100));
    let proxies = Proxies { allowed: vec![allowed.parse().unwrap()], others: Others::Reject, sessions };
    let responder = Oracle::new(1).responder();
    let listener = Listener::dns("127.0.0.1:0".parse().unwrap(), responder).proxies(proxies);
    let running = Server::new().workers(1).with(listener).start().unwrap();
    let address = running.local_addrs()[0];
    (running, address)
}

/// What the last four octets of an answer are, an address in these tests.
fn said(message: &[u8]) -> [u8; 4] {
    *message.last_chunk().unwrap()
}

fn over_udp(socket: &UdpSocket, address: SocketAddr, header: &[u8], label: &str) -> Option<[u8; 4]> {
    socket.send_to(&[header, &query(7, label)].concat(), address).unwrap();
    let mut room = [0; 512];
    socket.recv(&mut room).ok().map(|len| said(&room[..len]))
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn a_balancer_speaks_for_its_clients_over_udp() {
    let (_running, address) = behind("127.0.0.0/8");
    let socket = socket();
    assert_eq!(over_udp(&socket, address, &[], "who"), Some([127, 0, 0, 1]));
    assert_eq!(over_udp(&socket, address, V2, "who"), Some([198, 51, 100, 7]));
    assert_eq!(over_udp(&socket, address, V2, "who-later"), Some([198, 51, 100, 7]));
    assert_eq!(over_udp(&socket, address, &[], "who"), Some([198, 51, 100, 7]), "the session goes on");
}

#[test]
fn a_balancer_speaks_for_its_clients_over_tcp() {
    let (_running, address) = behind("127.0.0.0/8");
    for (header, expected) in [(V1, [198, 51, 100, 7]), (V2, [198, 51, 100, 7]), (&[], [127, 0, 0, 1])] {
        let mut stream = tcp(address);
        stream.write_all(&[header, &framed(7, "who"), &framed(8, "who")].concat()).unwrap();
        for _ in 0..2 {
            assert_eq!(said(&read_message(&mut stream).unwrap()), expected);
        }
    }
}

#[test]
fn a_header_may_come_in_parts() {
    let (_running, address) = behind("127.0.0.0/8");
    let mut stream: TcpStream = tcp(address);
    for octet in V2 {
        stream.write_all(&[*octet]).unwrap();
        stream.flush().unwrap();
    }
    stream.write_all(&framed(7, "who")).unwrap();
    assert_eq!(said(&read_message(&mut stream).unwrap()), [198, 51, 100, 7]);
}

#[test]
fn who_may_not_speak_for_others_is_rejected() {
    let (_running, address) = behind("192.0.2.0/24");
    let mut stream = tcp(address);
    stream.write_all(&[V1, &framed(7, "who")].concat()).unwrap();
    assert!(is_closed(&mut stream));
    let mut plain = tcp(address);
    assert!(ask_tcp(&mut plain, 7, "who").is_ok());
    let socket = socket();
    // One worker answers in order: an answer to the first would come first.
    socket.send_to(&[V2, &query(8, "who")].concat(), address).unwrap();
    socket.send_to(&query(7, "who"), address).unwrap();
    let answer = hear(&socket).unwrap();
    assert_eq!((id_of(&answer), said(&answer)), (7, [127, 0, 0, 1]));
}

/// A server that believes everybody, and its oracle.
fn believing(limits: Limits) -> (Running, SocketAddr, Oracle) {
    let proxies = Proxies { allowed: Vec::new(), others: Others::Ignore, sessions: None };
    let oracle = Oracle::new(1);
    let listener = Listener::dns("127.0.0.1:0".parse().unwrap(), oracle.responder()).proxies(proxies);
    let running = Server::new().workers(1).limits(limits).with(listener).start().unwrap();
    let address = running.local_addrs()[0];
    (running, address, oracle)
}

#[test]
fn what_begins_like_a_header_and_is_none_is_read_whole() {
    let (_running, address, _) = believing(Limits::default());
    // Their lengths begin as headers do; what follows the question is no record, so that all of it has been read.
    for len in [u16::from_be_bytes(*b"PX"), u16::from_be_bytes(*b"\rX")] {
        let mut message = query(7, "www");
        message.resize(len.into(), 0xFF);
        let mut stream = tcp(address);
        let (first, rest) = (len.to_be_bytes()[0], [&len.to_be_bytes()[1..], &message].concat());
        stream.write_all(&[first]).unwrap();
        stream.flush().unwrap();
        stream.write_all(&rest).unwrap();
        let response = read_message(&mut stream).unwrap();
        assert_eq!((id_of(&response), response[3] & 0xF), (7, 1), "FORMERR");
        assert_eq!(id_of(&ask_tcp(&mut stream, 8, "www").unwrap()), 8);
    }
}

#[test]
fn a_header_does_not_begin_the_time_for_the_first_message_anew() {
    let limits = Limits { first_message: Duration::from_secs(5), ..Limits::default() };
    let (_running, address, _) = believing(limits);
    let mut stream = tcp(address);
    let began = Instant::now();
    std::thread::sleep(Duration::from_millis(4500));
    stream.write_all(V1).unwrap();
    assert!(is_closed(&mut stream));
    assert!(began.elapsed() < Duration::from_millis(9300), "{:?}", began.elapsed());
}

#[test]
fn who_a_balancer_speaks_for_has_as_many_connections_as_others() {
    let limits = Limits { connections_per_client: 2, ..Limits::default() };
    let (running, address, oracle) = believing(limits);
    let come = |header: &[u8], label: &str| {
        let mut stream = tcp(address);
        stream.write_all(&[header, &framed(7, label)].concat()).unwrap();
        stream
    };
    let mut busy = [come(V1, "gate"), come(V2, "gate")];
    eventually("both wait", || running.counters().tcp.deferred == 2);
    assert!(is_closed(&mut come(V1, "www")));
    let other = b"PROXY TCP4 198.51.100.8 127.0.0.1 4000 53\r\n";
    assert_eq!(id_of(&read_message(&mut come(other, "www")).unwrap()), 7);
    assert_eq!(running.counters().refused, 1);
    oracle.gate.add_permits(2);
    for stream in &mut busy {
        assert_eq!(id_of(&read_message(stream).unwrap()), 7);
    }
}
