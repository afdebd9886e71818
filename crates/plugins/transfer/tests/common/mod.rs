//! A zone in a table, `transfer` in front of it, and who asks.

#![allow(dead_code)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cartonym_plugin::{Client, Plugin, Transport};
use cartonym_responder::tsig::{Algorithm, Key, Keys};
use cartonym_responder::{Chain, Moment, Reply, Responder, Scratch, Verdict};
use cartonym_testing::{TestRecord, rdata_text};
use cartonym_wire::{Flags, MAX_MESSAGE_LEN, Message, Name, NameBuf, Rcode, Type, expand_rdata};
use cartonym_zone::{RecordTable, Snapshot, Tables, Zone};

pub(crate) const NOW: Duration = Duration::from_secs(1_700_000_000);
pub(crate) const ALLOWED: &str = "192.0.2.53:4000";
pub(crate) const STRANGER: &str = "198.51.100.1:4000";

/// A table of zones, told by a `transfer`.
pub(crate) struct World {
    pub(crate) tables: Arc<Tables>,
    pub(crate) table: Arc<RecordTable>,
}

impl World {
    /// With one zone, `example.`, of this serial.
    pub(crate) fn new(serial: u32, records: &str) -> World {
        let (tables, table) = (Arc::new(Tables::default()), Arc::new(RecordTable::new(1)));
        tables.add(Arc::clone(&table));
        let world = World { tables, table };
        world.publish("example.", serial, records);
        world
    }

    /// Replaces a zone, which shares with the one before what both have.
    pub(crate) fn publish(&self, origin: &str, serial: u32, records: &str) {
        let origin = name(origin);
        let hasher = self.table.hasher();
        let before = self.tables.zone(&origin);
        let before = before.unwrap_or_else(|| Arc::new(Zone::new(&origin, hasher)));
        let wanted: Vec<TestRecord> = soa(&origin, serial)
            .lines()
            .chain(records.lines())
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.trim().parse().unwrap())
            .collect();
        let mut edit = before.edit(hasher);
        for (owner, rtype, _, rdata) in before.records() {
            let keeps = wanted.iter().any(|to| *to.owner == *owner && to.rtype == rtype && to.rdata == rdata);
            if !keeps {
                edit.remove_record(owner, rtype, rdata).unwrap();
            }
        }
        for record in &wanted {
            edit.add(&record.owner, record.rtype, record.ttl, &record.rdata).unwrap();
        }
        let snapshot = Snapshot::clone(&self.table.load()).with(Arc::new(edit.finish()));
        self.table.publish(snapshot);
    }

    /// The records of `example.` without its SOA.
    pub(crate) fn told(&self) -> BTreeSet<String> {
        let zone = self.tables.zone(&name("example.")).unwrap();
        let records = zone.records().filter(|(_, rtype, ..)| *rtype != Type::SOA);
        let text = |(owner, rtype, ttl, rdata): (&Name, Type, cartonym_wire::Ttl, &[u8])| {
            format!("{owner} {} {rtype} {}", ttl.as_secs(), rdata_text(rtype, rdata))
        };
        records.map(text).collect()
    }
}

pub(crate) fn soa(origin: &Name, serial: u32) -> String {
    format!("{origin} 60 SOA ns.example. host.example. {serial} 2 3 4 5")
}

pub(crate) fn responder(plugin: Arc<dyn Plugin>) -> Arc<Responder> {
    let mut keys = Keys::new();
    for key in ["xfr.", "other."] {
        keys.add(Key::clone(&key_of(key))).unwrap();
    }
    Responder::builder().zone(Name::ROOT, Chain::new().then_shared(plugin)).keys(keys).build()
}

pub(crate) fn key_of(key: &str) -> Arc<Key> {
    Arc::new(Key::new(&name(key), Algorithm::HmacSha256, b"secret").unwrap())
}

pub(crate) fn name(text: &str) -> NameBuf {
    text.parse().unwrap()
}

/// A query for a whole zone.
pub(crate) fn axfr(origin: &str) -> Vec<u8> {
    query(origin, Type::AXFR)
}

/// A query for what has changed since a version.
pub(crate) fn ixfr(origin: &str, serial: u32) -> Vec<u8> {
    let mut message = query(origin, Type::IXFR);
    message[9] = 1;
    message.extend_from_slice(b"\xC0\x0C\0\x06\0\x01\0\0\0\0\0\x16\0\0");
    for number in [serial, 2, 3, 4, 5] {
        message.extend_from_slice(&number.to_be_bytes());
    }
    message
}

pub(crate) fn query(origin: &str, qtype: Type) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(name(origin).as_wire());
    message.extend_from_slice(&qtype.0.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message
}

/// All responses to a query.
pub(crate) async fn ask(
    responder: &Responder,
    message: &[u8],
    from: &str,
    transport: Transport,
) -> Vec<Vec<u8>> {
    let address: SocketAddr = from.parse().unwrap();
    let client = Client { address, local: SocketAddr::from(([192, 0, 2, 1], 53)), transport };
    let mut out = vec![0; MAX_MESSAGE_LEN];
    let moment = Moment { now: NOW, random: 0 };
    match responder.respond(&mut Scratch::default(), message, client, moment, &mut out) {
        Verdict::Send(len) => vec![out[..len].to_vec()],
        Verdict::Drop => Vec::new(),
        Verdict::Wait(suspended) => match suspended.resume(std::future::pending()).await {
            Reply::Message(message) => vec![message],
            Reply::Stream(messages) => messages.collect(),
            Reply::Nothing => Vec::new(),
        },
    }
}

pub(crate) fn rcode(message: &[u8]) -> Rcode {
    flags(message).rcode()
}

pub(crate) fn flags(message: &[u8]) -> Flags {
    Message::new(message).unwrap().header().flags
}

/// The records of all answer sections, each on a line.
pub(crate) fn answers(messages: &[Vec<u8>]) -> Vec<String> {
    let mut lines = Vec::new();
    for message in messages {
        for record in Message::new(message).unwrap().records().map(Result::unwrap) {
            let mut rdata = vec![0; MAX_MESSAGE_LEN];
            let len = record.rdata.len();
            let len = expand_rdata(message, record.rtype, record.rdata_start, len, &mut rdata).unwrap();
            let rdata = rdata_text(record.rtype, &rdata[..len]);
            if record.section == 0 {
                lines.push(format!("{} {} {} {rdata}", record.owner, record.ttl_bits, record.rtype));
            }
        }
    }
    lines
}
