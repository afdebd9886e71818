//! Whether queries that wait for a plugin slow down those that do not: the time of fast queries over loopback, one after the
//! other, while none waits and while 10,000 do, in turns.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use cartonym::responder::{Chain, Responder};
use cartonym::server::{Limits, Running, Server};
use cartonym_benches::{Answers, query};
use cartonym_plugin::{Plugin, Query, Response, Step};
use cartonym_wire::{NameBuf, Type};

const WAITING: usize = 10_000;
const ROUNDS: usize = 10;
const ASKED: usize = 20_000;

/// Promises, and never keeps it.
struct Waits;

impl Plugin for Waits {
    fn name(&self) -> &'static str {
        "waits"
    }

    fn answer(&self, _: &mut Query<'_>, _: &mut Response<'_>) -> Step {
        Step::defer(std::future::pending())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ask(start()?.local_addrs()[0], &mut idle)?;
        let server = start()?;
        let address = server.local_addrs()[0];
        fill(&server, address)?;
        ask(address, &mut busy)?;
    }
    let (idle, busy) = (Figures::of(idle), Figures::of(busy));
    println!("| queries that wait | p50 | p99 |\n|---|---|---|");
    println!("| 0 | {:?} | {:?} |", idle.p50, idle.p99);
    println!("| {WAITING} | {:?} | {:?} |", busy.p50, busy.p99);
    println!("ratio of the p99: {:.2}", busy.p99.as_secs_f64() / idle.p99.as_secs_f64());
    Ok(())
}

fn start() -> Result<Running, Box<dyn Error>> {
    let responder = Responder::builder()
        .zone(&"fast.".parse::<NameBuf>()?, Chain::new().then(Answers))
        .zone(&"slow.".parse::<NameBuf>()?, Chain::new().then(Waits))
        .build();
    let limits = Limits { deadline: Duration::from_secs(600), ..Limits::default() };
    Ok(Server::new().limits(limits).listen("127.0.0.1:0".parse()?, responder).start()?)
}

/// Asks for what never comes until so many queries wait.
fn fill(server: &Running, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let slow = query("www.slow.", Type::A);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let waiting = server.counters().udp.deferred as usize;
        match WAITING.saturating_sub(waiting) {
            0 => return Ok(()),
            _ if Instant::now() > deadline => return Err(format!("only {waiting} wait").into()),
            left => (0..left.min(64)).try_for_each(|_| socket.send_to(&slow, address).map(drop))?,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ask(address: SocketAddr, times: &mut Vec<Duration>) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let (fast, mut answer) = (query("www.fast.", Type::A), [0; 512]);
    for _ in 0..ASKED {
        let start = Instant::now();
        socket.send(&fast)?;
        socket.recv(&mut answer)?;
        times.push(start.elapsed());
    }
    Ok(())
}

struct Figures {
    p50: Duration,
    p99: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>) -> Figures {
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100];
        Figures { p50: at(50), p99: at(99) }
    }
}
