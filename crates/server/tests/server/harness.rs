//! A plugin that answers by the first label, a server around it, and clients without manners of their own.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cartonym_plugin::{Plugin, Query, Response, Resumed, Step};
use cartonym_responder::{Chain, Responder};
use cartonym_server::{Limits, Running, Server};
use cartonym_wire::{Name, Opcode, Section, Ttl, Type};
use tokio::sync::Semaphore;

/// Answers `where` with the address that the query came to, `who` and `who-later` with the client's, `huge` with 60 kB, `gate` when the gate opens, `soon` by a
/// promise, `stream` with ten messages, `drop` never, and all else with its own number.
#[derive(Clone)]
pub(crate) struct Oracle {
    pub(crate) number: u8,
    pub(crate) gate: Arc<Semaphore>,
}

impl Plugin for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        let gate = Arc::clone(&self.gate);
        match first_label(query.name()) {
            b"drop" => return Step::Drop,
            b"panic" => panic!("as asked"),
            b"where" => match query.client().local.ip() {
                IpAddr::V4(ip) => put(query, response, Type::A, &ip.octets()),
                IpAddr::V6(ip) => put(query, response, Type::AAAA, &ip.octets()),
            },
            b"who" | b"who-later" => {
                if let IpAddr::V4(ip) = query.client().address.ip() {
                    put(query, response, Type::A, &ip.octets());
                }
                if first_label(query.name()) == b"who-later" {
                    let message = response.message().map(|message| message.as_bytes().to_vec());
                    return Step::defer(async { message.map_or(Resumed::Drop, Resumed::Answered) });
                }
            }
            b"huge" => (0..250)
                .for_each(|n| put(query, response, Type::TXT, &[&[239, n], &[b'x'; 238][..]].concat())),
            b"gate" => {
                return Step::defer(async move {
                    gate.acquire().await.unwrap().forget();
                    Resumed::Next
                });
            }
            b"soon" => return Step::defer(std::future::ready(Resumed::Next)),
            b"stream" => {
                let message = query.message().as_bytes().to_vec();
                return Step::defer(async move { Resumed::Stream(Box::new(vec![message; 10].into_iter())) });
            }
            _ => put(query, response, Type::A, &[192, 0, 2, self.number]),
        }
        Step::Answered
    }
}

/// A plugin with a defect where no one expects it: NOTIFY makes it panic, and again when that is to be noted.
struct Defective;

impl Plugin for Defective {
    fn name(&self) -> &'static str {
        panic!("asked for when it has panicked");
    }

    fn handles(&self, opcode: Opcode) -> bool {
        opcode == Opcode::NOTIFY
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        panic!("asked");
    }
}

/// Answers what the oracle has passed on.
struct Last(u8);

impl Plugin for Last {
    fn name(&self) -> &'static str {
        "last"
    }

    fn answer(&self, query: &mut Query<'_>, response: &mut Response<'_>) -> Step {
        put(query, response, Type::A, &[192, 0, 2, self.0]);
        Step::Answered
    }
}

fn put(query: &Query<'_>, response: &mut Response<'_>, rtype: Type, rdata: &[u8]) {
    let _ = response.record(Section::Answer, query.name(), rtype, Ttl::ZERO, rdata);
}

fn first_label(name: &Name) -> &[u8] {
    let wire = name.as_wire();
    &wire[1..1 + usize::from(wire[0])]
}

impl Oracle {
    pub(crate) fn new(number: u8) -> Oracle {
        Oracle { number, gate: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn responder(&self) -> Arc<Responder> {
        self.responder_with(1232)
    }

    /// A responder whose datagrams may have so many octets.
    pub(crate) fn responder_with(&self, udp_size: u16) -> Arc<Responder> {
        let chain = Chain::new().then(self.clone()).then(Last(self.number)).then(Defective);
        let limits = cartonym_responder::Limits { udp_size, ..Default::default() };
        Responder::builder().zone(Name::ROOT, chain).limits(limits).build()
    }
}

/// A server with one listener, one worker, and short patience.
pub(crate) fn serve(address: &str, limits: Limits) -> (Running, SocketAddr, Oracle) {
    let oracle = Oracle::new(1);
    let server = Server::new().workers(1).limits(limits);
    let running = server.listen(address.parse().unwrap(), oracle.responder()).start().unwrap();
    let address = running.local_addrs()[0];
    (running, address, oracle)
}

pub(crate) fn loopback() -> (Running, SocketAddr, Oracle) {
    serve("127.0.0.1:0", Limits::default())
}

pub(crate) fn shut_down(running: Running) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(running.shutdown());
}

/// A query for a name of one label.
pub(crate) fn query(id: u16, label: &str) -> Vec<u8> {
    let mut message = [id.to_be_bytes(), [0, 0], [0, 1], [0, 0], [0, 0], [0, 0]].concat();
    message.push(label.len() as u8);
    message.extend_from_slice(label.as_bytes());
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

/// The query with its length before it.
pub(crate) fn framed(id: u16, label: &str) -> Vec<u8> {
    let message = query(id, label);
    [&(message.len() as u16).to_be_bytes()[..], &message].concat()
}

pub(crate) fn id_of(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

/// The last octets of a message without EDNS: those of its last record.
pub(crate) fn tail<const N: usize>(message: &[u8]) -> [u8; N] {
    *message.last_chunk().unwrap()
}

pub(crate) fn udp(server: SocketAddr) -> UdpSocket {
    let any = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(server).unwrap();
    socket
}

pub(crate) fn ask(socket: &UdpSocket, id: u16, label: &str) -> io::Result<Vec<u8>> {
    socket.send(&query(id, label))?;
    hear(socket)
}

pub(crate) fn hear(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 65_535];
    let len = socket.recv(&mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

pub(crate) fn tcp(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

pub(crate) fn ask_tcp(stream: &mut TcpStream, id: u16, label: &str) -> io::Result<Vec<u8>> {
    stream.write_all(&framed(id, label))?;
    read_message(stream)
}

/// Whether the server has closed the connection, or closes it while we wait.
pub(crate) fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Waits for `condition`, which another thread makes true.
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How long a client waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
