//! Zones to measure with: a service discovery of any size.

use cartonym_wire::{Hasher, NameBuf, Ttl, Type};
use cartonym_zone::{Zone, ZoneBuilder};

mod chains;

pub use chains::{Answers, Passes};

/// The instances of each service.
pub const INSTANCES: usize = 10;

/// The origin of the measured zone.
pub fn origin() -> NameBuf {
    parse("sd.example.")
}

/// A zone of `services` services, each with ten A records, ten SRV records and an A record for each target; built as a
/// master file is.
pub fn service_zone(services: usize, hasher: Hasher) -> Zone {
    let mut zone = ZoneBuilder::new(&origin(), hasher);
    let mut soa = parse("ns.sd.example.").as_wire().to_vec();
    soa.extend_from_slice(parse("hostmaster.sd.example.").as_wire());
    for number in [1u32, 60, 10, 3600, 5] {
        soa.extend_from_slice(&number.to_be_bytes());
    }
    add(&mut zone, "sd.example.", Type::SOA, &soa);
    add(&mut zone, "sd.example.", Type::NS, parse("ns.sd.example.").as_wire());
    for service in 0..services {
        add_service(&mut zone, service);
    }
    zone.finish().zone
}

/// Adds one service with its instances.
fn add_service(zone: &mut ZoneBuilder, service: usize) {
    let name = format!("svc-{service}.sd.example.");
    for instance in 0..INSTANCES {
        add(zone, &name, Type::A, &address(service, instance));
    }
    for instance in 0..INSTANCES {
        let mut srv = vec![0, 1, 0, 1, 0x1F, 0x90];
        srv.extend_from_slice(parse(&format!("i-{instance}.{name}")).as_wire());
        add(zone, &name, Type::SRV, &srv);
    }
    for instance in 0..INSTANCES {
        add(zone, &format!("i-{instance}.{name}"), Type::A, &address(service, instance));
    }
}

/// A query message for one question, with EDNS.
pub fn query(name: &str, qtype: Type) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    query.extend_from_slice(parse(name).as_wire());
    query.extend_from_slice(&qtype.0.to_be_bytes());
    query.extend_from_slice(&[0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    query
}

fn address(service: usize, instance: usize) -> [u8; 4] {
    let [_, _, a, b] = (service as u32).to_be_bytes();
    [10, a, b, instance as u8]
}

fn add(zone: &mut ZoneBuilder, owner: &str, rtype: Type, rdata: &[u8]) {
    zone.add(&parse(owner), rtype, Ttl::from_secs(60), rdata)
        .expect("a record of the zone, and no large set");
}

fn parse(text: &str) -> NameBuf {
    text.parse().expect("a name")
}
