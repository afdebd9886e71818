//! What changes cost: how soon one is answered, by the size of its zone; and what 20,000 a second take from queries that saturate the
//! server. `changes [SERVICES] [SECONDS]`: 100,000 services, which are 3,000,000 records, and 20 s unless said otherwise.

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cartonym::responder::{Chain, Responder};
use cartonym::server::{Running, Server};
use cartonym_benches::{query, service_zone};
use cartonym_plugin_registry::Records;
use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::{RecordTable, Snapshot};

/// As many records as the smaller zone of the goal has.
const FEW_SERVICES: usize = 333;
const ONE_BY_ONE: usize = 5_000;
const CHANGES_PER_SECOND: u32 = 20_000;
/// Changes are published so many together, a batch each millisecond.
const BATCH: u32 = CHANGES_PER_SECOND / 1000;
const ROUNDS: usize = 3;
const IN_FLIGHT: usize = 128;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let services = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let seconds = args.next().map_or(Ok(20), |text| text.parse())?;
    println!("from a change's beginning to its answer over UDP, {ONE_BY_ONE} one by one:");
    one_by_one(&Served::new(FEW_SERVICES)?)?;
    let served = Served::new(services)?;
    one_by_one(&served)?;
    println!(
        "queries that saturate, {IN_FLIGHT} in flight, without changes and with {CHANGES_PER_SECOND} a second, in turns:"
    );
    for _ in 0..ROUNDS {
        saturate(&served, Duration::from_secs(seconds), 0)?;
        saturate(&served, Duration::from_secs(seconds), BATCH)?;
    }
    Ok(())
}

/// A zone of services, and a server that answers it.
struct Served {
    table: Arc<RecordTable>,
    services: usize,
    changes: AtomicU64,
    running: Running,
}

impl Served {
    fn new(services: usize) -> Result<Served, Failure> {
        let table = Arc::new(RecordTable::new(7));
        let zone = service_zone(services, table.hasher());
        table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone)));
        let chain = Chain::new().then(Records::of(Arc::clone(&table)));
        let responder = Responder::builder().zone(Name::ROOT, chain).build();
        let running = Server::new().listen("127.0.0.1:0".parse()?, responder).start()?;
        Ok(Served { table, services, changes: AtomicU64::new(0), running })
    }

    fn address(&self) -> SocketAddr {
        self.running.local_addrs()[0]
    }

    /// Gives so many services another address, published together, and tells of the last.
    fn change(&self, count: u32) -> Result<Option<(String, [u8; 16])>, Failure> {
        let snapshot = self.table.snapshot();
        let zone = snapshot.zones().next().ok_or("no zone")?;
        let mut edit = zone.edit(self.table.hasher());
        let mut last = None;
        for _ in 0..count {
            let turn = self.changes.fetch_add(1, Ordering::Relaxed);
            let name = format!("svc-{}.sd.example.", turn as usize * 7919 % self.services);
            let owner: NameBuf = name.parse()?;
            let mut address = [0; 16];
            address[..8].copy_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 1]);
            address[8..].copy_from_slice(&turn.to_be_bytes());
            edit.remove_set(&owner, Type::AAAA)?;
            edit.add(&owner, Type::AAAA, Ttl::from_secs(5), &address)?;
            last = Some((name, address));
        }
        let next = (*snapshot).clone().with(Arc::new(edit.finish()));
        drop(snapshot);
        self.table.publish(next);
        Ok(last)
    }
}

fn one_by_one(served: &Served) -> Result<(), Failure> {
    let socket = client(served)?;
    let (mut times, mut answer) = (Vec::new(), [0; 1232]);
    for _ in 0..ONE_BY_ONE {
        let start = Instant::now();
        let Some((name, address)) = served.change(1)? else { continue };
        socket.send(&query(&name, Type::AAAA))?;
        let len = socket.recv(&mut answer)?;
        times.push(start.elapsed());
        if !answer[..len].windows(16).any(|octets| octets == address) {
            return Err(format!("the answer for {name} is an old one").into());
        }
    }
    println!("  {} services: {}", served.services, figures(times));
    Ok(())
}

fn saturate(served: &Served, time: Duration, batch: u32) -> Result<(), Failure> {
    let end = AtomicBool::new(false);
    let before = served.changes.load(Ordering::Relaxed);
    let (times, busy) = thread::scope(|scope| {
        let changing = scope.spawn(|| change_until(served, batch, &end));
        let times = ask_for(served, time);
        end.store(true, Ordering::Relaxed);
        let busy = changing.join().map_err(|_| "the thread that changes")??;
        times.map(|times| (times, busy))
    })?;
    let changes = (served.changes.load(Ordering::Relaxed) - before) as f64;
    let per_second = |count: f64| count / time.as_secs_f64();
    let each = busy.as_secs_f64() * 1e6 / changes;
    let cost = if changes > 0.0 { format!(", {each:.1} us of a processor each") } else { String::new() };
    println!(
        "  {:.0} changes/s{cost}: {:.0} answers/s, {}, resident {}",
        per_second(changes),
        per_second(times.len() as f64),
        figures(times),
        resident()?
    );
    Ok(())
}

/// Makes `batch` changes each millisecond, and what was missed later; gives the processor's time that it took.
fn change_until(served: &Served, batch: u32, end: &AtomicBool) -> Result<Duration, Failure> {
    let start = Instant::now();
    for tick in 1.. {
        if end.load(Ordering::Relaxed) {
            break;
        }
        if batch > 0 {
            served.change(batch)?;
        }
        thread::sleep(Duration::from_millis(tick).saturating_sub(start.elapsed()));
    }
    let used = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(Duration::from_nanos(used.split(' ').next().ok_or("no time")?.parse()?))
}

/// Keeps queries in flight, and gives the times of their answers.
fn ask_for(served: &Served, time: Duration) -> Result<Vec<Duration>, Failure> {
    let socket = client(served)?;
    let mut queries: Vec<_> = (0..IN_FLIGHT)
        .map(|n| query(&format!("svc-{}.sd.example.", n * 7919 % served.services), Type::A))
        .collect();
    let mut sent = vec![Instant::now(); IN_FLIGHT];
    for (id, query) in queries.iter_mut().enumerate() {
        query[..2].copy_from_slice(&(id as u16).to_be_bytes());
        socket.send(query)?;
    }
    let (mut times, mut answer) = (Vec::new(), [0; 1232]);
    let start = Instant::now();
    while start.elapsed() < time {
        socket.recv(&mut answer)?;
        let id = usize::from(u16::from_be_bytes([answer[0], answer[1]])) % IN_FLIGHT;
        times.push(sent[id].elapsed());
        sent[id] = Instant::now();
        socket.send(&queries[id])?;
    }
    Ok(times)
}

fn client(served: &Served) -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(served.address())?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(socket)
}

fn figures(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |per_mille: usize| times[times.len() * per_mille / 1000];
    format!("p50 {:?}, p99 {:?}, p99.9 {:?}", at(500), at(990), at(999))
}

fn resident() -> Result<String, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned())
}
