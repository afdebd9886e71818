//! Connections under TLS: agreement on keys, messages, and clients that want neither.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_server::{ClientCertificates, Limits, Listener, Running, Server, Tls, TlsError};
use cartonym_testing::certificate;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, StreamOwned, SupportedProtocolVersion,
    version,
};

use crate::harness::*;

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

pub(crate) const NAME: &str = "ns.example";

fn serve_tls(pem: &str, clients: &ClientCertificates, limits: Limits) -> (Running, SocketAddr, Oracle) {
    let oracle = Oracle::new(1);
    let tls = Tls::new(pem.as_bytes(), pem.as_bytes(), clients).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), oracle.responder(), &tls);
    let running = Server::new().workers(1).limits(limits).with(listener).start().unwrap();
    let address = running.local_addrs()[0];
    (running, address, oracle)
}

fn simple() -> (Running, SocketAddr, String) {
    let pem = certificate(NAME);
    let (running, address, _) = serve_tls(&pem, &ClientCertificates::None, Limits::default());
    (running, address, pem)
}

/// A client that trusts a certificate, and shows another if it has one.
pub(crate) struct Visitor<'a> {
    trusts: &'a str,
    shows: Option<&'a str>,
    versions: &'static [&'static SupportedProtocolVersion],
    alpn: &'static [&'static [u8]],
}

impl<'a> Visitor<'a> {
    pub(crate) fn new(trusts: &'a str) -> Visitor<'a> {
        Visitor { trusts, shows: None, versions: rustls::ALL_VERSIONS, alpn: &[] }
    }

    pub(crate) fn speaking(mut self, alpn: &'static [&'static [u8]]) -> Visitor<'a> {
        self.alpn = alpn;
        self
    }

    fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.trusts.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.shows.map(str::as_bytes) {
            None => config.with_no_client_auth(),
            Some(pem) => config
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(pem).unwrap()],
                    PrivateKeyDer::from_pem_slice(pem).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = self.alpn.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> TlsStream {
        let name = NAME.try_into().unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(self.config()), name).unwrap(), tcp(address))
    }

    /// Asks once.
    fn ask(&self, address: SocketAddr) -> io::Result<Vec<u8>> {
        ask_over(&mut self.connect(address), 1)
    }
}

fn ask_over(stream: &mut TlsStream, id: u16) -> io::Result<Vec<u8>> {
    stream.write_all(&framed(id, "www"))?;
    hear_over(stream)
}

fn hear_over(stream: &mut TlsStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

#[test]
fn a_message_under_tls_is_answered() {
    let (running, address, pem) = simple();
    for (tls, expected) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        let versions = if tls.version == version::TLS12.version { TLS12 } else { TLS13 };
        let mut stream = Visitor { versions, ..Visitor::new(&pem) }.connect(address);
        assert_eq!(tail(&ask_over(&mut stream, 7).unwrap()), [192, 0, 2, 1]);
        assert_eq!(stream.conn.protocol_version(), Some(expected));
    }
    assert_eq!((running.counters().tcp.received, running.counters().accepted), (2, 2));
}

#[test]
fn dot_is_spoken_and_nothing_else() {
    let (_running, address, pem) = simple();
    let mut dot = Visitor::new(&pem).speaking(&[b"dot"]).connect(address);
    ask_over(&mut dot, 1).unwrap();
    assert_eq!(dot.conn.alpn_protocol(), Some(&b"dot"[..]));
    assert!(Visitor::new(&pem).speaking(&[b"h2"]).ask(address).is_err());
}

#[test]
fn queries_sent_in_one_go_under_tls_are_all_answered() {
    let (_running, address, pem) = simple();
    let mut stream = Visitor::new(&pem).connect(address);
    let run: Vec<u8> = (0..200).flat_map(|id| framed(id, "huge")).collect();
    stream.write_all(&run).unwrap();
    for id in 0..200 {
        let response = hear_over(&mut stream).unwrap();
        assert_eq!((id_of(&response), response.len() > 50_000), (id, true));
    }
}

#[test]
fn the_end_is_announced() {
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let pem = certificate(NAME);
    let (running, address, _) = serve_tls(&pem, &ClientCertificates::None, limits);
    let mut idle = Visitor::new(&pem).connect(address);
    ask_over(&mut idle, 1).unwrap();
    // Without close_notify this would be an error: someone may have cut the stream short.
    assert_eq!(idle.read(&mut [0; 9]).unwrap(), 0);
    let mut drained = Visitor::new(&pem).connect(address);
    ask_over(&mut drained, 1).unwrap();
    shut_down(running);
    assert_eq!(drained.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn a_client_that_does_not_agree_on_keys_in_time_is_cut_off() {
    let limits = Limits { first_message: Duration::from_millis(50), ..Limits::default() };
    let (running, address, _) = serve_tls(&certificate(NAME), &ClientCertificates::None, limits);
    let mut silent = tcp(address);
    // The head of a ClientHello whose end does not come.
    silent.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    eventually("counted", || running.counters().accepted == 1);
    let begun = Instant::now();
    assert!(is_closed(&mut silent));
    assert!(begun.elapsed() < PATIENCE);
    eventually("its place is free", || running.counters().connections == 0);
}

#[test]
fn what_is_no_tls_is_cut_off_and_harms_nobody() {
    let (running, address, pem) = simple();
    for rubbish in [&framed(1, "www")[..], b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[22; 6000]] {
        let mut stream = tcp(address);
        stream.write_all(rubbish).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        // At most an alert.
        assert!(said.is_empty() || said[0] == 21, "{said:?}");
    }
    eventually("their places are free", || running.counters().connections == 0);
    Visitor::new(&pem).ask(address).unwrap();
    assert_eq!(running.counters().panics, 0);
}

#[test]
fn a_connection_that_agrees_on_keys_counts_as_one() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let pem = certificate(NAME);
    let (running, address, _) = serve_tls(&pem, &ClientCertificates::None, limits);
    let mut silent = tcp(address);
    eventually("it has a place", || running.counters().connections == 1);
    // It has nothing to say, so it makes room.
    Visitor::new(&pem).ask(address).unwrap();
    assert!(is_closed(&mut silent));
    assert_eq!(running.counters().evicted, 1);
}

#[test]
fn a_client_that_reads_nothing_is_cut_off() {
    let limits = Limits { stall: Duration::from_millis(100), ..Limits::default() };
    let pem = certificate(NAME);
    let (running, address, _) = serve_tls(&pem, &ClientCertificates::None, limits);
    let mut stream = Visitor::new(&pem).connect(address);
    let run: Vec<u8> = (0..500).flat_map(|id| framed(id, "huge")).collect();
    let _ = stream.write_all(&run);
    eventually("its place is free", || running.counters().connections == 0);
}

#[test]
fn clients_show_what_is_asked_of_them() {
    let (pem, known, stranger) = (certificate(NAME), certificate("client.example"), certificate("x.example"));
    let authorities = known.clone().into_bytes();
    let all = [None, Some(known.as_str()), Some(stranger.as_str())];
    for (clients, served) in [
        (ClientCertificates::None, [true, true, true]),
        (ClientCertificates::Requested, [true, true, true]),
        (ClientCertificates::Required, [false, true, true]),
        (ClientCertificates::VerifiedIfGiven(authorities.clone()), [true, true, false]),
        (ClientCertificates::Verified(authorities), [false, true, false]),
    ] {
        let (_running, address, _) = serve_tls(&pem, &clients, Limits::default());
        for versions in [TLS12, TLS13] {
            let answered =
                all.map(|shows| Visitor { shows, versions, ..Visitor::new(&pem) }.ask(address).is_ok());
            assert_eq!(answered, served, "{clients:?}");
        }
    }
}

#[test]
fn new_certificates_are_shown_to_new_clients() {
    let (running, address, old) = simple();
    let new = certificate(NAME);
    let mut before = Visitor::new(&old).connect(address);
    ask_over(&mut before, 1).unwrap();
    let tls = Tls::new(new.as_bytes(), new.as_bytes(), &ClientCertificates::None).unwrap();
    assert!(running.replace_tls(0, &tls));
    Visitor::new(&new).ask(address).unwrap();
    assert!(Visitor::new(&old).ask(address).is_err());
    ask_over(&mut before, 2).unwrap();
    assert!(!running.replace_tls(1, &tls));
}

#[test]
fn an_update_brings_certificates_and_keeps_connections() {
    let (mut running, address, old) = simple();
    let mut before = Visitor::new(&old).connect(address);
    ask_over(&mut before, 1).unwrap();
    let new = certificate(NAME);
    let tls = Tls::new(new.as_bytes(), new.as_bytes(), &ClientCertificates::None).unwrap();
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), Oracle::new(2).responder(), &tls);
    running.update(Server::new().with(listener)).unwrap();
    assert_eq!(running.local_addrs(), [address]);
    assert_eq!(tail(&Visitor::new(&new).ask(address).unwrap()), [192, 0, 2, 2]);
    assert_eq!(tail(&ask_over(&mut before, 2).unwrap()), [192, 0, 2, 2]);
}

#[test]
fn keys_are_logged_where_that_is_wanted() {
    let pem = certificate(NAME);
    let path = std::env::temp_dir().join(format!("cartonym-keys-{}", std::process::id()));
    let file = std::fs::File::create(&path).unwrap();
    let tls = Tls::new(pem.as_bytes(), pem.as_bytes(), &ClientCertificates::None).unwrap().key_log(file);
    let listener = Listener::tls("127.0.0.1:0".parse().unwrap(), Oracle::new(1).responder(), &tls);
    let running = Server::new().with(listener).start().unwrap();
    Visitor::new(&pem).ask(running.local_addrs()[0]).unwrap();
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let line = log.lines().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).unwrap();
    assert_eq!(line.split(' ').nth(1).map(str::len), Some(64));
}

#[test]
fn what_cannot_be_used_is_refused_by_its_name() {
    let (one, other) = (certificate(NAME), certificate(NAME));
    let make =
        |chain: &str, key: &str, clients| Tls::new(chain.as_bytes(), key.as_bytes(), &clients).unwrap_err();
    let none = ClientCertificates::None;
    assert!(matches!(make("", &one, none.clone()), TlsError::Certificate(None)));
    assert!(matches!(make(&one, "", none.clone()), TlsError::Key(None)));
    assert!(matches!(make(&one, &other, none), TlsError::Mismatch));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let clients = ClientCertificates::Verified(broken.into());
    assert!(matches!(make(&one, &one, clients), TlsError::Authorities(Some(_))));
    assert!(matches!(make(broken, &one, ClientCertificates::None), TlsError::Certificate(Some(_))));
}

const TLS12: &[&SupportedProtocolVersion] = &[&version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
