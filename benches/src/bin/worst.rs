//! The most expensive questions to a zone of a million records beside the usual one. `worst COUNT` asks each kind so many
//! times, in a function of the kind's name, so that one run under callgrind counts the instructions of all of them.

use std::hint::black_box;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cartonym_benches::{query, service_zone};
use cartonym_plugin::{Client, Transport};
use cartonym_plugin_registry::Records;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{Name, NameBuf, Ttl, Type};
use cartonym_zone::{RecordTable, Snapshot, Zone, ZoneEdit};

/// Thirty records each.
const SERVICES: usize = 33_334;
/// As many as a message holds.
const LARGEST: usize = 4_000;
/// Longer than any server follows.
const LINKS: usize = 64;

/// One kind of question: how it comes, and what is asked.
type Kind = (Transport, fn(usize) -> Vec<u8>, fn(&mut World, &[Vec<u8>], usize) -> bool);

/// Each kind has a function of its own, for its name alone.
macro_rules! kinds {
    ($($name:ident, $transport:ident, $query:expr;)*) => {
        $(
            #[inline(never)]
            fn $name(world: &mut World, queries: &[Vec<u8>], count: usize) -> bool {
                // What makes it a function of its own: equal ones would be merged.
                black_box(stringify!($name));
                world.ask(queries, count)
            }
        )*
        const KINDS: &[Kind] = &[$((Transport::$transport, $query, $name),)*];
    };
}

kinds! {
    usual, Udp, |n| query(&format!("i-{}.svc-{}.sd.example.", n % 10, n * 71 % SERVICES), Type::A);
    ten_addresses, Udp, |n| query(&format!("svc-{}.sd.example.", n * 71 % SERVICES), Type::A);
    ten_targets, Udp, |n| query(&format!("svc-{}.sd.example.", n * 71 % SERVICES), Type::SRV);
    no_data, Udp, |n| query(&format!("svc-{}.sd.example.", n * 71 % SERVICES), Type::AAAA);
    no_name, Udp, |n| query(&format!("nx-{}.sd.example.", n * 71 % SERVICES), Type::A);
    longest_name, Udp, |_| query(&longest('a'), Type::A);
    longest_no_name, Udp, |_| query(&longest('b'), Type::A);
    deepest_chain, Udp, |_| query("link-0.sd.example.", Type::A);
    largest_set_udp, Udp, |_| query("large.sd.example.", Type::A);
    largest_set_tcp, Tcp, |_| query("large.sd.example.", Type::A);
    largest_targets_udp, Udp, |_| query("targets.sd.example.", Type::SRV);
    largest_targets_tcp, Tcp, |_| query("targets.sd.example.", Type::SRV);
    any, Udp, |_| query("many.sd.example.", Type::ANY);
}

struct World {
    responder: Arc<Responder>,
    scratch: Scratch,
    out: Vec<u8>,
    transport: Transport,
}

impl World {
    #[inline(never)]
    fn ask(&mut self, queries: &[Vec<u8>], count: usize) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], 5300));
        let client = Client { address, local: address, transport: self.transport };
        (0..count).all(|at| {
            let moment = Moment { now: Duration::ZERO, random: at as u64 };
            let query = black_box(&queries[at % queries.len()]);
            let verdict = self.responder.respond(&mut self.scratch, query, client, moment, &mut self.out);
            matches!(verdict, Verdict::Send(len) if len > 12)
        })
    }
}

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1);
    let table = Arc::new(RecordTable::new(7));
    let zone = with_the_worst(&service_zone(SERVICES, table.hasher()), &table);
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone)));
    let responder = Responder::builder().zone(Name::ROOT, Chain::new().then(Records::of(table))).build();
    let scratch = Scratch::default();
    let mut world = World { responder, scratch, out: vec![0; 65535], transport: Transport::Udp };
    for (transport, query, run) in KINDS {
        let queries: Vec<_> = (0..1000).map(query).collect();
        world.transport = *transport;
        if !run(&mut world, &queries, count) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn with_the_worst(zone: &Zone, table: &RecordTable) -> Zone {
    let mut edit = zone.edit(table.hasher());
    add(&mut edit, &longest('a'), Type::A, &[192, 0, 2, 1]);
    for link in 0..LINKS {
        let next = parse(&format!("link-{}.sd.example.", link + 1));
        add(&mut edit, &format!("link-{link}.sd.example."), Type::CNAME, next.as_wire());
    }
    add(&mut edit, &format!("link-{LINKS}.sd.example."), Type::A, &[192, 0, 2, 1]);
    for number in 0..LARGEST as u16 {
        let [a, b] = number.to_be_bytes();
        add(&mut edit, "large.sd.example.", Type::A, &[10, 9, a, b]);
    }
    for number in 0..LARGEST / 4 {
        let target = parse(&format!("i-{}.svc-{}.sd.example.", number % 10, number / 10));
        add(&mut edit, "targets.sd.example.", Type::SRV, &[&[0, 1, 0, 1, 0, 80], target.as_wire()].concat());
    }
    for code in 0..200 {
        add(&mut edit, "many.sd.example.", Type(65_280 + code), &[0; 200]);
    }
    edit.finish()
}

/// A name of 255 octets, of as many labels as there can be.
fn longest(label: char) -> String {
    let mut name = "sd.example.".to_owned();
    while name.len() + 2 <= 253 {
        name = format!("{label}.{name}");
    }
    name
}

fn add(edit: &mut ZoneEdit, owner: &str, rtype: Type, rdata: &[u8]) {
    edit.add(&parse(owner), rtype, Ttl::from_secs(60), rdata)
        .expect("a record of the zone, and no large set");
}

fn parse(text: &str) -> NameBuf {
    text.parse().expect("a name")
}
