//! Another server, on the loopback interface.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cartonym_plugin::{Client, Transport};
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{MAX_MESSAGE_LEN, Name};

/// A server for a plugin that asks others: a chain, or a function, over UDP and TCP on one port of 127.0.0.1.
///
/// It ends when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    ended: Arc<AtomicBool>,
}

/// A query that came, and how.
pub type Heard = (Transport, Vec<u8>);

/// From a query to the messages to send back; none is silence.
type Handler = Arc<dyn Fn(Transport, &[u8]) -> Vec<Vec<u8>> + Send + Sync>;

impl Upstream {
    /// Answers with a chain, as a server would.
    ///
    /// # Panics
    ///
    /// If there is no port to be had.
    pub fn of(chain: Chain) -> Upstream {
        let responder = Responder::builder().zone(Name::ROOT, chain).build();
        Upstream::new(move |transport, query| {
            let client = Client { transport, ..Client::INTERNAL };
            let moment = Moment { now: Duration::from_secs(1_000_000), random: 0 };
            let mut out = vec![0; MAX_MESSAGE_LEN];
            match responder.respond(&mut Scratch::default(), query, client, moment, &mut out) {
                Verdict::Send(len) => vec![out[..len].to_vec()],
                Verdict::Drop | Verdict::Wait(_) => Vec::new(),
            }
        })
    }

    /// Answers with whatever octets a function makes of a query: several messages, wrong ones, none. Over TCP, none
    /// closes the connection.
    ///
    /// # Panics
    ///
    /// If there is no port to be had.
    pub fn new(handler: impl Fn(Transport, &[u8]) -> Vec<Vec<u8>> + Send + Sync + 'static) -> Upstream {
        let (tcp, udp) = listen().expect("a port on the loopback interface");
        let address = udp.local_addr().expect("a bound socket has an address");
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let ended: Arc<AtomicBool> = Arc::default();
        let record = heard.clone();
        let handler: Handler = Arc::new(move |transport, query| {
            record.lock().unwrap_or_else(PoisonError::into_inner).push((transport, query.to_vec()));
            handler(transport, query)
        });
        let over_tcp = handler.clone();
        let (udp_ended, tcp_ended) = (ended.clone(), ended.clone());
        thread::spawn(move || serve_udp(&udp, &handler, &udp_ended));
        thread::spawn(move || serve_tcp(&tcp, &over_tcp, &tcp_ended));
        Upstream { address, heard, ended }
    }

    /// Hears, and says nothing.
    ///
    /// # Panics
    ///
    /// If there is no port to be had.
    pub fn silent() -> Upstream {
        Upstream::new(|_, _| Vec::new())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Both loops wait for a client, and look at the word after each.
        if let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) {
            let _ = socket.send_to(&[], self.address);
        }
        let _ = TcpStream::connect(self.address);
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream at {}", self.address)
    }
}

/// Two sockets on one port; the port that TCP got may be taken for UDP, hence the tries.
fn listen() -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = 0..16;
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        match UdpSocket::bind(tcp.local_addr()?) {
            Ok(udp) => return Ok((tcp, udp)),
            Err(error) if tries.next().is_none() => return Err(error),
            Err(_) => {}
        }
    }
}

fn serve_udp(socket: &UdpSocket, handler: &Handler, ended: &AtomicBool) {
    let mut query = vec![0; MAX_MESSAGE_LEN];
    while let Ok((len, from)) = socket.recv_from(&mut query) {
        if ended.load(Ordering::Acquire) {
            return;
        }
        for answer in handler(Transport::Udp, &query[..len]) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, handler: &Handler, ended: &AtomicBool) {
    for stream in listener.incoming() {
        if ended.load(Ordering::Acquire) {
            return;
        }
        let (Ok(stream), handler) = (stream, handler.clone()) else { continue };
        thread::spawn(move || serve_stream(stream, &handler));
    }
}

fn serve_stream(mut stream: TcpStream, handler: &Handler) -> Option<()> {
    let mut len = [0; 2];
    while stream.read_exact(&mut len).is_ok() {
        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
        stream.read_exact(&mut query).ok()?;
        let answers = handler(Transport::Tcp, &query);
        if answers.is_empty() {
            return None;
        }
        for answer in answers {
            let len = u16::try_from(answer.len()).ok()?.to_be_bytes();
            stream.write_all(&[&len, &answer[..]].concat()).ok()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Ask, Canned};

    #[test]
    fn a_chain_answers_over_udp_and_over_tcp() {
        let upstream = Upstream::of(Chain::new().then(Canned::new("a. 60 A 192.0.2.1")));
        let query = Ask::new("a. A").to_message();
        let mut answer = vec![0; 512];
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&query, upstream.address()).unwrap();
        let len = socket.recv(&mut answer).unwrap();
        assert_eq!(Answer::new(answer[..len].to_vec()).answers(), ["a. 60 A 192.0.2.1"]);

        let mut stream = TcpStream::connect(upstream.address()).unwrap();
        stream.write_all(&[&(query.len() as u16).to_be_bytes(), &query[..]].concat()).unwrap();
        let mut frame = vec![0; 2 + len];
        stream.read_exact(&mut frame).unwrap();
        assert_eq!(frame[2..], answer[..len]);
        assert_eq!(upstream.heard(), [(Transport::Udp, query.clone()), (Transport::Tcp, query)]);
    }
}
