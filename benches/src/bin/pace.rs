//! How long answers take at a rate: `pace ADDRESS QUESTIONS RATE SECONDS`, with a question a line of the file, `NAME TYPE`.
//!
//! Queries have times of their own, at random distances (a Poisson process), whether or not earlier ones were answered; a time counts from
//! the moment at which its query was to be sent. So a server that stops for a moment pays for all who came meanwhile.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use cartonym_benches::query;
use cartonym_wire::Type;

/// What has not come after so long is lost.
const PATIENCE: Duration = Duration::from_millis(500);

/// Queries a second: so that no id is used again before its first query is answered or lost.
const MOST: f64 = 100_000.0;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [address, questions, rate, seconds] = &args[..] else {
        return Err("pace ADDRESS QUESTIONS RATE SECONDS".into());
    };
    let queries = read(questions)?;
    let (rate, time): (f64, _) = (rate.parse()?, Duration::from_secs_f64(seconds.parse()?));
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    if !(1.0..=MOST).contains(&rate) {
        return Err(format!("a rate from 1 to {MOST} is meant, not {rate}").into());
    }
    let (mut times, sent) = pace(&socket, queries, rate, time)?;
    times.sort_unstable();
    if times.is_empty() {
        return Err(format!("{address} does not answer").into());
    }
    let at = |per_mille: usize| times[times.len() * per_mille / 1000].as_secs_f64() * 1e6;
    println!(
        "p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us; sent {sent}, lost {}",
        at(500),
        at(990),
        at(999),
        sent - times.len()
    );
    Ok(())
}

fn read(path: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let text = std::fs::read_to_string(path)?;
    let question = |line: &str| {
        let (name, rtype) = line.split_once(' ').ok_or_else(|| format!("{line:?} is no `NAME TYPE`"))?;
        Ok(query(&format!("{name}."), rtype.parse::<Type>().map_err(|_| format!("{rtype} is no type"))?))
    };
    text.lines().map(question).collect()
}

/// The times of all answers, and how many queries were sent.
fn pace(
    socket: &UdpSocket,
    mut queries: Vec<Vec<u8>>,
    rate: f64,
    time: Duration,
) -> Result<(Vec<Duration>, usize), Failure> {
    let mut due_of: Vec<Option<Instant>> = vec![None; 1 << 16];
    let (mut times, mut sent, mut answer) = (Vec::new(), 0, [0; 4096]);
    let mut chance = 0x9E37_79B9_7F4A_7C15u64;
    let start = Instant::now();
    let mut due = start;
    while start.elapsed() < time + PATIENCE {
        if due <= Instant::now() && due < start + time {
            let id = sent as u16;
            let at = sent % queries.len();
            queries[at][..2].copy_from_slice(&id.to_be_bytes());
            due_of[usize::from(id)] = match socket.send(&queries[at]) {
                Ok(_) => Some(due),
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Err(error) => return Err(error.into()),
            };
            sent += 1;
            due += gap(&mut chance, rate);
        }
        match socket.recv(&mut answer) {
            Ok(_) => {
                let id = u16::from_be_bytes([answer[0], answer[1]]);
                let time = due_of[usize::from(id)].take().map(|due| due.elapsed());
                times.extend(time.filter(|time| *time <= PATIENCE));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok((times, sent))
}

/// From one query to the next: exponentially distributed.
fn gap(chance: &mut u64, rate: f64) -> Duration {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    let uniform = ((*chance >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    Duration::from_secs_f64(-uniform.ln() / rate)
}
