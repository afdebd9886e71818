//! Messages in requests of HTTP (RFC 8484). HTTP/2 has a test with a client of its own, beside the daemon.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use cartonym_server::{ClientCertificates, Limits, Listener, Running, Server, Tls};
use cartonym_testing::certificate;
use data_encoding::BASE64URL_NOPAD;

use crate::harness::*;
use crate::tls::{NAME, TlsStream, Visitor};

const MESSAGE: &str = "content-type: application/dns-message\r\n";

fn serve_https(limits: Limits) -> (Running, SocketAddr, Oracle, String) {
    let (oracle, pem) = (Oracle::new(1), certificate(NAME));
    let tls = Tls::new(pem.as_bytes(), pem.as_bytes(), &ClientCertificates::None).unwrap();
    let listener = Listener::https("127.0.0.1:0".parse().unwrap(), oracle.responder(), &tls);
    let running = Server::new().workers(1).limits(limits).with(listener).start().unwrap();
    let address = running.local_addrs()[0];
    (running, address, oracle, pem)
}

/// The head and the body of a response to a request whose head is `head`, without its last line.
fn exchange(stream: &mut TlsStream, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    // In one piece: a connection is closed if it is answered before the body is there.
    let mut request = format!("{head}host: {NAME}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    request.extend_from_slice(body);
    stream.write_all(&request).unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        said.push(octet[0]);
    }
    let head = String::from_utf8(said).unwrap().to_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; len.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

fn get(label: &str) -> String {
    format!("GET /dns-query?x=1&dns={} HTTP/1.1\r\n", BASE64URL_NOPAD.encode(&query(0, label)))
}

#[test]
fn get_and_post_are_answered_over_one_connection() {
    let (running, address, oracle, pem) = serve_https(Limits::default());
    let mut stream = Visitor::new(&pem).speaking(&[b"http/1.1"]).connect(address);
    for label in ["www", "soon"] {
        let (head, body) = exchange(&mut stream, &get(label), b"");
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains(MESSAGE) && head.contains("cache-control: max-age=0\r\n"), "{head}");
        assert_eq!(tail(&body), [192, 0, 2, 1]);
    }
    oracle.gate.add_permits(1);
    let post = format!("POST /dns-query HTTP/1.1\r\n{MESSAGE}");
    let (head, body) = exchange(&mut stream, &post, &query(9, "gate"));
    assert!(head.starts_with("http/1.1 200") && id_of(&body) == 9, "{head}");
    let (_, body) = exchange(&mut stream, &post, &query(9, "huge"));
    assert!(body.len() > 50_000);
    assert_eq!((running.counters().accepted, running.counters().tcp.received), (1, 4));
}

#[test]
fn a_wrong_request_is_told_what_is_wrong() {
    let (_running, address, _, pem) = serve_https(Limits::default());
    let mut stream = Visitor::new(&pem).connect(address);
    let post = format!("POST /dns-query HTTP/1.1\r\n{MESSAGE}");
    let cases: &[(&str, &[u8], &str)] = &[
        ("GET / HTTP/1.1\r\n", b"", "404"),
        ("GET /dns-query HTTP/1.1\r\n", b"", "400"),
        ("GET /dns-query?dns=%%% HTTP/1.1\r\n", b"", "400"),
        ("GET /dns-query?dns=AAAA HTTP/1.1\r\n", b"", "400"),
        ("PUT /dns-query HTTP/1.1\r\n", b"", "405"),
        ("POST /dns-query HTTP/1.1\r\ncontent-type: text/plain\r\n", b"x", "415"),
        (&post, b"short", "400"),
        (&post, &[0x80; 40], "400"),
        (&get("drop"), b"", "500"),
        (&get("stream"), b"", "501"),
    ];
    for (request, body, status) in cases {
        let (head, _) = exchange(&mut stream, request, body);
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{request}{head}");
        assert_eq!(head.contains("allow: get, post"), *status == "405", "{head}");
    }
}

#[test]
fn what_is_too_long_is_not_read() {
    let (running, address, _, pem) = serve_https(Limits::default());
    let hear = |request: &str| {
        let mut stream = Visitor::new(&pem).connect(address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    let long = format!("POST /dns-query HTTP/1.1\r\nhost: x\r\n{MESSAGE}content-length: 65536\r\n\r\n");
    assert!(hear(&long).starts_with("HTTP/1.1 413"));
    let long = format!("GET /dns-query?dns={} HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(20_000));
    // The rest of the head may be in the way of what is said about it.
    let said = hear(&long);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    assert_eq!(running.counters().tcp.received, 0);
}

#[test]
fn a_client_that_takes_its_time_is_cut_off() {
    // Time enough to agree on keys.
    const SHORT: Duration = Duration::from_secs(1);
    let limits = Limits { first_message: SHORT, idle: SHORT, message: SHORT, ..Limits::default() };
    let (running, address, _, pem) = serve_https(limits);
    let mut silent = Visitor::new(&pem).connect(address);
    silent.write_all(b"GET /dns-").unwrap();
    let mut idle = Visitor::new(&pem).connect(address);
    exchange(&mut idle, &get("www"), b"");
    // Close_notify, or these would be errors.
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    let _ = silent.read_to_end(&mut Vec::new());
    let mut dripping = Visitor::new(&pem).connect(address);
    write!(dripping, "POST /dns-query HTTP/1.1\r\nhost: x\r\n{MESSAGE}content-length: 40\r\n\r\n\0").unwrap();
    let mut said = String::new();
    let _ = dripping.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    eventually("their places are free", || running.counters().connections == 0);
}

#[test]
fn a_client_is_cut_off_when_it_has_been_idle_whatever_else_it_was_allowed() {
    const SHORT: Duration = Duration::from_millis(200);
    let limits = Limits { idle: SHORT, first_message: 600 * SHORT, ..Limits::default() };
    let (running, address, oracle, pem) = serve_https(limits);
    let mut stream = Visitor::new(&pem).connect(address);
    write!(stream, "{}host: x\r\n\r\n", get("gate")).unwrap();
    eventually("it waits", || running.counters().tcp.deferred == 1);
    // The clock rings while the request is open.
    std::thread::sleep(2 * SHORT);
    oracle.gate.add_permits(1);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(said.starts_with(b"HTTP/1.1 200") && tail(&said) == [192, 0, 2, 1]);
    eventually("its place is free", || running.counters().connections == 0);
}

#[test]
fn a_client_that_takes_no_response_over_http2_is_cut_off() {
    const SHORT: Duration = Duration::from_millis(100);
    let (running, address, _, pem) = serve_https(Limits { stall: SHORT, ..Limits::default() });
    let mut stream = Visitor::new(&pem).speaking(&[b"h2"]).connect(address);
    let frame = |kind: u8, flags: u8, number: u8, payload: &[u8]| {
        let head = [0, 0, payload.len() as u8, kind, flags, 0, 0, 0, number];
        [&head[..], payload].concat()
    };
    let path = format!("/dns-query?dns={}", BASE64URL_NOPAD.encode(&query(0, "huge")));
    // `:method GET`, `:scheme https`, `:authority` and `:path`.
    let head = [&[0x82, 0x87, 0x01, 1, b'x', 0x04, path.len() as u8][..], path.as_bytes()].concat();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    // SETTINGS_INITIAL_WINDOW_SIZE is 0.
    stream.write_all(&frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    // The end of the head, and of the request.
    stream.write_all(&frame(1, 0x05, 1, &head)).unwrap();
    stream.flush().unwrap();
    eventually("it was asked", || running.counters().tcp.sent == 1);
    eventually("its place is free", || running.counters().connections == 0);
}

#[test]
fn a_request_whose_end_has_not_come_keeps_no_place() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let (running, address, _, pem) = serve_https(limits);
    let mut dripping = Visitor::new(&pem).connect(address);
    exchange(&mut dripping, &get("www"), b"");
    write!(dripping, "POST /dns-query HTTP/1.1\r\nhost: x\r\n{MESSAGE}content-length: 40\r\n\r\n\0").unwrap();
    dripping.flush().unwrap();
    // Nothing tells when the head has been read.
    std::thread::sleep(Duration::from_millis(50));
    let mut newcomer = Visitor::new(&pem).connect(address);
    let (head, _) = exchange(&mut newcomer, &get("www"), b"");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(running.counters().evicted, 1);
}

#[test]
fn a_request_in_progress_is_answered_before_the_end() {
    let (running, address, oracle, pem) = serve_https(Limits::default());
    let mut stream = Visitor::new(&pem).connect(address);
    write!(stream, "{}host: x\r\n\r\n", get("gate")).unwrap();
    eventually("it waits", || running.counters().tcp.deferred == 1);
    let end = std::thread::spawn(move || shut_down(running));
    oracle.gate.add_permits(1);
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(said.starts_with(b"HTTP/1.1 200") && tail(&said) == [192, 0, 2, 1]);
    end.join().unwrap();
}
