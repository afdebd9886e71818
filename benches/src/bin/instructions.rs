//! Answers one kind of query so many times: `instructions A 1000`. Under callgrind, the difference between two counts
//! is what a query costs, whatever else the machine does.

use std::hint::black_box;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cartonym_benches::{Answers, Passes, query, service_zone};
use cartonym_plugin::{Client, Transport};
use cartonym_plugin_registry::Records;
use cartonym_responder::{Chain, Moment, Responder, Scratch, Verdict};
use cartonym_wire::{Name, Type};
use cartonym_zone::{RecordTable, Snapshot};

const SERVICES: usize = 333;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let kind = args.next().unwrap_or_default();
    let count: usize = args.next().and_then(|count| count.parse().ok()).unwrap_or(0);
    let name = |prefix: &str, n: usize| format!("{prefix}-{}.sd.example.", n * 71 % SERVICES);
    let queries: Vec<_> = (0..SERVICES)
        .map(|n| match kind.as_str() {
            "A" => query(&name("svc", n), Type::A),
            "SRV" => query(&name("svc", n), Type::SRV),
            // A record, behind no plugin or behind ten that say `Next`.
            "NEXT0" | "NEXT10" => query(&name("svc", n), Type::A),
            "NODATA" => query(&name("svc", n), Type::AAAA),
            _ => query(&name("nx", n), Type::A),
        })
        .collect();
    let table = Arc::new(RecordTable::new(7));
    let zone = service_zone(SERVICES, table.hasher());
    table.publish(Snapshot::new(table.hasher()).with(Arc::new(zone)));
    let passing = if kind == "NEXT10" { 10 } else { 0 };
    let chain = (0..passing).fold(Chain::new(), |chain, _| chain.then(Passes::default()));
    let chain = if kind.starts_with("NEXT") { chain.then(Answers) } else { chain.then(Records::of(table)) };
    let responder = Responder::builder().zone(Name::ROOT, chain).build();
    let (mut scratch, mut out) = (Scratch::default(), vec![0; 65535]);
    let address = SocketAddr::from(([127, 0, 0, 1], 5300));
    let client = Client { address, local: address, transport: Transport::Udp };
    for at in 0..count {
        let moment = Moment { now: Duration::ZERO, random: at as u64 };
        let verdict =
            responder.respond(&mut scratch, black_box(&queries[at % SERVICES]), client, moment, &mut out);
        if !matches!(verdict, Verdict::Send(len) if len > 12) {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
