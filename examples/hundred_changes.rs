//! A zone that code changes 100 times a second while it is served: `now.example. TXT` is the number of the change.
#![allow(clippy::print_stdout, reason = "people are told where it listens")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cartonym::wire::{NameBuf, Ttl, Type};
use cartonym::zone::{RecordTable, Zone};
use cartonym::{Chain, Records, Server};
use tokio::time::interval;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A server that strangers ask takes a number by lot here.
    let table = Arc::new(RecordTable::new(1));
    let mut zone = first(&table)?;
    table.put(zone.clone());
    let server = Server::new()
        .listen(std::env::args().nth(1).unwrap_or("127.0.0.1:5353".into()))
        .zone("example", Chain::new().then(Records::of(table.clone())))
        .start()?;
    println!("DNS at {:?}", server.local_addrs());
    let mut ticks = interval(Duration::from_millis(10));
    for number in 1u64.. {
        ticks.tick().await;
        // The zone before is shared but for what has changed; queries that began with it keep it.
        zone = changed(&zone, number, &table)?;
        table.put(zone.clone());
    }
    Ok(())
}

fn first(table: &RecordTable) -> Result<Arc<Zone>, Box<dyn Error>> {
    let origin: NameBuf = "example.".parse()?;
    let server: NameBuf = "ns.example.".parse()?;
    let times = [1, 3600, 600, 86_400, 0].map(u32::to_be_bytes).concat();
    let soa = [server.as_wire(), server.as_wire(), &times].concat();
    let mut edit = Zone::new(&origin, table.hasher()).edit(table.hasher());
    edit.add(&origin, Type::SOA, Ttl::from_secs(3600), &soa)?;
    edit.add(&origin, Type::NS, Ttl::from_secs(3600), server.as_wire())?;
    Ok(Arc::new(edit.finish()))
}

fn changed(zone: &Zone, number: u64, table: &RecordTable) -> Result<Arc<Zone>, Box<dyn Error>> {
    let name: NameBuf = "now.example.".parse()?;
    let text = number.to_string();
    let rdata = [&[u8::try_from(text.len())?], text.as_bytes()].concat();
    let mut edit = zone.edit(table.hasher());
    edit.remove_set(&name, Type::TXT)?;
    edit.add(&name, Type::TXT, Ttl::ZERO, &rdata)?;
    Ok(Arc::new(edit.finish()))
}
